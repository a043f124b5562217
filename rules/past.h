/*
 * past: the step that decides an entry of the journal under the rules of a configuration: its last one, or the first that
 * does not let it pass, as rules/replay.h comes to it, with all that is known there. Its rules can be run on that again, and on what
 * differs from it, without asking anything: where a rule needs a fact that nobody had asked for, that is what is said. Memory of the
 * arena it was made in.
 */
#ifndef POSTERN_RULES_PAST_H
#define POSTERN_RULES_PAST_H

#include "base/arena.h"
#include "db/journal.h"
#include "rules/config.h"
#include "rules/rule.h"

struct past {
	const struct config *config; /* must outlive it */
	enum step step;
	struct arena *arena;
	struct session
	    session;        /* nothing but score, marks and the end of rules by the steps before */
	struct rule **rule; /* of the step, in their order: may be replaced one by one */
	size_t n;
	const struct fact **known; /* a slot each; NULL: not known. May be replaced too */
};

enum past_outcome { PAST_PASSES, PAST_REFUSED, PAST_UNKNOWN };

struct past_result {
	enum past_outcome outcome;
	size_t rule;   /* REFUSED: which one; UNKNOWN: whose condition needs more */
	size_t slot;   /* UNKNOWN: the fact it needs */
	int64_t score; /* at the end, of all steps */
};

/*
 * configuration: the one of the entry, as the journal keeps it (rules/record.h), or "". NULL: the entry is from before there
 * was enough in it, or nothing that rules decide.
 */
struct past *past_read(struct arena *arena, const struct config *config,
    const struct journal_record *record, struct str configuration);
/*
 * What the rules say. Those that are only observed count for nothing, unless all are: then for what they
 * would have said.
 */
struct past_result past_decide(const struct past *p);
/* The same; looked: of each slot, whether some rule looked at it. Whatever was not looked at can be anything. */
struct past_result past_look(const struct past *p, bool *looked);
/* Whether a test in the rules of the step holds; false as well when that cannot be said. */
bool past_holds(const struct past *p, const struct node *test);
/* "spf", "rate(client, messages, 1h)". */
struct str past_name(const struct past *p, size_t slot);

#endif
