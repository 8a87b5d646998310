# Tests of traces/: the format's core.
$(eval $(call unit,test_trace_rows,tests/traces/test_trace_rows.c tests/traces/rowgen.c,\
	$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_trace_golden,$(addprefix tests/traces/,test_trace_golden.c text.c tiny.c),\
	$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_trace_damage,tests/traces/test_trace_damage.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_trace_writer,tests/traces/test_trace_writer.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_trace_cursor,$(addprefix tests/traces/,test_trace_cursor.c rowgen.c),\
	$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call helper,traces/golden,$(addprefix tests/traces/,golden.c forge.c rowgen.c text.c tiny.c),\
	$(BUILD)/libhaktrace.a -lzstd))

# Tests of haktrace, live and the Arrow streams.
PYTESTS += $(addprefix tests/traces/,test_haktrace.py test_import.py test_large.py)
$(eval $(call unit,test_live,tests/traces/test_live.c,$(BUILD)/libhaktrace.a))
$(eval $(call helper,traces/generate,tests/traces/generate.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_arrow,tests/traces/test_arrow.c tests/traces/rowgen.c,\
	$(BUILD)/libhaktrace.a -lzstd))

SOAKS += soak-trace
soak-trace: export HAK_SCALE := 100
soak-trace: ## a trace of 100 million events: written, verified, read, opened in pandas
	$(Q)$(PYTHON) -m pytest -q -p no:cacheprovider --durations=0 tests/traces/test_large.py
