/*
 * dkim_post: brings a message to the dkim stage in every way in which one can come: with or without
 * events, in pieces of any size, the keys early, late or in any order. Also makes signatures,
 * with OpenSSL alone, so that the library under test does not judge itself. One thread.
 */
#ifndef POSTERN_TESTS_FILTERS_DKIM_POST_H
#define POSTERN_TESTS_FILTERS_DKIM_POST_H

#include "filters/dkim.h"

enum post_way {
	POST_SILENT,    /* no event at all: the fact does everything */
	POST_USUAL,     /* header, keys, body in pieces */
	POST_KEYS_LAST, /* all of the body before the first key */
	POST_KEYS_ODD,  /* keys one at a time, the last first, between pieces of the body */
	POST_OCTETS,    /* as usual, one octet at a time */
	POST_WAYS
};

struct post_key {
	struct str name, text; /* text.p NULL: it cannot be had */
	struct post_key *next;
};

struct post {
	struct session session;
	struct dkim_conf conf;
	struct arena *arena; /* of the keys, the settings and what is returned */
	struct post_key *keys;
	int64_t now;
	/* private */
	struct fact_table table;
	struct str octets; /* the message */
	size_t arrived, piece;
};

/* Settings as their fallbacks say. */
struct post *post_new(void);
void post_free(struct post **post);
void post_key(struct post *post, const char *name, const char *text);
void post_key_fails(struct post *post, const char *name);
/* A transaction with that message; returns the fact `dkim`. */
const char *post_send(struct post *post, struct str message, enum post_way way);
/* Another fact of the message sent last, printed. */
const char *post_fact(struct post *post, const char *name);
/* Our Authentication-Results field for it, unfolded, without its name. */
const char *post_authres(struct post *post);

struct post_signer; /* a pair of keys */
struct post_signer *post_signer_rsa(unsigned bits);
struct post_signer *post_signer_ed25519(void);
void post_signer_free(struct post_signer **signer);
/* "v=DKIM1; k=...; p=...", with more tags behind. */
const char *post_record(struct post *post, const struct post_signer *signer, const char *more);
/* The private key, in PEM. */
const char *post_pem(struct post *post, const struct post_signer *signer);
/* The bare RSAPublicKey, in base64. */
const char *post_raw_key(struct post *post, const struct post_signer *signer);
/*
 * "DKIM-Signature: tags bh=...; b=...\r\n" over fields (each with its CRLF, in the order of h=) and
 * body, both as they are canonicalized: for c=simple, as they stand. tags ends with "; ".
 */
const char *post_sign(struct post *post, const struct post_signer *signer, const char *tags,
    const char *fields, const char *body);

#endif
