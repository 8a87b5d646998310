# Objects instead of the archive: the C library's own names must stay the sanitizers'.
STRESS_OBJECTS := tests/allocator/stress.c $(ALLOCATOR_CORE)
$(eval $(call helper,stress,$(STRESS_OBJECTS)))
