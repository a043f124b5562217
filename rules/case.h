/*
 * case: what cases.c reads and case_play.c plays. Private to the two.
 */
#ifndef POSTERN_RULES_CASE_H
#define POSTERN_RULES_CASE_H

#include "rules/cases.h"
#include "rules/lex.h"

#define CASE_RECIPIENTS 16

/* A fact, and what it is. */
struct given_fact {
	struct token at;
	struct fact_call call;
	struct value value;
	struct given_fact *next;
};

enum expectation {
	EXPECT_VERDICT,
	EXPECT_OBSERVED, /* what observed rules would have said */
	EXPECT_SCORE,
	EXPECT_MARKED,
	EXPECT_TEXT,   /* of the reply: it holds this */
	EXPECT_HEADER, /* a field is added */
	EXPECT_DELAY,
};

struct expected {
	enum expectation what;
	struct token at;
	struct str shown;       /* as it is written */
	bool negated;           /* MARKED */
	enum verdict_kind kind; /* VERDICT, OBSERVED */
	int64_t code;           /* 0: any */
	struct str enhanced;    /* "": any */
	bool has_step;
	enum step step;
	struct str rule; /* beginning or end of file:line; "": any */
	int64_t number;  /* SCORE; DELAY: ms */
	struct str name; /* MARKED, HEADER */
	struct str text; /* TEXT, HEADER: "": any */
	struct expected *next;
};

struct rule_case {
	struct str name;
	struct token at;
	enum front front;
	struct ip client;
	struct str helo, account;
	struct mailbox sender, recipient[CASE_RECIPIENTS];
	size_t n_recipients;
	unsigned given; /* bits: which of the items of the session */
	struct given_fact *facts;
	struct expected *expected;
	struct rule_case *next;
};

struct cases {
	struct arena *arena;
	const struct config *config;
	struct rule_case *first;
	size_t n;
};

#endif
