#include "bar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define WIDTH   24 /* columns */
#define COLUMNS 80 /* of a terminal that does not tell */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Hours only where there are any. */
static void duration_text(char *text, size_t size, double seconds)
{
	uint64_t s = (uint64_t)(seconds + 0.5);

	if (s < 3600)
		snprintf(text, size, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
	else
		snprintf(text, size, "%llu:%02u:%02u", (unsigned long long)(s / 3600),
			 (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}

void bar_text(char *text, size_t size, const char *label, double share, uint64_t calls,
	      double seconds)
{
	static const char full[] = "########################";
	static const char bare[] = "........................";
	int done = (int)(share * WIDTH);
	char left[32];
	int n = snprintf(text, size, "%s [%.*s%.*s] %3d %%", label, done, full, WIDTH - done, bare,
			 (int)(share * 100));

	_Static_assert(sizeof(full) == WIDTH + 1 && sizeof(bare) == WIDTH + 1, "the bar's columns");
	if (n < 0 || (size_t)n >= size || share <= 0 || seconds <= 0)
		return;
	duration_text(left, sizeof(left), seconds * (1 - share) / share);
	snprintf(text + n, size - (size_t)n, "  %.2f M calls/s  %s left",
		 share * (double)calls / seconds / 1e6, left);
}

/* Overwrites the line, in one write, by as much of the text as fits. */
static void put(const char *text)
{
	struct winsize window = {0};
	char line[256];
	int columns, n;

	if (tcgetpgrp(STDERR_FILENO) != getpgrp())
		return; /* another job has the terminal */
	ioctl(STDERR_FILENO, TIOCGWINSZ, &window);
	columns = window.ws_col ? window.ws_col : COLUMNS;
	n = snprintf(line, sizeof(line), "\r\033[K%.*s", columns - 1, text);
	n = n < (int)sizeof(line) ? n : (int)sizeof(line) - 1;
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* a terminal that is gone is nobody's loss */
}

void bar_open(struct bar *bar)
{
	*bar = (struct bar){.on = isatty(STDERR_FILENO)};
}

void bar_begin(struct bar *bar, const char *label, ...)
{
	va_list arguments;

	if (!bar->on)
		return;
	bar->begin_ns = now_ns();
	va_start(arguments, label);
	vsnprintf(bar->label, sizeof(bar->label), label, arguments);
	va_end(arguments);
	bar_show(bar, 0, 1, 0);
}

void bar_show(struct bar *bar, uint64_t done, uint64_t all, uint64_t calls)
{
	double share = all ? (double)done / (double)all : 1;
	char text[256];

	if (!bar->on)
		return;
	bar->shown_ns = now_ns();
	bar_text(text, sizeof(text), bar->label, share, calls,
		 (double)(bar->shown_ns - bar->begin_ns) / 1e9);
	put(text);
}

void bar_read(struct bar *bar, uint64_t rows, uint64_t all)
{
	if (bar->on && (rows == all || now_ns() - bar->shown_ns >= BAR_MS * 1000000ull))
		bar_show(bar, rows, all, all);
}

void bar_end(const struct bar *bar)
{
	if (bar->on)
		put("");
}
