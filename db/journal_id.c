#include "db/journal_id.h"

#include "base/sip.h"

#define LETTERS 6
#define HALF_BITS 15 /* 2^30 is a little more than 31^6 */
#define HALF ((1u << HALF_BITS) - 1)
#define ROUNDS 6

/* They can be read out on the telephone: hence no 0 and o, no 1, l and i. */
static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";

static uint32_t
mixed(const struct journal_key *key, unsigned round, uint32_t half)
{
	const uint64_t word = (uint64_t)round << 32 | half;

	return (uint32_t)sip_hash(key->word, &word, 1) & HALF;
}

/* A Feistel network: a permutation of 30 bits that the key chooses. */
static uint32_t
permute(const struct journal_key *key, uint32_t x)
{
	uint32_t left = x >> HALF_BITS, right = x & HALF;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t next = left ^ mixed(key, i, right);

		left = right;
		right = next;
	}
	return left << HALF_BITS | right;
}

static uint32_t
permute_back(const struct journal_key *key, uint32_t x)
{
	uint32_t left = x >> HALF_BITS, right = x & HALF;

	for (unsigned i = ROUNDS; i-- > 0;) {
		uint32_t before = right ^ mixed(key, i, left);

		right = left;
		left = before;
	}
	return left << HALF_BITS | right;
}

void
journal_id_write(const struct journal_key *key, int64_t serial, char id[8])
{
	uint32_t x = (uint32_t)((uint64_t)serial % JOURNAL_IDS);

	_Static_assert(sizeof(letters) == 31 + 1, "31 letters and digits");
	/* What falls outside is permuted again, until it falls inside: that is a permutation of those inside. */
	do
		x = permute(key, x);
	while (x >= JOURNAL_IDS);
	for (int i = 0; i < LETTERS; i++, x /= 31)
		id[i] = letters[x % 31];
	id[LETTERS] = '\0';
}

bool
journal_id_read(const struct journal_key *key, struct str id, int64_t *serial)
{
	uint32_t x = 0;

	if (id.n != LETTERS)
		return false;
	for (int i = LETTERS - 1; i >= 0; i--) {
		const char *p = memchr(letters, id.p[i], sizeof(letters) - 1);

		if (p == NULL)
			return false;
		x = x * 31 + (uint32_t)(p - letters);
	}
	do
		x = permute_back(key, x);
	while (x >= JOURNAL_IDS);
	*serial = x > 0 ? x : JOURNAL_IDS;
	return true;
}
