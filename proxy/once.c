#include "proxy/once.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "base/die.h"

struct once {
	EVP_MD_CTX *digest;
};

static void
add(struct once *once, const void *p, size_t n)
{
	if (n > 0 && EVP_DigestUpdate(once->digest, p, n) != 1)
		die("OpenSSL does not take octets for a digest");
}

static void
begin(struct once *once)
{
	if (EVP_DigestInit_ex(once->digest, EVP_sha256(), NULL) != 1)
		die("OpenSSL has no SHA-256");
}

static void
finish(struct once *once, unsigned char out[DELIVERED_KEY])
{
	unsigned n = DELIVERED_KEY;

	if (EVP_DigestFinal_ex(once->digest, out, &n) != 1)
		die("OpenSSL does not finish a digest");
}

struct once *
once_new(void)
{
	struct once *once = xcalloc(1, sizeof(*once));

	once->digest = EVP_MD_CTX_new();
	if (once->digest == NULL)
		die("no memory for a digest");
	begin(once);
	return once;
}

void
once_free(struct once **once)
{
	if (*once == NULL)
		return;
	EVP_MD_CTX_free((*once)->digest);
	free(*once);
	*once = NULL;
}

void
once_add(struct once *once, struct str octets)
{
	add(once, octets.p, octets.n);
}

static int
compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* No address holds a NUL, so that it parts them. */
static void
add_address(struct once *once, struct str address)
{
	add(once, address.p, address.n);
	add(once, "", 1);
}

static void
add_recipients(struct once *once, const struct transaction *txn)
{
	struct str *address = xcalloc(txn->n_accepted + 1, sizeof(*address));
	size_t n = 0;

	for (const struct recipient *r = txn->recipients; r; r = r->next)
		if (r->state == RECIPIENT_ACCEPTED && n < txn->n_accepted)
			address[n++] = r->mailbox.address;
	qsort(address, n, sizeof(*address), compare);
	for (size_t i = 0; i < n; i++)
		add_address(once, address[i]);
	free(address);
}

void
once_finish(struct once *once, const struct transaction *txn, unsigned char key[DELIVERED_KEY])
{
	finish(once, key);
	begin(once);
	add(once, key, DELIVERED_KEY);
	add_address(once, txn->sender.address);
	add_recipients(once, txn);
	finish(once, key);
}
