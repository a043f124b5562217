#include "proxy/tally.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"

#define INTERVAL_S 10
#define STEPS (STEP_MESSAGE + 1)

struct tally {
	struct db_link *link;
	struct event *timer; /* runs while something is counted */
	struct {
		int64_t limits, replies;
	} times[STEPS][SAID_COUNT];
	int64_t left[STEPS];
};

static void
send_record(struct tally *t, struct journal_record *r, enum step step)
{
	r->time_ms = clock_wall_ms();
	r->front = front_name(FRONT_PROXY);
	r->step = step_name(step);
	r->recipients = r->trace = r->answers = STR("[]");
	r->facts = STR("{}");
	db_send(t->link, db_request_journal(journal_record_copy(r)));
}

/* In a rule's place stands why, or which reply it was. */
static void
send_one(struct tally *t, enum step step, enum said said, int64_t times)
{
	const struct verdict v = said_verdict(said);
	struct journal_record record = { .times = times };
	struct buf text, rule;

	buf_init(&text, 2048);
	buf_init(&rule, 200);
	said_print(said, &text);
	buf_printf(&rule, "reply: %s", said_row(said)->name);
	record.verdict = verdict_name(v.kind);
	record.code = v.code;
	record.enhanced = str_of(v.enhanced);
	record.text = buf_str(&text);
	record.rule = said_row(said)->why ? v.rule : buf_str(&rule);
	send_record(t, &record, step);
	buf_free(&text);
	buf_free(&rule);
}

static void
send_left(struct tally *t, enum step step)
{
	struct journal_record record = {
		.verdict = "left",
		.times = t->left[step],
		.text = STR("The client was gone within a message"),
		.rule = STR("left"),
	};

	if (t->left[step] > 0)
		send_record(t, &record, step);
	t->left[step] = 0;
}

void
tally_send(struct tally *t)
{
	for (enum step step = 0; step < STEPS; step++) {
		for (enum said said = 0; said < SAID_COUNT; said++) {
			int64_t limits = t->times[step][said].limits;
			int64_t replies = t->times[step][said].replies;

			if (limits > 0)
				log_info(NULL, "event=limit limit=\"%s\" times=%lld",
				    said_row(said)->why, (long long)limits);
			if (limits + replies > 0)
				send_one(t, step, said, limits + replies);
			t->times[step][said].limits = t->times[step][said].replies = 0;
		}
		send_left(t, step);
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

static void
wait_a_while(struct tally *t)
{
	const struct timeval interval = { INTERVAL_S, 0 };

	if (!evtimer_pending(t->timer, NULL))
		evtimer_add(t->timer, &interval);
}

void
tally_count(struct tally *t, const struct tally_kind *kind)
{
	t->times[kind->step][kind->said].limits++;
	wait_a_while(t);
}

void
tally_reply(struct tally *t, enum step step, enum said said)
{
	t->times[step][said].replies++;
	wait_a_while(t);
}

void
tally_left(struct tally *t, enum step step)
{
	t->left[step]++;
	wait_a_while(t);
}
