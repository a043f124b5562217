/*
 * change_private: what the files of change.h share: which changes are worth trying, and what exactly they are.
 */
#ifndef POSTERN_RULES_CHANGE_PRIVATE_H
#define POSTERN_RULES_CHANGE_PRIVATE_H

#include "rules/change.h"

#define CANDIDATES_MAX 200
#define OTHERS_MAX (CHANGE_VALUES - CANDIDATES_MAX)
/* Between the things that a value has to be all at once. */
#define CHANGE_AND ", and "

struct candidates {
	const struct past *g;
	struct past_result now;
	struct change change[CANDIDATES_MAX];
	size_t n;
	/* values that nobody is told to have: in a list, matched, or neither */
	struct change other[OTHERS_MAX];
	size_t n_other;
	const struct node *test; /* that is being turned round; NULL: none */
	bool holds;              /* what it is to say */
	unsigned unsought;       /* as of struct changes */
	size_t
	    first; /* those before it turn one test round; the others are tried when none of them does it */
};

/*
 * change_candidates.c. Of every test in the step's rules whose fact is known: what would turn it round. Of words
 * (symbols) each other one.
 */
void candidates_collect(struct candidates *c);
/* Adds a value of a fact, with the test that is being turned round. */
void candidates_add(struct candidates *c, size_t slot, struct value value, struct str words);
/* The fact is never as much. */
bool candidates_too_much(const struct candidates *c, size_t slot, const struct value *v);
struct str change_shown(struct arena *arena, const struct value *v);
/* It is about the fact, on either side. */
bool candidates_about(const struct node *test, size_t slot);
/* In words, what the fact is of which such a test says so. */
struct str candidates_words(const struct past *g, const struct node *test, size_t slot,
    const struct value *value, bool holds);

/* In the place of a text that is like none that a rule names. */
#define LIKE_NOTHING STR("\001")

/* ---- change_values.c: the texts and numbers that tests name, joined and with what they match. ---- */

void candidates_named(struct candidates *c);
/* The value that a fact is compared with, where no test names it, and what lies near it; that is told to nobody. */
void candidates_around(struct candidates *c, size_t slot, const struct value *right);

/* ---- change.c, change_apply.c ---- */

enum found { FOUND_NOT, FOUND_UNKNOWN, FOUND_PASSES, FOUND_OPEN };
/* What becomes of it, if that rule refused it. */
enum found change_outcome(const struct past *p, size_t refusing);
/* Has the change's list or regular expression say what is laid down, in a past that is one's own. */
void change_lay_down(struct arena *arena, struct past *p, const struct change *c);
#define OPERAND_FACTS 32 /* on both sides of a test */
/* Adds the facts of it, up to most; returns how many there are then. */
size_t change_facts(const struct operand *o, size_t *slot, size_t n, size_t most);
/* It asks the same list or regular expression about the same fact. */
bool change_asks_same(const struct node *a, const struct node *b);

/* ---- change_refine.c ---- */

/*
 * Makes what is said of the set hold for every value that is meant, adding what more a value must be. False: that cannot be said, or
 * nothing that is known is such a value.
 */
bool change_refine(const struct candidates *c, struct change_set *set, enum found wanted);

#endif
