#include "cli/networks.h"

#include <stdlib.h>

#include "base/addr.h"
#include "base/die.h"

/* As greylisting and limits take them. */
#define BITS_IPV4 24
#define BITS_IPV6 64
/* Clients that are looked at. */
#define CLIENTS_MOST 100000

struct network {
	struct ip ip;
	int64_t n;
};

struct networks {
	struct network *network;
	size_t n, cap;
};

static void
add(void *owner, const struct journal_sum *sum)
{
	struct networks *all = owner;
	struct ip ip;

	/* What is no address is one that was hashed. */
	if (!ip_parse(sum->key, &ip))
		return;
	if (all->n == all->cap) {
		all->cap = all->cap ? 2 * all->cap : 256;
		all->network = xrealloc(all->network, all->cap * sizeof(*all->network));
	}
	all->network[all->n++] = (struct network){ ip_network(&ip, BITS_IPV4, BITS_IPV6), sum->n };
}

static int
by_address(const void *a, const void *b)
{
	const struct network *x = a, *y = b;
	int order = memcmp(x->ip.b, y->ip.b, sizeof(x->ip.b));

	return order ? order : x->ip.version - y->ip.version;
}

static int
by_number(const void *a, const void *b)
{
	const struct network *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : by_address(a, b);
}

/* Rows of one network become one. */
static void
merge(struct networks *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		if (n > 0 && ip_eq(&all->network[n - 1].ip, &all->network[i].ip))
			all->network[n - 1].n += all->network[i].n;
		else
			all->network[n++] = all->network[i];
	}
	all->n = n;
}

bool
networks_top(struct journal *journal, const struct journal_ranking *ranking,
    void (*row)(void *owner, const struct journal_sum *sum), void *owner, struct err *e)
{
	const struct journal_ranking clients = { ranking->span, "client_ip", CLIENTS_MOST };
	struct networks all = { 0 };
	bool ok = journal_top(journal, &clients, add, &all, e);

	if (all.n > 0) {
		qsort(all.network, all.n, sizeof(*all.network), by_address);
		merge(&all);
		qsort(all.network, all.n, sizeof(*all.network), by_number);
	}
	for (size_t i = 0; ok && i < all.n && i < ranking->most; i++) {
		const struct network *network = &all.network[i];
		char text[IP_TEXT_SIZE + 8];

		snprintf(text, sizeof(text), "%s/%d", IP_TEXT(&network->ip),
		    network->ip.version == 4 ? BITS_IPV4 : BITS_IPV6);
		row(owner, &(struct journal_sum){ str_of(text), network->n });
	}
	free(all.network);
	return ok;
}
