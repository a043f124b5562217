/*
 * code: what the codes of replies mean: those of RFC 5321 with its extensions, and the enhanced ones of
 * RFC 3463 with IANA's registry. Rules reply with any of them, so all have an entry, whoever says
 * them. Beside it, mail/said.h explains the replies that are Postern's own. Const tables, pure.
 */
#ifndef POSTERN_MAIL_CODE_H
#define POSTERN_MAIL_CODE_H

#include "base/str.h"
#include "mail/explanation.h"

struct code {
	const char *code;  /* "451"; of enhanced ones "7.23", which stands for 4.7.23 and 5.7.23 */
	const char *title; /* some words */
	struct explanation about;
};

/* "451", "5.7.23", "4.7.23", "X.7.23"; NULL: there is no such code. */
const struct code *code_find(struct str text);
/* Whether it is written like one, there or not. */
bool code_looks_like(struct str text);
/* All of them: first the plain ones, then the enhanced ones, each in order; NULL: there are no more. */
const struct code *code_at(size_t i);

/* code_enhanced.c; for code_at(). */
extern const struct code code_enhanced[];
extern const size_t n_code_enhanced;

#endif
