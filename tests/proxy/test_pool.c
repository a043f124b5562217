/*
 * Which mail server gets a connection, and who waits for one. The servers are ports where nobody listens: what a pool
 * knows of them is what the tests tell it.
 */
#include "proxy/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "rules/load.h"

#define QUESTS 4

struct world {
	struct event_base *base;
	struct slots *slots;
	struct config *config;
	struct pool *pool, *other; /* of another loop */
	struct pool_quest quest[QUESTS];
	struct asker {
		struct world *world;
		size_t i;
	} asker[QUESTS];
	char story[64]; /* the quests that were answered: "0" taken, "0-" not */
	struct pool_taken taken[QUESTS];
	bool left;
};

static struct config *
read_config(const char *lines)
{
	struct complaints complaints = { 0 };
	struct config_vocabulary vocabulary = { 0 };
	struct config *config;
	char text[1024];

	snprintf(text, sizeof(text), "%s\nprobe retry 1d\nat connect { }\n", lines);
	config = config_load_text("postern.conf", str_of(text), &vocabulary, &complaints);
	assert_non_null(config);
	complaints_free(&complaints);
	return config;
}

static void
told(void *owner)
{
	event_base_loopbreak(owner);
}

/* A pool whose servers have been asked in vain, and are well none the less, as sessions say. */
static struct pool *
make_pool(struct world *w, const struct pool *before)
{
	struct abilities abilities = { .known = true };
	struct pool_quest quest = { .wanted = UINT32_MAX };
	struct pool_taken taken;
	struct err e;
	struct pool *pool = pool_new(w->base, w->config, w->slots, before, &e);

	assert_non_null(pool);
	pool_tell(pool, told, w->base);
	event_base_dispatch(w->base);
	while (pool_take(pool, &quest, &taken) == POOL_TAKEN) {
		pool_learn(taken.member, &abilities);
		pool_leave(&taken.member);
	}
	return pool;
}

static void
begin(struct world *w, const char *lines)
{
	*w = (struct world){ .base = event_base_new(), .slots = slots_new() };
	w->config = read_config(lines);
	slots_know(w->slots, w->config);
	w->pool = make_pool(w, NULL);
}

static void
finish(struct world *w)
{
	pool_free(&w->pool);
	pool_free(&w->other);
	config_release(&w->config);
	slots_free(&w->slots);
	event_base_free(w->base);
}

static void
got(void *owner, const struct pool_taken *taken)
{
	const struct asker *asker = owner;
	struct world *w = asker->world;
	size_t n = strlen(w->story);

	w->taken[asker->i] = *taken;
	snprintf(w->story + n, sizeof(w->story) - n, "%zu%s ", asker->i, taken->member ? "" : "-");
	event_base_loopbreak(w->base);
}

static bool
left(void *owner)
{
	const struct asker *asker = owner;

	return asker->world->left;
}

static enum pool_answer
ask(struct world *w, struct pool *pool, size_t i)
{
	w->asker[i] = (struct asker){ w, i };
	w->quest[i].got = got;
	w->quest[i].left = left;
	w->quest[i].owner = &w->asker[i];
	w->quest[i].wanted = UINT32_MAX;
	return pool_take(pool, &w->quest[i], &w->taken[i]);
}

static const char *
label(const struct world *w, size_t i)
{
	return pool_target(w->taken[i].member)->label;
}

static void
test_choice(void **state)
{
	static const char *const wanted[] = { "127.0.0.1 port 2", "127.0.0.1 port 1",
		"127.0.0.1 port 3" };
	struct world w;

	/* The fewest connections for their weight; then standby; then there is none. */
	begin(&w,
	    "backend 127.0.0.1 port 1\nbackend 127.0.0.1 port 2 weight 5\n"
	    "backend 127.0.0.1 port 3 weight 1000 standby");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ask(&w, w.pool, 0), POOL_TAKEN);
		assert_string_equal(label(&w, 0), wanted[i]);
		assert_null(w.taken[0].link);
		pool_leave(&w.taken[0].member);
	}
	assert_int_equal(ask(&w, w.pool, 0), POOL_NONE);
	/* One that is away comes after one on standby. */
	assert_int_equal(ask(&w, w.pool, 1), POOL_TAKEN);
	pool_failed(w.taken[1].member, "it is gone");
	pool_leave(&w.taken[1].member);
	assert_int_equal(ask(&w, w.pool, 1), POOL_TAKEN);
	pool_failed(w.taken[1].member, "it is gone too");
	pool_leave(&w.taken[1].member);
	assert_int_equal(ask(&w, w.pool, 2), POOL_TAKEN);
	assert_string_equal(label(&w, 2), "127.0.0.1 port 3");
	pool_leave(&w.taken[2].member);
	assert_string_equal(pool_news(w.pool, 0).health.why, "it is gone too");
	assert_true(pool_news(w.pool, 0).health.away);
	assert_int_equal(pool_size(w.pool), 3);
	finish(&w);
}

static void
test_queue(void **state)
{
	struct world w;

	begin(&w, "backend 127.0.0.1 port 1 connections 1\nbackend timeout wait 4m");
	assert_int_equal(ask(&w, w.pool, 0), POOL_TAKEN);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(ask(&w, w.pool, i), POOL_WAIT);
	assert_int_equal(pool_news(w.pool, 0).counts.waiting, 3);
	pool_give_up(&w.quest[2]);
	pool_give_up(&w.quest[2]);
	assert_int_equal(pool_news(w.pool, 0).counts.waiting, 2);
	pool_leave(&w.taken[0].member);
	/* Who comes now does not pass. */
	w.quest[0] = (struct pool_quest){ 0 };
	assert_int_equal(ask(&w, w.pool, 0), POOL_WAIT);
	event_base_dispatch(w.base);
	assert_string_equal(w.story, "1 ");
	pool_leave(&w.taken[1].member);
	event_base_dispatch(w.base);
	assert_string_equal(w.story, "1 3 ");
	/* It could not be connected, and there is no other. */
	pool_leave(&w.taken[3].member);
	assert_int_equal(ask(&w, w.pool, 3), POOL_NONE);
	event_base_dispatch(w.base);
	assert_string_equal(w.story, "1 3 0 ");
	pool_leave(&w.taken[0].member);
	finish(&w);
}

static void
test_in_vain(void **state)
{
	struct world w;

	begin(&w, "backend 127.0.0.1 port 1 connections 1\nbackend timeout wait 30ms");
	assert_int_equal(ask(&w, w.pool, 0), POOL_TAKEN);
	assert_int_equal(ask(&w, w.pool, 1), POOL_WAIT);
	event_base_dispatch(w.base);
	assert_string_equal(w.story, "1- ");
	assert_null(w.taken[1].member);
	pool_leave(&w.taken[0].member);
	finish(&w);

	begin(&w, "backend 127.0.0.1 port 1 connections 1\nbackend timeout wait 4m");
	assert_int_equal(ask(&w, w.pool, 0), POOL_TAKEN);
	assert_int_equal(ask(&w, w.pool, 1), POOL_WAIT);
	w.left = true;
	event_base_dispatch(w.base);
	assert_string_equal(w.story, "1- ");
	pool_leave(&w.taken[0].member);
	finish(&w);
}

/* Another loop's connection is what is waited for, and nobody there passes either. */
static void
test_two_loops(void **state)
{
	struct world w;

	begin(&w, "backend 127.0.0.1 port 1 connections 1\nbackend timeout wait 4m");
	w.other = make_pool(&w, NULL);
	assert_int_equal(ask(&w, w.pool, 0), POOL_TAKEN);
	assert_int_equal(ask(&w, w.other, 1), POOL_WAIT);
	pool_leave(&w.taken[0].member);
	assert_int_equal(ask(&w, w.pool, 2), POOL_WAIT);
	event_base_dispatch(w.base);
	event_base_loop(w.base, EVLOOP_NONBLOCK);
	assert_int_equal(strlen(w.story), 2);
	pool_leave(&w.taken[w.story[0] == '1' ? 1 : 2].member);
	event_base_dispatch(w.base);
	assert_true(strcmp(w.story, "1 2 ") == 0 || strcmp(w.story, "2 1 ") == 0);
	pool_leave(&w.taken[w.story[2] == '1' ? 1 : 2].member);
	finish(&w);
}

/* Who waits, and what is taken, outlive their pool. */
static void
test_reload(void **state)
{
	struct world w;
	struct pool *old;

	begin(&w, "backend 127.0.0.1 port 1 connections 1\nbackend timeout wait 4m");
	assert_int_equal(ask(&w, w.pool, 0), POOL_TAKEN);
	assert_int_equal(ask(&w, w.pool, 1), POOL_WAIT);
	old = w.pool;
	w.pool = pool_new(w.base, w.config, w.slots, old, &(struct err){ 0 });
	pool_free(&old);
	pool_leave(&w.taken[0].member);
	event_base_dispatch(w.base);
	assert_string_equal(w.story, "1 ");
	/* In the new pool nothing was tried. */
	pool_leave(&w.taken[1].member);
	assert_int_equal(ask(&w, w.pool, 1), POOL_TAKEN);
	pool_leave(&w.taken[1].member);
	finish(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_in_vain),
		cmocka_unit_test(test_two_loops),
		cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
