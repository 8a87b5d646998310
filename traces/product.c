#include "product.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct argp_option options[] = {
	{"output", 'o', "OUT", 0, "The file to make"},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct product *product = state->input;

	switch (key) {
	case 'o':
		product->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (product->trace)
			argp_error(state, "more than one trace");
		product->trace = arg;
		return 0;
	case ARGP_KEY_END:
		if (!product->trace || !product->output)
			argp_error(state, "a trace and --output are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp words = {.options = options, .parser = parse, .args_doc = "TRACE"};

const struct argp_child product_words[] = {{.argp = &words}, {0}};

bool product_is_source(const char *path, const char *source)
{
	struct stat a, b;

	return !stat(source, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void product_discard(const char *path)
{
	struct stat status;

	if (!lstat(path, &status) && S_ISREG(status.st_mode))
		unlink(path);
}
