#include "db/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define H 3600
#define DAY (24 * H)
#define WEEK (7 * DAY)
#define START 1700006400 /* the beginning of a day: a Wednesday */

/* --- by hand ------------------------------------------------------------------------------------ */

struct hour {
	int64_t at, n; /* hours since START; n 0: the end */
};

static const struct row {
	const char *name;
	struct hour hour[12];
	int64_t at;
	int64_t usual, low, high, known;
} rows[] = {
	{ "nothing", { { 0 } }, 0, 0, 0, 0, 0 },
	{ "the present hour is not known yet", { { 0, 5 } }, 0, 0, 0, 0, 0 },
	{ "a first hour may vary by half", { { 0, 10 } }, 1, 80, 0, 20, 1 },
	{ "the same again narrows it", { { 0, 10 }, { 168, 10 } }, 336, 80, 2, 18, 1 },
	/* spread = (3 * 40 + 80) / 4 = 50, mean = (3 * 80 + 160) / 4 = 100 */
	{ "twice as many", { { 0, 10 }, { 168, 20 } }, 336, 100, 0, 25, 1 },
	/* at most twice the top, 40: spread = (3 * 40 + 240) / 4 = 90, mean = (240 + 320) / 4 = 140 */
	{ "a flood is held back", { { 0, 10 }, { 168, 1000000 } }, 336, 140, 0, 40, 1 },
	{ "in the first week nothing is held back", { { 0, 10 }, { 24, 1000 } }, 48, 8000, 0, 2000,
	    2 },
	/* No such hour was seen before: no more than the largest top, and that is its top. */
	{ "a flood at a new hour is not learned", { { 0, 10 }, { 172, 1000000 } }, 340, 160, 20, 20,
	    2 },
	{ "an hour later is as usual", { { 0, 10 }, { 1, 2 }, { 2, 4 } }, 169, 80, 0, 20, 3 },
	{ "two hours later is not", { { 0, 10 }, { 1, 2 }, { 2, 4 }, { 3, 1 } }, 170, 32, 0, 8, 4 },
	{ "an hour of other days", { { 0, 10 }, { 24, 20 }, { 28, 500 } }, 48, 160, 0, 40, 3 },
	{ "any hour", { { 0, 10 }, { 24, 20 }, { 28, 500 } }, 60, 4000, 0, 1000, 3 },
	{ "hours without anything do not count", { { 0, 10 }, { 168 * 5, 10 } }, 168 * 9, 80, 2, 18,
	    1 },
};

static void
test_table(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct history h = { 0 };
		struct count_answer a = { 0 };

		for (const struct hour *hour = row->hour; hour->n > 0; hour++)
			history_add(&h, START + hour->at * H, hour->n);
		history_add(&h, START + row->at * H, 0);
		history_tell(&h, START + row->at * H, &a);
		if (a.usual != row->usual || a.usual_low != row->low || a.usual_high != row->high ||
		    a.hours_known != row->known)
			fail_msg("%s: %jd, %jd to %jd, %jd hours", row->name, (intmax_t)a.usual,
			    (intmax_t)a.usual_low, (intmax_t)a.usual_high, (intmax_t)a.hours_known);
	}
}

static void
test_past_fades(void **state)
{
	struct history h = { 0 };

	history_add(&h, START, 3200);
	assert_int_equal(h.past, 0);
	history_add(&h, START + DAY, 0);
	assert_int_equal(h.past, 3100 * 32);
	history_add(&h, START + DAY + 5, 10);
	assert_int_equal(h.past, 3100 * 32);
	history_add(&h, START + 3 * DAY, 0);
	assert_int_equal(h.past, (3100 + 10) * 32 * 31 / 32 * 31 / 32);
	history_add(&h, START + 3000LL * DAY, 0);
	assert_int_equal(h.past, 0);
}

static void
test_clock_goes_back(void **state)
{
	struct history h = { 0 };
	struct count_answer a = { 0 };

	history_add(&h, START + WEEK, 1000);
	history_add(&h, START, 5);
	assert_int_equal(h.n, 5);
	assert_int_equal(h.today, 5);
	history_add(&h, START + H, 0);
	history_tell(&h, START + H, &a);
	assert_int_equal(a.usual, 40);
	assert_int_equal(a.since, START);
}

/* --- years of mail ------------------------------------------------------------------------------ */

/* A world that is the same each time. */
static unsigned
chance(unsigned *seed, unsigned n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (unsigned)(((uint64_t)*seed * n) >> 32);
}

/* So many in an hour on average, one by one at any second of it. */
struct mail {
	struct history h;
	int64_t sliding[60]; /* of each of the last 60 minutes */
	unsigned seed;
	double worst; /* the largest hour / usual_high, from the second week on */
	int64_t worst_at;
};

static void
minute_of(struct mail *m, int64_t at, double an_hour)
{
	struct count_answer a = { 0 };
	int64_t n = 0, sum = 0;

	/* 600 throws a minute, each of which is a message with a small probability. */
	for (int i = 0; i < 600; i++)
		n += chance(&m->seed, 1000000000) < an_hour / 36000 * 1e9;
	m->sliding[at / 60 % 60] = n;
	history_add(&m->h, at, n);
	for (int i = 0; i < 60; i++)
		sum += m->sliding[i];
	if (at - START < WEEK)
		return;
	history_tell(&m->h, at, &a);
	if (a.usual_high > 0 && (double)sum / (double)a.usual_high > m->worst) {
		m->worst = (double)sum / (double)a.usual_high;
		m->worst_at = at;
	}
}

/* Monday to Friday, from eight to six. */
static bool
office(int64_t at)
{
	int64_t day = (at / DAY + 3) % 7, hour = at / H % 24;

	return day < 5 && hour >= 8 && hour < 18;
}

static void
test_slow_growth_is_no_surge(void **state)
{
	struct mail m = { .seed = 1 };
	double an_hour = 20;

	for (int64_t t = 0; t < 52LL * WEEK; t += 60) {
		if (t > 0 && t % WEEK == 0)
			an_hour *= 1.05;
		minute_of(&m, START + t, an_hour);
	}
	assert_true(an_hour > 200);
	if (m.worst > 2)
		fail_msg("%g times the usual after %jd hours", m.worst,
		    (intmax_t)((m.worst_at - START) / H));
}

static void
test_week_is_no_surge(void **state)
{
	struct mail m = { .seed = 2 };

	for (int64_t t = 0; t < 26LL * WEEK; t += 60)
		minute_of(&m, START + t, office(START + t) ? 100 : 4);
	if (m.worst > 2)
		fail_msg("%g times the usual after %jd hours", m.worst,
		    (intmax_t)((m.worst_at - START) / H));
}

/* By Saturday's measure a Monday is one, and by Monday's a Saturday. */
static void
test_monday_on_a_saturday_is_a_surge(void **state)
{
	struct mail m = { .seed = 3 };
	int64_t saturday = 0;

	for (int64_t t = 0; t < 8LL * WEEK; t += 60) {
		minute_of(&m, START + t, office(START + t) ? 100 : 4);
		if ((START + t) / DAY % 7 == 2)
			saturday = START + t;
	}
	saturday += WEEK - 12 * H;
	m.worst = 0;
	for (int64_t t = 0; t < H; t += 60)
		minute_of(&m, saturday + t, 100);
	assert_true(m.worst > 5);
}

/* Whoever floods for a day has not made it usual. */
static void
test_flood_does_not_become_usual(void **state)
{
	struct mail m = { .seed = 4 };
	int64_t t = 0;

	for (; t < 4LL * WEEK; t += 60)
		minute_of(&m, START + t, 6);
	assert_true(m.worst <= 2.5);
	for (; t < 4LL * WEEK + DAY; t += 60)
		minute_of(&m, START + t, t % H < 1800 ? 480 : 0);
	m.worst = 0;
	minute_of(&m, START + t, 480);
	assert_true(m.worst > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_past_fades),
		cmocka_unit_test(test_clock_goes_back),
		cmocka_unit_test(test_slow_growth_is_no_surge),
		cmocka_unit_test(test_week_is_no_surge),
		cmocka_unit_test(test_monday_on_a_saturday_is_a_surge),
		cmocka_unit_test(test_flood_does_not_become_usual),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
