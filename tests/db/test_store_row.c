#include "db/store_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/sketch.h"

#define T0 INT64_C(1700000000)

static const struct {
	const char *name;
	struct store_seen a, b, want;
} seen[] = {
	{ "proven wins over waiting", { .first = 5, .last = 9, .expires = 99 },
	    { .first = 7, .last = 8, .hits = 3, .proven = true, .expires = 50 },
	    { .first = 7, .last = 8, .hits = 3, .proven = true, .expires = 50 } },
	{ "two proven", { .first = 5, .last = 9, .hits = 2, .proven = true, .expires = 99 },
	    { .first = 7, .last = 8, .hits = 3, .proven = true, .expires = 50 },
	    { .first = 5, .last = 9, .hits = 3, .proven = true, .expires = 99 } },
	{ "two waiting: the attempt that began earlier, with its own end",
	    { .first = 5, .last = 6, .expires = 50 }, { .first = 7, .last = 8, .expires = 99 },
	    { .first = 5, .last = 8, .expires = 50 } },
	{ "the same", { .first = 5, .last = 6, .expires = 50 },
	    { .first = 5, .last = 6, .expires = 50 }, { .first = 5, .last = 6, .expires = 50 } },
};

static struct store_row
seen_row(const struct store_seen *s)
{
	return (struct store_row){ .kind = STORE_SEEN, .seen = *s, .expires = s->expires };
}

/* In either order, and merging again changes nothing. */
static void
test_seen(void **state)
{
	unsigned char blob[WINDOW_BLOB_MAX];

	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		for (int turn = 0; turn < 2; turn++) {
			struct store_row a = seen_row(turn ? &seen[i].b : &seen[i].a);
			struct store_row b = seen_row(turn ? &seen[i].a : &seen[i].b);
			const struct store_seen *want = &seen[i].want;

			store_row_merge(&a, &b, blob);
			if (a.seen.first != want->first || a.seen.last != want->last ||
			    a.seen.hits != want->hits || a.seen.proven != want->proven ||
			    a.seen.expires != want->expires || a.expires != want->expires)
				fail_msg("%s, turn %d", seen[i].name, turn);
			assert_false(store_row_merge(&a, &b, blob));
		}
}

static struct store_row
counter(unsigned char blob[WINDOW_BLOB_MAX], int64_t from, int64_t n, int64_t add)
{
	struct window w = { 0 };

	for (int64_t i = 0; i < n; i++)
		window_add(&w, T0 + from + 60 * i, add);
	return (struct store_row){ .kind = STORE_COUNTER,
		.octets = { (const char *)blob, window_save(&w, blob) },
		.expires = T0 + 86400 };
}

static void
test_counters(void **state)
{
	unsigned char one[WINDOW_BLOB_MAX], two[WINDOW_BLOB_MAX], blob[WINDOW_BLOB_MAX];
	unsigned char again[WINDOW_BLOB_MAX];
	struct store_row a = counter(one, 0, 30, 5), b = counter(two, 600, 30, 7);
	struct count_answer sums;
	struct window w;

	assert_true(store_row_merge(&a, &b, blob));
	assert_true(window_load(&w, a.octets));
	window_totals(&w, &sums);
	/*
	 * What both counted is the larger, not the sum. Of the day's bins T0 lies 800 s within one: it holds 17 of one's minutes and 7
	 * of the other's, the next holds 13 and 23.
	 */
	assert_int_equal(sums.day, 17 * 5 + 23 * 7);
	assert_false(store_row_merge(&a, &b, again));
	/* The other way round it comes to the same. */
	a = counter(one, 0, 30, 5);
	b = counter(two, 600, 30, 7);
	store_row_merge(&b, &a, again);
	assert_int_equal(window_load(&w, b.octets), true);
	window_totals(&w, &sums);
	assert_int_equal(sums.day, 17 * 5 + 23 * 7);
}

static struct store_row
sketch(unsigned char blob[WINDOW_BLOB_MAX], unsigned from, unsigned n)
{
	struct sketch s = { 0 };
	struct count_answer sums;

	for (unsigned i = from; i < from + n; i++) {
		unsigned hash = i * 2654435761u;
		const char octets[] = { (char)(hash >> 24), (char)(hash >> 16), (char)(hash >> 8),
			(char)hash };

		sketch_add(&s, T0, (struct str){ octets, 4 }, &sums);
	}
	return (struct store_row){ .kind = STORE_SKETCH,
		.octets = { (const char *)blob, sketch_save(&s, blob) } };
}

static void
test_sketches(void **state)
{
	static const struct {
		unsigned from, n, more, most, least;
	} rows[] = { { 50, 60, 0, 110, 110 }, { 0, 60, 0, 60, 60 }, { 1000, 100, 0, 220, 100 },
		{ 500, 2000, 0, 2600, 1400 } };
	unsigned char one[WINDOW_BLOB_MAX], two[WINDOW_BLOB_MAX], blob[WINDOW_BLOB_MAX];
	unsigned char again[WINDOW_BLOB_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_row a = sketch(one, 0, 60), b = sketch(two, rows[i].from, rows[i].n);
		struct count_answer sums;
		struct sketch s;

		store_row_merge(&a, &b, blob);
		assert_true(sketch_load(&s, a.octets));
		sketch_add(&s, T0, STR(""), &sums);
		assert_in_range(sums.day, rows[i].least, rows[i].most);
		assert_false(store_row_merge(&a, &b, again));
	}
}

static void
test_limits_and_delivered(void **state)
{
	unsigned char blob[WINDOW_BLOB_MAX];
	struct store_row a = { .kind = STORE_LIMIT, .limit = { .day = 5 }, .expires = 10 };
	struct store_row b = { .kind = STORE_LIMIT, .limit = { .day = 7 }, .expires = 20 };

	assert_true(store_row_merge(&a, &b, blob));
	assert_int_equal(a.limit.day, 7);
	assert_int_equal(a.expires, 20);
	assert_false(store_row_merge(&a, &b, blob));
	a = (struct store_row){
		.kind = STORE_DELIVERED, .octets = STR("250 a"), .ready = 5, .expires = 9
	};
	b = (struct store_row){ .kind = STORE_DELIVERED, .octets = STR("250 b"), .expires = 10 };
	assert_true(store_row_merge(&a, &b, blob));
	assert_true(str_eq(a.octets, STR("250 a")));
	assert_int_equal(a.ready, 0);
	assert_int_equal(a.expires, 10);
	assert_false(store_row_merge(&a, &b, blob));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_sketches),
		cmocka_unit_test(test_limits_and_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
