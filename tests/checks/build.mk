# Tests of what tests: the runner and the style check.

PYTESTS += $(sort $(wildcard tests/checks/test_*.py))
