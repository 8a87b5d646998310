# Tests of traces/: the format's core.
$(eval $(call unit,test_trace_rows,tests/traces/test_trace_rows.c tests/traces/rowgen.c,\
	$(BUILD)/libhaktrace.a -lzstd))

# Tests of haktrace, live and the Arrow streams.
PYTESTS += $(addprefix tests/traces/,test_haktrace.py test_import.py)
$(eval $(call unit,test_live,tests/traces/test_live.c,$(BUILD)/libhaktrace.a))
$(eval $(call helper,traces/generate,tests/traces/generate.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_arrow,tests/traces/test_arrow.c tests/traces/rowgen.c,\
	$(BUILD)/libhaktrace.a -lzstd))
