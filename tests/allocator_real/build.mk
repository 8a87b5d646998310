PYTESTS += tests/allocator_real/test_programs_on_hakmem.py
