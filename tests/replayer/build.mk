# Tests of replayer/.
REPLAY_PLANNER := $(addprefix replayer/,bar.c tempo.c resident.c survey.c slots.c planfile.c pacing.c entries.c compiler.c planner.c)

$(eval $(call unit,test_plan,tests/replayer/test_plan.c tests/replayer/randomrows.c \
	$(REPLAY_PLANNER),$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_condition,tests/replayer/test_condition.c replayer/condition.c \
	replayer/metric.c))
$(eval $(call unit,test_tempo,tests/replayer/test_tempo.c replayer/tempo.c))
$(eval $(call unit,test_latency,tests/replayer/test_latency.c $(addprefix replayer/,latency.c \
	failure.c verbs.c),-lm))
$(eval $(call unit,test_bar,tests/replayer/test_bar.c replayer/bar.c))
$(eval $(call unit,test_pattern,tests/replayer/test_pattern.c replayer/pattern.c))

$(eval $(call helper,replayer/randomtrace,tests/replayer/randomtrace.c tests/replayer/randomrows.c,\
	$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call helper,replayer/naive,tests/replayer/naive.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call helper,replayer/libbroken.so,tests/replayer/broken.c,,-shared))
$(eval $(call helper,replayer/libpartial.so,tests/replayer/partial.c,,-shared))

# hakreplay around a runner that leaves out one call.
REPLAY_FORGETFUL := $(BUILD)/obj/tests/replayer/runner
CFLAGS_tests/replayer/forgetful := -fno-sanitize=all
CFLAGS_tests/replayer/forgetfulimage := -DIMAGE_FILE='"$(REPLAY_FORGETFUL)"'
$(BUILD)/obj/tests/replayer/forgetfulimage.o: $(REPLAY_FORGETFUL)
$(eval $(call link,$(REPLAY_FORGETFUL),$(HAKREPLAY_RUNNER) tests/replayer/forgetful.c,,\
	-fno-sanitize=all -Wl$(comma)--wrap=engine_run))
$(eval $(call helper,replayer/hakreplay-forgetful,$(filter-out %/image.c,$(HAKREPLAY_SOURCES)) \
	tests/replayer/forgetfulimage.c,$(BUILD)/libhaktrace.a -lzstd -ljson-c -lm))

PYTESTS += $(sort $(wildcard tests/replayer/test_*.py))

# Tells of programs that are run for real.
$(eval $(call helper,replayer/libwitness.so,tests/replayer/witness.c,,-shared))
$(eval $(call helper,replayer/libfillingwitness.so,$(addprefix tests/replayer/,witness.c filler.c),,\
	-shared))

BENCHES += bench-truth
bench-truth: ## does the replay say what the program itself shows under each allocator?
	$(Q)$(PYTHON) tests/replayer/bench_truth.py --out $(BUILD)/bench/truth.jsonl

BENCHES += bench-touch
bench-touch: ## replayed peaks with large blocks touched whole and as recorded, beside the live ones
	$(Q)$(PYTHON) tests/replayer/bench_touch.py --out $(BUILD)/bench/touch.jsonl

BENCHES += bench-replay
bench-replay: ## the replay loop's own cost by schedule, against a naive replayer
	$(Q)$(PYTHON) tests/replayer/bench_replay.py --out $(BUILD)/bench/replay.jsonl

SOAKS += soak-replay
soak-replay: export HAK_SCALE := 50
soak-replay: ## random legal traces, 50 times as many; 100 million and a billion events in 256 MB parts
	$(Q)$(PYTHON) -m pytest -q -p no:cacheprovider --durations=5 tests/replayer
	$(Q)$(PYTHON) tests/replayer/fuzz_schedules.py --seconds 3600

FUZZERS += fuzz-schedules
fuzz-schedules: export HAK_BUILD := $(abspath $(BUILD))
fuzz-schedules: test-programs ## random traces of up to 200 threads in every schedule: no hang, one digest
	$(Q)$(PYTHON) tests/replayer/fuzz_schedules.py --seconds $(FUZZ_SECONDS)
