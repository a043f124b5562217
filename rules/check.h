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
};

/* "a number", "a text", ...: as in complaints. */
const char *type_shown(enum value_type type);

/* operand.c: a fact, `score` or `hostname`; false and a complaint. */
bool operand_check(struct check *check, struct operand *o);
/* Whether a word could be one of these. */
bool operand_exists(struct check *check, struct str word);
/* compare.c: what a test's relation needs of its two sides. */
bool test_check(struct check *check, struct expr *test);

/* " It can be a, b or c." for complaints. */
#define WORDS_SHOWN 200
const char *words_shown(const char *const *words, char out[WORDS_SHOWN]);

#endif
