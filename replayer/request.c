#include "request.h"

#include "plan.h"
#include "word.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

enum { CHECK = 256, BATON, PARTIAL, HAKMEM, JSON, SPEED, COPIES, MEMORY, ABLATE, LATENCY };

static const struct argp_option rows[] = {
	{"alloc", 'a', "NAME[,NAME...]", 0,
	 "Allocators: hakmem, glibc, jemalloc, tcmalloc, mimalloc, null, a library's path, or "
	 "NAME=PATH. Default: all that are found",
	 0},
	{"schedule", 's', "lockstep|parallel|paced", 0,
	 "lockstep: the recorded total order exactly; parallel (default): real threads; paced: "
	 "real threads and the recorded gaps between calls",
	 0},
	{"speed", SPEED, "X", 0, "paced: X times as fast as recorded (default 1)", 0},
	{"copies", COPIES, "N", 0,
	 "parallel, paced: N copies of the trace at once in one process, each with threads and "
	 "objects of its own",
	 0},
	{"repeat", 'n', "N", 0, "Runs of each allocator (default 10), interleaved", 0},
	{"touch", 't', "none|first|pages|all", 0,
	 "What is written of each block; pages (default): of large ones a byte in each of as many "
	 "pages as were resident when recorded, others whole",
	 0},
	{"skew", 'k', "N", 0,
	 "parallel, paced: no thread runs further ahead of another than N rows of the recorded "
	 "order "
	 "(default 4096)",
	 0},
	{"memory", MEMORY, "BYTES[K|M|G]", 0,
	 "Memory for the plan of the replay (default: half of what is available); one that does "
	 "not fit is streamed in parts",
	 0},
	{"check", CHECK, NULL, 0,
	 "Fill every block and verify it: overlap, alignment, zeroing, realloc's copy", 0},
	{"hakmem", HAKMEM, "KEY=VALUE,...", 0, "HAKMEM_OPTIONS for hakmem", 0},
	{"latency", LATENCY, NULL, 0,
	 "Time every call: percentiles by kind, size and local or remote free; costs time itself",
	 0},
	{"ablate", ABLATE, "full", OPTION_ARG_OPTIONAL,
	 "Also run hakmem without each of its parts in use, to see what they are worth; full: "
	 "without every set of them",
	 0},
	{"json", JSON, "FILE", 0, "Append one JSON object per allocator and repeat", 0},
	{"partial", PARTIAL, NULL, 0, "Replay the whole part of a damaged or unfinished trace", 0},
	{"baton", BATON, NULL, 0,
	 "lockstep: hand each turn from real thread to real thread, as under valgrind", 0},
	{0},
};

static const char *const schedules[] = {"lockstep", "parallel", "paced", NULL};
static const char *const touches[] = {"none", "first", "pages", "all", NULL};

const char *request_hakmem(const struct request *request)
{
	return request->hakmem ? request->hakmem : getenv("HAKMEM_OPTIONS");
}

const char *request_schedule_name(enum run_schedule schedule)
{
	return schedules[schedule];
}

const char *request_touch_name(enum run_touch touch)
{
	return touches[touch];
}

/* Options that do not go together. */
static void agreement_check(const struct request *request, struct argp_state *state)
{
	if (request->baton && request->schedule != RUN_LOCKSTEP)
		argp_error(state, "--baton is for --schedule lockstep");
	if (request->latency && request->check)
		argp_error(state, "--latency and --check do not go together: checking takes longer "
				  "than the calls");
	if (request->copies > PLAN_MAX_COPIES)
		argp_error(state, "--copies: at most %u", PLAN_MAX_COPIES);
	if (request->copies > 1 && request->schedule == RUN_LOCKSTEP)
		argp_error(state, "--copies is for --schedule parallel and paced: lockstep "
				  "executes one recorded order");
	if (request->speed != 1 && request->schedule != RUN_PACED)
		argp_error(state, "--speed is for --schedule paced");
}

/* Options that take a word. False when the key is none of them. */
static bool parse_value(struct request *request, int key, char *word, struct argp_state *state)
{
	switch (key) {
	case 'a':
		request->allocators = word;
		return true;
	case 's':
		request->schedule = word_choice(state, "schedule", word, schedules);
		return true;
	case 'n':
		request->repeat = word_number(state, "repeat", word);
		return true;
	case 't':
		request->touch = word_choice(state, "touch", word, touches);
		return true;
	case 'k':
		request->skew = word_number(state, "skew", word);
		return true;
	case MEMORY:
		request->memory_bytes = word_bytes(state, "memory", word);
		return true;
	case SPEED:
		request->speed = word_factor(state, "speed", word);
		return true;
	case COPIES:
		request->copies = word_number(state, "copies", word);
		return true;
	case HAKMEM:
		word_hakmem(state, word);
		request->hakmem = word;
		return true;
	case JSON:
		request->json = word;
		return true;
	default:
		return false;
	}
}

/* Options that turn something on. */
static bool parse_switch(struct request *request, int key, const char *word,
			 struct argp_state *state)
{
	switch (key) {
	case CHECK:
		request->check = true;
		return true;
	case BATON:
		request->baton = true;
		return true;
	case PARTIAL:
		request->partial = true;
		return true;
	case LATENCY:
		request->latency = true;
		return true;
	case ABLATE:
		request->ablate = true;
		request->ablate_full = word && !strcmp(word, "full");
		if (word && !request->ablate_full)
			argp_error(state, "--ablate: no such choice: %s", word);
		return true;
	default:
		return false;
	}
}

static error_t parse(int key, char *word, struct argp_state *state)
{
	struct request *request = state->input;

	if (parse_value(request, key, word, state) || parse_switch(request, key, word, state))
		return 0;
	switch (key) {
	case ARGP_KEY_ARG:
		if (request->trace)
			argp_error(state, "one trace at a time");
		request->trace = word;
		return 0;
	case ARGP_KEY_SUCCESS:
		if (request->ablate && !request->allocators)
			request->allocators = "hakmem";
		agreement_check(request, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which trace?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void request_parse(struct request *request, int argc, char **argv)
{
	static const struct argp argp = {
		.options = rows,
		.parser = parse,
		.args_doc = "TRACE\ncompare A.jsonl B.jsonl",
		.doc = "Replays a trace on several allocators and compares them, or compares "
		       "results "
		       "that were kept (hakreplay compare --help).",
	};

	argp_program_version = "hakreplay " HAK_VERSION;
	argp_err_exit_status = 2;
	*request = (struct request){
		.schedule = RUN_PARALLEL,
		.touch = RUN_TOUCH_PAGES,
		.repeat = REQUEST_REPEAT,
		.skew = REQUEST_SKEW,
		.copies = 1,
		.speed = 1,
	};
	argp_parse(&argp, argc, argv, 0, NULL, request);
}
