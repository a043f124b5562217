/*
 * change: the smallest change that would have let a refused step pass. Found by trying, not by reading
 * the rule: each value that a test of the step's rules tells apart is put in the place of what a fact was, and
 * the rules are run on that (rules/past.h), one fact at a time, then two, then more. What is said here is what the
 * rules said; and of a change such as "one that /re/ does not match" they said it of every such value that they can tell from another.
 * Pure; bounded: two hundred values are tried, and so many sets of them as rules can be run on in half a second.
 */
#ifndef POSTERN_RULES_CHANGE_H
#define POSTERN_RULES_CHANGE_H

#include "rules/past.h"

enum change_kind {
	CHANGE_FACT,    /* a fact is another one */
	CHANGE_SCORE,   /* the steps before gave another score */
	CHANGE_MARK,    /* they set a mark, or did not */
	CHANGE_ENTRY,   /* a list has an entry that it does not have: an administrator's */
	CHANGE_OBSERVE, /* the rule is only observed: an administrator's */
};

#define CHANGE_VALUES 800

struct change {
	enum change_kind kind;
	size_t slot;             /* FACT, ENTRY: whose value it is about */
	struct value value;      /* FACT: in its place. SCORE: how much more, in `number` */
	const struct list *list; /* ENTRY */
	struct str entry;        /* ENTRY: as it would be written there */
	struct str mark;         /* MARK: set or taken away */
	struct str name;         /* of the fact, "score", the mark; OBSERVE: the rule */
	struct str words;        /* FACT, SCORE: what it would have to be: "200 or less" */
	struct str was;          /* FACT, SCORE: what it was */
	/*
	 * FACT: any value will do of which this test says so; NULL: only `value`. Of a list or a regular expression what it says is
	 * laid down, since no value can be made for it
	 */
	const struct node *test;
	bool holds;
	/* FACT: of all values that were thought of, those that are meant: a bit each */
	uint64_t meant[CHANGE_VALUES / 64 + 1];
};

#define CHANGE_MOST 6

/* What would have to be so all at once. */
struct change_set {
	struct change change[CHANGE_MOST];
	size_t n;
	/* It gets past the rule; what a rule behind it needs was not known then. */
	bool open;
	struct str rule, fact; /* open: which rule, and what it needs */
};

#define CHANGES_MAX 10

/* What is not tried. */
enum unsought {
	UNSOUGHT_SUMS = 1 << 0, /* facts that a rule computes with, or compares with each other */
	UNSOUGHT_MATCHES = 1
	    << 1, /* what several regular expressions ask of one fact: one is turned round at a time */
	UNSOUGHT_LISTS = 1 << 2,   /* another that stands in a list; that it gets an entry is */
	UNSOUGHT_UNKNOWN = 1 << 3, /* it led to what nobody had asked for */
};

struct changes {
	struct past_result
	    now;         /* what the rules say of what was; nothing is sought unless REFUSED */
	struct str rule; /* which one did */
	struct change_set set[CHANGES_MAX];
	size_t n;
	/* No change of so many facts or fewer does it, unless a set has that many; SIZE_MAX: of any number */
	size_t searched;
	unsigned unsought; /* of enum unsought: what might do it all the same */
};

/*
 * Those that leave nothing open first; all of them of as few facts as there can be; an administrator's last, for which there is always room.
 * Of one fact the widest that is meant, and what leaves something open only where nothing else does it.
 */
void changes_find(const struct past *g, struct changes *out);
/* g with the set in force; memory of `arena`, of which g is not. For whoever wants to see for himself. */
struct past *changes_apply(struct arena *arena, const struct past *g, const struct change_set *set);

#endif
