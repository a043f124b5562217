#include "db/backlog.h"

#include "base/log.h"

static void
set_full(struct backlog *b, bool full, size_t requests, size_t octets)
{
	bool before = !full;

	if (!atomic_compare_exchange_strong(&b->full, &before, full))
		return;
	if (full)
		log_warn(NULL,
		    "event=backlog state=full requests=%zu octets=%zu: no more is taken in until the databases have caught up",
		    requests, octets);
	else
		log_info(
		    NULL, "event=backlog state=good requests=%zu octets=%zu", requests, octets);
}

void
backlog_in(struct backlog *b, size_t octets)
{
	size_t all_requests = atomic_fetch_add(&b->requests, 1) + 1;
	size_t all_octets = atomic_fetch_add(&b->octets, octets) + octets;

	if (all_requests >= b->most || all_octets >= BACKLOG_OCTETS)
		set_full(b, true, all_requests, all_octets);
}

void
backlog_out(struct backlog *b, size_t octets)
{
	atomic_fetch_sub(&b->requests, 1);
	atomic_fetch_sub(&b->octets, octets);
}

/* WHY here and not in backlog_out(): whoever set the mark may have done so after all was done. */
bool
backlog_full(struct backlog *b)
{
	size_t requests, octets;

	if (!atomic_load_explicit(&b->full, memory_order_relaxed))
		return false;
	requests = atomic_load(&b->requests);
	octets = atomic_load(&b->octets);
	if (requests <= b->most / 4 && octets <= BACKLOG_OCTETS / 4)
		set_full(b, false, requests, octets);
	return atomic_load(&b->full);
}
