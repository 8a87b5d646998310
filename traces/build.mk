# libhaktrace: the trace format's writer and reader, static and shared.
TRACE_SOURCES := $(addprefix traces/,bytes.c kind.c frame.c definition.c index.c header.c encoder.c \
	writer.c tables.c decoder.c scan.c reader.c cursor.c live.c) $(wildcard traces/arrow.c)

$(eval $(call archive,haktrace,$(TRACE_SOURCES)))
$(eval $(call shared,haktrace,$(TRACE_SOURCES),-lzstd,-Wl$(comma)-soname$(comma)libhaktrace.so))
HEADERS += traces/trace.h traces/calls.h traces/sitekey.h
