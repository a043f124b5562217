/*
 * past: a step that was decided once, with what was known then: facts, score and marks as the journal
 * has them. Its rules can be run on that again, and on what differs from it, without asking
 * anything: where a rule needs a fact that nobody had asked for, that is what is said. Pure; memory
 * of the arena it was made in.
 */
#ifndef POSTERN_RULES_PAST_H
#define POSTERN_RULES_PAST_H

#include "base/arena.h"
#include "rules/config.h"
#include "rules/rule.h"

struct past {
	const struct config *config; /* must outlive it */
	enum step step;
	struct arena *arena;
	struct session session; /* nothing but score and marks of the steps before */
	struct rule **rule;     /* of the step, in their order: may be replaced one by one */
	size_t n;
	const struct fact **known; /* a slot each; NULL: not known. May be replaced too */
};

/*
 * The texts are those of an entry; the trace as record_expand() gives it. What stands in its columns is known too, whether
 * a rule has asked for it or not: "" for what is not there.
 */
struct past_record {
	struct str facts, trace;
	enum step step;
	struct str client_ip, helo, sender, recipient;
	int64_t size; /* of the message; 0: none yet */
};

enum past_outcome { PAST_PASSES, PAST_REFUSED, PAST_UNKNOWN };

struct past_result {
	enum past_outcome outcome;
	size_t rule;   /* REFUSED: which one; UNKNOWN: whose condition needs more */
	size_t slot;   /* UNKNOWN: the fact it needs */
	int64_t score; /* at the end, of all steps */
};

/* NULL: the texts are none. */
struct past *past_read(
    struct arena *arena, const struct config *config, const struct past_record *record);
/*
 * What the rules say. Those that are only observed count for nothing, unless all are: then for what they
 * would have said.
 */
struct past_result past_decide(const struct past *p);
/* "spf", "rate(client, messages, 1h)". */
struct str past_name(const struct past *p, size_t slot);

#endif
