/*
 * told: the reply of an entry as its client got it, taken apart. What the mail server said stands in the entry with its enhanced code
 * in the text; and where it went away from us, the client was told so by us.
 */
#ifndef POSTERN_CLI_TOLD_H
#define POSTERN_CLI_TOLD_H

#include "base/arena.h"
#include "db/journal.h"

/* Without an id; code 0: there was none. */
struct told {
	int code;
	struct str enhanced, text;
};

/* Texts of the record, or of arena. */
struct told told_of(struct arena *arena, const struct journal_record *r);

#endif
