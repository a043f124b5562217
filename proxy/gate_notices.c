/*
 * gate_notices: sees, when a message was accepted, that a plan has reached a level of its `warn at`, and hands
 * that on. Once: who is the first to reach it is a question to the store, so that it is told once however many
 * loops, machines and restarts there are. Nobody waits for any of it, and a session may be long over when the
 * answers come; so what is looked after is the gate's.
 *
 * BUGS: if posternd is killed between the store's answer and the handing on, which is one turn of a loop, nobody is
 * told until the level is reached again after `again after`.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "filters/key.h"
#include "filters/quota.h"
#include "proxy/gate_private.h"

static const int64_t window_seconds[] = { 60, 3600, 86400 };

struct gate_watch {
	struct gate *gate;
	struct config *config;
	struct arena *arena;
	struct quota_counter counter;
	struct notice notice;
	struct gate_watch *next, **link; /* of the gate's */
};

static struct gate_watch *
watch_new(struct gate *gate, struct config *config, const struct quota_counter *counter)
{
	struct gate_watch *w = xcalloc(1, sizeof(*w));

	w->gate = gate;
	w->config = config_use(config);
	w->arena = arena_new(4096);
	w->counter = *counter;
	w->counter.key = arena_dup(w->arena, counter->key);
	w->counter.who = arena_dup(w->arena, counter->who);
	w->notice = (struct notice){
		.kind = counter->kind,
		.what = counter->what,
		.who = str_sub(w->counter.who, 0, NOTICE_TEXT_MAX),
		.plan = str_sub(counter->plan->name, 0, NOTICE_TEXT_MAX),
	};
	w->next = gate->watches;
	w->link = &gate->watches;
	if (gate->watches)
		gate->watches->link = &w->next;
	gate->watches = w;
	return w;
}

static void
watch_free(struct gate_watch *w)
{
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	arena_free(&w->arena);
	config_release(&w->config);
	free(w);
}

void
gate_watches_free(struct gate *gate)
{
	while (gate->watches)
		watch_free(gate->watches);
}

/* ---- has it been told? ---- */

static void
send_seen(struct gate_watch *w, int level, void (*done)(struct db_request *request))
{
	int64_t window = window_seconds[w->notice.window];
	int64_t again = w->config->notify.again / 1000;
	struct question q = { .kind = QUESTION_SEEN };
	struct db_request *request;

	if (again < window)
		again = window;
	/* A row is never proven: it waits, and is a first again when it is older than `retry`. */
	q.seen = (struct seen_question){ .delay = again + 1, .retry = again, .remember = again };
	q.name = key_bound(w->arena,
	    arena_printf(w->arena, "notice:%d:%d:%.*s", (int)w->notice.window, level,
		STR_ARG(w->counter.key)));
	request = db_request_store(&q);
	request->done = done;
	request->owner = w;
	db_send(w->gate->link, request);
}

static void
tell(struct gate_watch *w)
{
	const struct plan *plan = w->counter.plan;

	log_info(NULL, "event=notice who=\"%s\" plan=\"%s\" level=%d used=%lld limit=%lld",
	    ESC(w->notice.who), ESC(w->notice.plan), w->notice.level, (long long)w->notice.used,
	    (long long)w->notice.limit);
	notices_send(w->gate->notices, w->config, &w->notice);
	/* Those below are told with it. */
	for (int i = 0; i < PLAN_WARNINGS && plan->warn[i] > 0; i++)
		if (plan->warn[i] < w->notice.level)
			send_seen(w, plan->warn[i], NULL);
}

static void
seen(struct db_request *request)
{
	struct gate_watch *w = request->owner;

	if (!request->failed && request->answer.seen.state == SEEN_FIRST)
		tell(w);
	db_request_free(&request);
	watch_free(w);
}

/* ---- how much is used? ---- */

static int
level_of(const struct plan *plan, int64_t used, int64_t limit)
{
	int level = 0;

	for (int i = 0; i < PLAN_WARNINGS && plan->warn[i] > 0; i++)
		if ((double)used * 100 >= (double)limit * plan->warn[i])
			level = plan->warn[i];
	return limit > 0 ? level : 0;
}

static void
counted(struct db_request *request)
{
	struct gate_watch *w = request->owner;
	const struct answer *a = &request->answer;
	const int64_t used[] = { a->count.minute, a->count.hour, a->count.day };
	const int64_t limit[] = { a->take.limit.minute, a->take.limit.hour, a->take.limit.day };

	for (int i = PLAN_MINUTE; !request->failed && i <= PLAN_DAY; i++) {
		int level = level_of(w->counter.plan, used[i], limit[i]);
		int64_t now = clock_wall_ms() / 1000, left;
		struct gate_watch *one;

		if (level == 0)
			continue;
		one = watch_new(w->gate, w->config, &w->counter);
		left = plan_forecast(used, i, limit[i]);
		one->notice.window = i;
		one->notice.level = level;
		one->notice.used = used[i];
		one->notice.limit = limit[i];
		one->notice.at = now;
		one->notice.reached = left ? now + left : 0;
		send_seen(one, level, seen);
	}
	db_request_free(&request);
	watch_free(w);
}

static void
look(struct gate_watch *w)
{
	struct question q = { .kind = QUESTION_TAKE, .name = w->counter.key };
	struct db_request *request;

	/* The limits may be an administrator's for a while, which only the store knows. */
	q.take = (struct take_question){ .what = TAKE_LOOK, .limit = w->counter.limit };
	request = db_request_store(&q);
	request->done = counted;
	request->owner = w;
	db_send(w->gate->link, request);
}

/* ---- what was accepted ---- */

static size_t
find_counters(struct gate_session *gs, struct quota_counter out[QUOTA_COUNTERS])
{
	struct session *s = &gs->session;
	struct ask ask = session_ask(s, STEP_MESSAGE, clock_wall_ms() / 1000);
	const struct fact_entry *entry = fact_find(&gs->config->facts, STR("quota"));

	if (entry == NULL || s->txn.stage_state == NULL)
		return 0;
	ask.conf = entry->conf;
	ask.state = &s->txn.stage_state[entry->stage];
	return quota_counters(&ask, out);
}

void
gate_accepted_event(struct gate_session *gs)
{
	struct quota_counter counter[QUOTA_COUNTERS];
	size_t n = 0;

	if (gs->gate->notices && gs->config->notify.given && gs->config->plans.n > 0)
		n = find_counters(gs, counter);
	gate_event(gs, EVENT_ACCEPTED);
	/* The store answers in order: with this message counted. */
	for (size_t i = 0; i < n; i++)
		look(watch_new(gs->gate, gs->config, &counter[i]));
}
