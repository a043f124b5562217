/*
 * journal_observed: what observed rules would have refused, or one rule did refuse, by rule and sender, and what speaks for it that the sender is
 * wanted. Reading, on a journal opened for that.
 */
#ifndef POSTERN_DB_JOURNAL_OBSERVED_H
#define POSTERN_DB_JOURNAL_OBSERVED_H

#include "db/journal.h"

struct observed_row {
	struct str rule; /* file:line */
	struct str
	    source; /* what stood there then, without `observe`; "": not known, or one was asked for */
	struct str verdict; /* "reject", "tempfail", "defer" */
	struct str sender;
	char id[8];     /* of the newest entry */
	int64_t n;      /* entries */
	int64_t let_in; /* of them, those whose session had a message accepted */
	bool
	    elsewhere; /* a message of this sender was accepted in a session that no rule would have refused */
	bool written_to; /* somebody who had authenticated wrote to it, and that was accepted */
};

struct journal_observed_question {
	struct journal_span span;
	struct str rule;  /* this one alone, by its place now; "": all that were observed */
	struct str stood; /* where it stood: JSON, {"revision of the configuration":"file:line"} */
	bool refused;     /* what that one did refuse, not what it would have */
};

/* Each rule and verdict with its senders, most frequent first. */
bool journal_observed(struct journal *journal, const struct journal_observed_question *q,
    void (*row)(void *owner, const struct observed_row *row), void *owner, struct err *e);

/* Entries that name the place of the one rule, and are not its own. */
struct observed_strangers {
	int64_t others;  /* another rule stood there */
	int64_t unknown; /* the journal does not have their configuration */
};

/* How many entries are of where it stood. */
bool journal_observed_count(
    struct journal *journal, const struct journal_observed_question *q, int64_t *n, struct err *e);

bool journal_observed_strangers(struct journal *journal, const struct journal_observed_question *q,
    struct observed_strangers *out, struct err *e);

#endif
