/* The counts of connections that all loops share. */
#include "proxy/slots.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MOST 5
#define THREADS 4
#define TURNS 20000

static const struct backend some[] = { { .host = "a", .port = 25 }, { .host = "a", .port = 26 },
	{ .host = "b", .port = 25 } };

static void
test_counts(void **state)
{
	struct slots *slots = slots_new();
	struct config config = { .backends = some, .n_backends = 2 };
	struct slot *first, *second;
	struct slot_counts counts;

	slots_know(slots, &config);
	first = slots_find(slots, &some[0]);
	second = slots_find(slots, &some[1]);
	assert_ptr_not_equal(first, second);
	assert_true(slot_take(first, 2));
	assert_true(slot_take(first, 2));
	assert_false(slot_take(first, 2));
	assert_true(slot_take(first, 0));
	assert_true(slot_take(second, 1));
	slot_wait(first, 1);
	slot_idle(first, 2);
	slot_delivered(first);
	/* A reload with another limit finds the same ones, and with less it takes none. */
	config.backends = &some[0];
	config.n_backends = 3;
	slots_know(slots, &config);
	assert_ptr_equal(slots_find(slots, &some[0]), first);
	assert_false(slot_take(first, 1));
	slot_leave(first);
	assert_false(slot_take(first, 2));
	slot_leave(first);
	assert_true(slot_take(first, 2));
	slot_wait(first, -1);
	slot_idle(first, -1);
	counts = slot_counts(first);
	assert_int_equal(counts.connections, 2);
	assert_int_equal(counts.idle, 1);
	assert_int_equal(counts.waiting, 0);
	assert_int_equal(counts.delivered, 1);
	assert_int_equal(slot_counts(slots_find(slots, &some[2])).connections, 0);
	slots_free(&slots);
	assert_null(slots);
}

struct crowd {
	struct slot *slot;
	atomic_int now, most, taken;
};

static void *
run(void *arg)
{
	struct crowd *crowd = arg;

	for (int i = 0; i < TURNS; i++) {
		int now, most;

		if (!slot_take(crowd->slot, MOST))
			continue;
		now = atomic_fetch_add(&crowd->now, 1) + 1;
		most = atomic_load(&crowd->most);
		while (now > most && !atomic_compare_exchange_weak(&crowd->most, &most, now))
			;
		atomic_fetch_add(&crowd->taken, 1);
		atomic_fetch_sub(&crowd->now, 1);
		slot_leave(crowd->slot);
	}
	return NULL;
}

/* However many threads there are, there is never one too many. */
static void
test_threads(void **state)
{
	struct slots *slots = slots_new();
	struct config config = { .backends = some, .n_backends = 1 };
	struct crowd crowd = { 0 };
	pthread_t thread[THREADS];

	slots_know(slots, &config);
	crowd.slot = slots_find(slots, &some[0]);
	for (int i = 0; i < MOST - 2; i++)
		assert_true(slot_take(crowd.slot, MOST));
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run, &crowd), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_true(crowd.most >= 1 && crowd.most <= 2);
	assert_true(crowd.taken > 0);
	assert_int_equal(slot_counts(crowd.slot).connections, MOST - 2);
	slots_free(&slots);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
