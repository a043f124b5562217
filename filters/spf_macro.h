/*
 * spf_macro: the macros of SPF (RFC 7208 section 7): whether a text is well-formed, and what it
 * expands to. Works on what strangers publish: every octet is judged, nothing longer than its
 * purpose needs is built, and the work is in proportion to the text. Knows no DNS: the validated
 * name that %{p} stands for is the caller's to find before. Pure.
 */
#ifndef POSTERN_FILTERS_SPF_MACRO_H
#define POSTERN_FILTERS_SPF_MACRO_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/err.h"

enum spf_macro_use {
	SPF_MACRO_NAME,        /* part of a record: no blank, none of %{c} %{r} %{t} */
	SPF_MACRO_EXPLANATION, /* the text that exp= leads to */
};

/* A domain-spec is refused beyond this: what it can expand to is cut to 253 octets anyway. */
#define SPF_SPEC_MAX 1024
/* A value of a macro is used up to this length; longer ones do not come through SMTP. */
#define SPF_VALUE_MAX 511

/* What the letters stand for, RFC 7208 7.2. */
struct spf_values {
	struct ip client;
	struct str local;     /* l, and s with domain */
	struct str domain;    /* o */
	struct str current;   /* d */
	struct str validated; /* p */
	struct str helo;      /* h */
	struct str receiver;  /* r */
	int64_t now;          /* t */
};

/* macro-string, or explain-string. */
bool spf_macro_check(struct str text, enum spf_macro_use use, struct err *e);
/* domain-spec: a macro-string that ends in a top label or a macro. */
bool spf_spec_check(struct str text, struct err *e);
/* Does a well-formed text hold a macro of one of these letters (lower case)? */
bool spf_macro_uses(struct str text, const char *letters);
/*
 * The domain name that a well-formed domain-spec stands for: lower case, no final dot, labels taken
 * off at the left until it has at most 253 octets (7.3). Need not be a valid name.
 */
struct str spf_macro_name(struct arena *arena, struct str text, const struct spf_values *v);
/* The explanation that a well-formed explain-string stands for, cut after max octets. */
struct str spf_macro_text(
    struct arena *arena, struct str text, const struct spf_values *v, size_t max);

#endif
