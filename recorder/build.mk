include recorder/ebpf/build.mk

# libhakrec.so goes into the recorded program, hakrec is the program around it.
LIBHAKREC_SOURCES := $(addprefix recorder/,session.c bootstrap.c extent.c real.c track.c notepad.c clock.c bias.c pen.c \
	leftover.c callsite.c fork.c executable.c loaded.c preface.c filters.c residency.c invitation.c guest.c imports.c \
	turns.c hooks.c)
HAKREC_SOURCES := $(addprefix recorder/,session.c filters.c host.c inlet.c notebook.c objects.c ledger.c crew.c \
	elffile.c executable.c modules.c sites.c walked.c streak.c unwinder.c merge.c shellwords.c account.c legacy.c process.c \
	outputs.c ticker.c recording.c idler.c deadman.c family.c drain.c facts.c target.c launch.c options.c report.c \
	hakrec.c) $(EBPF_SOURCES)

# Each hook leaves the frame pointer as its caller has it, and moves nothing to other registers for the
# slow paths.
CFLAGS_recorder/hooks := -fno-builtin -mprfchw -fomit-frame-pointer \
	-fno-tree-sink -fno-cse-follow-jumps
# Its loop has use for every register.
CFLAGS_recorder/streak := -fomit-frame-pointer

$(eval $(call shared,hakrec,$(LIBHAKREC_SOURCES)))
$(eval $(call program,hakrec,$(HAKREC_SOURCES),$(BUILD)/libhaktrace.a -lzstd -ljson-c -ldw $(EBPF_LIBRARIES)))
MANPAGES += recorder/hakrec.1
