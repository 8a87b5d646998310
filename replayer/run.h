/*
 * One run: what hakreplay asks of a runner process and what it gets back, in shared memory, so that
 * the runner neither parses nor prints anything and a crash loses nothing that was known.
 */
#ifndef REPLAYER_RUN_H
#define REPLAYER_RUN_H

#include "allocator/hakmem.h"

#include <limits.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Descriptors that the runner inherits. */
#define RUN_FD      3
#define RUN_PLAN_FD 4

enum run_schedule { RUN_LOCKSTEP, RUN_PARALLEL, RUN_PACED };

/* How much of a block is written when it is born; a grown block's new part likewise. */
enum run_touch {
	RUN_TOUCH_NONE,
	RUN_TOUCH_FIRST, /* one byte */
	RUN_TOUCH_PAGES, /* blocks below RUN_LARGE_BYTES whole, of others one byte in each page
			  * that was resident when recorded, or where that is not known in each */
	RUN_TOUCH_ALL,
};

#define RUN_HAK_PARTS   8 /* of hakmem, at most */
#define RUN_LARGE_BYTES (128 * 1024)

enum run_state {
	RUN_BEGUN,   /* and nothing more heard: the runner died */
	RUN_STARTED, /* the allocator is proven, the clock was started */
	RUN_DONE,
	RUN_REFUSED, /* `failure` says why */
};

/* The order. */
struct run_order {
	enum run_schedule schedule;
	enum run_touch touch;
	uint32_t copies;
	double speed; /* paced: of the recording's */
	bool check;
	bool baton;   /* lockstep between real threads, whatever the processor can do */
	bool null;    /* the built-in null allocator */
	bool hakmem;  /* the allocator is to be hakmem: it has counters */
	bool latency; /* times every call */
	bool census;  /* looks what resident memory is made of, in time that does not count */
	uint64_t ops; /* calls that the run makes */
	bool probe;   /* only tell the parts of hakmem */
	bool sites;   /* calls go through hak_malloc_at and friends */
	int parent;   /* process id of hakreplay, without which no run goes on */
	char library[PATH_MAX]; /* resolved path of the preloaded library; "": the C library's own
				 */
};

/* Paced: how late calls began. */
struct run_late {
	uint64_t mean_ns;
	uint64_t p50_ns;
	uint64_t p99_ns;
	uint64_t max_ns;
};

#define RUN_QUANTILES 5    /* 0.5, 0.9, 0.99, 0.999, 0.9999 */
#define RUN_LATENCIES 1600 /* rows, at most */
#define RUN_SERIES    128  /* samples of a census */
#define RUN_COUNTERS  64

/* Latencies of some calls. */
struct run_latency {
	int32_t kind;         /* enum trace_kind; -1: all */
	int32_t place;        /* frees: 0 by the thread that allocated, 1 by another; -1: all */
	uint64_t class_bytes; /* sizes up to this and above half of it (UINT64_MAX: the rest); 0:
				 all */
	uint64_t count;
	double quantile_ns[RUN_QUANTILES];
	double max_ns;
};

/* A look at the memory. */
struct run_sample {
	uint64_t ops;            /* calls made so far */
	uint64_t rss_bytes;      /* resident, of the heap */
	uint64_t live_bytes;     /* asked for and not yet freed */
	uint64_t rounding_bytes; /* what these blocks can hold beyond that, as the allocator says */
	uint64_t free_bytes;     /* without a living block, in resident pages that have held one */
};

struct run_series {
	struct run_sample samples[RUN_SERIES];
	unsigned count; /* 0: no census was taken */
	bool split;     /* rounding_bytes and free_bytes are known */
};

struct run_counter {
	char name[56];
	uint64_t value;
};

/* The outcome. */
struct run_outcome {
	_Atomic enum run_state state;
	bool baton;
	char failure[512];
	char notes[512];           /* substitutions made, lines */
	char path[PATH_MAX];       /* of the library whose malloc answered; "" for null */
	char build_id[2 * 64 + 1]; /* "" when it has none */
	uint64_t wall_ns;
	uint64_t cpu_ns;
	uint64_t
		peak_rss_bytes; /* anonymous memory at the peak, less what the runner itself maps */
	uint64_t peak_live_bytes;
	uint64_t minor_faults;
	uint64_t major_faults;
	uint64_t voluntary_switches;
	uint64_t involuntary_switches;
	uint64_t digest;
	uint64_t order_digest; /* only lockstep */
	struct run_late late;
	uint32_t parts;     /* of the plan */
	uint64_t stall_ns;  /* that the clocks stood still for new parts */
	uint64_t surprises; /* calls that failed when recorded and did not now */
	struct run_counter counters[RUN_COUNTERS]; /* the allocator's own */
	unsigned n_counters;
	double timer_ns; /* cost of reading the clock, taken off each latency */
	struct run_latency latency[RUN_LATENCIES];
	unsigned latencies; /* 0: not measured */
	struct run_series series;
	struct hak_part hak_parts[RUN_HAK_PARTS]; /* probe: the parts that hakmem has */
	unsigned n_hak_parts;
	_Atomic uint64_t check_errors;
	char faults[8][256]; /* the first check errors */
};

/* How far the run is, for hakreplay to look at: a cache line of its own. */
struct run_progress {
	alignas(64) _Atomic uint64_t entries; /* done, of all parts and copies */
};

/* A plan in several parts: how many the runner has asked for after the first, how many it got. */
struct run_feed {
	_Atomic uint32_t wanted;
	_Atomic uint32_t made;
	_Atomic bool failed;
};

struct run {
	struct run_order order;
	struct run_progress progress;
	struct run_feed feed;
	struct run_outcome outcome;
};

#endif
