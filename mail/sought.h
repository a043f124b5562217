/*
 * sought: a text as lists look for it: in lower case, its domain as A-labels, and how long the items are that it
 * could be in a list for. Made once for all the lists that the text is looked for in: what they cost beyond it is
 * a comparison each. Owns nothing, and borrows nothing but what it was made of. Pure.
 */
#ifndef POSTERN_MAIL_SOUGHT_H
#define POSTERN_MAIL_SOUGHT_H

#include "mail/mailbox.h"

/* Octets of an item as it is written: local part, "@", domain; and of one in A-labels. */
#define LIST_TEXT_MAX 320
#define SOUGHT_MAX (LIST_TEXT_MAX + MAILBOX_DOMAIN_MAX + 1)

struct sought {
	struct str given;  /* what it was made of */
	struct str text;   /* n 0: longer than any item */
	struct str domain; /* without a dot at its end; n 0: there is none */
	uint64_t lengths;  /* of the text, its domain and all that this is below: sought_length() */
	char room[SOUGHT_MAX];
};

/* As long as one is used, the texts that it is made of stay what they are: one that lies where the last did is the same. */
void sought_make(struct sought *sought, struct str text);
/* The domain above it: n 0 if there is none. */
struct str sought_parent(struct str domain);
/* The same text with its domain, if it is or has one, in A-labels; out holds it if need be. */
struct str sought_ascii(struct str text, char out[SOUGHT_MAX]);

/* Bit n for n octets, the last one for all that are longer. */
static inline uint64_t
sought_length(struct str text)
{
	return UINT64_C(1) << (text.n < 63 ? text.n : 63);
}

static inline void
sought_of(struct sought *sought, struct str text)
{
	if (text.p != sought->given.p || text.n != sought->given.n)
		sought_make(sought, text);
}

#endif
