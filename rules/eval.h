/*
 * eval: what one evaluation of a step's rules has at hand. Each fact is asked for once; the trace
 * is kept in scratch memory of the heap, so that a pass that ends PENDING costs its caller's arena
 * nothing. Private to the evaluator and its texts.
 */
#ifndef POSTERN_RULES_EVAL_H
#define POSTERN_RULES_EVAL_H

#include "rules/rule.h"

struct evaluation {
	const struct ruleset *rules;
	struct ask *ask;
	struct arena *arena;       /* the caller's: what outlives the evaluation */
	const struct fact **known; /* a slot each; NULL: not asked for yet */
	struct decision *out;
	struct value score; /* as a value, for evaluation_value() */
	/* the rules looked at, and the facts they asked for, one behind the other */
	struct trace_entry *entry;
	const struct fact_call **asked;
	const struct fact **value;
	size_t n_entries, n_asked;
	bool watched; /* an observed rule would have ended the step */
};

/* DONE with *out (VALUE_NONE when it is not known; good until the next call), or PENDING. */
enum progress evaluation_value(
    struct evaluation *ev, const struct operand *operand, const struct value **out);
/* The same of a condition's: its fact goes into the trace. */
enum progress evaluation_operand(
    struct evaluation *ev, const struct operand *operand, const struct value **out);
/* Of EXPR_TEST; of any. */
enum progress evaluation_test(struct evaluation *ev, const struct expr *test, bool *out);
enum progress evaluation_condition(struct evaluation *ev, const struct expr *e, bool *out);
bool marks_have(const struct mark *marks, struct str name);

#endif
