#include "options.h"

#include "session.h"

#include <argp.h>
#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPTION_BACKEND = 256,
	OPTION_LOSSY,
	OPTION_NO_FOLLOW,
	OPTION_SITES,
	OPTION_TIME,
	OPTION_MAX_SIZE,
	OPTION_JSON,
};

static const struct argp_option table[] = {
	{"output", 'o', "FILE", 0,
	 "Write the first process's trace to FILE (default: PROGRAM.PID.zst)", 0},
	{"backend", OPTION_BACKEND, "preload", 0, "How to record (default: preload)", 0},
	{"lossy", OPTION_LOSSY, NULL, 0, "Drop calls, and count them, rather than wait for memory",
	 0},
	{"no-follow", OPTION_NO_FOLLOW, NULL, 0, "Record no child processes", 0},
	{"sites", OPTION_SITES, "address|context|none", 0,
	 "What a call site is: its return address, that and the stack's height (default), or "
	 "nothing",
	 0},
	{"time", OPTION_TIME, "coarse|exact", 0,
	 "Time to about a millisecond (default), or of each call", 0},
	{"max-size", OPTION_MAX_SIZE, "BYTES", 0,
	 "Stop recording when a trace reaches this size (K, M, G, T: times 1024)", 0},
	{"quiet", 'q', NULL, 0, "No summary", 0},
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

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'o':
		o->file = value;
		break;
	case OPTION_BACKEND:
		if (!strcmp(value, "ebpf"))
			errx(2, "the eBPF backend is not in this build");
		if (strcmp(value, "preload"))
			argp_error(state, "'%s' is no backend", value);
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
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which program?");
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
		.args_doc = "PROGRAM [ARG...]",
		.doc = "Runs PROGRAM and records every allocation and free that it and its "
		       "children make, each process into a trace of its own."
		       "\vExits with PROGRAM's status; 1 when recording failed, 2 for wrong usage.",
	};

	argp_program_version = "hakrec " HAK_VERSION;
	argp_err_exit_status = 2;
	*o = (struct options){.mode = SESSION_CONTEXT};
	/* What follows the program's name is the program's. */
	argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, o);
}
