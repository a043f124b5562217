/*
 * dkim_guard: reads a DKIM-Signature field (RFC 6376 3.5) before libopendkim sees it, and says of
 * those it turns away why. The library reads past a buffer when i= is long, lets the last of two
 * equal tags win, takes rsa-sha1 for good, and judges time by its own clock; so whatever can be
 * judged without a key is judged here, and the library is left with canonicalization and
 * cryptography. Pure; slices point into the field or the arena; reasons are static texts.
 *
 * BUGS: a blank before the "=" of b=, and unknown tags whose names end in b, are well-formed but
 * make the library hash the wrong octets: such signatures are neutral. Of i= a local part with a
 * quoted "@" is refused. Names in UTF-8 (RFC 8616) are refused.
 */
#ifndef POSTERN_FILTERS_DKIM_GUARD_H
#define POSTERN_FILTERS_DKIM_GUARD_H

#include "mail/header.h"

/* RFC 8601 2.7.1. In order of what is best to know of a message: the first wins. */
enum dkim_result {
	DKIM_RESULT_PASS,
	DKIM_RESULT_TEMPERROR, /* could still be a pass: next time may tell */
	DKIM_RESULT_POLICY,    /* verifies, but is not accepted as it is */
	DKIM_RESULT_FAIL,      /* message and signature differ */
	DKIM_RESULT_NEUTRAL,   /* could not be processed */
	DKIM_RESULT_PERMERROR, /* PERMFAIL of RFC 6376 6.1 before any comparison */
	DKIM_RESULT_NONE,      /* no signature */
};
const char *dkim_result_name(enum dkim_result result);

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };

/* The field, name included. Real ones have under 2 KiB; z= makes some longer. */
#define DKIM_FIELD_MAX (16 * 1024)
#define DKIM_IDENTITY_MAX 255  /* decoded; the library over-reads beyond */
#define DKIM_NAMES_MAX 256     /* in h= */
#define DKIM_NAMES_LENGTH 4000 /* of h=; the library cuts at 4,095 */
/* Seconds that the library itself forgives, so that only our clock decides. See dkim_guard.c. */
#define DKIM_LIBRARY_DRIFT 315360000

struct dkim_sig {
	const struct field *field;
	enum dkim_result result; /* PASS as long as nothing speaks against it */
	const char *reason;      /* "" for PASS */
	bool harmless;           /* may be shown to the library, if only to be hashed */
	/* whatever could be read, of signatures that were turned away too; else empty */
	struct str domain, selector; /* lower case */
	struct str identity;         /* i= decoded, or "@" and d= */
	struct str algorithm_name;   /* a=, lower case */
	struct str b;                /* the first 8 digits of b= (RFC 6008) */
	/* of those with result PASS only */
	enum dkim_algorithm algorithm;
	bool relaxed_body;
	bool has_length;
	uint64_t length;    /* l= */
	struct str *covers; /* names in h=, in its order */
	size_t n_covers;
};

/* Settles a signature, and returns false: return dkim_refuse(...). reason is static. */
bool dkim_refuse(struct dkim_sig *sig, enum dkim_result result, const char *reason);
/* The same for what can never verify: permerror. */
bool dkim_bad(struct dkim_sig *sig, const char *reason);

struct dkim_clock {
	int64_t now;   /* wall seconds */
	int64_t drift; /* seconds that a signer's clock may be off */
};

/* Fills *out; true: fit for the library, as far as one can tell without the key. */
bool dkim_guard_check(struct arena *arena, const struct field *field,
    const struct dkim_clock *clock, struct dkim_sig *out);

#endif
