/*
 * journal_config: what the configurations were that entries were decided under, kept once each in the journal, as a text
 * of rules/record.h under its revision. The db thread remembers those that are in force, so that a journal file that is made
 * anew has them too. Removed some time after the last entry that can refer to them. The link of an entry covers the row that
 * it refers to (journal_chain.h), so a text is never replaced by another.
 */
#ifndef POSTERN_DB_JOURNAL_CONFIG_H
#define POSTERN_DB_JOURNAL_CONFIG_H

#include "base/arena.h"
#include "db/journal.h"

/* More are in force at the same time only if somebody reloads all the time. */
#define CONFIGURATIONS_MAX 16

struct configuration {
	char revision[16];
	char *text;
	const struct journal *in; /* where it is stored already; NULL: nowhere */
};

/* Born zeroed; the newest last. */
struct configurations {
	struct configuration known[CONFIGURATIONS_MAX];
	size_t n;
};

/* Copies; one that is known already stays. */
void configurations_add(struct configurations *all, struct str revision, struct str text);
void configurations_free(struct configurations *all);
/* Writes those that this journal does not have yet, in a transaction of its own. */
bool configurations_store(
    struct configurations *all, struct journal *journal, int64_t now_ms, struct err *e);
/* The journal is closed: what it had may be gone. */
void configurations_forget(struct configurations *all);

/* For whoever reads entries; "": it is not there. Memory of arena. */
bool journal_configuration(struct journal *journal, struct arena *arena, struct str revision,
    struct str *text, struct err *e);
/* All there are; false: it failed. */
bool journal_configurations(struct journal *journal,
    void (*row)(void *owner, struct str revision, struct str text), void *owner, struct err *e);
/* Removes what was followed by another before then, and has no entries left. */
bool journal_configurations_clean(struct journal *journal, int64_t before_ms, struct err *e);

#endif
