#include "proxy/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/rand.h>

#include "base/clock.h"
#include "base/die.h"

#define LOOK_MS 1000

struct report {
	struct gate *gate;
	struct pool *const *pool;
	struct event *timer;
	char instance[STATUS_INSTANCE + 1];
	struct status_report *last; /* that was sent; NULL: none */
};

/* As much as there is room for. */
static void
fit(const char *text, char *out, size_t size)
{
	struct str s = str_of(text);

	str_copy(str_sub(s, 0, s.n < size ? s.n : size - 1), out, size);
}

static void
fill_row(const struct pool_news *news, struct status_row *row)
{
	struct buf offers;

	fit(news->label, row->label, sizeof(row->label));
	fit(!news->health.known     ? "unknown"
		: news->health.away ? "failing"
				    : "well",
	    row->state, sizeof(row->state));
	if (news->health.away)
		fit(news->health.why, row->why, sizeof(row->why));
	fit(news->conf->route, row->route, sizeof(row->route));
	buf_init(&offers, sizeof(row->offers));
	buf_add(&offers, STR(""));
	abilities_text(news->abilities, &offers);
	fit(offers.p, row->offers, sizeof(row->offers));
	buf_free(&offers);
	row->since_ms = news->health.since_ms;
	row->answered_ms = news->health.answered_ms;
	row->weight = news->conf->weight;
	row->standby = news->conf->standby;
	row->most = news->conf->connections;
	row->connections = news->counts.connections;
	row->idle = news->counts.idle;
	row->waiting = news->counts.waiting;
	row->delivered = news->counts.delivered;
}

static struct status_report *
make(const struct report *r, size_t n)
{
	struct status_report *report = status_report_new(n);
	struct resolver_counts dns = gate_resolver_counts(r->gate);

	memcpy(report->instance, r->instance, sizeof(r->instance));
	report->pid = getpid();
	report->time_ms = clock_wall_ms();
	report->dns = (struct status_dns){ .asked = (int64_t)dns.asked,
		.at_hand = (int64_t)dns.at_hand,
		.timeouts = (int64_t)dns.timeouts,
		.failures = (int64_t)dns.failures };
	for (size_t i = 0; i < n; i++) {
		struct pool_news news = pool_news(*r->pool, i);

		fill_row(&news, &report->row[i]);
	}
	return report;
}

static bool
same(const struct status_report *a, const struct status_report *b)
{
	return a && a->n == b->n && memcmp(a->row, b->row, a->n * sizeof(a->row[0])) == 0 &&
	    b->time_ms - a->time_ms < STATUS_EVERY_MS && b->time_ms >= a->time_ms;
}

static void
tell(struct report *r, size_t n)
{
	struct status_report *report = make(r, n);

	if (same(r->last, report)) {
		free(report);
		return;
	}
	free(r->last);
	r->last = status_report_new(n);
	memcpy(r->last, report, sizeof(*report) + n * sizeof(report->row[0]));
	db_send(gate_link(r->gate), db_request_status(report));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct report *r = arg;

	tell(r, pool_size(*r->pool));
}

struct report *
report_new(struct gate *gate, struct pool *const *pool)
{
	struct report *r = xcalloc(1, sizeof(*r));
	const struct timeval look = { LOOK_MS / 1000, LOOK_MS % 1000 * 1000 };
	unsigned char random[STATUS_INSTANCE / 2];

	r->gate = gate;
	r->pool = pool;
	if (RAND_bytes(random, sizeof(random)) != 1)
		die("no random numbers");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(r->instance + 2 * i, 3, "%02x", random[i]);
	r->timer = event_new(gate_base(gate), -1, EV_PERSIST, on_timer, r);
	if (r->timer == NULL)
		die("no memory for a timer");
	event_add(r->timer, &look);
	return r;
}

void
report_free(struct report **report)
{
	struct report *r = *report;

	if (r == NULL)
		return;
	if (r->last && r->last->n > 0)
		tell(r, 0);
	event_free(r->timer);
	free(r->last);
	free(r);
	*report = NULL;
}
