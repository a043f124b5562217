/*
 * verdict: what the rules of a step say: accept, tempfail or reject, with the reply that goes with
 * it. Pure.
 */
#ifndef POSTERN_MAIL_VERDICT_H
#define POSTERN_MAIL_VERDICT_H

#include "base/str.h"

enum verdict_kind {
	VERDICT_ACCEPT,         /* go on; also when no rule spoke */
	VERDICT_ACCEPT_SESSION, /* go on, and no more rules in this session */
	VERDICT_TEMPFAIL,
	VERDICT_REJECT,
};

struct verdict {
	enum verdict_kind kind;
	int code;          /* 4yz, 5yz; 0 for accept */
	char enhanced[12]; /* "5.7.1" (RFC 3463) */
	struct str text;   /* expanded, one line, not yet escaped; without the id */
	/* "file:line", "" when no rule spoke (a limit, a failure, the end of the rules) */
	struct str rule;
	bool defers; /* tempfail: no refusal; the client is to ask again, in another transaction */
	char id[8];  /* of the journal entry, "k3f9x2"; "" for none */
};

const char *verdict_name(enum verdict_kind kind); /* accept, accept, tempfail, reject */
/* The same, or defer: as in the journal. */
const char *verdict_word(const struct verdict *v);

#endif
