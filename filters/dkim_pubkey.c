/* RSA keys as structs of their own: see d2i_PUBKEY_bio() at the end. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "filters/dkim_pubkey.h"

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "filters/dkim_tags.h"

#define KEY_OCTETS_MAX 800   /* of a decoded key: 4,096 bits and what is around them */
#define EXPONENT_BITS_MAX 64 /* 17 is usual */
#define RSA_LEAST_BITS 1024  /* RFC 8301 3.2 */
#define ED25519_OCTETS 32

struct str
dkim_pubkey_name(struct arena *arena, const struct dkim_sig *sig)
{
	return arena_printf(
	    arena, "%.*s._domainkey.%.*s", STR_ARG(sig->selector), STR_ARG(sig->domain));
}

/* Takes one DER element of that tag off *rest. Lengths below 64 KiB only. */
static bool
der_take(struct str *rest, unsigned char tag, struct str *out)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	size_t head = 2, n;

	if (rest->n < 2 || p[0] != tag)
		return false;
	n = p[1];
	if (n > 0x82 || n == 0x80)
		return false;
	if (n > 0x80) {
		size_t octets = n - 0x80;

		if (rest->n < head + octets)
			return false;
		n = octets == 1 ? p[2] : (size_t)(p[2] << 8 | p[3]);
		head += octets;
	}
	if (rest->n - head < n)
		return false;
	*out = str_sub(*rest, head, head + n);
	*rest = str_sub(*rest, head + n, rest->n);
	return true;
}

/* Significant bits of a DER INTEGER above zero; 0 for others. */
static unsigned
integer_bits(struct str s)
{
	unsigned bits;

	if (s.n == 0 || (unsigned char)s.p[0] >= 0x80)
		return 0;
	while (s.n > 0 && s.p[0] == 0)
		s = str_sub(s, 1, s.n);
	if (s.n == 0 || s.n > 2 * KEY_OCTETS_MAX)
		return 0;
	bits = (unsigned)s.n * 8;
	for (unsigned char top = (unsigned char)s.p[0]; top < 0x80; top = (unsigned char)(top << 1))
		bits--;
	return bits;
}

/* RSAPublicKey (RFC 8017 A.1.1): modulus and exponent. */
static const char *
rsa_check(struct str key, unsigned *bits)
{
	struct str pair, modulus, exponent;
	unsigned exponent_bits;

	if (!der_take(&key, 0x30, &pair) || !der_take(&pair, 0x02, &modulus) ||
	    !der_take(&pair, 0x02, &exponent) || pair.n > 0 || key.n > 0)
		return "the key is not an RSA key";
	*bits = integer_bits(modulus);
	exponent_bits = integer_bits(exponent);
	if (*bits == 0 || exponent_bits < 2)
		return "the key is not an RSA key";
	if (exponent_bits > EXPONENT_BITS_MAX)
		return "the exponent of the key is too long";
	if (*bits > DKIM_RSA_BITS_MAX)
		return "the key is too long";
	return NULL;
}

/* SEQUENCE of the OID of rsaEncryption and NULL (RFC 8017 A.1). */
static const unsigned char rsa_algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
	0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };

/* The RSAPublicKey inside of a SubjectPublicKeyInfo; key itself when it is none. */
static struct str
rsa_unwrap(struct str key)
{
	struct str whole = key, info, bits;

	if (!der_take(&whole, 0x30, &info) || whole.n > 0)
		return key;
	if (!str_starts(info, (struct str){ (const char *)rsa_algorithm, sizeof(rsa_algorithm) }))
		return key;
	info = str_sub(info, sizeof(rsa_algorithm), info.n);
	if (!der_take(&info, 0x03, &bits) || info.n > 0 || bits.n == 0 || bits.p[0] != 0)
		return key;
	return str_sub(bits, 1, bits.n);
}

/* Appends tag and length of what is n octets long; the two-octet form fits all of our keys. */
static size_t
der_head(char *out, unsigned char tag, size_t n)
{
	out[0] = (char)tag;
	out[1] = (char)0x82;
	out[2] = (char)(n >> 8);
	out[3] = (char)(n & 0xff);
	return 4;
}

static struct str
rsa_wrap(struct arena *arena, struct str key)
{
	char *out = arena_alloc(arena, key.n + sizeof(rsa_algorithm) + 16);
	size_t n = der_head(out, 0x30, sizeof(rsa_algorithm) + 4 + 1 + key.n);

	memcpy(out + n, rsa_algorithm, sizeof(rsa_algorithm));
	n += sizeof(rsa_algorithm);
	n += der_head(out + n, 0x03, 1 + key.n);
	out[n++] = 0;
	memcpy(out + n, key.p, key.n);
	return (struct str){ out, n + key.n };
}

static struct str
base64_write(struct arena *arena, struct str s)
{
	char *out = arena_alloc(arena, (s.n + 2) / 3 * 4 + 1);
	int n = EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)s.p, (int)s.n);

	return (struct str){ out, (size_t)n };
}

static bool
read_rsa(struct arena *arena, struct str octets, int64_t least_bits, struct dkim_sig *sig,
    struct dkim_pubkey *out)
{
	struct str key = rsa_unwrap(octets);
	const char *why = rsa_check(key, &out->bits);

	if (why)
		return dkim_bad(sig, why);
	if (out->bits < RSA_LEAST_BITS)
		return dkim_bad(sig, "the key is shorter than 1024 bits (RFC 8301)");
	if (out->bits < least_bits)
		return dkim_refuse(
		    sig, DKIM_RESULT_POLICY, "the key is shorter than is accepted here");
	key = base64_write(arena, rsa_wrap(arena, key));
	out->record = arena_printf(arena, "v=DKIM1; k=rsa; p=%.*s", STR_ARG(key));
	/* Zeros in front of a modulus can make a key of few bits long. */
	return out->record.n <= DKIM_RECORD_MAX || dkim_bad(sig, "the key is too long");
}

static bool
read_ed25519(struct arena *arena, struct str octets, struct dkim_sig *sig, struct dkim_pubkey *out)
{
	struct str key;

	if (octets.n != ED25519_OCTETS)
		return dkim_bad(sig, "the key is not an Ed25519 key");
	key = base64_write(arena, octets);
	out->bits = 8 * ED25519_OCTETS;
	out->record = arena_printf(arena, "v=DKIM1; k=ed25519; p=%.*s", STR_ARG(key));
	return true;
}

/* Tags that say for what the key may be used. */
static bool
check_use(const struct dkim_tags *tags, struct dkim_sig *sig, struct dkim_pubkey *out)
{
	const struct dkim_tag *h = dkim_tags_find(tags, "h"), *s = dkim_tags_find(tags, "s");
	const struct dkim_tag *t = dkim_tags_find(tags, "t"), *k = dkim_tags_find(tags, "k");
	struct str kind = k ? k->value : STR("rsa");
	struct str domain;

	if (!str_eq(kind, STR("rsa")) && !str_eq(kind, STR("ed25519")))
		return dkim_bad(sig, "the kind of the key is not known");
	if (str_eq(kind, STR("rsa")) != (sig->algorithm == DKIM_RSA_SHA256))
		return dkim_bad(sig, "the key is of another kind than the signature");
	if (h && !dkim_list_has(h->value, STR("sha256")))
		return dkim_bad(sig, "the key is not for sha256");
	if (s && !dkim_list_has(s->value, STR("*")) && !dkim_list_has(s->value, STR("email")))
		return dkim_bad(sig, "the key is not for mail");
	out->testing = t && dkim_list_has(t->value, STR("y"));
	domain = str_sub(sig->identity, str_find(sig->identity, '@') + 1, sig->identity.n);
	if (t && dkim_list_has(t->value, STR("s")) && !str_eqcase(domain, sig->domain))
		return dkim_bad(sig, "the key is not for subdomains, and i= is in one");
	return true;
}

static bool
read_record(struct arena *arena, struct str text, int64_t least_bits, struct dkim_sig *sig,
    struct dkim_pubkey *out)
{
	struct dkim_tags tags;
	const struct dkim_tag *p, *v;
	struct str octets;

	if (dkim_tags_parse(text, &tags))
		return dkim_bad(sig, "the key record is not well-formed");
	v = dkim_tags_find(&tags, "v");
	if (v && !str_eq(v->value, STR("DKIM1")))
		return dkim_bad(sig, "the key record is of another version");
	p = dkim_tags_find(&tags, "p");
	if (!p)
		return dkim_bad(sig, "the key record holds no key");
	if (p->value.n == 0)
		return dkim_bad(sig, "the key was revoked");
	if (!check_use(&tags, sig, out))
		return false;
	octets = dkim_base64_read(arena, p->value, KEY_OCTETS_MAX);
	if (!octets.p)
		return dkim_bad(sig, "the key is no base64, or too long");
	if (sig->algorithm == DKIM_ED25519_SHA256)
		return read_ed25519(arena, octets, sig, out);
	return read_rsa(arena, octets, least_bits, sig, out);
}

/* Could this be meant as a key record? Others may stand beside it under a wildcard. */
static bool
looks_like_key(struct str text)
{
	struct dkim_tags tags;

	return str_starts(str_trim(text), STR("v=DKIM1")) ||
	    (!dkim_tags_parse(text, &tags) && dkim_tags_find(&tags, "p"));
}

bool
dkim_pubkey_read(struct arena *arena, const struct dns_answer *answer, int64_t least_bits,
    struct dkim_sig *sig, struct dkim_pubkey *out)
{
	const struct dns_rr *found = NULL;

	*out = (struct dkim_pubkey){ 0 };
	if (answer->status == DNS_TEMPFAIL)
		return dkim_refuse(sig, DKIM_RESULT_TEMPERROR,
		    arena_printf(arena, "the key could not be had: %s",
			answer->why ? answer->why : "no answer")
			.p);
	if (answer->status != DNS_OK || answer->n == 0)
		return dkim_bad(sig, "there is no key");
	for (size_t i = 0; i < answer->n; i++) {
		if (answer->n > 1 && !looks_like_key(answer->rr[i].data))
			continue;
		if (found && !str_eq(found->data, answer->rr[i].data))
			return dkim_bad(sig, "there are several keys under one name");
		found = &answer->rr[i];
	}
	if (!found)
		return dkim_bad(sig, "there is no key");
	return read_record(arena, found->data, least_bits, sig, out);
}

/* ---- in OpenSSL's place ---- */

/* A SubjectPublicKeyInfo; RSA keys are read as what they are, others as OpenSSL does it. */
static EVP_PKEY *
key_info_read(EVP_PKEY **out, const unsigned char **p, long n)
{
	struct str info = { (const char *)*p, (size_t)n };
	struct str key = rsa_unwrap(info);
	const unsigned char *at = (const unsigned char *)key.p;
	EVP_PKEY *pkey = NULL;
	RSA *rsa = NULL;

	if (out != NULL || key.p == info.p)
		return d2i_PUBKEY(out, p, n);
	rsa = d2i_RSAPublicKey(NULL, &at, (long)key.n);
	pkey = rsa ? EVP_PKEY_new() : NULL;
	if (pkey == NULL || EVP_PKEY_assign_RSA(pkey, rsa) != 1) {
		RSA_free(rsa);
		EVP_PKEY_free(pkey);
		return NULL;
	}
	*p += n;
	return pkey;
}

/*
 * WHY: libopendkim reads the key of each signature with this function of OpenSSL's, and OpenSSL 3
 * asks all of its decoders in turn whether one of them may know such keys: four times the work
 * of verifying the signature, and a fifth of all that a message costs. The linker takes ours for
 * it, as a program's functions come before those of libraries; a linker that does not costs
 * nothing but time. What the key is has been checked before (dkim_pubkey_read).
 *
 * Turned down: keeping keys that were read before, which helps with large senders only and needs
 * a bound, a lock or a copy for each thread; and an ENGINE, which would make OpenSSL take the old way
 * by itself, but for all users of RSA in the process.
 */
EVP_PKEY *
d2i_PUBKEY_bio(BIO *bio, EVP_PKEY **out)
{
	return ASN1_d2i_bio_of(EVP_PKEY, EVP_PKEY_new, key_info_read, bio, out);
}
