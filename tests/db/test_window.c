#include "db/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define H 3600
#define START (1700000000 / H * H) /* the beginning of an hour */

/* --- a table ------------------------------------------------------------------------------------ */

struct event {
	int64_t at, n; /* n 0: the end */
};

struct row {
	const char *name;
	struct event event[40];
	int64_t now;
	struct count_answer want;
};

static const struct row rows[] = {
	{ "empty", { { 0 } }, START, { 0, 0, 0, 0 } },
	{ "one now", { { START, 3 } }, START, { 3, 3, 3, 3 } },
	{ "a second short of ten", { { START, 3 } }, START + 9, { 3, 3, 3, 3 } },
	{ "the bin of a burst that is left over", { { START + 9, 3 } }, START + 19,
	    { 3, 3, 3, 3 } },
	{ "over ten seconds", { { START + 9, 3 } }, START + 20, { 0, 3, 3, 3 } },
	{ "a second short of a minute", { { START, 3 } }, START + 59, { 0, 3, 3, 3 } },
	{ "the bin that is left over", { { START + 9, 3 } }, START + 69, { 0, 3, 3, 3 } },
	{ "over a minute", { { START, 3 } }, START + 70, { 0, 0, 3, 3 } },
	{ "a second short of an hour", { { START, 3 } }, START + H - 1, { 0, 0, 3, 3 } },
	{ "over an hour", { { START, 3 } }, START + H + 120, { 0, 0, 0, 3 } },
	{ "a second short of a day", { { START, 3 } }, START + 24 * H - 1, { 0, 0, 0, 3 } },
	{ "over a day", { { START, 3 } }, START + 24 * H + 1800, { 0, 0, 0, 0 } },
	{ "after a year", { { START, 3 } }, START + 365 * 24 * H, { 0, 0, 0, 0 } },
	{ "nothing is added by 0 and less", { { START, 2 }, { START, -5 } }, START,
	    { 2, 2, 2, 2 } },
	{ "a clock that is set back a little stands still",
	    { { START + 1000, 1 }, { START + 990, 1 }, { START, 1 } }, START + 1000,
	    { 3, 3, 3, 3 } },
	{ "reading with a clock set back a little", { { START + 1000, 5 } }, START,
	    { 5, 5, 5, 5 } },
	{ "what lay in the future is forgotten",
	    { { START, 1 }, { START + 30 * 24 * H, 7 }, { START + 1, 1 } }, START + 1,
	    { 1, 1, 1, 1 } },
	{ "set back by two hours keeps what lies before", { { START, 1 }, { START + 2 * H, 7 } },
	    START, { 0, 0, 0, 1 } },
	{ "before 1970", { { -5, 1 } }, -5, { 1, 1, 1, 1 } },
	{ "the largest numbers", { { START, INT64_MAX }, { START, INT64_MAX } }, START,
	    { (int64_t)1 << 48, (int64_t)1 << 48, (int64_t)1 << 48, (int64_t)1 << 48 } },
};

static void
play(const struct row *row, struct count_answer *out)
{
	struct window w = { 0 };

	for (const struct event *e = row->event; e->n != 0; e++)
		window_add(&w, e->at, e->n);
	window_add(&w, row->now, 0);
	window_totals(&w, out);
}

static void
test_table(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct count_answer a;

		play(&rows[i], &a);
		if (a.burst != rows[i].want.burst || a.minute != rows[i].want.minute ||
		    a.hour != rows[i].want.hour || a.day != rows[i].want.day)
			fail_msg("%s: %jd %jd %jd %jd", rows[i].name, (intmax_t)a.burst,
			    (intmax_t)a.minute, (intmax_t)a.hour, (intmax_t)a.day);
	}
}

/* The sums begin anew, what is usual stays. */
static void
test_reset(void **state)
{
	struct window w = { 0 };
	struct count_answer before, after;

	window_add(&w, START, 7);
	window_add(&w, START + 2 * H, 5);
	window_totals(&w, &before);
	window_reset(&w);
	window_totals(&w, &after);
	assert_int_equal(after.burst + after.minute + after.hour + after.day, 0);
	assert_int_equal(after.usual, 56);
	assert_int_equal(after.usual, before.usual);
	assert_int_equal(after.since, START);
	/* What was counted in the present hour is not learned either. */
	window_add(&w, START + 4 * H, 0);
	window_totals(&w, &after);
	assert_int_equal(after.hours_known, 1);
}

/* --- against brute force ------------------------------------------------------------------------ */

#define EVENTS 1500

static int64_t
truth(const struct event *event, size_t n, int64_t after)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (event[i].at > after)
			sum += event[i].n;
	return sum;
}

static void
check_window(int64_t got, const struct event *event, size_t n, const int64_t span[2])
{
	int64_t now = event[n - 1].at;

	/* Never less than the truth, never more than that of a window one bin longer. */
	assert_in_range(
	    got, truth(event, n, now - span[0]), truth(event, n, now - span[0] - span[1]));
}

static void
test_brute_force(void **state)
{
	static const int64_t burst[] = { 10, WINDOW_MINUTE_BIN },
			     minute[] = { 60, WINDOW_MINUTE_BIN }, hour[] = { H, WINDOW_HOUR_BIN },
			     day[] = { 24 * H, WINDOW_DAY_BIN };
	static const int steps[] = { 2, 15, 200, 3000, 20000, 400000 };
	struct event event[EVENTS];

	srandom(7);
	for (int round = 0; round < 6; round++) {
		struct window w = { 0 };
		int64_t at = START;

		for (size_t i = 0; i < EVENTS; i++) {
			unsigned char blob[WINDOW_BLOB_MAX];
			struct count_answer a;

			at += random() % steps[round];
			event[i] = (struct event){ at, 1 + random() % 1000 };
			window_add(&w, at, event[i].n);
			window_totals(&w, &a);
			check_window(a.burst, event, i + 1, burst);
			check_window(a.minute, event, i + 1, minute);
			check_window(a.hour, event, i + 1, hour);
			check_window(a.day, event, i + 1, day);
			/* Through the blob and back. */
			assert_true(
			    window_load(&w, (struct str){ (char *)blob, window_save(&w, blob) }));
		}
	}
}

/* --- blobs -------------------------------------------------------------------------------------- */

static void
test_blob_full(void **state)
{
	unsigned char blob[WINDOW_BLOB_MAX];
	struct window w = { 0 }, back;
	size_t n;

	for (int64_t t = 0; t < 30 * 24 * H; t += 10)
		window_add(&w, START + t, (int64_t)1 << 48);
	n = window_save(&w, blob);
	assert_in_range(n, 100, WINDOW_BLOB_MAX);
	assert_true(window_load(&back, (struct str){ (char *)blob, n }));
	assert_memory_equal(&w, &back, sizeof(w));
}

static void
test_blob_small(void **state)
{
	unsigned char blob[WINDOW_BLOB_MAX];
	struct window w = { 0 };

	window_add(&w, START, 1);
	assert_in_range(window_save(&w, blob), 10, 40);
}

struct bad_blob {
	const char *name;
	struct str blob;
};

static void
test_blob_bad(void **state)
{
	static const struct bad_blob bad[] = {
		{ "unknown version", { "\x03\x05\x00\x00\x00\x00", 6 } },
		{ "version 0", { "\x00\x05\x00\x00\x00\x00", 6 } },
		{ "no history", { "\x02\x05\x00\x00\x00", 5 } },
		{ "history cut", { "\x02\x05\x00\x00\x00\x01\x01\x01\x00\x00\x00", 11 } },
		{ "a run of nothing known",
		    { "\x02\x05\x00\x00\x00\x01\x01\x01\x00\x00\x00\x01\x00\x01\x00\x00", 16 } },
		{ "a run past the week's end",
		    { "\x02\x05\x00\x00\x00\x01\x01\x01\x00\x00\x00\x01\xa7\x01\x02\x08\x00",
			17 } },
		{ "version only", { "\x01", 1 } },
		{ "cut", { "\x01\x05\x00\x00\x00", 5 } },
		{ "more after the end", { "\x01\x05\x00\x00\x00\x00\x00", 7 } },
		{ "bin out of range", { "\x01\x05\x01\x07\x01\x00\x00\x00", 8 } },
		{ "more bins than there are", { "\x01\x05\x08\x00\x00\x00", 6 } },
		{ "the same bin twice", { "\x01\x05\x02\x00\x01\x00\x01\x00\x00\x00", 10 } },
		{ "a bin of nothing", { "\x01\x05\x01\x00\x00\x00\x00\x00", 8 } },
		{ "too large a count",
		    { "\x01\x05\x01\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00", 15 } },
		{ "a number without end",
		    { "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 14 } },
		{ "an hour before all time", { "\x01\x05\x00\x00\x00\x01\x01\x01", 8 } },
		{ "26 active hours", { "\x01\x05\x00\x00\x00\x1a", 6 } },
	};
	struct window w, empty = { 0 };

	assert_true(window_load(&w, STR("\x01\x05\x00\x00\x00\x00")));
	assert_int_equal(w.at, 5);
	assert_true(window_load(&w,
	    STR("\x02\x05\x00\x00\x00\x01\x01\x01\x00\x00\x00\x01\xa7"
		"\x01\x01\x08\x03")));
	assert_int_equal(w.history.slot[167].spread, 3);
	/* What an earlier version wrote: 2 came in hour 3 since 1970, 7 in hour 2. */
	assert_true(window_load(&w, STR("\x01\xb0\x54\x00\x00\x00\x02\x00\x02\x01\x07")));
	assert_int_equal(w.history.slot[2].mean, 56);
	assert_int_equal(w.history.n, 2);
	assert_true(window_load(&w, (struct str){ NULL, 0 }));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&w, 1, sizeof(w));
		if (window_load(&w, bad[i].blob))
			fail_msg("%s: was taken", bad[i].name);
		assert_memory_equal(&w, &empty, sizeof(w));
	}
}

/* Whatever is loaded must be usable. */
static void
test_blob_random(void **state)
{
	unsigned char blob[WINDOW_BLOB_MAX], out[WINDOW_BLOB_MAX];
	struct window w = { 0 };
	struct count_answer a;
	size_t n, loaded = 0;

	srandom(3);
	for (int64_t t = 0; t < 40 * H; t += 700)
		window_add(&w, START + t, 5);
	n = window_save(&w, blob);
	for (int i = 0; i < 20000; i++) {
		unsigned char copy[WINDOW_BLOB_MAX];

		memcpy(copy, blob, n);
		for (int k = 0; k < 3; k++)
			copy[(size_t)random() % n] ^= (unsigned char)(1 << random() % 8);
		loaded += window_load(&w, (struct str){ (char *)copy, n });
		window_add(&w, START + random() % 1000000, random());
		window_totals(&w, &a);
		assert_true(a.minute >= 0 && a.hour >= 0 && a.day >= 0 && a.usual >= 0 &&
		    a.usual_low >= 0 && a.usual_high >= a.usual_low && a.past >= 0);
		assert_in_range(window_save(&w, out), 6, WINDOW_BLOB_MAX);
	}
	assert_in_range(loaded, 1, 19999);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_brute_force),
		cmocka_unit_test(test_blob_full),
		cmocka_unit_test(test_blob_small),
		cmocka_unit_test(test_blob_bad),
		cmocka_unit_test(test_blob_random),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
