/*
 * refusals: what of the journal was refused, told apart by recipient, sender, client and rule: of equal ones there is
 * one row with how many there were, and the last reason. Bounded: what does not fit is counted.
 */
#ifndef POSTERN_CLI_REFUSALS_H
#define POSTERN_CLI_REFUSALS_H

#include "base/arena.h"
#include "db/journal.h"

#define REFUSALS_MAX 20000

struct refusal {
	char id[8]; /* of the last one */
	struct str recipient, sender, client, reason,
	    rule;    /* as strangers wrote them; recipient empty: none yet */
	size_t room; /* private: octets there are for a reason */
	int64_t first_ms, last_ms;
	int64_t times;
};

struct refusals {
	struct arena *arena;
	struct refusal *row; /* in the order of their first */
	size_t n;
	int64_t more;    /* recipients' refusals that found no room */
	uint64_t key[2]; /* private, as what follows: of a hash table, index + 1 */
	uint32_t *slot;
};

/* all: also what was told to come again. */
bool refusals_read(struct refusals *r, struct journal *journal, const struct journal_span *span,
    bool all, struct err *e);
void refusals_free(struct refusals *r);

#endif
