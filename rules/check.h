/*
 * check: what the files of the checker share. It completes what the parser read: names become
 * facts, lists and values, and everything gets a type, so that evaluation cannot fail. Private
 * to it.
 */
#ifndef POSTERN_RULES_CHECK_H
#define POSTERN_RULES_CHECK_H

#include "rules/intern.h"
#include "rules/rule.h"

struct check {
	struct load *load;
	struct ruleset *rules;
	struct rule *rule;      /* being checked */
	struct rule *first;     /* all of them: who sets which mark */
	struct intern calls;    /* every different call of a fact: its slot */
	struct fact_call *call; /* by slot */
	size_t cap_calls;
	struct definition
	    *defining;       /* what is being checked is its condition; NULL: that of a rule */
	unsigned n_defining; /* names within names */
	size_t n_nodes;      /* of the condition so far */
};

/* "a number", "a text", ...: as in complaints. */
const char *type_shown(enum value_type type);

/* arith.c: a sum or product; false and complaints. */
bool arith_check(struct check *check, struct operand *o);
/* operand.c: a fact, `score` or `hostname`; false and a complaint. */
bool operand_check(struct check *check, struct operand *o);
/* Whether a word could be one of these. */
bool operand_exists(struct check *check, struct str word);
/* compare.c: what a test's relation needs of its two sides. */
bool test_check(struct check *check, struct expr *test);

/* Whatever names stand in it are replaced; false and complaints. */
bool expr_check(struct check *check, struct expr *e);
/* Some rule up to the present one sets it; at: where to complain. */
bool mark_check(struct check *check, const struct expr *marked, const struct token *at);
/* The rule asks for the facts of an operand that was checked elsewhere. */
void operand_used(struct check *check, const struct operand *o);

/* define.c. All conditions that have a name. */
void define_check(struct check *check);
/* False: this test is no name. Else it becomes what the name stands for; *ok: without a complaint. */
bool define_use(struct check *check, struct expr *test, bool *ok);
/* A name's condition asks for a fact: it can be used at the steps of all of them; false and a complaint: none. */
bool define_narrow(struct check *check, const struct token *at, const struct fact_def *def);
bool define_has(const struct load *load, struct str name);
/* Warns of those that nothing uses. */
void define_unused(const struct load *load);
void define_suggest(const struct load *load, struct suggestion *near);

/* reach.c. All that has to be true for a rule to be hit, that of the blocks around it first; NULL: nothing. */
const struct expr *condition_whole(struct arena *arena, const struct rule *rule);
/* The same text for the same condition. False: it can change from one rule to the next. */
bool condition_print(const struct expr *e, struct buf *out);

/* " It can be a, b or c." for complaints. */
#define WORDS_SHOWN 200
const char *words_shown(const char *const *words, char out[WORDS_SHOWN]);

#endif
