# The eBPF backend: where probes go (units), and what they see (needs root and a kernel with eBPF).
PROBE_SOURCES := $(addprefix recorder/ebpf/,symbols.c disassembler.c spot.c entrances.c)
TRACER_SOURCES := $(addprefix recorder/ebpf/,uprobes.c warden.c loader.c tracer.c codefile.c)

$(eval $(call unit,test_spot,tests/ebpf/test_spot.c recorder/ebpf/spot.c recorder/ebpf/disassembler.c,))
$(eval $(call unit,test_entrances,tests/ebpf/test_entrances.c $(PROBE_SOURCES),$(BUILD)/libhaktrace.a \
	-lelf -lzstd))
$(eval $(call unit,test_tracer,tests/ebpf/test_tracer.c recorder/elffile.c $(PROBE_SOURCES) \
	$(TRACER_SOURCES),$(BUILD)/libhaktrace.a $(EBPF_LIBRARIES) -lzstd))
CFLAGS_tests/ebpf/test_tracer := -fno-builtin
$(eval $(call helper,ebpf/hello-hakmem,tests/workloads/hello.c,$(BUILD)/libhakmem.a -ldl))
PYTESTS += $(addprefix tests/ebpf/,test_ebpf.py test_attachment.py test_choice.py)

BENCHES += bench-ebpf
bench-ebpf: ## what the eBPF backend costs: a probe, a program's calls, attaching, detaching
	$(Q)$(PYTHON) tests/ebpf/bench_ebpf.py --out $(BUILD)/bench/ebpf.jsonl
$(eval $(call helper,ebpf/probecost,tests/ebpf/probecost.c recorder/elffile.c $(PROBE_SOURCES) \
	$(TRACER_SOURCES),$(BUILD)/libhaktrace.a $(EBPF_LIBRARIES) -lzstd))
CFLAGS_tests/ebpf/probecost := -fno-builtin
