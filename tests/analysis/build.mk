# Tests of the Python package, and the program that writes their traces.

$(eval $(call helper,analysis/scribe,tests/analysis/scribe.c,$(BUILD)/libhaktrace.a -lzstd))

PYTESTS += $(sort $(wildcard tests/analysis/test_*.py))
