/*
 * dkim_pubkey: reads a key record (RFC 6376 3.6.1, RFC 8463 4.2) and writes it anew for
 * libopendkim, which gets only what it needs: kind and key. Whether the key may be used for a
 * signature at all is judged here, with a reason each. RSA keys are accepted as SubjectPublicKeyInfo,
 * which is what the world publishes (RFC 6376 erratum 3017), and as bare RSAPublicKey, which is what
 * the text of RFC 6376 says. Keys whose exponent would make verifying slow are refused. Pure.
 */
#ifndef POSTERN_FILTERS_DKIM_PUBKEY_H
#define POSTERN_FILTERS_DKIM_PUBKEY_H

#include "base/dns.h"
#include "filters/dkim_guard.h"

#define DKIM_RECORD_MAX 1024   /* the library's buffer for a record, less its NUL */
#define DKIM_RSA_BITS_MAX 4096 /* RFC 8301 3.2: more need not be validated */

struct dkim_pubkey {
	struct str record; /* for the library; at most DKIM_RECORD_MAX octets */
	unsigned bits;     /* RSA: of the modulus; else 256 */
	bool testing;      /* t=y */
};

/*
 * The key for sig out of what the DNS said. least_bits: what the configuration asks of RSA keys.
 * False: the result and reason of sig are set.
 */
bool dkim_pubkey_read(struct arena *arena, const struct dns_answer *answer, int64_t least_bits,
    struct dkim_sig *sig, struct dkim_pubkey *out);
/* The name under which the key of a signature is published. */
struct str dkim_pubkey_name(struct arena *arena, const struct dkim_sig *sig);

#endif
