# The runner, which hakreplay carries inside it: without sanitizers, since another allocator is
# preloaded into it, and without libraries, so that nothing else uses that allocator.
HAKREPLAY_RUNNER := $(addprefix replayer/,failure.c verbs.c null.c proof.c counters.c resolution.c \
	pattern.c watch.c latency.c gate.c special.c engine.c roster.c metronome.c parts.c lockstep.c \
	parallel.c meter.c census.c runner.c)

$(foreach source,$(HAKREPLAY_RUNNER),$(eval CFLAGS_$(basename $(source)) := -fno-sanitize=all \
	-fPIE -fomit-frame-pointer -fno-tree-vectorize))
$(eval $(call link,$(BUILD)/obj/replayer/runner,$(HAKREPLAY_RUNNER),,-fno-sanitize=all))

# hakreplay.
HAKREPLAY_SOURCES := $(addprefix replayer/,word.c request.c verbs.c allocators.c metric.c sample.c cell.c \
	condition.c history.c verdict.c tempo.c resident.c survey.c slots.c planfile.c pacing.c entries.c \
	compiler.c planner.c image.c bar.c dispatch.c ablation.c contest.c machine.c jsonlines.c table.c hakreplay.c)

CFLAGS_replayer/image := -DIMAGE_FILE='"$(BUILD)/obj/replayer/runner"'
$(BUILD)/obj/replayer/image.o: $(BUILD)/obj/replayer/runner
$(eval $(call program,hakreplay,$(HAKREPLAY_SOURCES),$(BUILD)/libhaktrace.a -lzstd -ljson-c -lm))
MANPAGES += replayer/hakreplay.1
