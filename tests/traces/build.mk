# Tests of traces/: the format's core.
$(eval $(call unit,test_trace_rows,tests/traces/test_trace_rows.c tests/traces/rowgen.c,\
	$(BUILD)/libhaktrace.a -lzstd))
