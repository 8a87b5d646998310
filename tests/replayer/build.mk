# Tests of replayer/.
REPLAY_PLANNER := $(addprefix replayer/,survey.c slots.c planfile.c planner.c)

$(eval $(call helper,replayer/randomtrace,tests/replayer/randomtrace.c tests/replayer/randomrows.c,\
	$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_plan,tests/replayer/test_plan.c tests/replayer/randomrows.c \
	$(REPLAY_PLANNER),$(BUILD)/libhaktrace.a -lzstd))
