# Objects instead of the archive: the C library's own names must stay the sanitizers'.
trapped := -Wl,--wrap=notice_fatal
refusing := $(addprefix -Wl$(comma)--wrap=,os_map os_map_at os_purge os_move os_lift os_resize)
$(eval $(call unit,allocator/test_class,tests/allocator/test_class.c $(ALLOCATOR_CORE)))
$(eval $(call unit,allocator/test_slab,tests/allocator/test_slab.c tests/allocator/trap.c $(ALLOCATOR_CORE),,$(trapped)))
$(eval $(call unit,allocator/test_shard,tests/allocator/test_shard.c tests/allocator/trap.c $(ALLOCATOR_CORE),,$(trapped)))
$(eval $(call unit,allocator/test_depot,tests/allocator/test_depot.c tests/allocator/trap.c $(ALLOCATOR_CORE),,$(trapped)))
$(eval $(call unit,allocator/test_heap,tests/allocator/test_heap.c tests/allocator/trap.c $(ALLOCATOR_CORE),,$(trapped)))
$(eval $(call unit,allocator/test_whale,tests/allocator/test_whale.c tests/allocator/trap.c $(ALLOCATOR_CORE),,$(trapped)))
$(eval $(call unit,allocator/test_stretch,tests/allocator/test_stretch.c tests/allocator/trap.c $(ALLOCATOR_CORE),,$(trapped) -Wl$(comma)--wrap=stretch_kept_bytes))
$(eval $(call unit,allocator/test_option,tests/allocator/test_option.c $(ALLOCATOR_CORE),,-Wl$(comma)--wrap=notice_warning))
$(eval $(call unit,allocator/test_bandit,tests/allocator/test_bandit.c $(ALLOCATOR_CORE)))
$(eval $(call unit,allocator/test_rule,tests/allocator/test_rule.c $(ALLOCATOR_CORE)))
$(eval $(call unit,allocator/test_standard,tests/allocator/test_standard.c $(ALLOCATOR_CORE)))
$(eval $(call unit,allocator/test_scarcity,tests/allocator/test_scarcity.c $(ALLOCATOR_CORE),,$(refusing)))
$(eval $(call helper,allocator/stress,tests/allocator/stress.c $(ALLOCATOR_CORE)))
$(eval $(call unit,allocator/test_stress,tests/allocator/test_stress.c))
$(BUILD)/tests/allocator/test_stress: $(BUILD)/tests/allocator/stress
$(eval $(call helper,allocator/misuse,tests/allocator/misuse.c))
$(eval $(call helper,allocator/newdelete,tests/allocator/newdelete.cc))
$(eval $(call helper,allocator/threads,tests/allocator/threads.c))
$(eval $(call helper,allocator/forks,tests/allocator/forks.c))
$(eval $(call helper,allocator/pages,tests/allocator/pages.c))
$(eval $(call helper,allocator/crowded,tests/allocator/crowded.c))
$(eval $(call helper,allocator/closing,tests/allocator/closing.c))
$(eval $(call helper,allocator/reserve,tests/allocator/reserve.c))
$(eval $(call helper,allocator/callsites,tests/allocator/callsites.cc))
# The same library without switches, and with every flag of the other.
HELPERS += $(BUILD)/tests/allocator/libhakmem-unswitched.so
$(BUILD)/tests/allocator/libhakmem-unswitched.so: tests/allocator/unswitched.h $(BUILD)/libhakmem.so
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) $(CFLAGS_allocator) -include $< -shared \
		$(BASE_LDFLAGS) $(LDFLAGS) -o $@ $(filter-out allocator/option.c allocator/part.c,$(ALLOCATOR_CORE) $(ALLOCATOR_NAMES))
PYTESTS += $(addprefix tests/allocator/,test_preload.py test_cgroup.py test_arm64.py test_rules.py test_switches.py \
	test_learning.py)

# The tests' own code for longer.
SOAKS += soak-allocator
SOAK_SECONDS ?= 3600
soak-allocator: ## hakmem under stress for an hour; SOAK_SECONDS=600 for ten minutes
	$(BUILD)/tests/allocator/stress --seconds $$(($(SOAK_SECONDS) / 2)) --threads 4
	$(BUILD)/tests/allocator/stress --seconds $$(($(SOAK_SECONDS) / 2)) --threads 24
