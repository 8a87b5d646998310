/*
 * What an image of a process tells of itself in its notes: its program, what its sites mean and
 * the code they lie in, stacks of frequent ones, and the large blocks that it leaves.
 */
#ifndef RECORDER_ACCOUNT_H
#define RECORDER_ACCOUNT_H

#include "ledger.h"
#include "modules.h"
#include "notebook.h"
#include "sites.h"
#include "unwinder.h"

struct account {
	pid_t pid;
	pid_t parent_pid;
	bool told;            /* the note about the image was read, which is the first */
	uint64_t start_clock; /* when it was written */
	char *program;        /* path of the executable as executed */
	char *command;        /* arguments, separated by blanks */
	struct notebook notes;
	struct modules modules;
	struct sites sites;
	struct unwinder *unwinder; /* all processes' */
	struct note_left *lefts;   /* large blocks of which it told at its end */
	size_t n_lefts;
};

void account_init(struct account *account);
void account_fini(struct account *account);

/* What a child forked now knows. Returns 0 or -ENOMEM; account_fini() in any case. */
int account_copy(struct account *to, const struct account *from);

/* The image writes its notes into that lane. */
void account_open(struct account *account, pid_t pid, struct session *s, uint32_t lane);
void account_close(struct account *account);

/* Reads notes up to the one about the image, if it is there. */
void account_meet(struct account *account);

/* Reads the next note, and writes into the ledger's trace what belongs there. False: there is none.
 */
bool account_read(struct account *account, struct ledger *ledger);

/* At the end: writes how often stacks were met, and the blocks that are left indeed. */
void account_end(struct account *account, struct ledger *ledger);

/* Defines a site in the trace at its first row; its number there. */
uint32_t account_define_site(struct account *account, struct ledger *ledger, uint32_t site);

/* The trace's number of a site. */
static inline uint32_t account_site(struct account *account, struct ledger *ledger, uint32_t site)
{
	const struct sites *sites = &account->sites;

	if (__builtin_expect(site >= sites->count, 0))
		return TRACE_NO_SITE;
	if (__builtin_expect(sites->all[site].number != SITES_UNDEFINED, 1))
		return sites->all[site].number;
	return account_define_site(account, ledger, site);
}

#endif
