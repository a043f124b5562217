#include "proxy/parking.h"

#include <stdlib.h>

#include "base/die.h"
#include "base/log.h"

/* One link. */
struct bay {
	struct bay *next;
	struct parking *parking;
	struct backend_link *link;
	bool resetting; /* the reply to RSET is awaited */
};

struct parking {
	struct parking_plan plan;
	struct bay *bays; /* newest first */
	size_t n;
};

struct parking *
parking_new(const struct parking_plan *plan)
{
	struct parking *parking = xcalloc(1, sizeof(*parking));

	parking->plan = *plan;
	return parking;
}

/* Leaves the link to the caller. */
static struct backend_link *
clear(struct bay *bay)
{
	struct bay **at = &bay->parking->bays;
	struct backend_link *link = bay->link;

	while (*at != bay)
		at = &(*at)->next;
	*at = bay->next;
	bay->parking->n--;
	free(bay);
	return link;
}

static void
on_backend(void *owner, enum backend_event event)
{
	struct bay *bay = owner;
	struct parking *parking = bay->parking;
	struct backend_link *link;

	if (event == BACKEND_REPLY && backend_reply(bay->link)->code == 250 &&
	    backend_reusable(bay->link)) {
		bay->resetting = false;
		return;
	}
	link = clear(bay);
	if (event == BACKEND_LOST)
		log_debug(NULL, "event=backend-idle result=ended why=\"%s\"", backend_why(link));
	backend_free(&link);
	parking->plan.gone(parking->plan.owner);
}

bool
parking_put(struct parking *parking, struct backend_link **link, bool dirty)
{
	struct backend_order order = { .core = parking->plan.core, .on = on_backend };
	struct bay *bay;

	if (parking->plan.reuse == 0 || parking->n == PARKING_MOST || !backend_reusable(*link))
		return false;
	bay = xcalloc(1, sizeof(*bay));
	order.owner = bay;
	bay->parking = parking;
	bay->link = *link;
	bay->resetting = dirty;
	bay->next = parking->bays;
	parking->bays = bay;
	parking->n++;
	*link = NULL;
	backend_park(bay->link, &order, parking->plan.reuse);
	if (dirty)
		backend_command(bay->link, STR("RSET"));
	return true;
}

struct backend_link *
parking_take(struct parking *parking)
{
	for (struct bay *bay = parking->bays; bay; bay = bay->next)
		if (!bay->resetting)
			return clear(bay);
	return NULL;
}

size_t
parking_count(const struct parking *parking)
{
	return parking->n;
}

size_t
parking_ready(const struct parking *parking)
{
	size_t n = 0;

	for (const struct bay *bay = parking->bays; bay; bay = bay->next)
		n += !bay->resetting;
	return n;
}

bool
parking_drop(struct parking *parking)
{
	struct backend_link *link;

	if (parking->bays == NULL)
		return false;
	link = clear(parking->bays);
	backend_free(&link);
	return true;
}

void
parking_free(struct parking **parking)
{
	if (*parking == NULL)
		return;
	while (parking_drop(*parking))
		;
	free(*parking);
	*parking = NULL;
}
