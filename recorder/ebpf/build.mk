# The eBPF backend of hakrec: the kernel part is compiled for BPF and put into a C header.
EBPF_SOURCES := $(addprefix recorder/ebpf/,symbols.c disassembler.c spot.c entrances.c uprobes.c warden.c loader.c tracer.c origins.c \
	codefile.c stacks.c proc.c tracee.c tids.c threadstack.c tracees.c messages.c follow.c ebpf.c)
EBPF_LIBRARIES := -lbpf -lelf
EBPF_OBJECT := $(BUILD)/obj/recorder/ebpf/probes.bpf.o
EBPF_SKELETON := $(BUILD)/obj/recorder/ebpf/probes.skel.h
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)

$(EBPF_OBJECT): recorder/ebpf/probes.bpf.c $(wildcard recorder/ebpf/*.bpf.h) \
		$(addprefix recorder/ebpf/,kernel.h ring.h build.mk) traces/calls.h
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)clang -O2 -g -target bpf -mcpu=v3 -Wall -Werror -I. -c -o $@ $<

$(EBPF_SKELETON): $(EBPF_OBJECT)
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name probes > $@

CFLAGS_recorder/ebpf/tracer := -I$(BUILD)/obj/recorder/ebpf
$(BUILD)/obj/recorder/ebpf/tracer.o: $(EBPF_SKELETON)
