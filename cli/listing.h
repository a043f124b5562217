/*
 * listing: entries of the journal as `postern log` shows them: a line each, those of one session together, or for a program; and one
 * line about all of them.
 */
#ifndef POSTERN_CLI_LISTING_H
#define POSTERN_CLI_LISTING_H

#include "cli/cli.h"

enum listing_form { LISTING_LINES, LISTING_GROUPS, LISTING_CSV, LISTING_JSON };

/* The columns of text are as wide as the first so many entries need, within bounds. */
#define LISTING_MEASURED 200
#define LISTING_VERDICTS 6

struct listing {
	struct cli *cli;
	enum listing_form form;
	bool summed;           /* a person sees a line about all at the end */
	int64_t shown, serial; /* how many; the newest of them */
	/* private, as what follows: waiting until the widths are known */
	struct journal_record *first[LISTING_MEASURED];
	size_t n;
	bool measured;
	size_t client, sender, recipients; /* widths */
	int64_t verdicts[LISTING_VERDICTS], first_ms, last_ms;
	struct journal_record **kept; /* groups: all, in their order */
	size_t n_kept, cap;
};

/* For journal_read(). False: no more is wanted. */
bool listing_show(void *listing, const struct journal_record *r);
/* Prints what was held back for the widths: for now there is no more. */
void listing_flush(struct listing *listing);
/* Prints groups and the line about all, and frees what was kept. */
void listing_end(struct listing *listing);
bool listing_knows(const char *verdict);

#endif
