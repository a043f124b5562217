#include "proxy/pool.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/die.h"
#include "proxy/parking.h"

#define TICK_MS 20
#define LOOK_TICKS 25 /* between looks whether those who wait are still there */

struct pool_member {
	struct pool *pool;
	const struct backend *conf;
	struct backend_target target;
	struct slot *slot;
	struct probe *probe; /* NULL: the pool was replaced */
	struct parking *parking;
	bool answered;
	size_t used;    /* connections that clients of this loop have */
	size_t waiting; /* quests that it is one of the wanted of */
};

struct pool {
	struct config *config;
	struct event *tick; /* runs while somebody waits, or somebody might for what is parked */
	unsigned serial, ticks;
	size_t users; /* taken members, quests that wait, and the owner */
	size_t n, next;
	void (*told)(void *owner);
	void *owner;
	struct pool_quest *first, **end; /* the queue */
	struct pool_member member[BACKENDS_MAX];
};

static void
release(struct pool *pool)
{
	if (--pool->users > 0)
		return;
	if (pool->tick)
		event_free(pool->tick);
	config_release(&pool->config);
	free(pool);
}

static void
on_probed(void *owner)
{
	struct pool_member *member = owner;
	struct pool *pool = member->pool;
	void (*told)(void *owner) = pool->told;

	member->answered = true;
	for (size_t i = 0; i < pool->n; i++)
		if (!pool->member[i].answered)
			return;
	pool->told = NULL;
	if (told)
		told(pool->owner);
}

/* The same server in the pool before. */
static const struct probe *
known_before(const struct pool *before, const struct backend_target *target)
{
	for (size_t i = 0; before && i < before->n; i++)
		if (memcmp(&before->member[i].target, target, sizeof(*target)) == 0)
			return before->member[i].probe;
	return NULL;
}

static void
begin_probes(struct pool *pool, struct event_base *base, const struct pool *before)
{
	for (size_t i = 0; i < pool->n; i++) {
		struct pool_member *m = &pool->member[i];
		struct probe_plan plan = {
			.base = base,
			.target = &m->target,
			.core = &pool->config->core,
			.tls = pool->config->tls_client,
			.slot = m->slot,
			.connections = m->conf->connections,
		};

		m->probe = probe_new(&plan, known_before(before, &m->target));
		probe_tell(m->probe, on_probed, m);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg);
static void on_parked_gone(void *owner);

static bool
add_members(struct pool *pool, const struct slots *slots, struct err *e)
{
	const struct config *config = pool->config;

	for (size_t i = 0; i < config->n_backends; i++) {
		struct pool_member *m = &pool->member[i];

		m->pool = pool;
		m->conf = &config->backends[i];
		if (!backend_target_find(&m->target, m->conf, e))
			return false;
		m->slot = slots_find(slots, m->conf);
		pool->n++;
	}
	for (size_t i = 0; i < pool->n; i++) {
		struct pool_member *m = &pool->member[i];
		struct parking_plan plan = { &config->core, m->conf->reuse, on_parked_gone, m };

		m->parking = parking_new(&plan);
	}
	return true;
}

struct pool *
pool_new(struct event_base *base, struct config *config, struct slots *slots,
    const struct pool *before, struct err *e)
{
	struct pool *pool = xcalloc(1, sizeof(*pool));

	require(config->n_backends <= BACKENDS_MAX);
	pool->users = 1;
	pool->serial = before ? before->serial + 1 : 1;
	pool->end = &pool->first;
	pool->config = config_use(config);
	pool->tick = evtimer_new(base, on_tick, pool);
	if (pool->tick == NULL)
		die("no memory for a timer");
	if (!add_members(pool, slots, e)) {
		release(pool);
		return NULL;
	}
	begin_probes(pool, base, before);
	return pool;
}

/* One parked link less. */
static void
parked_gone(struct pool_member *m)
{
	slot_idle(m->slot, -1);
	slot_leave(m->slot);
}

void
pool_free(struct pool **pool)
{
	struct pool *p = *pool;

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		struct pool_member *m = &p->member[i];

		probe_free(&m->probe);
		while (parking_drop(m->parking))
			parked_gone(m);
		parking_free(&m->parking);
	}
	release(p);
	*pool = NULL;
}

bool
pool_empty(const struct pool *pool)
{
	return pool->n == 0;
}

void
pool_tell(struct pool *pool, void (*told)(void *owner), void *owner)
{
	pool->told = told;
	pool->owner = owner;
}

static struct abilities
common(const struct pool *pool, bool well)
{
	struct abilities all = { 0 };

	for (size_t i = 0; i < pool->n; i++) {
		const struct probe *probe = pool->member[i].probe;
		const struct abilities *one = probe_abilities(probe);

		if (!one->known || (well && probe_away(probe)))
			continue;
		all = all.known ? abilities_common(&all, one) : *one;
	}
	return all;
}

struct abilities
pool_abilities(const struct pool *pool)
{
	struct abilities all = common(pool, true);

	return all.known ? all : common(pool, false);
}

uint32_t
pool_route(const struct pool *pool, const struct mailbox *to)
{
	return config_route(pool->config, to);
}

static uint32_t
bit(const struct pool_member *m)
{
	return UINT32_C(1) << (m - m->pool->member);
}

bool
pool_serves(const struct pool_member *member, const struct mailbox *to)
{
	return pool_route(member->pool, to) & bit(member);
}

/* ---- which one ---- */

static bool
away(const struct pool_member *m)
{
	return m->probe && probe_away(m->probe);
}

/* Well before away, standby behind the others. */
static unsigned
rank(const struct pool_member *m)
{
	return 2 * away(m) + m->conf->standby;
}

static bool
better(const struct pool_member *a, const struct pool_member *b)
{
	if (rank(a) != rank(b))
		return rank(a) < rank(b);
	return (a->used + 1) * (size_t)b->conf->weight < (b->used + 1) * (size_t)a->conf->weight;
}

/* One connection more can be had; who is not in the queue does not pass those who are. */
static bool
has_room(const struct pool_member *m, bool queued)
{
	struct slot_counts counts;

	if (m->conf->connections == 0)
		return true;
	counts = slot_counts(m->slot);
	if (!queued && counts.waiting > 0)
		return false;
	return counts.connections < m->conf->connections ||
	    (m->parking && parking_ready(m->parking) > 0);
}

/* *full: another one would do if it had room. One that is away is not tried instead of waiting. */
static struct pool_member *
choose(struct pool *pool, uint32_t wanted, bool queued, bool *full)
{
	struct pool_member *best = NULL;
	bool well_but_full = false;

	*full = false;
	/* Begin behind the last one, so that equals take turns. */
	for (size_t i = 0; i < pool->n; i++) {
		struct pool_member *m = &pool->member[(pool->next + i) % pool->n];

		if (!(wanted & bit(m)))
			continue;
		if (!has_room(m, queued)) {
			*full = true;
			well_but_full = well_but_full || !away(m);
		} else if (best == NULL || better(m, best)) {
			best = m;
		}
	}
	return best && away(best) && well_but_full ? NULL : best;
}

/* False: another loop was faster. */
static bool
take(struct pool_member *m, struct pool_quest *quest, struct pool_taken *taken)
{
	struct pool *pool = m->pool;

	taken->link = m->parking ? parking_take(m->parking) : NULL;
	if (taken->link)
		slot_idle(m->slot, -1);
	else if (!slot_take(m->slot, m->conf->connections))
		return false;
	taken->member = m;
	quest->tried |= bit(m);
	pool->next = (size_t)(m - pool->member) + 1;
	m->used++;
	pool->users++;
	return true;
}

/* ---- the queue ---- */

static void
tick_after(struct pool *pool, int ms)
{
	struct timeval tv = { .tv_usec = ms * 1000 };

	evtimer_add(pool->tick, &tv);
}

static void
note_waiting(struct pool *pool, uint32_t members, int by)
{
	for (size_t i = 0; i < pool->n; i++) {
		struct pool_member *m = &pool->member[i];

		if (!(members & bit(m)) || m->conf->connections == 0)
			continue;
		slot_wait(m->slot, by);
		m->waiting += (size_t)by;
	}
}

static void
enter(struct pool *pool, struct pool_quest *quest, uint32_t wanted)
{
	if (quest->since_us == 0)
		quest->since_us = clock_mono_us();
	if (pool->first == NULL)
		tick_after(pool, TICK_MS);
	quest->waits_for = wanted;
	note_waiting(pool, wanted, 1);
	quest->pool = pool;
	quest->next = NULL;
	quest->at = pool->end;
	*pool->end = quest;
	pool->end = &quest->next;
	pool->users++;
}

void
pool_give_up(struct pool_quest *quest)
{
	struct pool *pool = quest->pool;

	if (pool == NULL)
		return;
	note_waiting(pool, quest->waits_for, -1);
	*quest->at = quest->next;
	if (quest->next)
		quest->next->at = quest->at;
	else
		pool->end = quest->at;
	quest->pool = NULL;
	release(pool);
}

static bool
try(struct pool *pool, struct pool_quest *quest, uint32_t wanted, struct pool_taken *taken,
    bool *full)
{
	struct pool_member *m;

	do
		m = choose(pool, wanted, quest->pool != NULL, full);
	while (m && !take(m, quest, taken));
	return m != NULL;
}

enum pool_answer
pool_take(struct pool *pool, struct pool_quest *quest, struct pool_taken *taken)
{
	uint32_t wanted;
	bool full;

	require(quest->pool == NULL);
	if (quest->serial != pool->serial)
		quest->tried = 0;
	quest->serial = pool->serial;
	wanted = quest->wanted & ~quest->tried;
	if (try(pool, quest, wanted, taken, &full))
		return POOL_TAKEN;
	if (!full)
		return POOL_NONE;
	enter(pool, quest, wanted);
	return POOL_WAIT;
}

/* Whoever waits gets what is there, or hears that it takes too long. */
static void
serve(struct pool *pool, struct pool_quest *quest, bool look)
{
	int64_t until = quest->since_us + pool->config->core.backend_timeout_wait * 1000;
	struct pool_taken taken = { 0 };
	bool full;

	if ((!look || !quest->left(quest->owner)) &&
	    !try(pool, quest, quest->waits_for, &taken, &full) && clock_mono_us() < until)
		return;
	pool_give_up(quest);
	quest->got(quest->owner, &taken);
}

/* What nobody here has use for is wanted by others. Also when it will be. */
static bool
yield_parked(struct pool *pool)
{
	bool more = false;

	for (size_t i = 0; i < pool->n; i++) {
		struct pool_member *m = &pool->member[i];

		if (m->conf->connections == 0 || m->parking == NULL)
			continue;
		if (slot_counts(m->slot).waiting > 0 && parking_drop(m->parking))
			parked_gone(m);
		more = more || parking_count(m->parking) > 0;
	}
	return more;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;
	struct pool_quest *quest, *next;
	bool look = ++pool->ticks % LOOK_TICKS == 0;

	/* The last to wait may be the last to hold it. */
	pool->users++;
	for (quest = pool->first; quest; quest = next) {
		next = quest->next;
		serve(pool, quest, look);
	}
	if (yield_parked(pool) || pool->first)
		tick_after(pool, TICK_MS);
	release(pool);
}

/* A connection of this one came free. */
static void
pass_on(struct pool_member *m)
{
	if (m->waiting > 0 && slot_counts(m->slot).waiting == (int64_t)m->waiting)
		tick_after(m->pool, 0);
}

static void
on_parked_gone(void *owner)
{
	struct pool_member *m = owner;

	parked_gone(m);
	pass_on(m);
}

static void
unuse(struct pool_member **member)
{
	struct pool_member *m = *member;

	require(m->used > 0);
	m->used--;
	pass_on(m);
	*member = NULL;
	release(m->pool);
}

void
pool_leave(struct pool_member **member)
{
	if (*member == NULL)
		return;
	slot_leave((*member)->slot);
	unuse(member);
}

void
pool_keep(struct pool_member **member, struct backend_link **link, bool dirty)
{
	struct pool_member *m = *member;
	bool others_wait = slot_counts(m->slot).waiting > (int64_t)m->waiting;

	if (m->parking == NULL || others_wait || !parking_put(m->parking, link, dirty)) {
		backend_free(link);
		pool_leave(member);
		return;
	}
	slot_idle(m->slot, 1);
	if (m->conf->connections > 0 && !evtimer_pending(m->pool->tick, NULL))
		tick_after(m->pool, TICK_MS);
	unuse(member);
}

const struct backend_target *
pool_target(const struct pool_member *member)
{
	return &member->target;
}

struct tls_client *
pool_tls(const struct pool_member *member)
{
	return member->pool->config->tls_client;
}

void
pool_learn(struct pool_member *member, const struct abilities *abilities)
{
	if (member->probe)
		probe_learn(member->probe, abilities);
}

void
pool_failed(struct pool_member *member, const char *why)
{
	if (member->probe)
		probe_failed(member->probe, why);
}

void
pool_delivered(struct pool_member *member)
{
	slot_delivered(member->slot);
}

size_t
pool_size(const struct pool *pool)
{
	return pool->n;
}

struct pool_news
pool_news(const struct pool *pool, size_t i)
{
	const struct pool_member *m = &pool->member[i];

	return (struct pool_news){
		.conf = m->conf,
		.label = m->target.label,
		.counts = slot_counts(m->slot),
		.health = probe_news(m->probe),
		.abilities = probe_abilities(m->probe),
	};
}
