# libhakrec.so goes into the recorded program, hakrec is the program around it.
LIBHAKREC_SOURCES := $(addprefix recorder/,session.c bootstrap.c extent.c real.c track.c notepad.c clock.c pen.c \
	callsite.c stackbase.c loaded.c guest.c hooks.c)
HAKREC_SOURCES := $(addprefix recorder/,session.c host.c inlet.c notebook.c objects.c ledger.c crew.c \
	elffile.c modules.c sites.c unwinder.c merge.c process.c outputs.c drain.c facts.c target.c launch.c \
	options.c report.c hakrec.c)

CFLAGS_recorder/hooks := -fno-builtin

$(eval $(call shared,hakrec,$(LIBHAKREC_SOURCES)))
$(eval $(call program,hakrec,$(HAKREC_SOURCES),$(BUILD)/libhaktrace.a -lzstd -ljson-c -ldw -lelf))
