/*
 * exception: what exceptions (mail/exception.h) make of a decision. A rule that refuses is passed over, and the rules go
 * on behind it, if an exception names it and what the exception asks for is proven. What it asks for may not be known yet: the
 * recipient at `mail`, a DKIM domain before the message. Then the refusal is held back, and given at the first
 * step that shows that the exception does not hold. A block refuses at the first step at which all that it asks for is known, whatever
 * rules say. If the DNS does not answer whether a domain is proven, the refusal is one for now (451).
 *
 * Of a message with several recipients each has to be excepted. In mode observe, and for rules that are only observed,
 * nothing is held back: what cannot be known yet is taken for given.
 *
 * Private to the evaluation, of which it is a part: pure, and fact_get() is its window.
 */
#ifndef POSTERN_RULES_EXCEPTION_H
#define POSTERN_RULES_EXCEPTION_H

#include "rules/eval.h"

/* The place of the rule in a verdict: "exception 12". */
#define EXCEPTION_PREFIX "exception "

/*
 * Gives each rule that refuses its digest: of its condition as written, and those of the blocks around it. Whatever the rule says
 * to the client, wherever it stands and however it is spaced, it is the same rule as long as it asks the same.
 */
void exception_mark(struct arena *arena, struct ruleset *rules);
/*
 * Before the rules of a step: blocks, and refusals that are held back. Fills ev->out->verdict (in mode observe ->observed) when
 * there is one. Costs nothing when nothing is excepted or held.
 */
enum progress exception_before(struct evaluation *ev);
/* What exceptions say of a rule that would refuse. */
struct undone {
	bool yes;    /* it does not */
	bool later;  /* it is held back: the caller tells its verdict to exception_hold() */
	bool unsure; /* it does, for now: exception_unsure() */
};
enum progress exception_undoes(struct evaluation *ev, const struct rule *rule, struct undone *out);
void exception_hold(struct evaluation *ev, const struct rule *rule, const struct verdict *v);
/* What a refusal is while it is not known whether it is undone. */
struct verdict exception_unsure(struct str rule);
/* Behind the rules: adds what exceptions did to the trace. */
void exception_after(struct evaluation *ev);

#endif
