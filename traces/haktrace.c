/* haktrace: looks into traces, checks them, makes them from other formats. */
#include "command.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{"info", "show a trace's figures", info_run},
	{"dump", "print one event a line", dump_run},
	{"verify", "check that traces are whole and legal", verify_run},
	{"import", "make a trace from another tool's log", import_run},
	{"export", "write a trace in another tool's format", exports_run},
	{"rules", "write rules for hakmem's call sites", rules_run},
	{"slice", "make a trace of a stretch of time", slice_run},
	{"anonymize", "make a trace without names", anonymize_run},
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

/* libc looks it up by name. */
TRACE_API const char *argp_program_version = "haktrace " HAK_VERSION;

struct choice {
	const struct command *command;
	int argc;
	char **argv;
};

static error_t choose(int key, char *arg, struct argp_state *state)
{
	struct choice *choice = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		for (size_t i = 0; i < N_COMMANDS; i++)
			if (!strcmp(arg, commands[i].name))
				choice->command = &commands[i];
		if (!choice->command)
			argp_error(state, "there is no command '%s'", arg);
		choice->argc = state->argc - state->next + 1;
		choice->argv = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Lists the commands after the options. */
static char *list_commands(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t bytes;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC || !(out = open_memstream(&list, &bytes)))
		return (char *)text;
	fputs("Commands:\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'haktrace COMMAND --help' tells more about one.", out);
	fclose(out);
	return list;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = choose,
		.args_doc = "COMMAND [ARG...]",
		.doc = "Look into the traces of hakrec, check them, make them from other logs.\v",
		.help_filter = list_commands,
	};
	struct choice choice = {0};
	char name[32];
	int status;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
	snprintf(name, sizeof(name), "haktrace %s", choice.command->name);
	choice.argv[0] = name;
	status = choice.command->run(choice.argc, choice.argv);
	if (fflush(stdout) && !status) {
		fprintf(stderr, "haktrace: standard output: %s\n", strerror(errno));
		status = 1;
	}
	return status;
}
