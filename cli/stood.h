/*
 * stood: where a rule of the configuration stood in those that the journal's entries were decided under: lines move when a file
 * is edited, and then a place is another rule's. A rule is known by its step and its text, with or without `observe`; of several
 * with one text, by being the first, second, ... of as many, or else by its place. For `promote` and `demote`.
 */
#ifndef POSTERN_CLI_STOOD_H
#define POSTERN_CLI_STOOD_H

#include "base/buf.h"
#include "db/journal.h"
#include "rules/rule.h"

/* Its text without `observe`. */
struct str stood_text(struct str source);

/*
 * As journal_observed.h takes it. Left out are configurations in which another rule of that line may have written what entries
 * say: one that refuses, and is observed as the rule is there, or enforced, if that is asked for. False: it failed.
 */
struct stood_question {
	const struct ruleset *rules;
	const struct rule *rule; /* of these */
	bool observed;           /* else: enforced */
};

bool stood_find(
    struct journal *journal, const struct stood_question *q, struct buf *out, struct err *e);

#endif
