#include "db/journal_chain.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/die.h"

#define CELL_OCTETS 10

struct chain {
	EVP_MD *sha256; /* fetched once: looking it up costs more than a short digest */
	EVP_MD_CTX *digest;
};

struct chain *
chain_new(void)
{
	struct chain *c = xcalloc(1, sizeof(*c));

	c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	c->digest = EVP_MD_CTX_new();
	if (c->sha256 == NULL || c->digest == NULL)
		die("OpenSSL has no SHA-256");
	return c;
}

void
chain_free(struct chain **chain)
{
	struct chain *c = *chain;

	if (c == NULL)
		return;
	EVP_MD_CTX_free(c->digest);
	EVP_MD_free(c->sha256);
	free(c);
	*chain = NULL;
}

static void
begin(struct chain *c)
{
	if (EVP_DigestInit_ex2(c->digest, c->sha256, NULL) != 1)
		die("SHA-256 does not begin");
}

static void
add(struct chain *c, const void *p, size_t n)
{
	if (EVP_DigestUpdate(c->digest, p, n) != 1)
		die("SHA-256 does not go on");
}

static void
end(struct chain *c, struct chain_hash *out)
{
	unsigned n = CHAIN_OCTETS;

	if (EVP_DigestFinal_ex(c->digest, out->octet, &n) != 1 || n != CHAIN_OCTETS)
		die("SHA-256 does not end");
}

/* Writes a cell's head behind p; returns what is behind that. */
static unsigned char *
head(unsigned char *p, size_t column, const struct chain_cell *cell)
{
	uint64_t value = cell->text.n > 0 ? cell->text.n : (uint64_t)cell->number;

	*p++ = (unsigned char)column;
	*p++ = cell->text.n > 0 ? 't' : 'n';
	for (int shift = 56; shift >= 0; shift -= 8)
		*p++ = (unsigned char)(value >> shift);
	return p;
}

void
chain_content(struct chain *c, const struct chain_cell *cell, size_t n, struct chain_hash *out)
{
	unsigned char heads[CHAIN_CELLS * CELL_OCTETS], *p = heads;

	require(n <= CHAIN_CELLS);
	for (size_t i = 0; i < n; i++)
		if (cell[i].text.n > 0 || cell[i].number != 0)
			p = head(p, i, &cell[i]);
	begin(c);
	add(c, heads, (size_t)(p - heads));
	for (size_t i = 0; i < n; i++)
		if (cell[i].text.n > 0)
			add(c, cell[i].text.p, cell[i].text.n);
	end(c, out);
}

void
chain_link(struct chain *c, const struct chain_hash *before, const struct chain_hash *content,
    const struct chain_hash *configuration, struct chain_hash *out)
{
	begin(c);
	add(c, before->octet, CHAIN_OCTETS);
	add(c, content->octet, CHAIN_OCTETS);
	if (configuration)
		add(c, configuration->octet, CHAIN_OCTETS);
	end(c, out);
}

const char *
chain_print(const struct chain_hash *hash, char text[CHAIN_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < CHAIN_OCTETS; i++) {
		text[2 * i] = digits[hash->octet[i] >> 4];
		text[2 * i + 1] = digits[hash->octet[i] & 15];
	}
	text[CHAIN_TEXT - 1] = '\0';
	return text;
}

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
chain_parse(struct str text, struct chain_hash *out)
{
	if (text.n != CHAIN_TEXT - 1)
		return false;
	for (size_t i = 0; i < CHAIN_OCTETS; i++) {
		int high = digit(text.p[2 * i]), low = digit(text.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out->octet[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
