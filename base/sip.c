#include "base/sip.h"

static uint64_t
rotated(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void
turn(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotated(v[1], 13) ^ v[0];
	v[3] = rotated(v[3], 16) ^ v[2];
	v[0] = rotated(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotated(v[1], 17) ^ v[2];
	v[3] = rotated(v[3], 21) ^ v[0];
	v[2] = rotated(v[2], 32);
}

static void
take(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	turn(v);
	turn(v);
	v[0] ^= word;
}

uint64_t
sip_hash(const uint64_t key[2], const uint64_t *word, size_t n)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };

	for (size_t i = 0; i < n; i++)
		take(v, word[i]);
	/* What is left of the text in its last word: nothing, and its length in octets. */
	take(v, (uint64_t)(n * sizeof(*word)) << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		turn(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
