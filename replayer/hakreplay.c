/* hakreplay: replays a trace on several allocators, each in fresh processes, and compares them. */
#include "allocators.h"
#include "contest.h"
#include "jsonlines.h"
#include "machine.h"
#include "planner.h"
#include "request.h"
#include "survey.h"
#include "table.h"
#include "verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
	va_list args;

	fputs("hakreplay: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return 1;
}

static int compare(const struct request *request, const struct survey *survey,
		   struct planner_result *plan, struct bar *bar, struct allocators *allocators)
{
	struct contest contest = {.request = request, .survey = survey, .plan = plan, .bar = bar};
	struct jsonlines lines;
	int failed = jsonlines_open(&lines, request->json);

	if (failed)
		return complain("%s: %s", request->json, strerror(-failed));
	failed = contest_hold(&contest, allocators, jsonlines_keep, &lines);
	if (failed && failed != -ECANCELED)
		complain("%s%s%s", request->json ? request->json : "", request->json ? ": " : "",
			 strerror(-failed));
	else if (!failed)
		table_print(stdout, &contest);
	if (fflush(stdout) || ferror(stdout))
		failed |= complain("standard output: %s", strerror(errno));
	failed |= jsonlines_close(&lines) | contest.failed;
	contest_fini(&contest);
	return !!failed;
}

/* Whether the trace can be replayed; else it is told why. */
static bool fit(const struct request *request, const struct trace *trace,
		const struct survey *survey, int error)
{
	const char *cut = *survey->cut ? survey->cut : NULL;

	if (error && cut)
		complain("%s; --partial replays what is whole", cut);
	else if (error)
		complain("%s", *trace_error(trace) ? trace_error(trace) : strerror(-error));
	else if (!survey->kinds)
		complain("%s: it has no calls to replay", cut ? cut : request->trace);
	else if (request->schedule == RUN_PACED && !tempo_usual_step(&survey->steps))
		complain("%s: it has no times, which --schedule paced needs", request->trace);
	else
		return true;
	return false;
}

static int replay(const struct request *request, struct trace *trace, struct allocators *allocators)
{
	struct bar bar;
	struct planner_options options = {
		.schedule = request->schedule,
		.skew = request->skew,
		.survivors = request->check,
		.memory_bytes = request->memory_bytes ? request->memory_bytes
						      : machine_available_bytes() / 2,
		.bar = &bar,
	};
	struct planner_result plan;
	struct survey survey;
	int status = 1;
	int error;

	bar_open(&bar);
	error = survey_make(&survey, trace, request->partial, &bar);
	if (fit(request, trace, &survey, error)) {
		if (*survey.cut)
			complain("%s; its whole part is replayed", survey.cut);
		if (planner_make(&plan, trace, &survey, &options))
			complain("%s: %s", request->trace, plan.error);
		else
			status = compare(request, &survey, &plan, &bar, allocators);
		planner_fini(&plan);
	}
	survey_fini(&survey);
	return status;
}

/* What the options want of the allocators and do not find; NULL: nothing. */
static const char *lacking(const struct request *request, const struct allocators *allocators)
{
	size_t hakmems = allocators_hakmems(allocators);

	if (request->hakmem && !hakmems)
		return "--hakmem: hakmem is not among the allocators";
	if (request->ablate && hakmems != 1)
		return "--ablate: one hakmem has to be among the allocators";
	return NULL;
}

int main(int argc, char **argv)
{
	struct allocators allocators;
	const char *lack;
	struct request request;
	struct trace *trace;
	int status = 1;

	if (argc > 1 && !strcmp(argv[1], "compare"))
		return verdict_main(argc - 1, argv + 1);
	request_parse(&request, argc, argv);
	if (allocators_find(&allocators, request.allocators)) {
		complain("%s", allocators.error);
	} else if ((lack = lacking(&request, &allocators))) {
		complain("%s", lack);
		status = 2;
	} else if (trace_open(&trace, request.trace)) {
		complain("%s", trace ? trace_error(trace) : strerror(ENOMEM));
		trace_close(trace);
	} else {
		status = replay(&request, trace, &allocators);
		trace_close(trace);
	}
	allocators_fini(&allocators);
	return status;
}
