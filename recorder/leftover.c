#include "leftover.h"

#include <sys/mman.h>

static __thread struct leftover {
	struct pen *pen;
	struct pen copy; /* as the fork found it */
} leftovers[PEN_DEPTH] __attribute__((tls_model("initial-exec")));
static __thread unsigned noted __attribute__((tls_model("initial-exec")));
static __thread unsigned begun __attribute__((tls_model("initial-exec")));
/* So many of the first are this process's own leftovers, from when it was forked. */
static __thread unsigned cut __attribute__((tls_model("initial-exec")));

/* Whether the hook still goes on: it has neither ended nor was it left by a jump. */
static bool goes_on(const struct pen *p)
{
	return !pen_ready(p) && p->frame > PEN_FRAME;
}

void leftover_note(struct pen *first, const struct pen *end)
{
	unsigned before = cut;
	bool ended = false;

	cut = 0;
	for (unsigned i = 0; i < before; i++)
		if (goes_on(leftovers[i].pen))
			leftovers[cut++].pen = leftovers[i].pen;
	noted = begun = cut;
	for (struct pen *p = first; p && p->track.lane && noted < PEN_DEPTH; p = p->above) {
		ended |= p == end || pen_ready(p);
		begun += !ended;
		leftovers[noted++] = (struct leftover){p, *p};
	}
}

/* The session goes elsewhere. Where it was comes memory of the child's own for those who still
 * write there, without chunks and lanes; and for those who wait there it is over. */
static void move_session(void)
{
	struct session *s = member.session;
	size_t bytes = s->bytes;
	void *away =
		mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (away == MAP_FAILED)
		return;
	if (mremap(s, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, away) == MAP_FAILED) {
		munmap(away, bytes);
		return;
	}
	member.session = away;
	if (mmap(s, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return;
	*s = *member.session;
	atomic_store(&s->closed, 1);
}

unsigned leftover_cut(void)
{
	if (begun > cut)
		move_session();
	for (unsigned i = cut; i < noted; i++)
		pen_cut(leftovers[i].pen, &leftovers[i].copy, i < begun);
	cut = begun;
	return begun;
}
