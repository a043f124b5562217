#include "db/redis_link.h"

#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "db/redis_greeting.h"

#define MS INT64_C(1000)

/* For a connection with its greeting; for one question to a Sentinel. */
#define CONNECT_MS 1000
/* Between attempts to connect: doubles from the one to the other. */
#define RETRY_LEAST_MS 20
#define RETRY_MOST_MS 1000
/* While away: a probe each so many ms, and so many in a row that have to be answered in time. */
#define PROBE_MS 50
#define PROBES 3
/* A connection that has not said anything to a question for so long is given up. */
#define HUNG_MS 2000

/* What may wait for the first connection. */
#define HELD_MAX 10000

enum state { LINK_DOWN, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct redis_link {
	const struct redis_settings *settings;
	struct redis_health *health;
	enum state state;
	bool away;
	bool odd;       /* an error of a single key was logged */
	bool to_master; /* the next connection is to `master`, which a Sentinel named */
	bool at_sentinel;
	size_t turn; /* of the places */
	struct redis_place master, place;
	int64_t retry_ms;
	unsigned in_time; /* probes in a row */
	bool probing;
	struct redis_pipe *pipe;
	struct event *deadline;                /* of the oldest question */
	int64_t due_us;                        /* when it is; 0: it is not armed */
	struct event *tend;                    /* connecting, waiting, probing */
	struct redis_errand *held, **held_end; /* until the first connection is there */
	size_t n_held;
	struct redis_command command;
};

/* --- health ------------------------------------------------------------------------------------- */

static void
go_away(struct redis_link *link, const char *problem)
{
	char where[REDIS_PLACE_TEXT];

	link->in_time = 0;
	if (link->away)
		return;
	link->away = true;
	if (atomic_fetch_add(&link->health->away, 1) == 0)
		log_error(NULL,
		    "event=database name=redis state=failing at=\"%s\" problem=\"%s\": `when store "
		    "unavailable` says what becomes of mail meanwhile",
		    redis_place_text(&link->place, where), problem);
}

static void
come_back(struct redis_link *link)
{
	char where[REDIS_PLACE_TEXT];

	if (!link->away)
		return;
	link->away = false;
	if (atomic_fetch_sub(&link->health->away, 1) == 1)
		log_info(NULL, "event=database name=redis state=good at=\"%s\"",
		    redis_place_text(&link->place, where));
}

static void
arm(struct event *timer, int64_t us)
{
	struct timeval tv;

	if (us < 0)
		us = 0;
	tv = (struct timeval){ us / 1000000, us % 1000000 };
	event_add(timer, &tv);
}

/* --- what is out -------------------------------------------------------------------------------- */

static void
probe(struct redis_link *link)
{
	redis_probe(link->pipe, link->settings);
	link->probing = true;
}

static void
greet(struct redis_link *link)
{
	if (link->at_sentinel) {
		redis_greet_sentinel(link->pipe, link->settings);
	} else {
		redis_greet(link->pipe, link->settings);
		link->probing = true;
	}
}

/* False: it cannot be asked. */
static bool
ask(struct redis_link *link, struct redis_errand *errand, bool whole)
{
	struct redis_command *c = &link->command;
	const struct redis_sent s = { .what = SENT_ASK,
		.errand = errand,
		.whole = whole,
		.rows = errand->ask.exceptions != NULL,
		.sent_us = errand->sent_us };

	if (!redis_command_ask(c, link->settings->prefix, &errand->ask, errand->now, false))
		return false;
	if (whole)
		redis_command_whole(c);
	return redis_pipe_say(link->pipe, &s, c->n, c->argument, c->length);
}

/* --- deadlines ---------------------------------------------------------------------------------- */

static int64_t
limit_us(const struct redis_link *link)
{
	return link->settings->timeout_ms * MS;
}

/* When there is next something to give up; 0: there is nothing. */
static int64_t
next_deadline(struct redis_link *link)
{
	if (link->held)
		return link->held->sent_us + limit_us(link);
	for (size_t i = 0; i < redis_pipe_out(link->pipe); i++)
		if (redis_pipe_at(link->pipe, i)->errand)
			return redis_pipe_at(link->pipe, i)->sent_us + limit_us(link);
	return redis_pipe_out(link->pipe) > 0 ? redis_pipe_at(link->pipe, 0)->sent_us + HUNG_MS * MS
					      : 0;
}

/* A timer that stands for later must not keep a question waiting that came meanwhile. */
static void
watch_until(struct redis_link *link, int64_t due_us)
{
	int64_t left_us = due_us - clock_mono_us();

	if (link->due_us != 0 && link->due_us <= due_us)
		return;
	link->due_us = due_us;
	arm(link->deadline, (left_us > 0 ? left_us : 0) + MS);
}

static void
watch(struct redis_link *link)
{
	int64_t due_us = next_deadline(link);

	if (due_us > 0)
		watch_until(link, due_us);
}

static struct redis_errand *
take_held(struct redis_link *link)
{
	struct redis_errand *errand = link->held;

	if (errand) {
		link->held = errand->next;
		if (link->held == NULL)
			link->held_end = &link->held;
		link->n_held--;
	}
	return errand;
}

static void
give_up_held(struct redis_link *link, int64_t now_us, bool all)
{
	while (link->held && (all || now_us - link->held->sent_us >= limit_us(link))) {
		struct redis_errand *errand = take_held(link);

		errand->done(errand, false);
	}
}

/* Those whose time is over; their answers may still come, and find nobody. */
static void
give_up(struct redis_link *link, int64_t now_us)
{
	for (size_t i = 0; i < redis_pipe_out(link->pipe); i++) {
		struct redis_sent *s = redis_pipe_at(link->pipe, i);
		struct redis_errand *errand = s->errand;

		if (now_us - s->sent_us < limit_us(link))
			break;
		s->errand = NULL;
		if (errand)
			errand->done(errand, false);
	}
}

static bool
overdue(struct redis_link *link, int64_t now_us)
{
	if (link->held)
		return now_us - link->held->sent_us >= limit_us(link);
	for (size_t i = 0; i < redis_pipe_out(link->pipe); i++)
		if (redis_pipe_at(link->pipe, i)->errand)
			return now_us - redis_pipe_at(link->pipe, i)->sent_us >= limit_us(link);
	return false;
}

/* --- the connection ----------------------------------------------------------------------------- */

static void
disconnect(struct redis_link *link)
{
	redis_pipe_close(link->pipe);
	link->state = LINK_DOWN;
	link->probing = false;
}

/* Ends the connection, and whoever waits for it is told; another one will be tried. */
static void
failed(struct redis_link *link, const char *problem)
{
	struct redis_errand *lost = NULL, **end = &lost, *errand;

	disconnect(link);
	link->to_master = false;
	while (redis_pipe_out(link->pipe) > 0) {
		struct redis_sent s = redis_pipe_shift(link->pipe);

		if (s.errand == NULL)
			continue;
		*end = s.errand;
		end = &s.errand->next;
	}
	*end = NULL;
	go_away(link, problem);
	link->retry_ms = link->retry_ms * 2 < RETRY_MOST_MS ? link->retry_ms * 2 : RETRY_MOST_MS;
	arm(link->tend, link->retry_ms * MS);
	give_up_held(link, 0, true);
	while ((errand = lost) != NULL) {
		lost = errand->next;
		errand->done(errand, false);
	}
}

static void
connect_next(struct redis_link *link)
{
	const struct redis_settings *s = link->settings;
	struct err e;

	link->at_sentinel = s->sentinel[0] && !link->to_master;
	link->place = link->to_master ? link->master : s->place[link->turn++ % s->n];
	if (!redis_pipe_open(link->pipe, &link->place, &e)) {
		failed(link, e.text);
		return;
	}
	link->state = LINK_CONNECTING;
	arm(link->tend, CONNECT_MS * MS);
}

/* The greeting is over. */
static void
ready(struct redis_link *link)
{
	struct redis_errand *errand;

	link->state = LINK_READY;
	event_del(link->tend);
	link->retry_ms = RETRY_LEAST_MS / 2;
	if (link->away) {
		link->in_time = 0;
		arm(link->tend, 0);
	}
	while ((errand = take_held(link)) != NULL)
		if (!ask(link, errand, false))
			errand->done(errand, false);
	watch(link);
}

/* --- replies ------------------------------------------------------------------------------------ */

static void
refused(struct redis_link *link, const redisReply *reply)
{
	struct err e;

	redis_refusal("a question", reply, &e);
	failed(link, e.text);
}

static void
probed(struct redis_link *link, const struct redis_sent *s)
{
	link->probing = false;
	if (link->state == LINK_GREETING) {
		ready(link);
		return;
	}
	if (clock_mono_us() - s->sent_us > limit_us(link))
		link->in_time = 0;
	else if (++link->in_time >= PROBES)
		come_back(link);
}

static void
told_master(struct redis_link *link, const redisReply *reply)
{
	struct err e;

	if (!redis_master_of(reply, &link->master, &e)) {
		failed(link, e.text);
		return;
	}
	while (redis_pipe_out(link->pipe) > 0)
		redis_pipe_shift(link->pipe);
	disconnect(link);
	link->to_master = true;
	connect_next(link);
}

static bool
starts(const redisReply *reply, const char *word)
{
	return reply->type == REDIS_REPLY_ERROR &&
	    str_starts((struct str){ reply->str, reply->len }, str_of(word));
}

/* True: it was an error, and has been dealt with. */
static bool
told_error(struct redis_link *link, const struct redis_sent *s, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	if (starts(reply, "NOSCRIPT") && !s->whole) {
		if (s->errand && !ask(link, s->errand, true))
			s->errand->done(s->errand, false);
		return true;
	}
	if (redis_error_is_server(reply)) {
		refused(link, reply);
	} else if (!link->odd) {
		link->odd = true;
		log_warn(NULL, "event=database name=redis problem=\"%s\"",
		    ESC(((struct str){ reply->str, reply->len < 300 ? reply->len : 300 })));
	}
	if (s->errand)
		s->errand->done(s->errand, false);
	return true;
}

static void
answered(struct redis_link *link, const struct redis_sent *s, const redisReply *reply)
{
	bool ok;

	if (told_error(link, s, reply) || s->errand == NULL)
		return;
	ok = redis_answer_take(reply, &s->errand->ask);
	if (!ok)
		refused(link, reply);
	s->errand->done(s->errand, ok);
}

static void
replied(void *owner, const struct redis_sent *s, const struct redisReply *reply)
{
	struct redis_link *link = owner;
	struct err e;

	if (s->what == SENT_ASK)
		answered(link, s, reply);
	else if (s->what == SENT_MASTER)
		told_master(link, reply);
	else if (!redis_greeted(s, reply, &link->command, &e))
		failed(link, e.text);
	else if (s->what == SENT_PROBE)
		probed(link, s);
}

static void
connected(void *owner)
{
	struct redis_link *link = owner;

	link->state = LINK_GREETING;
	greet(link);
}

static void
broken(void *owner, const char *problem)
{
	failed(owner, problem);
}

static const struct redis_pipe_user pipe_user = { connected, replied, broken };

/* --- timers ------------------------------------------------------------------------------------- */

/* WHY it reads first: the loop may have been busy, and what is late be ourselves. */
static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct redis_link *link = arg;
	char problem[80];
	int64_t now_us;

	(void)fd;
	(void)what;
	link->due_us = 0;
	redis_pipe_receive(link->pipe);
	now_us = clock_mono_us();
	if (overdue(link, now_us)) {
		snprintf(problem, sizeof(problem), "no answer within %lld ms",
		    (long long)link->settings->timeout_ms);
		go_away(link, problem);
		if (link->state == LINK_READY && !event_pending(link->tend, EV_TIMEOUT, NULL))
			arm(link->tend, PROBE_MS * MS);
		give_up_held(link, now_us, false);
		give_up(link, now_us);
	}
	if (redis_pipe_out(link->pipe) > 0 && link->state == LINK_READY &&
	    now_us - redis_pipe_at(link->pipe, 0)->sent_us >= HUNG_MS * MS)
		failed(link, "no answer for some seconds");
	watch(link);
}

static void
on_tend(evutil_socket_t fd, short what, void *arg)
{
	struct redis_link *link = arg;

	(void)fd;
	(void)what;
	if (link->state == LINK_DOWN) {
		connect_next(link);
	} else if (link->state != LINK_READY) {
		failed(link, "no connection within a second");
	} else if (link->away) {
		if (!link->probing && redis_pipe_out(link->pipe) < REDIS_PIPE_MAX)
			probe(link);
		watch(link);
		arm(link->tend, PROBE_MS * MS);
	}
}

/* --- for the loop ------------------------------------------------------------------------------- */

struct redis_link *
redis_link_new(
    struct event_base *base, const struct redis_settings *settings, struct redis_health *health)
{
	struct redis_link *link = xcalloc(1, sizeof(*link));

	require(settings->n > 0);
	link->settings = settings;
	link->health = health;
	link->held_end = &link->held;
	link->retry_ms = RETRY_LEAST_MS / 2;
	link->pipe = redis_pipe_new(base, &pipe_user, link);
	redis_command_init(&link->command);
	link->deadline = evtimer_new(base, on_deadline, link);
	link->tend = evtimer_new(base, on_tend, link);
	require(link->deadline && link->tend);
	connect_next(link);
	return link;
}

/* What was sent is carried out, if Redis takes it in time; nobody hears of it. */
static void
let_go(struct redis_link *link)
{
	for (size_t i = 0; i < redis_pipe_out(link->pipe); i++)
		redis_pipe_at(link->pipe, i)->errand = NULL;
	redis_pipe_drain(link->pipe, clock_mono_us() + limit_us(link));
}

void
redis_link_free(struct redis_link **plink)
{
	struct redis_link *link = *plink;

	if (link == NULL)
		return;
	if (link->state == LINK_READY && !link->away)
		let_go(link);
	redis_pipe_free(&link->pipe);
	if (link->away)
		atomic_fetch_sub(&link->health->away, 1);
	event_free(link->deadline);
	event_free(link->tend);
	free(link);
	*plink = NULL;
}

bool
redis_link_send(struct redis_link *link, struct redis_errand *errand)
{
	if (link->away)
		return false;
	errand->next = NULL;
	errand->sent_us = clock_mono_us();
	if (link->state == LINK_READY) {
		if (!ask(link, errand, false))
			return false;
	} else {
		if (link->n_held >= HELD_MAX)
			return false;
		*link->held_end = errand;
		link->held_end = &errand->next;
		link->n_held++;
	}
	watch_until(link, errand->sent_us + limit_us(link));
	return true;
}
