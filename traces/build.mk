# libhaktrace: the trace format's writer and reader, static and shared.
TRACE_SOURCES := $(addprefix traces/,bytes.c kind.c frame.c definition.c index.c header.c framefile.c \
	encoder.c writer.c tables.c decoder.c scan.c reader.c cursor.c live.c \
	law.c ranks.c statistic.c \
	arrowdata.c arrowcolumns.c arrowstream.c arrowevents.c arrowpages.c arrowtables.c \
	idmap.c debuginfo.c scopes.c symbol.c callchain.c arrowsymbols.c)
TRACE_LIBRARIES := -lzstd -lm -ldw -lelf -lstdc++

$(eval $(call archive,haktrace,$(TRACE_SOURCES)))
$(eval $(call shared,haktrace,$(TRACE_SOURCES),$(TRACE_LIBRARIES),-Wl$(comma)-soname$(comma)libhaktrace.so))
HEADERS += traces/trace.h traces/calls.h traces/sitekey.h

# haktrace: looks into traces, checks them, makes them from other logs, writes other formats.
HAKTRACE_SOURCES := $(addprefix traces/,printer.c names.c listing.c summary.c order.c command.c \
	product.c info.c dump.c verify.c lines.c lexer.c resolver.c callers.c android.c \
	logalloc.c malloclab.c mtrace.c import.c exporter.c usage.c androidlog.c \
	collapsed.c protobuf.c pprof.c perfetto.c heaptrack.c parquet.c exports.c \
	advice.c rules.c remake.c slice.c anonymize.c haktrace.c)

$(eval $(call program,haktrace,$(HAKTRACE_SOURCES),$(BUILD)/libhaktrace.a $(TRACE_LIBRARIES) -ljson-c -larchive))
MANPAGES += traces/haktrace.1
