#include "proxy/probe.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"

#define RETRY_FIRST_MS 500

struct probe {
	struct probe_plan plan;
	struct backend_target target;
	struct event *timer;
	struct backend_link *link; /* while asking */
	struct abilities abilities;
	int64_t retry_ms;
	bool away;                     /* the last time failed, and the log says so */
	int64_t since_ms, answered_ms; /* wall; 0: never */
	char why[256];
	void (*told)(void *owner);
	void *owner;
};

static void
wait_ms(struct probe *probe, int64_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	evtimer_add(probe->timer, &tv);
}

/* Soon, then less and less often. */
static void
wait_retry(struct probe *probe)
{
	int64_t most = probe->plan.core->probe_retry;

	wait_ms(probe, probe->retry_ms < most ? probe->retry_ms : most);
	probe->retry_ms = probe->retry_ms * 2 < most ? probe->retry_ms * 2 : most;
}

static void
note_away(struct probe *probe, const char *why)
{
	if (!probe->away) {
		log_warn(
		    NULL, "event=backend-away backend=\"%s\" why=\"%s\"", probe->target.label, why);
		probe->since_ms = clock_wall_ms();
	}
	probe->away = true;
	str_copy(str_of(why), probe->why, sizeof(probe->why));
}

static void
on_backend(void *owner, enum backend_event event)
{
	struct probe *probe = owner;

	if (event == BACKEND_READY) {
		probe_learn(probe, backend_abilities(probe->link));
		wait_ms(probe, probe->plan.core->probe_every);
	} else {
		note_away(probe, backend_why(probe->link));
		wait_retry(probe);
	}
	backend_free(&probe->link);
	slot_leave(probe->plan.slot);
	if (probe->told)
		probe->told(probe->owner);
}

void
probe_tell(struct probe *probe, void (*told)(void *owner), void *owner)
{
	probe->told = told;
	probe->owner = owner;
}

static void
ask(struct probe *probe)
{
	struct backend_order order = {
		.base = probe->plan.base,
		.target = &probe->target,
		.core = probe->plan.core,
		.tls = probe->plan.tls,
		.on = on_backend,
		.owner = probe,
	};

	if (slot_take(probe->plan.slot, probe->plan.connections))
		probe->link = backend_open(&order);
	else
		wait_retry(probe);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	ask(arg);
}

struct probe *
probe_new(const struct probe_plan *plan, const struct probe *before)
{
	struct probe *probe = xcalloc(1, sizeof(*probe));

	probe->plan = *plan;
	probe->target = *plan->target;
	probe->retry_ms = RETRY_FIRST_MS;
	probe->timer = evtimer_new(plan->base, on_timer, probe);
	if (probe->timer == NULL)
		die("no memory for a timer");
	if (before) {
		probe->abilities = before->abilities;
		probe->away = before->away;
		probe->since_ms = before->since_ms;
		probe->answered_ms = before->answered_ms;
		str_copy(str_of(before->why), probe->why, sizeof(probe->why));
	}
	ask(probe);
	return probe;
}

void
probe_free(struct probe **probe)
{
	struct probe *p = *probe;

	if (p == NULL)
		return;
	if (p->link)
		slot_leave(p->plan.slot);
	backend_free(&p->link);
	event_free(p->timer);
	free(p);
	*probe = NULL;
}

bool
probe_away(const struct probe *probe)
{
	return probe->away;
}

void
probe_failed(struct probe *probe, const char *why)
{
	if (probe->away)
		return;
	note_away(probe, why);
	if (probe->link == NULL)
		wait_retry(probe);
}

const struct abilities *
probe_abilities(const struct probe *probe)
{
	return &probe->abilities;
}

void
probe_learn(struct probe *probe, const struct abilities *abilities)
{
	if (probe->away)
		log_info(NULL, "event=backend-back backend=\"%s\"", probe->target.label);
	probe->answered_ms = clock_wall_ms();
	if (probe->away || probe->since_ms == 0)
		probe->since_ms = probe->answered_ms;
	probe->away = false;
	probe->retry_ms = RETRY_FIRST_MS;
	probe->abilities = *abilities;
}

struct probe_news
probe_news(const struct probe *probe)
{
	return (struct probe_news){
		.known = probe->since_ms > 0,
		.away = probe->away,
		.since_ms = probe->since_ms,
		.answered_ms = probe->answered_ms,
		.why = probe->why,
	};
}
