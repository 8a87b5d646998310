# Benchmarks of allocators: small programs that know nothing of hakmem, and the script that runs them.
bench_c := batch large pair phases
bench_cxx := batches larson mixed relay scratch
$(foreach name,$(bench_c),$(eval $(call helper,bench/allocator/$(name),tests/bench/allocator/$(name).c)))
$(foreach name,$(bench_cxx),$(eval $(call helper,bench/allocator/$(name),tests/bench/allocator/$(name).cc)))
# The calls themselves are what is measured.
CFLAGS_tests/bench/allocator/pair := -fno-builtin
CFLAGS_tests/bench/allocator/large := -fno-builtin

BENCHES += bench-allocator bench-learning bench-rules
bench-allocator:
	$(PYTHON) tests/bench/allocator/rivals.py

bench-learning:
	$(PYTHON) tests/bench/allocator/learning.py

bench-rules:
	$(PYTHON) tests/bench/allocator/rules.py
