#include "cli/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define NOW 1769864523123 /* 2026-01-31 13:02:03.123 UTC */
#define MIDNIGHT 1769817600000
#define DAY 86400000LL

struct good {
	const char *text;
	int64_t ms;
};

static const struct good goods[] = {
	{ "90s", NOW - 90000 },
	{ "30m", NOW - 1800000 },
	{ "1h", NOW - 3600000 },
	{ "2d", NOW - 2 * DAY },
	{ "1w", NOW - 7 * DAY },
	{ "0s", NOW },
	{ "999999w", 1 },
	{ "today", MIDNIGHT },
	{ "yesterday", MIDNIGHT - DAY },
	{ "2026-01-31", MIDNIGHT },
	{ "2026-01-31Z", MIDNIGHT },
	{ "2026-01-31 12", MIDNIGHT + DAY / 2 },
	{ "2026-01-31 12:30", MIDNIGHT + DAY / 2 + 1800000 },
	{ "2026-01-31T12:30:59Z", MIDNIGHT + DAY / 2 + 1859000 },
	{ "2024-02-29", 1709164800000 },
	/* as --json and `date -Is` write it */
	{ "2026-01-31T12:30:59.123Z", MIDNIGHT + DAY / 2 + 1859123 },
	{ "2026-01-31 12:00:00.5", MIDNIGHT + DAY / 2 + 500 },
	{ "2026-01-31T12:30:59+02:00", MIDNIGHT + DAY / 2 + 1859000 - 7200000 },
	{ "2026-01-31T12:30-03:30", MIDNIGHT + DAY / 2 + 1800000 + 12600000 },
	{ "12:30", MIDNIGHT + DAY / 2 + 1800000 },
	{ "00:00:01", MIDNIGHT + 1000 },
};

static const char *const bads[] = { "", "h", "1", "1y", "-1h", "1h30m", "1 h", "20260131",
	"2026-1-31", "2026-02-30", "2026-13-01", "2026-00-10", "2026-01-31 24:00",
	"2026-01-31 12:60", "2026-01-31 12:00:60", "2026-01-31x", "2026-01-31 12:00:00 ",
	"2026-01-31 12:00:00.", "2026-01-31 12:00.5", "2026-01-31T12:00+1:00",
	"2026-01-31T12:00+99:00", "2026-01-31T12:00*01:00", "24:00", "12", "12:", "12:60",
	"9999999h", "Today", "1970-01-01" };

static int
setup(void **state)
{
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static void
test_good(void **state)
{
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		struct err e = { 0 };
		int64_t ms = -1;

		if (!when_parse(str_of(goods[i].text), NOW, &ms, &e) || ms != goods[i].ms)
			fail_msg("%s: %jd %s", goods[i].text, (intmax_t)ms, e.text);
	}
}

static void
test_bad(void **state)
{
	struct err e;
	int64_t ms;

	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		if (when_parse(str_of(bads[i]), NOW, &ms, &e))
			fail_msg("%s: was taken as %jd", bads[i], (intmax_t)ms);
	assert_false(when_parse(STR("soon\x1b"), NOW, &ms, &e));
	assert_string_equal(e.text,
	    "\"soon\\x1b\" is no time; write 30m, 2h, 7d, today, 2026-01-31 or "
	    "\"2026-01-31 12:00\"");
}

static void
test_zone(void **state)
{
	char text[WHEN_SIZE];
	int64_t ms;

	setenv("TZ", "UTC-2", 1); /* two hours east */
	tzset();
	assert_true(when_parse(STR("2026-01-31"), NOW, &ms, NULL));
	assert_int_equal(ms, MIDNIGHT - 2 * 3600000);
	assert_true(when_parse(STR("2026-01-31Z"), NOW, &ms, NULL));
	assert_int_equal(ms, MIDNIGHT);
	assert_string_equal(when_local(NOW, text), "2026-01-31 15:02:03");
	assert_string_equal(when_utc(NOW, text), "2026-01-31T13:02:03.123Z");
	setup(state);
}

/* A day of 25 hours, one of 23, and a zone that is half an hour off. */
static void
test_odd_hours(void **state)
{
	char text[WHEN_SIZE];
	int64_t ms, next;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_true(when_parse(STR("2026-10-25"), NOW, &ms, NULL));
	assert_true(when_parse(STR("2026-10-26"), NOW, &next, NULL));
	assert_int_equal(next - ms, 25 * 3600000);
	assert_true(when_parse(STR("yesterday"), next, &ms, NULL));
	assert_int_equal(next - ms, 25 * 3600000);
	assert_true(when_parse(STR("2026-03-29"), NOW, &ms, NULL));
	assert_true(when_parse(STR("2026-03-30"), NOW, &next, NULL));
	assert_int_equal(next - ms, 23 * 3600000);
	/* There is no such moment that day; the one meant is an hour away at most. */
	assert_true(when_parse(STR("2026-03-29 02:30"), NOW, &next, NULL));
	assert_in_range(next - ms, 5400000, 9000000);
	setenv("TZ", "IST-5:30", 1);
	tzset();
	assert_true(when_parse(STR("18:32"), NOW, &ms, NULL));
	assert_int_equal(ms, NOW / 60000 * 60000);
	assert_string_equal(when_local(NOW, text), "2026-01-31 18:32:03");
	setup(state);
}

static void
test_took(void **state)
{
	char text[WHEN_SIZE];

	assert_string_equal(when_took(0, text), "0 us");
	assert_string_equal(when_took(999, text), "999 us");
	assert_string_equal(when_took(1250, text), "1.2 ms");
	assert_string_equal(when_took(5020000, text), "5.02 s");
}

static void
test_spans(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ 0, "0 seconds" },
		{ 1, "1 second" },
		{ 59, "59 seconds" },
		{ 60, "1 minute" },
		{ 61, "1 minute 1 second" },
		{ 3600, "1 hour" },
		{ 3601, "1 hour" },
		{ 7810, "2 hours 10 minutes" },
		{ 86400, "1 day" },
		{ 90061, "1 day 1 hour" },
		{ 172799, "1 day 23 hours" },
	};
	char out[WHEN_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(when_span(rows[i].seconds, out), rows[i].text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_odd_hours),
		cmocka_unit_test(test_took),
	};

	return cmocka_run_group_tests_name("when", tests, setup, NULL);
}
