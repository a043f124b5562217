#include "mail/ticket.h"

#include <inttypes.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/die.h"

#define PURPOSE "postern-allow:" /* the key may come to sign other things */
#define SIGNATURE 64             /* hex digits */
#define ID_MAX 16

/* ---- base64url without padding (RFC 4648 5) ---- */

static void
encode(struct str s, struct buf *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t bits = 0;
		size_t n = s.n - i < 3 ? s.n - i : 3;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (unsigned char)s.p[i + k] : 0);
		for (size_t k = 0; k <= n; k++)
			buf_addc(out, digits[bits >> (18 - 6 * k) & 63]);
	}
}

static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool
decode(struct str s, struct arena *arena, struct str *out)
{
	char *p = arena_alloc(arena, s.n + 1);
	uint32_t bits = 0;
	size_t n = 0;

	if (s.n % 4 == 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int value = digit(s.p[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 0)
			p[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	*out = (struct str){ p, n };
	return true;
}

/* ---- signing ---- */

static void
sign(struct str key, struct str what, char out[SIGNATURE + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	struct buf b;

	require(key.n >= TICKET_KEY_LEAST);
	buf_init(&b, TICKET_MAX + sizeof(PURPOSE));
	buf_add(&b, STR(PURPOSE));
	buf_add(&b, what);
	if (b.over ||
	    HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)b.p, b.n, digest, &n) ==
		NULL ||
	    n != SIGNATURE / 2)
		die("OpenSSL does not sign");
	buf_free(&b);
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	out[SIGNATURE] = '\0';
}

bool
ticket_write(const struct ticket *t, struct str key, struct buf *out)
{
	char signature[SIGNATURE + 1];
	struct buf b;
	bool ok;

	buf_init(&b, TICKET_MAX - SIGNATURE - 1);
	buf_printf(&b, "%.*s.%" PRId64 ".", STR_ARG(t->id), t->until);
	encode(t->recipient, &b);
	ok = !b.over;
	if (ok) {
		sign(key, buf_str(&b), signature);
		buf_add(out, buf_str(&b));
		ok = buf_printf(out, ".%s", signature);
	}
	buf_free(&b);
	return ok;
}

static bool
take_parts(struct str text, struct arena *arena, struct ticket *out)
{
	struct str id, until, recipient;
	uint64_t seconds;

	if (!str_pop(&text, '.', &id) || !str_pop(&text, '.', &until) ||
	    !str_pop(&text, '.', &recipient) || text.p != NULL || id.n == 0 || id.n > ID_MAX ||
	    !str_to_u64(until, INT64_MAX, &seconds))
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!ascii_isalnum(id.p[i]))
			return false;
	out->id = arena_dup(arena, id);
	out->until = (int64_t)seconds;
	return decode(recipient, arena, &out->recipient);
}

enum ticket_state
ticket_read(struct str text, struct str key, int64_t now, struct arena *arena, struct ticket *out)
{
	size_t dot = str_rfind(text, '.');
	char wanted[SIGNATURE + 1];
	struct str signature;

	if (text.n > TICKET_MAX || dot == STR_NPOS)
		return TICKET_NONE;
	signature = str_sub(text, dot + 1, text.n);
	text = str_sub(text, 0, dot);
	if (signature.n != SIGNATURE || !take_parts(text, arena, out))
		return TICKET_NONE;
	sign(key, text, wanted);
	if (CRYPTO_memcmp(signature.p, wanted, SIGNATURE) != 0)
		return TICKET_FORGED;
	return now < out->until ? TICKET_GOOD : TICKET_EXPIRED;
}
