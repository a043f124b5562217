#include "proxy/peers.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/die.h"
#include "base/sip.h"

#define ROWS 4
#define CELLS 65536 /* a row; 16 bits of the hash choose one */
#define MINUTE 60

/*
 * A cell of a rate: the number of a minute, and how many events there were in the one before it and in
 * it. One word, so that all three change together.
 */
#define COUNT_BITS 20
#define COUNT_MOST ((1u << COUNT_BITS) - 1)
#define MINUTES_MOST ((1u << (64 - 2 * COUNT_BITS)) - 1)

struct peers {
	uint64_t key[2]; /* so that nobody can choose addresses that share cells */
	_Atomic uint32_t clients[ROWS][CELLS], networks[ROWS][CELLS];
	_Atomic uint64_t rates[PEER_RATES][ROWS][CELLS];
};

struct count {
	unsigned minute, before, now;
};

struct peers *
peers_new(void)
{
	/* So large that it comes from the system as pages that take no memory until they are used. */
	struct peers *peers = xcalloc(1, sizeof(*peers));

	if (getrandom(peers->key, sizeof(peers->key), 0) != (ssize_t)sizeof(peers->key))
		die("getrandom gave no random octets");
	return peers;
}

void
peers_free(struct peers **peers)
{
	free(*peers);
	*peers = NULL;
}

/* ---- who is who ---- */

static uint64_t
hash_of(const struct peers *peers, const struct ip *ip, bool network)
{
	uint64_t word[3] = { 0 };

	_Static_assert(sizeof(ip->b) == 2 * sizeof(word[0]), "an address is two words");
	memcpy(word, ip->b, sizeof(ip->b));
	word[2] = ip->version * 2 + network;
	/* A weaker hash has collisions that no key changes. */
	return sip_hash(peers->key, word, 3);
}

struct peer
peers_of(const struct peers *peers, const struct ip *ip, const struct peer_network *network)
{
	struct ip client = ip_network(ip, 32, 64);
	struct ip wide = ip_network(ip, network->ipv4, network->ipv6);

	return (struct peer){ hash_of(peers, &client, false), hash_of(peers, &wide, true) };
}

static size_t
cell(uint64_t hash, size_t row)
{
	return (hash >> (16 * row)) % CELLS;
}

/* ---- connections ---- */

static size_t
enter(_Atomic uint32_t table[ROWS][CELLS], uint64_t hash)
{
	size_t least = SIZE_MAX;

	for (size_t row = 0; row < ROWS; row++) {
		size_t n = atomic_fetch_add(&table[row][cell(hash, row)], 1) + (size_t)1;

		if (n < least)
			least = n;
	}
	return least;
}

static void
leave(_Atomic uint32_t table[ROWS][CELLS], uint64_t hash)
{
	for (size_t row = 0; row < ROWS; row++)
		require(atomic_fetch_sub(&table[row][cell(hash, row)], 1) > 0);
}

struct peer_sessions
peers_enter(struct peers *peers, const struct peer *peer)
{
	return (struct peer_sessions){
		.client = enter(peers->clients, peer->client),
		.network = enter(peers->networks, peer->network),
	};
}

void
peers_leave(struct peers *peers, const struct peer *peer)
{
	leave(peers->clients, peer->client);
	leave(peers->networks, peer->network);
}

/* ---- rates ---- */

/* What a word holds, as it is in the given minute. */
static struct count
count_of(uint64_t word, unsigned minute)
{
	struct count c = {
		.minute = (unsigned)(word >> (2 * COUNT_BITS)),
		.before = (unsigned)(word >> COUNT_BITS) & COUNT_MOST,
		.now = (unsigned)word & COUNT_MOST,
	};

	if (c.minute == minute)
		return c;
	/* A loop that read the clock just before another one has not gone back in time. */
	if (((minute + 1) & MINUTES_MOST) == c.minute)
		return c;
	if (((c.minute + 1) & MINUTES_MOST) == minute)
		return (struct count){ minute, c.now, 0 };
	return (struct count){ minute, 0, 0 };
}

static uint64_t
word_of(const struct count *c)
{
	return (uint64_t)c->minute << (2 * COUNT_BITS) | (uint64_t)c->before << COUNT_BITS | c->now;
}

static void
add_one(_Atomic uint64_t *word, unsigned minute)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed), new;

	do {
		struct count c = count_of(old, minute);

		if (c.now < COUNT_MOST)
			c.now++;
		new = word_of(&c);
	} while (!atomic_compare_exchange_weak(word, &old, new));
}

/* The first second from `second` of a minute on that leaves room, if n of an earlier minute fade. */
static unsigned
fades(unsigned n, unsigned kept, int64_t most, unsigned second)
{
	while (second < MINUTE &&
	    kept + ((int64_t)n * (MINUTE - second) + MINUTE - 1) / MINUTE >= most)
		second++;
	return second;
}

static unsigned
wait_of(const struct count *c, int64_t most, unsigned second)
{
	unsigned at = fades(c->before, c->now, most, second);

	if (at < MINUTE || c->now < most)
		return at - second;
	return MINUTE - second + fades(c->now, 0, most, 0);
}

unsigned
peers_wait(const struct peers *peers, const struct peer *peer, enum peer_rate rate, int64_t most,
    int64_t now_us)
{
	unsigned now = (unsigned)(now_us / 1000000);
	unsigned minute = now / MINUTE & MINUTES_MOST, least = UINT32_MAX;

	if (most == 0)
		return 0;
	for (size_t row = 0; row < ROWS; row++) {
		struct count c =
		    count_of(atomic_load_explicit(&peers->rates[rate][row][cell(peer->client, row)],
				 memory_order_relaxed),
			minute);
		unsigned wait = wait_of(&c, most, now % MINUTE);

		if (wait < least)
			least = wait;
	}
	return least;
}

/* Two loops that look at once may both find the last place free: one too many for each loop. */
unsigned
peers_count(
    struct peers *peers, const struct peer *peer, enum peer_rate rate, int64_t most, int64_t now_us)
{
	unsigned minute = (unsigned)(now_us / 1000000) / MINUTE & MINUTES_MOST;
	unsigned wait = peers_wait(peers, peer, rate, most, now_us);

	if (most == 0 || wait > 0)
		return wait;
	for (size_t row = 0; row < ROWS; row++)
		add_one(&peers->rates[rate][row][cell(peer->client, row)], minute);
	return 0;
}
