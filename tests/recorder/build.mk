PYTESTS += $(addprefix tests/recorder/,test_real_programs.py test_calls.py test_threads.py test_processes.py test_forks.py \
	test_endings.py test_output.py test_refusals.py test_modules.py test_limits.py test_order.py \
	test_allocators.py test_stacks.py test_resident.py test_face.py test_live.py test_long.py)

BENCHES += bench-recorder
bench-recorder: ## what recording costs, paired with the same program unrecorded
	$(Q)$(PYTHON) tests/recorder/bench_recorder.py --out $(BUILD)/bench/recorder.jsonl

SOAKS += soak-recorder soak-real
soak-recorder: export HAK_SCALE := 50
soak-recorder: ## the recorder's hard cases with 50 times the threads, forks, kills and signals; 10^9 calls
	$(Q)$(PYTHON) -m pytest -q -p no:cacheprovider $(filter-out %_programs.py,$(filter tests/recorder/%,$(PYTESTS)))
soak-real: export HAK_SCALE := 10
soak-real: ## the real programs with 10 times the work: recorded, replayed, and on hakmem
	$(Q)$(PYTHON) -m pytest -q -p no:cacheprovider tests/recorder/test_real_programs.py \
		tests/replay_real tests/allocator_real

# The session without hakrec: what the clocks alone say of the order.
$(eval $(call helper,recorder/orderer,tests/recorder/orderer.c tests/recorder/stream.c \
	tests/recorder/addresses.c recorder/session.c,$(BUILD)/libhaktrace.a -lzstd))
$(eval $(call unit,test_addresses,tests/recorder/test_addresses.c tests/recorder/addresses.c))

# hakrec with room for few processes and threads.
$(eval $(call helper,recorder/hakrec-narrow,$(HAKREC_SOURCES) tests/recorder/narrow.c,$(BUILD)/libhaktrace.a \
	-lzstd -ljson-c -ldw $(EBPF_LIBRARIES),-Wl$(comma)--wrap=host_open))

# hakrec at the end of its clock.
$(eval $(call helper,recorder/hakrec-aged,$(HAKREC_SOURCES) tests/recorder/aged.c,$(BUILD)/libhaktrace.a \
	-lzstd -ljson-c -ldw $(EBPF_LIBRARIES),-Wl$(comma)--wrap=host_open))
