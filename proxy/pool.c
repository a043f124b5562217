#include "proxy/pool.h"

#include <stdlib.h>

#include "base/die.h"

struct pool_member {
	struct pool *pool;
	const struct backend *conf;
	struct backend_target target;
	struct probe *probe; /* NULL: the pool was replaced */
	bool answered;
	size_t used; /* connections */
};

struct pool {
	struct config *config;
	size_t users; /* taken members, and the owner */
	size_t n, next;
	void (*told)(void *owner);
	void *owner;
	struct pool_member member[BACKENDS_MAX];
};

static void
release(struct pool *pool)
{
	if (--pool->users > 0)
		return;
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

		m->probe = probe_new(base, &m->target, &pool->config->core,
		    pool->config->tls_client, known_before(before, &m->target));
		probe_tell(m->probe, on_probed, m);
	}
}

struct pool *
pool_new(struct event_base *base, struct config *config, const struct pool *before, struct err *e)
{
	struct pool *pool = xcalloc(1, sizeof(*pool));

	require(config->n_backends <= BACKENDS_MAX);
	pool->users = 1;
	pool->config = config_use(config);
	for (size_t i = 0; i < config->n_backends; i++) {
		struct pool_member *m = &pool->member[pool->n++];

		m->pool = pool;
		m->conf = &config->backends[i];
		if (!backend_target_find(&m->target, m->conf, e)) {
			release(pool);
			return NULL;
		}
	}
	begin_probes(pool, base, before);
	return pool;
}

void
pool_free(struct pool **pool)
{
	struct pool *p = *pool;

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++)
		probe_free(&p->member[i].probe);
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

/* Well before away, standby behind the others. */
static unsigned
rank(const struct pool_member *m)
{
	return 2 * probe_away(m->probe) + m->conf->standby;
}

static bool
better(const struct pool_member *a, const struct pool_member *b)
{
	if (rank(a) != rank(b))
		return rank(a) < rank(b);
	return (a->used + 1) * (size_t)b->conf->weight < (b->used + 1) * (size_t)a->conf->weight;
}

struct pool_member *
pool_take(struct pool *pool, uint32_t *tried)
{
	struct pool_member *best = NULL;

	/* Begin behind the last one, so that equals take turns. */
	for (size_t i = 0; i < pool->n; i++) {
		size_t at = (pool->next + i) % pool->n;
		struct pool_member *m = &pool->member[at];

		if (!(*tried & (UINT32_C(1) << at)) && (best == NULL || better(m, best)))
			best = m;
	}
	if (best == NULL)
		return NULL;
	*tried |= UINT32_C(1) << (best - pool->member);
	pool->next = (size_t)(best - pool->member) + 1;
	best->used++;
	pool->users++;
	return best;
}

void
pool_leave(struct pool_member **member)
{
	struct pool_member *m = *member;

	if (m == NULL)
		return;
	require(m->used > 0);
	m->used--;
	release(m->pool);
	*member = NULL;
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
