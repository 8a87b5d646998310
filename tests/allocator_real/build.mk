PYTESTS += tests/allocator_real/test_programs_on_hakmem.py

SOAKS += soak-suites
soak-suites: ## the test suites of python3, sqlite3 and perl on hakmem, fetched from the Debian archive
	$(Q)$(PYTHON) tests/allocator_real/suites.py
