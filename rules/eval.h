/*
 * eval: what one evaluation of a step's rules has at hand. Each fact is asked for once; the trace
 * is kept in scratch memory of the heap, so that a pass that ends PENDING costs its caller's arena
 * nothing. Private to the evaluator and its texts.
 */
#ifndef POSTERN_RULES_EVAL_H
#define POSTERN_RULES_EVAL_H

#include "mail/sought.h"
#include "rules/rule.h"

enum truth { TRUTH_NO, TRUTH_YES, TRUTH_PENDING };

struct evaluation {
	const struct ruleset *rules;
	struct ask *ask;
	struct arena *arena;       /* the caller's: what outlives the evaluation */
	const struct fact **known; /* a slot each; NULL: not asked for yet */
	struct decision *out;
	struct value score;        /* as a value, for evaluation_value() */
	struct value computed[2];  /* of the present test's sides */
	struct trace_entry *entry; /* of the present rule */
	const struct fact **fact;  /* room for the facts of all entries, one behind the other */
	/* of the latest head of a block at each depth */
	const struct trace_entry *head[BLOCKS_MAX];
	struct regex_memory
	    *regex;     /* evaluation_rules() frees it; else who has the evaluation does */
	bool watched;   /* an observed rule would have ended the step */
	bool closed;    /* nothing is asked: a condition on what is not in `known` is PENDING */
	size_t missing; /* closed and PENDING: the slot of that */
	struct excepted *excepted; /* entries of the trace for exceptions, newest first */
	bool unsure;               /* the present rule refuses for now only (rules/exception.h) */
	struct sought sought;      /* what was looked for in a list last */
};

/*
 * Runs n rules from the first, with an entry of the trace for each that was looked at (ruleset.c). The last entry is
 * of the rule that ended it, or that lacks something.
 */
enum progress evaluation_rules(struct evaluation *ev, struct rule *const *rule, size_t n);

/* VALUE_NONE when it is not known; good until the next call. NULL: PENDING. */
const struct value *evaluation_value(struct evaluation *ev, const struct operand *operand);
/* The same of a condition's: its fact goes into the entry of the trace. */
const struct value *evaluation_operand(struct evaluation *ev, const struct operand *operand);
/* Whether a test's relation is between two values that are known; right NULL where there is none. */
bool evaluation_relation(struct evaluation *ev, const struct node *n, const struct value *left,
    const struct value *right);
enum truth evaluation_condition(struct evaluation *ev, const struct node *node);
bool marks_have(const struct mark *marks, struct str name);

#endif
