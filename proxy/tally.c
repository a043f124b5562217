#include "proxy/tally.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"

#define KINDS 32
#define INTERVAL_S 10

struct tally {
	struct db_link *link;
	struct event *timer; /* runs while something is counted */
	struct {
		const struct tally_kind *kind;
		int64_t times;
	} count[KINDS];
};

static void
send_one(struct tally *t, const struct tally_kind *kind, int64_t times)
{
	const struct verdict v = said_verdict(kind->said);
	const struct journal_record record = {
		.time_ms = clock_wall_ms(),
		.front = front_name(FRONT_PROXY),
		.step = step_name(kind->step),
		.verdict = verdict_name(v.kind),
		.code = v.code,
		.times = times,
		.recipients = STR("[]"),
		.enhanced = str_of(v.enhanced),
		.text = v.text,
		.rule = v.rule,
		.facts = STR("{}"),
		.trace = STR("[]"),
		.answers = STR("[]"),
	};

	log_info(NULL, "event=limit limit=\"%s\" times=%lld", said_row(kind->said)->why,
	    (long long)times);
	db_send(t->link, db_request_journal(journal_record_copy(&record)));
}

void
tally_send(struct tally *t)
{
	for (size_t i = 0; i < KINDS && t->count[i].kind; i++) {
		if (t->count[i].times)
			send_one(t, t->count[i].kind, t->count[i].times);
		t->count[i].times = 0;
	}
	event_del(t->timer);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	tally_send(arg);
}

struct tally *
tally_new(struct event_base *base, struct db_link *link)
{
	struct tally *t = xcalloc(1, sizeof(*t));

	t->link = link;
	t->timer = evtimer_new(base, on_timer, t);
	require(t->timer);
	return t;
}

void
tally_free(struct tally **tally)
{
	struct tally *t = *tally;

	if (!t)
		return;
	tally_send(t);
	event_free(t->timer);
	free(t);
	*tally = NULL;
}

void
tally_count(struct tally *t, const struct tally_kind *kind)
{
	const struct timeval interval = { INTERVAL_S, 0 };
	size_t i = 0;

	while (i < KINDS && t->count[i].kind && t->count[i].kind != kind)
		i++;
	/* Kinds are static objects of ours; there are never more. */
	require(i < KINDS);
	t->count[i].kind = kind;
	t->count[i].times++;
	if (!evtimer_pending(t->timer, NULL))
		evtimer_add(t->timer, &interval);
}
