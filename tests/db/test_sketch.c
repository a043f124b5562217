#include "db/sketch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 1700000000

static uint32_t
spread(uint32_t n)
{
	n = (n ^ n >> 16) * 0x7feb352d;
	n = (n ^ n >> 15) * 0x846ca68b;
	return n ^ n >> 16;
}

static void
see(struct sketch *s, int64_t now, uint32_t hash, struct count_answer *out)
{
	const char octets[QUESTION_HASH] = { (char)(hash >> 24), (char)(hash >> 16),
		(char)(hash >> 8), (char)hash };

	sketch_add(s, now, (struct str){ octets, sizeof(octets) }, out);
}

static void
look(const struct sketch *s, int64_t now, struct count_answer *out)
{
	struct sketch copy = *s;

	sketch_add(&copy, now, STR(""), out);
}

/* To the one, and to the second. */
static void
test_few_are_exact(void **state)
{
	static const struct {
		int64_t after;
		int64_t minute, hour, day;
	} cases[] = { { 0, 100, 100, 100 }, { 59, 100, 100, 100 }, { 60, 0, 100, 100 },
		{ 3599, 0, 100, 100 }, { 3600, 0, 0, 100 }, { 86399, 0, 0, 100 },
		{ 86400, 0, 0, 0 } };
	struct sketch s = { 0 };
	struct count_answer a;

	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 100; i++)
			see(&s, T0, spread(i), &a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		look(&s, T0 + cases[i].after, &a);
		assert_int_equal(a.minute, cases[i].minute);
		assert_int_equal(a.hour, cases[i].hour);
		assert_int_equal(a.day, cases[i].day);
	}
}

static void
test_seen_again_is_young_again(void **state)
{
	struct sketch s = { 0 };
	struct count_answer a;

	see(&s, T0, 1, &a);
	see(&s, T0 + 10, 2, &a);
	see(&s, T0 + 3000, 1, &a);
	look(&s, T0 + 3700, &a);
	assert_int_equal(a.hour, 1);
	assert_int_equal(a.day, 2);
}

static void
test_a_clock_that_goes_back(void **state)
{
	struct sketch s = { 0 };
	struct count_answer a;

	see(&s, T0, 1, &a);
	see(&s, T0 + 50000, 2, &a);
	see(&s, T0 - 10, 3, &a);
	assert_int_equal(a.minute, 2);
	assert_int_equal(a.day, 2);
}

/* Many are told within a third, at every size. */
static void
test_many_are_near(void **state)
{
	struct sketch s = { 0 };
	struct count_answer a;

	for (uint32_t i = 1; i <= 200000; i++) {
		see(&s, T0 + i / 1000, spread(i), &a);
		if (a.day * 3 < (int64_t)i * 2 || a.day * 3 > (int64_t)i * 4)
			fail_msg("%jd of %u", (intmax_t)a.day, i);
	}
	assert_in_range(s.n, 1, SKETCH_MOST);
}

/* After a busy day few are exact again. */
static void
test_calm_after_many(void **state)
{
	struct sketch s = { 0 };
	struct count_answer a;

	for (uint32_t i = 0; i < 100000; i++)
		see(&s, T0, spread(i), &a);
	assert_true(s.level > 5);
	for (uint32_t i = 0; i < 20; i++)
		see(&s, T0 + SKETCH_DAY + 60 * i, spread(i), &a);
	assert_int_equal(s.level, 0);
	assert_int_equal(a.day, 20);
}

/* What was seen while there were many stands for many until it is over; a day later few are exact. */
static void
test_level_falls(void **state)
{
	struct sketch s = { 0 };
	struct count_answer a;
	uint32_t i = 0;

	for (int hour = 0; hour < 24; hour++)
		for (int n = 0; n < 1000; n++)
			see(&s, T0 + hour * 3600, spread(i++), &a);
	assert_true(s.level >= 7);
	for (int hour = 24; hour < 72; hour++)
		for (int n = 0; n < 4; n++)
			see(&s, T0 + hour * 3600, spread(i++), &a);
	assert_int_equal(s.level, 0);
	assert_int_equal(a.day, 96);
}

static void
test_blob(void **state)
{
	unsigned char blob[SKETCH_BLOB_MAX];
	struct sketch s = { 0 }, back;
	struct count_answer a, b;

	for (uint32_t i = 0; i < 5000; i++) {
		size_t n = sketch_save(&s, blob);

		assert_true(sketch_load(&back, (struct str){ (char *)blob, n }));
		see(&s, T0 + i, spread(i), &a);
		see(&back, T0 + i, spread(i), &b);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	assert_in_range(sketch_save(&s, blob), 500, 1300);
}

static void
test_blob_bad(void **state)
{
	static const struct {
		const char *name;
		struct str blob;
	} bad[] = {
		{ "unknown version", { "\x02\x00\x00\x00", 4 } },
		{ "cut", { "\x01\x00\x01\x05\x07", 5 } },
		{ "more after the end", { "\x01\x00\x00\x00\x00", 5 } },
		{ "too many entries", { "\x01\x00\x81\x01\x00", 5 } },
		{ "a level there is none of", { "\x01\x21\x00\x00", 4 } },
		{ "the same hash twice", { "\x01\x00\x02\x05\x07\x00\x00\x07\x00\x00", 10 } },
		{ "a hash that is not in the sample", { "\x01\x20\x01\x05\x07\x00\x00", 7 } },
		{ "before all time", { "\x01\x00\x01\x05\x07\x06\x00", 7 } },
	};
	struct sketch s;

	assert_true(sketch_load(&s, STR("")));
	assert_true(sketch_load(&s, STR("\x01\x00\x01\x05\x07\x01\x00")));
	assert_int_equal(s.entry[0].last, 4);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sketch_load(&s, bad[i].blob))
			fail_msg("%s: was taken", bad[i].name);
		assert_int_equal(s.n, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_are_exact),
		cmocka_unit_test(test_seen_again_is_young_again),
		cmocka_unit_test(test_a_clock_that_goes_back),
		cmocka_unit_test(test_many_are_near),
		cmocka_unit_test(test_calm_after_many),
		cmocka_unit_test(test_level_falls),
		cmocka_unit_test(test_blob),
		cmocka_unit_test(test_blob_bad),
	};

	return cmocka_run_group_tests_name("sketch", tests, NULL, NULL);
}
