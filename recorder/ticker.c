#include "ticker.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ROWS_MIN 3

void ticker_open(struct ticker *t, bool wanted)
{
	const char *kind = getenv("TERM"), *colour = getenv("NO_COLOR");

	*t = (struct ticker){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.on = wanted && isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0,
		.plain = colour && *colour,
	};
}

/* ---- the text ---- */

/* A number with commas between its thousands. */
static void put_count(char text[32], uint64_t number)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);

	for (int i = 0; i < length; i++) {
		*text++ = digits[i];
		if ((length - i - 1) % 3 == 0 && i + 1 < length)
			*text++ = ',';
	}
	*text = 0;
}

/* Scaled to a unit, the first of which has no fractions. */
static void put_scaled(char text[32], double number, double step, const char *const *units)
{
	const char *const *unit = units;

	while (number >= step && unit[1]) {
		number /= step;
		unit++;
	}
	snprintf(text, 32, "%.*f%s", unit > units && number < 100, number, *unit);
}

void ticker_text(char *text, size_t size, const struct ticker_figures *f, double rate)
{
	static const char *const bytes[] = {" B", " KiB", " MiB", " GiB", " TiB", NULL};
	static const char *const rates[] = {"", "k", "M", "G", NULL};
	char events[32], per_second[32], live[32], threads[32], lost[32], file[32], head[48] = "";

	put_count(events, f->events);
	put_count(threads, f->threads);
	put_count(lost, f->lost);
	put_scaled(per_second, rate, 1000, rates);
	put_scaled(live, (double)f->live_bytes, 1024, bytes);
	put_scaled(file, (double)f->file_bytes, 1024, bytes);
	if (f->processes > 1)
		snprintf(head, sizeof(head), "%" PRIu32 " processes, ", f->processes);
	snprintf(text, size, "hakrec: %s%s events, %s/s, %s live, %s thread%s, %s lost, %s written",
		 head, events, per_second, live, threads, f->threads == 1 ? "" : "s", lost, file);
}

void ticker_add(struct ticker_figures *f, const struct ledger *ledger, uint32_t threads)
{
	f->events += ledger->counts.events;
	f->lost += ledger->counts.lost;
	f->live_bytes += ledger->counts.live_bytes;
	f->file_bytes += trace_writer_bytes(ledger->writer);
	f->threads += threads;
	f->processes++;
}

/* ---- the terminal ---- */

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
	struct pollfd terminal = {.fd = STDERR_FILENO, .events = POLLOUT};
	char text[1024];
	va_list arguments;
	int bytes;

	va_start(arguments, format);
	bytes = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* A terminal that was halted (Ctrl-S) shall not halt the recording. */
	if (bytes <= 0 || bytes >= (int)sizeof(text) || poll(&terminal, 1, 0) <= 0)
		return;
	if (write(STDERR_FILENO, text, (size_t)bytes) < 0)
		return;
}

/* The line may be shown: this job has the terminal, and nobody reads its keys one by one. */
static bool is_ours(struct winsize *size)
{
	struct termios mode;

	return tcgetpgrp(STDERR_FILENO) == getpgrp() && tcgetattr(STDERR_FILENO, &mode) == 0 &&
	       mode.c_lflag & ICANON && ioctl(STDERR_FILENO, TIOCGWINSZ, size) == 0 &&
	       size->ws_row >= ROWS_MIN;
}

/* Keeps the last row out of what scrolls; the cursor and what stands above it stay. */
static void reserve(struct ticker *t, unsigned short rows)
{
	put("\033D\0337\033[1;%dr\0338\033[A", rows - 1);
	t->rows = rows;
}

/* clear: what stands on the last row is the line. */
static void release(struct ticker *t, bool clear)
{
	if (t->rows && clear)
		put("\0337\033[r\033[%d;1H\033[K\0338", t->rows);
	else if (t->rows)
		put("\0337\033[r\0338");
	t->rows = 0;
}

void ticker_show(struct ticker *t, const struct ticker_figures *f, uint64_t now_ns)
{
	uint64_t ns = now_ns - t->shown_ns;
	struct winsize size = {0};
	char text[256];
	bool ours;

	pthread_mutex_lock(&t->lock);
	ours = is_ours(&size);
	/* A short recording shows nothing: its first look only counts. */
	if (ours && t->shown_ns && f->processes) {
		ticker_text(text, sizeof(text), f,
			    (double)(f->events - t->shown_events) * 1e9 / (double)ns);
		if (t->rows != size.ws_row) {
			release(t, false);
			reserve(t, size.ws_row);
		}
		put("\0337\033[%d;1H\033[K%s%.*s%s\0338", size.ws_row, t->plain ? "" : "\033[2m",
		    size.ws_col ? size.ws_col - 1 : 79, text, t->plain ? "" : "\033[0m");
	} else if (!ours) {
		release(t, false);
	}
	t->shown_ns = now_ns;
	t->shown_events = f->events;
	pthread_mutex_unlock(&t->lock);
}

void ticker_hide(struct ticker *t)
{
	pthread_mutex_lock(&t->lock);
	release(t, true);
	pthread_mutex_unlock(&t->lock);
}
