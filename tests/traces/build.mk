# Tests of traces/: the format's core.
$(eval $(call unit,test_trace_rows,tests/traces/test_trace_rows.c tests/traces/rowgen.c,\
	$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_trace_golden,$(addprefix tests/traces/,test_trace_golden.c text.c tiny.c),\
	$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_trace_damage,tests/traces/test_trace_damage.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_trace_writer,tests/traces/test_trace_writer.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_varint,tests/traces/test_varint.c,))
$(eval $(call unit,test_trace_cursor,$(addprefix tests/traces/,test_trace_cursor.c rowgen.c),\
	$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call helper,traces/golden,$(addprefix tests/traces/,golden.c forge.c rowgen.c text.c tiny.c),\
	$(BUILD)/libhaktrace.a -lzstd))
PYTESTS += tests/traces/test_library.py

# make fuzz-traces: the reader on mutated golden traces, a minute; FUZZ_SECONDS=N for longer.
FUZZERS += fuzz-traces
FUZZ_SECONDS ?= 60
FUZZ_TRACES := $(addprefix tests/traces/,fuzz_traces.c forge.c) $(addprefix traces/,bytes.c kind.c \
	frame.c index.c header.c tables.c decoder.c scan.c reader.c cursor.c)

$(BUILD)/fuzz/traces: $(FUZZ_TRACES) $(wildcard traces/*.h tests/traces/*.h)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) -std=gnu17 -g -O1 -pthread -fsanitize=fuzzer$(comma)address$(comma)undefined \
		-fno-sanitize-recover=all -o $@ $(FUZZ_TRACES) -lzstd

fuzz-traces: $(BUILD)/fuzz/traces $(BUILD)/tests/traces/golden
	$(Q)mkdir -p $(BUILD)/fuzz/traces-seeds $(BUILD)/fuzz/traces-corpus
	$(Q)cp traces/golden/*.zst traces/golden/bad/*.zst $(BUILD)/fuzz/traces-seeds
	$(Q)for name in tiny every later; do $(BUILD)/tests/traces/golden --contents \
		traces/golden/$$name.zst > $(BUILD)/fuzz/traces-seeds/$$name.contents; done
	cd $(BUILD)/fuzz && ./traces -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -rss_limit_mb=2048 \
		-timeout=10 -print_final_stats=1 traces-corpus traces-seeds

# Tests of haktrace, live and the Arrow streams.
PYTESTS += $(addprefix tests/traces/,test_haktrace.py test_remake.py test_import.py test_importers.py \
	test_export.py test_profiles.py test_symbols.py test_large.py test_rules_command.py)
$(eval $(call unit,test_statistic,tests/traces/test_statistic.c,$(BUILD)/libhaktrace.a -lm))
$(eval $(call unit,test_live,tests/traces/test_live.c,$(BUILD)/libhaktrace.a))
$(eval $(call helper,traces/mtraced,tests/traces/mtraced.c))
$(eval $(call helper,traces/generate,tests/traces/generate.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_arrow,tests/traces/test_arrow.c tests/traces/rowgen.c,\
	$(BUILD)/libhaktrace.a $(TRACE_LIBRARIES)))

# make fuzz-import: the import of mutated logs, a minute; FUZZ_SECONDS=N for longer.
FUZZERS += fuzz-import
FUZZ_IMPORT := tests/traces/fuzz_import.c $(TRACE_SOURCES) $(addprefix traces/,order.c lexer.c resolver.c \
	android.c logalloc.c malloclab.c mtrace.c)

$(BUILD)/fuzz/import: $(FUZZ_IMPORT) $(wildcard traces/*.h)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) -std=gnu17 -g -O1 -pthread -fsanitize=fuzzer$(comma)address$(comma)undefined \
		-fno-sanitize-recover=all -o $@ $(FUZZ_IMPORT) $(TRACE_LIBRARIES)

fuzz-import: $(BUILD)/fuzz/import
	$(Q)mkdir -p $(BUILD)/fuzz/import-corpus
	$(Q)printf ' 1: malloc 0x10 8\n2: realloc 0x20 0x10 9\n1: free 0x20\n1: thread_done 0x0\n' \
		> $(BUILD)/fuzz/import-corpus/android
	$(Q)printf '"7 1 malloc(8)=0x10\n7 1 realloc(0x10,9)=0x20\n7 1 free(0x20)\n' \
		> $(BUILD)/fuzz/import-corpus/logalloc
	$(Q)printf '$$9\n1\n3\n1\na 0 8\nr 0 9\nf 0\n' > $(BUILD)/fuzz/import-corpus/malloclab
	$(Q)printf '&= Start\n@ a:[0x10] + 0x10 0x8\n@ a:[0x1] < 0x10\n@ a:[0x1] > 0x20 0x9\n- 0x20\n' \
		> $(BUILD)/fuzz/import-corpus/mtrace
	cd $(BUILD)/fuzz && ./import -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
		-print_final_stats=1 import-corpus

SOAKS += soak-trace
soak-trace: export HAK_SCALE := 100
soak-trace: ## a trace of 100 million events: written, verified, read, opened in pandas
	$(Q)$(PYTHON) -m pytest -q -p no:cacheprovider --durations=0 tests/traces/test_large.py
