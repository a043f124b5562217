/*
 * ruleset: the rules of a configuration after checking, and their evaluation. Const after load.
 * Evaluation is total: it cannot fail, and it always starts from the top of the step, so that
 * the same facts give the same verdict. It looks nothing up itself: fact_get() is its only
 * window.
 */
#ifndef POSTERN_RULES_RULESET_H
#define POSTERN_RULES_RULESET_H

#include "mail/session.h"

struct ruleset;

/* What is shown of a rule. */
struct trace_rule {
	struct str id;     /* file:line */
	struct str source; /* the rule as written, one line */
	/* "accept", "tempfail", "reject", "score", "mark", "add header", "delay"; "if", ... */
	const char *action;
	const char *digest; /* of one that refuses: by which exceptions know it; else NULL */
};

/* One rule, or head of a block, that was looked at. Small, for there is one of each rule in every step. */
struct trace_entry {
	const struct trace_rule *rule;
	/*
	 * The facts its condition asked for this time, in order (short-circuit: only those
	 * needed); of a rule in a block, those of the block's conditions before them.
	 */
	const struct fact **fact;
	unsigned n_facts;
	bool hit;      /* its condition was true */
	bool observed; /* `observe` or mode observe: not enforced */
	bool
	    gave_up; /* a regular expression came to no end: it counts as one that does not match */
};

struct trace {
	struct trace_entry *entry;
	size_t n;
};

/* An exception that did something. */
struct exception_use {
	int64_t number;
	struct held *held; /* the refusal that it undid, if that was held back */
	struct exception_use *next;
};

struct decision {
	struct verdict verdict;
	struct verdict observed; /* what the observed rules would have said; kind ACCEPT: nothing */
	struct trace trace;
	/*
	 * score, marks and added fields of this step: applied by decision_apply(), so that
	 * running again counts nothing twice
	 */
	int64_t score;
	struct mark *marks;
	struct added_field *added;
	struct exception_use *used; /* each once */
	struct held *held;          /* refusals of this step that are held back */
	int64_t delay;              /* ms: the reply is held back, whatever it is */
	unsigned failures;          /* of enum failure: what some fact of the trace rests on */
	/*
	 * PENDING, of a session of which only what was kept is left: the rule that lacks something, the last of the trace, which
	 * is that far here
	 */
	const struct trace_rule *lacks;
};

/*
 * Runs the rules of ask->step from the top. DONE: *out is filled, memory from `arena`. PENDING:
 * questions were noted; call again from the top when they are answered. A session whose rules
 * are over gives ACCEPT at once.
 */
enum progress ruleset_decide(
    const struct ruleset *ruleset, struct ask *ask, struct arena *arena, struct decision *out);
/* Adds an entry that is no rule's behind the rules'. */
void decision_trace(struct decision *d, struct arena *arena, const struct trace_entry *entry);
/*
 * Adds the step's score, marks, header fields and held refusals to the session, and ends the rules for
 * `accept session`. Once per decision.
 */
void decision_apply(struct session *s, const struct decision *d);

/*
 * Can a rule at this step (or a later one) ask for a fact of this part? For EVENT_HEADER
 * prefetching.
 */
bool ruleset_asks(const struct ruleset *ruleset, enum step from, size_t part);
size_t ruleset_length(const struct ruleset *ruleset);

#endif
