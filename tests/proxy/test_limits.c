#include "proxy/limits.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_sessions(void **state)
{
	const struct config_core core = { .sessions = 2 }, fewer = { .sessions = 1 };
	struct limits *limits = limits_new();

	assert_true(limits_enter(limits, &core));
	assert_true(limits_enter(limits, &core));
	assert_false(limits_enter(limits, &core));
	assert_int_equal(limits_sessions(limits), 2);
	limits_leave(limits, &core);
	assert_true(limits_enter(limits, &core));
	/* A reload with less ends nobody, and lets nobody in. */
	limits_leave(limits, &fewer);
	assert_false(limits_enter(limits, &fewer));
	limits_leave(limits, &fewer);
	assert_true(limits_enter(limits, &fewer));
	limits_leave(limits, &fewer);
	limits_free(&limits);
	assert_null(limits);
}

static void
test_stress(void **state)
{
	static const struct {
		int64_t sessions, percent;
		size_t on, off; /* with so many it begins; with so many it ends */
	} cases[] = {
		{ 100, 80, 80, 69 }, { 10, 80, 8, 6 }, { 10, 100, 10, 8 }, { 5, 50, 3, 2 },
		{ 1, 80, 1, 0 }, { 10, 0, 0, 0 }, /* never */
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct config_core core = { .sessions = cases[i].sessions,
			.stress_sessions = cases[i].percent };
		struct limits *limits = limits_new();
		size_t n = 0;

		for (int round = 0; round < 2; round++) {
			while (n < (size_t)core.sessions) {
				assert_true(limits_enter(limits, &core));
				n++;
				assert_int_equal(
				    limits_stressed(limits), cases[i].on > 0 && n >= cases[i].on);
			}
			assert_false(limits_enter(limits, &core));
			while (n > 0) {
				limits_leave(limits, &core);
				n--;
				assert_int_equal(
				    limits_stressed(limits), cases[i].on > 0 && n > cases[i].off);
			}
		}
		limits_free(&limits);
	}
}

struct crowd {
	struct limits *limits;
	struct config_core core;
	_Atomic size_t inside, most;
};

static void *
come_and_go(void *arg)
{
	struct crowd *crowd = arg;

	for (int i = 0; i < 20000; i++) {
		size_t n;

		if (!limits_enter(crowd->limits, &crowd->core))
			continue;
		n = ++crowd->inside;
		if (n > crowd->most)
			crowd->most = n;
		crowd->inside--;
		limits_leave(crowd->limits, &crowd->core);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct crowd crowd = { .limits = limits_new(), .core = { .sessions = 2 } };
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &crowd), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	assert_in_range(crowd.most, 1, 2);
	assert_int_equal(limits_sessions(crowd.limits), 0);
	limits_free(&crowd.limits);
}

/* The table in docs/limits.md. */
static void
test_ceiling(void **state)
{
	const struct config_core core = {
		.sessions = 10000, .threads = 2, .header_size = 128 << 10, .memory_held = 256 << 20
	};
	struct limits_ceiling c = limits_ceiling(&core);

	assert_int_equal(c.fixed, (uint64_t)(96 + 2 * 64 + 64) << 20);
	assert_int_equal(c.session, 3840 << 10);
	assert_int_equal(c.total, c.fixed + 10000 * c.session + core.memory_held);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_stress),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
