#include "options.h"

#include "session.h"

#include <argp.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define RING_BYTES     ((uint64_t)32 << 20)
#define RING_BYTES_MIN ((uint64_t)1 << 20)
#define RING_BYTES_MAX ((uint64_t)1 << 30)

enum {
	OPTION_BACKEND = 256,
	OPTION_DURATION,
	OPTION_LOSSY,
	OPTION_LOSSLESS,
	OPTION_RING_SIZE,
	OPTION_NO_FOLLOW,
	OPTION_SITES,
	OPTION_TIME,
	OPTION_MAX_SIZE,
	OPTION_JSON,
};

static const struct argp_option table[] = {
	{"output", 'o', "FILE", 0,
	 "Write the first process's trace to FILE (default: PROGRAM.PID.zst)", 0},
	{"backend", OPTION_BACKEND, "preload|ebpf", 0,
	 "How to record: by a preloaded library, or by probes in the kernel (default: what works "
	 "for the program, preload if it does)",
	 0},
	{"pid", 'p', "PID", 0, "Attach to a running process, with eBPF", 0},
	{"duration", OPTION_DURATION, "SECONDS", 0, "Stay attached this long", 0},
	{"lossy", OPTION_LOSSY, NULL, 0, "Preload: drop calls, and count them, rather than wait",
	 0},
	{"lossless", OPTION_LOSSLESS, NULL, 0,
	 "eBPF: stop the program for a moment rather than drop calls and count them", 0},
	{"ring-size", OPTION_RING_SIZE, "BYTES", 0,
	 "eBPF: memory between the kernel and hakrec, a power of two (default: 32M)", 0},
	{"no-follow", OPTION_NO_FOLLOW, NULL, 0, "Record no child processes", 0},
	{"sites", OPTION_SITES, "address|context|none", 0,
	 "What a call site is: its return address, that and the stack's height (default), or "
	 "nothing",
	 0},
	{"time", OPTION_TIME, "coarse|exact", 0,
	 "Time to about a millisecond (default), or of each call", 0},
	{"max-size", OPTION_MAX_SIZE, "BYTES", 0,
	 "Stop recording before a trace gets larger (K, M, G, T: times 1024)", 0},
	{"quiet", 'q', NULL, 0, "No live line on a terminal, no summary", 0},
	{"json", OPTION_JSON, NULL, 0, "Summary as a JSON object per trace", 0},
	{0},
};

/* Sets one of the values of an option in the mode. */
static void choose(struct options *o, const char *value, struct argp_state *state,
		   const char *first, uint32_t first_mode, const char *second, uint32_t second_mode)
{
	o->mode &= ~(first_mode | second_mode);
	if (!strcmp(value, first))
		o->mode |= first_mode;
	else if (!strcmp(value, second))
		o->mode |= second_mode;
	else
		argp_error(state, "'%s' is neither '%s' nor '%s'", value, first, second);
}

static void choose_backend(struct options *o, const char *value, struct argp_state *state)
{
	if (!strcmp(value, "preload"))
		o->backend = BACKEND_PRELOAD;
	else if (!strcmp(value, "ebpf"))
		o->backend = BACKEND_EBPF;
	else
		argp_error(state, "'%s' is no backend", value);
}

static double number_of(const char *text, struct argp_state *state)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end || !(number > 0) || number > 1e9)
		argp_error(state, "'%s' is not a number above zero", text);
	return number;
}

static uint64_t size_of(const char *text, struct argp_state *state)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t bytes = strtoull(text, &end, 10);

	if (*end && (unit = strchr(units, toupper((unsigned char)*end)))) {
		bytes <<= 10 * (unit - units + 1);
		end++;
	}
	if (!isdigit((unsigned char)*text) || *end || !bytes)
		argp_error(state, "'%s' is not a size", text);
	return bytes;
}

static void check_together(const struct options *o, struct argp_state *state)
{
	if (!o->command && !o->pid)
		argp_error(state, "which program?");
	if (o->command && o->pid)
		argp_error(state, "either a program or a process, not both");
	if (o->pid && o->backend == BACKEND_PRELOAD)
		argp_error(state, "nothing can be preloaded into a running process");
	if (o->seconds > 0 && !o->pid)
		argp_error(state, "--duration goes with --pid");
	if (o->lossless && o->mode & SESSION_LOSSY)
		argp_error(state, "either --lossy or --lossless, not both");
	if (o->ring_bytes & (o->ring_bytes - 1) || o->ring_bytes < RING_BYTES_MIN ||
	    o->ring_bytes > RING_BYTES_MAX)
		argp_error(state, "a ring has 1M to 1G bytes, a power of two");
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'o':
		o->file = value;
		break;
	case OPTION_BACKEND:
		choose_backend(o, value, state);
		break;
	case 'p':
		o->pid = (int)number_of(value, state);
		break;
	case OPTION_DURATION:
		o->seconds = number_of(value, state);
		break;
	case OPTION_LOSSLESS:
		o->lossless = true;
		break;
	case OPTION_RING_SIZE:
		o->ring_bytes = size_of(value, state);
		break;
	case OPTION_LOSSY:
		o->mode |= SESSION_LOSSY;
		break;
	case OPTION_NO_FOLLOW:
		o->mode |= SESSION_ALONE;
		break;
	case OPTION_SITES:
		if (!strcmp(value, "none"))
			o->mode &= ~(uint32_t)(SESSION_ADDRESS | SESSION_CONTEXT);
		else
			choose(o, value, state, "address", SESSION_ADDRESS, "context",
			       SESSION_CONTEXT);
		break;
	case OPTION_TIME:
		choose(o, value, state, "coarse", 0, "exact", SESSION_EXACT);
		break;
	case OPTION_MAX_SIZE:
		o->max_bytes = size_of(value, state);
		break;
	case 'q':
		o->quiet = true;
		break;
	case OPTION_JSON:
		o->json = true;
		break;
	case ARGP_KEY_ARGS:
		o->command = state->argv + state->next;
		break;
	case ARGP_KEY_END:
		check_together(o, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

void options_read(struct options *o, int argc, char **argv)
{
	static const struct argp parser = {
		.options = table,
		.parser = parse,
		.args_doc = "PROGRAM [ARG...]\n-p PID",
		.doc = "Runs PROGRAM, or attaches to a running process, and records every "
		       "allocation and free that it and its children make, each process into a "
		       "trace of its own."
		       "\vExits with PROGRAM's status; 1 when recording failed, 2 for wrong usage.",
	};

	argp_program_version = "hakrec " HAK_VERSION;
	argp_err_exit_status = 2;
	*o = (struct options){.mode = SESSION_CONTEXT, .ring_bytes = RING_BYTES};
	/* What follows the program's name is the program's. */
	argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, o);
}
