#include "proxy/slots.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/die.h"

struct slot {
	struct slot *next;
	char *host;
	uint16_t port;
	atomic_llong connections, idle, waiting, delivered;
};

struct slots {
	_Atomic(struct slot *) first;
};

struct slots *
slots_new(void)
{
	return xcalloc(1, sizeof(struct slots));
}

void
slots_free(struct slots **slots)
{
	struct slot *slot, *next;

	if (*slots == NULL)
		return;
	for (slot = atomic_load(&(*slots)->first); slot; slot = next) {
		next = slot->next;
		free(slot->host);
		free(slot);
	}
	free(*slots);
	*slots = NULL;
}

static struct slot *
look(const struct slots *slots, const struct backend *backend)
{
	struct slot *slot = atomic_load(&slots->first);

	while (slot && (slot->port != backend->port || strcmp(slot->host, backend->host) != 0))
		slot = slot->next;
	return slot;
}

void
slots_know(struct slots *slots, const struct config *config)
{
	for (size_t i = 0; i < config->n_backends; i++) {
		const struct backend *backend = &config->backends[i];
		struct slot *slot;

		if (look(slots, backend))
			continue;
		slot = xcalloc(1, sizeof(*slot));
		slot->host = xmalloc(strlen(backend->host) + 1);
		memcpy(slot->host, backend->host, strlen(backend->host) + 1);
		slot->port = backend->port;
		slot->next = atomic_load(&slots->first);
		atomic_store(&slots->first, slot);
	}
}

struct slot *
slots_find(const struct slots *slots, const struct backend *backend)
{
	struct slot *slot = look(slots, backend);

	require(slot);
	return slot;
}

bool
slot_take(struct slot *slot, int64_t most)
{
	long long now = atomic_load(&slot->connections);

	do {
		if (most > 0 && now >= most)
			return false;
	} while (!atomic_compare_exchange_weak(&slot->connections, &now, now + 1));
	return true;
}

void
slot_leave(struct slot *slot)
{
	require(atomic_fetch_sub(&slot->connections, 1) > 0);
}

void
slot_wait(struct slot *slot, int by)
{
	require(atomic_fetch_add(&slot->waiting, by) + by >= 0);
}

void
slot_idle(struct slot *slot, int by)
{
	require(atomic_fetch_add(&slot->idle, by) + by >= 0);
}

void
slot_delivered(struct slot *slot)
{
	atomic_fetch_add(&slot->delivered, 1);
}

struct slot_counts
slot_counts(const struct slot *slot)
{
	return (struct slot_counts){
		.connections = atomic_load(&slot->connections),
		.idle = atomic_load(&slot->idle),
		.waiting = atomic_load(&slot->waiting),
		.delivered = atomic_load(&slot->delivered),
	};
}
