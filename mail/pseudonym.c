#include "mail/pseudonym.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/die.h"
#include "mail/idna.h"
#include "mail/mailbox_stem.h"
#include "mail/utf8.h"

/* The key may come to make other things. */
#define OF_ADDRESS "postern-address:"
#define OF_KEY "postern-address-key"

/* Two words of the digest, as so many letters each: 84 bits. */
#define LETTERS 9
#define TOKEN (2 * LETTERS)

/* Addresses that come again and again in one record: it is hashing that takes the time. */
#define REMEMBERED 8

struct memory {
	struct {
		struct str local, domain, hashed;
	} item[REMEMBERED];
	size_t n; /* ever */
};

struct pseudonym {
	EVP_MAC *mac;
	EVP_MAC_CTX *keyed;    /* copied for each */
	struct memory *memory; /* NULL: none */
	char key[PSEUDONYM_KEY_NAME];
};

/* ---- hashing ---- */

static void
digest(const struct pseudonym *p, const char *purpose, const struct str *part, size_t n,
    unsigned char out[EVP_MAX_MD_SIZE])
{
	EVP_MAC_CTX *one = EVP_MAC_CTX_dup(p->keyed);
	size_t length = 0;
	bool ok = one != NULL &&
	    EVP_MAC_update(one, (const unsigned char *)purpose, strlen(purpose)) == 1;

	for (size_t i = 0; i < n && ok; i++)
		ok = EVP_MAC_update(one, (const unsigned char *)part[i].p, part[i].n) == 1;
	if (!ok || EVP_MAC_final(one, out, &length, EVP_MAX_MD_SIZE) != 1 || length < 16)
		die("OpenSSL does not compute an HMAC");
	EVP_MAC_CTX_free(one);
}

static void
release(void *object)
{
	struct pseudonym *p = object;

	EVP_MAC_CTX_free(p->keyed);
	EVP_MAC_free(p->mac);
}

struct pseudonym *
pseudonym_new(struct arena *arena, struct str key)
{
	struct pseudonym *p = ARENA_NEW(arena, struct pseudonym);
	unsigned char name[EVP_MAX_MD_SIZE];
	char sha256[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};

	require(key.n >= PSEUDONYM_KEY_LEAST);
	p->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	p->keyed = p->mac ? EVP_MAC_CTX_new(p->mac) : NULL;
	if (p->keyed == NULL ||
	    EVP_MAC_init(p->keyed, (const unsigned char *)key.p, key.n, params) != 1)
		die("OpenSSL has no HMAC with SHA-256");
	arena_cleanup(arena, release, p);
	digest(p, OF_KEY, NULL, 0, name);
	for (size_t i = 0; i < PSEUDONYM_KEY_NAME - 1; i++)
		p->key[i] = "0123456789abcdef"[name[i / 2] >> (i % 2 ? 0 : 4) & 15];
	return p;
}

const char *
pseudonym_key(const struct pseudonym *p)
{
	return p->key;
}

/* TOKEN letters of it, at out. */
static void
letters_of(const struct pseudonym *p, struct str local, struct str domain, char *out)
{
	const struct str part[] = { local, domain.n > 0 ? STR("@") : STR(""), domain };
	unsigned char octets[EVP_MAX_MD_SIZE];

	digest(p, OF_ADDRESS, part, 3, octets);
	for (size_t half = 0; half < 2; half++) {
		uint64_t word = 0;

		for (size_t i = 0; i < 8; i++)
			word = word << 8 | octets[8 * half + i];
		for (size_t i = 0; i < LETTERS; i++, word /= 26)
			out[half * LETTERS + i] = (char)('a' + word % 26);
	}
}

/* ---- addresses ---- */

/* Only with one of these can the stem be another one than the address. */
static bool
may_have_stem(struct str local)
{
	for (size_t i = 0; i < local.n; i++)
		if (ascii_isdigit(local.p[i]) || local.p[i] == '=' || local.p[i] == '+')
			return true;
	return false;
}

static struct str
stem_of(struct arena *arena, struct str local, struct str domain)
{
	const struct mailbox m = { .local = local, .domain = domain };
	struct str stem;

	if (domain.n == 0 || !may_have_stem(local))
		return local;
	stem = mailbox_stem(arena, &m);
	return str_sub(stem, 0, stem.n - domain.n - 1);
}

static struct str
make(const struct pseudonym *p, struct arena *arena, struct str local, struct str domain)
{
	char *out = arena_alloc(arena, PSEUDONYM_MAX + 1);
	struct str stem, ascii;
	size_t n = 0;

	local = arena_lower(arena, local);
	domain = arena_lower(arena, domain);
	if (utf8_beyond_ascii(domain) && idna_to_ascii(arena, domain, &ascii))
		domain = ascii;
	stem = stem_of(arena, local, domain);
	out[n++] = '~';
	if (local.p[0] == '"')
		out[n++] = '~';
	letters_of(p, stem, domain, out + n);
	n += TOKEN;
	if (!str_eq(stem, local)) {
		out[n++] = '+';
		letters_of(p, local, domain, out + n);
		n += TOKEN;
	}
	out[n] = '\0';
	return (struct str){ out, n };
}

struct pseudonym *
pseudonym_remembering(const struct pseudonym *p, struct arena *arena)
{
	struct pseudonym *copy = ARENA_NEW(arena, struct pseudonym);

	*copy = *p;
	copy->memory = ARENA_NEW(arena, struct memory);
	return copy;
}

struct str
pseudonym_local(const struct pseudonym *p, struct arena *arena, struct str local, struct str domain)
{
	struct memory *m = p->memory;
	struct str hashed;

	if (local.n == 0)
		return local;
	for (size_t i = 0; m && i < REMEMBERED && i < m->n; i++)
		if (str_eq(m->item[i].local, local) && str_eq(m->item[i].domain, domain))
			return m->item[i].hashed;
	hashed = make(p, arena, local, domain);
	if (m) {
		size_t at = m->n++ % REMEMBERED;

		m->item[at].local = local;
		m->item[at].domain = domain;
		m->item[at].hashed = hashed;
	}
	return hashed;
}

struct str
pseudonym_of(const struct pseudonym *p, struct arena *arena, struct str address)
{
	size_t at = str_rfind(address, '@');
	struct str local;

	if (at == STR_NPOS)
		return pseudonym_local(p, arena, address, STR(""));
	local =
	    pseudonym_local(p, arena, str_sub(address, 0, at), str_sub(address, at + 1, address.n));
	return arena_printf(
	    arena, "%.*s%.*s", STR_ARG(local), STR_ARG(str_sub(address, at, address.n)));
}

/* ---- their form ---- */

/* Octets of what has the form of a local part's pseudonym at the beginning of s; 0: nothing has. */
static size_t
form(struct str s)
{
	size_t n = 0, parts = 0;

	while (n < 2 && n < s.n && s.p[n] == '~')
		n++;
	if (n == 0)
		return 0;
	do {
		size_t end = n + TOKEN;

		if (end > s.n)
			return 0;
		for (; n < end; n++)
			if (s.p[n] < 'a' || s.p[n] > 'z')
				return 0;
		parts++;
	} while (parts < 2 && n < s.n && s.p[n] == '+' && n++ > 0);
	return n;
}

bool
pseudonym_is(struct str address)
{
	size_t n = form(address);

	return n > 0 && (n == address.n || address.p[n] == '@');
}

bool
pseudonym_find(struct str text, size_t from, size_t *begin, size_t *end)
{
	for (size_t i = from; i < text.n; i++) {
		size_t n = text.p[i] == '~' ? form(str_sub(text, i, text.n)) : 0;

		if (n == 0)
			continue;
		*begin = i;
		*end = i + n;
		return true;
	}
	return false;
}

/* ---- addresses in texts ---- */

/* Of a local part without quotes; more than RFC 5321 has, as a text may hold what is only meant for one. */
static bool
is_local(char c)
{
	return ascii_isalnum(c) || (unsigned char)c >= 0x80 ||
	    (c != '\0' && strchr("!#$%&'*+-./=?^_`{|}~", c) != NULL);
}

static bool
is_domain(char c)
{
	return ascii_isalnum(c) || (unsigned char)c >= 0x80 || c == '-' || c == '.' || c == '_';
}

/* Of an @, in either form; 0: there is none. */
static size_t
sign_at(struct str text, size_t i)
{
	if (text.p[i] == '@')
		return 1;
	return text.p[i] == '%' && i + 2 < text.n && text.p[i + 1] == '4' && text.p[i + 2] == '0'
	    ? 3
	    : 0;
}

bool
pseudonym_may(struct str text)
{
	const char *p;

	if (text.n == 0 || memchr(text.p, '@', text.n) != NULL)
		return text.n > 0;
	for (p = memchr(text.p, '%', text.n); p;
	     p = memchr(p + 1, '%', (size_t)(text.p + text.n - p - 1)))
		if (sign_at(text, (size_t)(p - text.p)) > 0)
			return true;
	return false;
}

/* A quoted local part is no longer than any path; so looking for its beginning is bounded. */
#define QUOTED_MOST 256

/* Where the quoted text begins that ends before `at`; at: it does not. */
static size_t
quoted_from(struct str text, size_t least, size_t at)
{
	for (size_t i = at - 1; i-- > least && at - i <= QUOTED_MOST;) {
		size_t slashes = 0;

		if (text.p[i] != '"')
			continue;
		while (i > slashes && text.p[i - slashes - 1] == '\\')
			slashes++;
		if (slashes % 2 == 0)
			return i;
		i -= slashes;
	}
	return at;
}

/* Where the local part begins that ends before `at`; at: there is none. */
static size_t
local_from(struct str text, size_t least, size_t at, bool of_url)
{
	size_t i = at;

	if (at > least && text.p[at - 1] == '"')
		return quoted_from(text, least, at);
	while (i > least && is_local(text.p[i - 1]))
		i--;
	/* A parameter's name. */
	for (size_t k = i; of_url && k < at; k++)
		if (text.p[k] == '=')
			i = k + 1;
	while (i < at && strchr("'`{|*/?&=", text.p[i]) != NULL)
		i++;
	return i;
}

static size_t
domain_to(struct str text, size_t from)
{
	size_t i = from;

	if (i < text.n && text.p[i] == '[') {
		size_t close = str_find(str_sub(text, i, text.n), ']');

		return close == STR_NPOS || close > QUOTED_MOST ? from : i + close + 1;
	}
	while (i < text.n && is_domain(text.p[i]))
		i++;
	/* The end of a sentence. */
	while (i > from && (text.p[i - 1] == '.' || text.p[i - 1] == '-'))
		i--;
	return i;
}

static bool
is_all_local(struct str text, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!is_local(text.p[i]))
			return false;
	return text.p[at] == '@';
}

void
pseudonym_text(const struct pseudonym *p, struct arena *arena, struct str text, bool but_those,
    struct buf *out)
{
	size_t copied = 0, i = 0, n = 0;

	while (i < text.n) {
		size_t sign = sign_at(text, i), from, to;
		struct str local;

		if (sign == 0) {
			i++;
			continue;
		}
		to = domain_to(text, i + sign);
		from = local_from(text, copied, i, sign > 1);
		/* A text that is an address is that address, whatever it begins with. */
		if (from > 0 && to == text.n && is_all_local(text, i))
			from = 0;
		local = str_sub(text, from, i);
		if (local.n > 0 && !(but_those && pseudonym_is(local))) {
			buf_add(out, str_sub(text, copied, from));
			buf_add(out,
			    n++ < PSEUDONYM_TEXT_MOST
				? pseudonym_local(p, arena, local, str_sub(text, i + sign, to))
				: STR("~"));
			copied = i;
		}
		i += sign;
	}
	buf_add(out, str_sub(text, copied, text.n));
}
