/*
 * rule: one line of policy, as the parser makes it of a statement and the checker completes it:
 * names are resolved to facts, lists and values, and everything has a type. The evaluator reads
 * only what was checked. Memory of the configuration's arena; const after load.
 */
#ifndef POSTERN_RULES_RULE_H
#define POSTERN_RULES_RULE_H

#include "mail/verdict.h"
#include "rules/load.h"
#include "rules/ruleset.h"

#define NESTING_MAX 64  /* parentheses and `not` in one condition */
#define OPERANDS_MAX 16 /* values that are computed with, on one side of a comparison */
#define TEST_FACTS_MAX (2 * OPERANDS_MAX)
#define CONDITION_MAX 4096 /* tests of one condition, names replaced */
#define TEXT_MAX 400       /* octets of a text as written in a rule */
#define EXPANSION_MAX 200  /* octets that one ${fact} may give */
#define AROUND_MAX 32 /* facts of blocks around a rule that its own entry of the trace repeats */
#define DELAY_MAX INT64_C(300000) /* ms, of a rule and of a step */

enum operand_kind {
	OPERAND_FACT,
	OPERAND_SCORE, /* of the transaction, this step's so far included */
	OPERAND_VALUE, /* written in the rule */
	OPERAND_COMPUTED,
};

struct term;

/* A fact with its arguments, `score`, a value, or what is computed of these. */
struct operand {
	struct token at;
	const struct token *arg;
	size_t n_args;
	/* checked */
	enum operand_kind kind;
	enum value_type type;
	size_t slot; /* FACT: which of the ruleset's calls */
	struct value value;
	struct term *term; /* COMPUTED: two at least */
};

/* `+ 5`: one part of a sum or a product. */
struct term {
	char op; /* + - * /; of the first: nothing */
	struct operand operand;
	struct term *next;
};

enum relation {
	RELATION_TRUTH, /* a fact alone */
	RELATION_IS,
	RELATION_LESS,
	RELATION_LESS_EQUAL,
	RELATION_MORE,
	RELATION_MORE_EQUAL,
	RELATION_IN,
	RELATION_CONTAINS,
	RELATION_STARTS,
	RELATION_ENDS,
	RELATION_MATCHES,
	/* checked forms of `is` */
	RELATION_KNOWN,
	RELATION_UNKNOWN,
};

/* Whether it compares with something on its right side. */
static inline bool
relation_has_right(unsigned relation)
{
	return relation != RELATION_TRUTH && relation != RELATION_IN &&
	    relation != RELATION_MATCHES && relation != RELATION_KNOWN &&
	    relation != RELATION_UNKNOWN;
}

enum expr_kind { EXPR_AND, EXPR_OR, EXPR_NOT, EXPR_TEST, EXPR_MARKED };

struct expr {
	enum expr_kind kind;
	struct expr *child; /* AND, OR: two at least; NOT: one */
	struct expr *next;  /* the sibling */
	/* TEST */
	struct operand left, right;
	struct token relation_at;
	enum relation relation;
	bool negated;            /* `is not`, `not in`, `not matches`, `!=` */
	const struct token *set; /* IN: where its list begins; MATCHES: the regular expression */
	/* checked */
	const struct list *list;
	const struct regex *regex;
	const struct str *word; /* IN, of a fact that is a word */
	size_t n_words;
	/* MARKED */
	struct str mark;
	struct token mark_at;
};

/*
 * An expression as it is evaluated: what each step reads of every rule lies close together, those below
 * it behind it, the sibling behind them.
 */
struct node {
	uint8_t kind;     /* enum expr_kind */
	uint8_t relation; /* enum relation */
	bool negated;
	uint8_t left_kind, right_kind; /* enum operand_kind */
	uint32_t left, right;          /* FACT: slots */
	uint32_t size;                 /* in nodes: this one, and those below it */
	union {
		const struct list *list;   /* IN */
		const struct regex *regex; /* MATCHES */
	};
	const struct expr *expr; /* the rest */
	struct value value;      /* on the right side */
};

/* A text is literal parts and facts in turn. */
struct piece {
	struct str literal;
	bool expands; /* the operand stands behind the literal */
	struct operand operand;
	struct piece *next;
};

enum action {
	ACTION_ACCEPT,
	ACTION_ACCEPT_SESSION,
	ACTION_TEMPFAIL,
	ACTION_REJECT,
	ACTION_SCORE,
	ACTION_MARK,
	ACTION_ADD_HEADER,
	ACTION_DELAY,
	/* heads of blocks */
	ACTION_IF,
	ACTION_ELSE_IF,
	ACTION_ELSE,
	ACTION_FOR,
};

/* A name of `define` that a condition has. */
struct defined {
	struct str name;
	const struct defined *next;
};

struct rule {
	/* what every step reads */
	const struct node *node; /* of the condition; NULL: always */
	bool observe;            /* a head: all of its block do, and of the branches behind it */
	bool head;               /* of a block: it says nothing itself */
	bool around; /* its block's conditions, or the branches before it, are a part of its own */
	uint8_t depth; /* of blocks around it */
	enum action action;
	uint32_t skip; /* a head: so many behind it, heads among them, are in its block */
	struct trace_rule shown;

	struct token at;
	enum step step;
	int code;
	char enhanced[12];
	int64_t score;
	int64_t delay;   /* ms */
	struct str name; /* of the mark or the header field */
	struct token name_at;
	struct piece *text;
	struct expr *condition;        /* NULL: always */
	const struct defined *defined; /* in the condition as it is written */
	size_t n_calls;                /* facts that the condition may ask for */
	size_t n_shown;                /* and those of the blocks around it, in the trace */
	struct rule *outer;            /* the head of the block that it is in; NULL: `at STEP` */
	struct rule *before;           /* of an `else`: the branch before */
	struct rule *next;
};

/* The rules of one `at STEP { }`, put behind *end; returns the new end. blocks.c */
struct rule **at_read(struct load *load, const struct statement *s, struct rule **end);

/* Whether it ends its step when it is hit (and enforced). */
bool action_ends(enum action action);
/* "accept", "tempfail", ..., "add header"; "if" */
const char *action_name(enum action action);

struct ruleset {
	struct rule **rule[STEP_COUNT];
	size_t n[STEP_COUNT];
	size_t n_asked[STEP_COUNT];    /* facts that all conditions of the step may ask for */
	const struct fact_call **call; /* every different call of the rules: a slot each */
	size_t n_calls;
	bool *asked[STEP_COUNT]; /* per part: some rule of the step names a fact of it */
	size_t n_parts;
	bool observe;                     /* mode observe */
	const struct policy_test *policy; /* tests of message rules that tell recipients apart */
	size_t n_policy;
	size_t n_policy_facts; /* that they ask for, all together */
};

/* parse.c. NULL and a complaint when the statement is no rule. */
struct rule *rule_parse(struct load *load, const struct statement *s, enum step step);
/* Its place, and how it is shown. */
void rule_begin(struct load *load, struct rule *rule, const struct statement *s, enum step step);
/* Whether a word is one of the language. */
bool is_reserved(const struct token *t);
/* A condition; what stands behind it is the caller's. NULL and a complaint. */
struct expr *condition_parse(struct cursor *c);
/* A fact with its arguments, or a value: what stands on either side of a comparison. */
bool operand_parse(struct cursor *c, struct operand *out);

/* arith.c. An operand, or a sum of them. */
bool arith_parse(struct cursor *c, struct operand *out);
bool arith_is_op(const struct token *t);
/* VALUE_NONE when there is no result. */
struct value arith_apply(char op, const struct value *a, const struct value *b);
/* The facts of an operand behind the n that are there; of a test. How many there are then. */
size_t operand_facts(const struct operand *o, const struct operand **fact, size_t n);
size_t test_facts(const struct expr *test, const struct operand *fact[TEST_FACTS_MAX]);
/* Whether it can be another one at the next rule. */
bool operand_changes(const struct operand *o);

/* text.c. NULL and a complaint; what a text may not hold is said too. */
struct piece *text_parse(struct load *load, const struct token *text);
/* DONE with *out in the arena, or PENDING. */
struct evaluation;
enum progress text_expand(struct evaluation *ev, const struct piece *text, struct str *out);

/* check.c. Completes the rules and puts those that are right into a ruleset. */
struct ruleset *rules_check(struct load *load, struct rule *first);

/* compile.c. The conditions of the rules as nodes. */
void rules_compile(struct load *load, struct ruleset *rules);

/* policy.c. Finds the tests of policy.h. */
void policy_collect(struct load *load, struct ruleset *rules);
/* The facts that its i-th test asks for at rcpt: their slots. How many there are. */
size_t policy_slots(const struct ruleset *rules, size_t i, size_t slot[TEST_FACTS_MAX]);

/* reach.c. Complains about rules that can never be reached. */
void reach_check(struct load *load, const struct ruleset *rules);

#endif
