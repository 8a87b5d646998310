# The eBPF backend: where probes go (units), and what they see (needs root and a kernel with eBPF).
PROBE_SOURCES := $(addprefix recorder/ebpf/,symbols.c spot.c entrances.c)

$(eval $(call unit,test_spot,tests/ebpf/test_spot.c recorder/ebpf/spot.c,-lcapstone))
$(eval $(call unit,test_entrances,tests/ebpf/test_entrances.c $(PROBE_SOURCES),$(BUILD)/libhaktrace.a \
	-lelf -lcapstone -lzstd))
$(eval $(call unit,test_tracer,tests/ebpf/test_tracer.c recorder/elffile.c $(PROBE_SOURCES) \
	$(addprefix recorder/ebpf/,uprobes.c warden.c tracer.c codefile.c),$(BUILD)/libhaktrace.a \
	$(EBPF_LIBRARIES) -lzstd))
CFLAGS_tests/ebpf/test_tracer := -fno-builtin
PYTESTS += $(addprefix tests/ebpf/,test_ebpf.py test_choice.py)
