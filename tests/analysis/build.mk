# Tests of the Python package, and the program that writes their traces.

$(eval $(call helper,analysis/scribe,tests/analysis/scribe.c,$(BUILD)/libhaktrace.a -lzstd))

PYTESTS += $(sort $(wildcard tests/analysis/test_*.py))

SOAKS += soak-analysis
soak-analysis: export HAK_SCALE := 100
soak-analysis: ## every analysis of a trace of 100 million events, in chunks
	$(Q)$(PYTHON) -m pytest -q -s -p no:cacheprovider --durations=0 tests/analysis/test_scale.py
