/*
 * stood: where a rule of the configuration stood in those that the journal's entries were decided under: lines move when a file
 * is edited, and then a place is another rule's. A rule is known by its step, its text, with or without `observe`, and the blocks
 * around it as they are written; of several that are alike, by being the first, second, ... of as many, or else by its place.
 *
 * A rule can say something else when the names in it do: conditions of `define`, and lists. The journal keeps digests of what these
 * stood for. Where it has none (rules/record_trace.c), it can be told only whether all of the configuration read as it does now. For
 * `promote` and `demote`.
 */
#ifndef POSTERN_CLI_STOOD_H
#define POSTERN_CLI_STOOD_H

#include "base/buf.h"
#include "db/journal.h"
#include "rules/rule.h"

/* Its text without `observe`. */
struct str stood_text(struct str source);

/*
 * As journal_observed.h takes them. Left out are configurations in which another rule of that line may have written what entries
 * say: one that refuses, and is observed as the rule is there, or enforced, if that is asked for.
 */
struct stood {
	struct buf places;  /* of the rule */
	struct buf unsure;  /* some of these: names in it may have been others */
	struct buf renamed; /* of the rule, when names in it were others */
	struct buf
	    elsewhere;      /* of its text where no rule had the blocks around it that it has now */
	struct buf all;     /* `places`, `renamed` and `elsewhere` */
	struct buf names;   /* "`outsider`, `partners`" */
	struct buf changed; /* those of these that were others in `renamed` */
};

struct stood_question {
	const struct config *config;
	const struct rule *rule; /* of its ruleset */
	bool observed;           /* else: enforced */
};

/* False: it failed. To be freed in either case. */
bool stood_find(
    struct journal *journal, const struct stood_question *q, struct stood *out, struct err *e);
void stood_free(struct stood *stood);

#endif
