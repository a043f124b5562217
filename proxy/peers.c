#include "proxy/peers.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/die.h"

#define BUCKETS 1024

struct peer {
	struct peer *next;
	struct ip network;
	size_t n;
};

struct peers {
	struct peer *bucket[BUCKETS];
	uint64_t seed; /* so that nobody can choose addresses of one bucket */
};

struct peers *
peers_new(void)
{
	struct peers *peers = xcalloc(1, sizeof(*peers));

	if (getrandom(&peers->seed, sizeof(peers->seed), 0) != (ssize_t)sizeof(peers->seed))
		die("getrandom gave no random octets");
	return peers;
}

void
peers_free(struct peers **peers)
{
	struct peers *p = *peers;

	if (p == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (p->bucket[i]) {
			struct peer *peer = p->bucket[i];

			p->bucket[i] = peer->next;
			free(peer);
		}
	}
	free(p);
	*peers = NULL;
}

/* The link that leads to the peer, or to where it would be. */
static struct peer **
find(struct peers *peers, const struct ip *network)
{
	uint64_t hash = peers->seed;
	struct peer **at;

	for (size_t i = 0; i < sizeof(network->b); i++)
		hash = (hash ^ network->b[i]) * 0x100000001b3ULL;
	hash ^= hash >> 32;
	at = &peers->bucket[hash % BUCKETS];
	while (*at && !ip_eq(&(*at)->network, network))
		at = &(*at)->next;
	return at;
}

size_t
peers_enter(struct peers *peers, const struct ip *ip)
{
	struct ip network = ip_network(ip, 32, 64);
	struct peer **at = find(peers, &network);

	if (*at == NULL) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->network = network;
	}
	return ++(*at)->n;
}

void
peers_leave(struct peers *peers, const struct ip *ip)
{
	struct ip network = ip_network(ip, 32, 64);
	struct peer **at = find(peers, &network);
	struct peer *peer = *at;

	require(peer != NULL);
	if (--peer->n > 0)
		return;
	*at = peer->next;
	free(peer);
}
