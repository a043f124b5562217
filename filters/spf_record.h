/*
 * spf_record: an SPF record (RFC 7208 sections 4.5, 4.6, 12) taken apart, by the letter of its
 * grammar: one error anywhere, and there is no record but a permerror. Slices point into the text
 * that was given; macros are checked here and expanded later (spf_macro.h). Pure.
 */
#ifndef POSTERN_FILTERS_SPF_RECORD_H
#define POSTERN_FILTERS_SPF_RECORD_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/err.h"

/* Longer ones are a permerror. RFC 7208 3.4 wants them to fit into 512 octets. */
#define SPF_RECORD_MAX 8192
#define SPF_TERMS_MAX 1024

enum spf_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_REDIRECT,
};

/* A mechanism with its qualifier, or the redirect modifier. */
struct spf_term {
	enum spf_kind kind;
	char qualifier;       /* + - ~ ?; + when none is written */
	struct str text;      /* all of it, as written */
	struct str spec;      /* domain-spec; p NULL: none */
	struct ip network;    /* ip4, ip6; version 6 stays 6 even for a mapped address */
	uint8_t bits4, bits6; /* ip4, ip6, a, mx; 32 and 128 when none is written */
};

struct spf_record {
	const struct spf_term *term; /* mechanisms, in order */
	size_t n_terms;
	struct spf_term redirect; /* spec.p NULL: none */
	struct str exp;           /* domain-spec; p NULL: none */
};

/* Is this TXT record an SPF record: "v=spf1", then a blank or the end (4.5)? */
bool spf_record_is(struct str text);
/* text: one that is. On failure e says which term is wrong and why, fit for a log. */
bool spf_record_parse(struct arena *arena, struct str text, struct spf_record *out, struct err *e);

#endif
