# Unit tests of recorder/: the nouns of hakrec, and of the library in the program.
recorder_sources = $(addprefix recorder/,$(addsuffix .c,$(1)))

$(eval $(call unit,test_session,tests/recorder_unit/test_session.c $(call recorder_sources,session filters host)))
$(eval $(call unit,test_objects,tests/recorder_unit/test_objects.c $(call recorder_sources,objects)))
$(eval $(call unit,test_idler,tests/recorder_unit/test_idler.c $(call recorder_sources,idler)))
$(eval $(call unit,test_deadman,tests/recorder_unit/test_deadman.c $(call recorder_sources,session deadman)))
$(eval $(call unit,test_merge,tests/recorder_unit/test_merge.c \
	$(call recorder_sources,session filters host track inlet merge)))
$(eval $(call unit,test_clock,tests/recorder_unit/test_clock.c \
	$(call recorder_sources,session filters host track clock)))
$(eval $(call unit,test_bias,tests/recorder_unit/test_bias.c \
	$(call recorder_sources,session filters host track clock bias pen),$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_leftover,tests/recorder_unit/test_leftover.c \
	$(call recorder_sources,session filters host track clock bias pen leftover),$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_notebook,tests/recorder_unit/test_notebook.c \
	$(call recorder_sources,session filters host track notepad inlet notebook)))
$(eval $(call unit,test_callsite,tests/recorder_unit/test_callsite.c \
	$(call recorder_sources,session filters host track notepad loaded callsite),$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_residency,tests/recorder_unit/test_residency.c \
	$(call recorder_sources,session filters host track notepad residency),$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_ledger,tests/recorder_unit/test_ledger.c \
	$(call recorder_sources,objects ledger),$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_streak,tests/recorder_unit/test_streak.c \
	$(call recorder_sources,objects ledger sites streak),$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_recording,tests/recorder_unit/test_recording.c \
	$(call recorder_sources,outputs ledger objects ticker recording),$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_losses,tests/recorder_unit/test_losses.c $(call recorder_sources,session filters host \
	track notepad clock bias pen inlet notebook objects ledger crew elffile modules sites walked streak unwinder \
	merge shellwords account legacy process),$(BUILD)/libhaktrace.a -lzstd -ldw -lelf))
$(eval $(call unit,test_unwinder,tests/recorder_unit/test_unwinder.c \
	$(call recorder_sources,elffile modules unwinder),$(BUILD)/libhaktrace.a -lzstd -ldw -lelf))
$(eval $(call unit,test_stackbase,tests/recorder_unit/test_stackbase.c))
PYTESTS += tests/recorder_unit/test_exports.py
