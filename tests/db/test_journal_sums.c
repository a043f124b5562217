/* Sums of hours: the same as the entries say, whatever is summed up already; and what retention leaves of both. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "db/journal.h"
#include "tests/db/journal_world.h"

#define HOUR 3600000LL
#define T0 (472222 * HOUR)
#define SAID 8000

/* Entries in hours from T0 on, mostly in order. */
static void
append_some(struct world *w, size_t n, int64_t hours)
{
	static const char *const verdicts[] = { "accept", "tempfail", "reject", "defer", "left" };

	for (size_t i = 0; i < n; i++) {
		char sender[20], ip[20], text[20], answers[200];
		struct journal_record r = {
			.time_ms = T0 + (int64_t)(i * (size_t)(hours * HOUR) / n) - draw(w, 100000),
			.front = "proxy",
			.step = "message",
			.verdict = verdicts[draw(w, 5)],
			.times = draw(w, 3),
			.rule = STR("postern.conf:1"),
		};
		struct journal_record *p = &r;

		snprintf(sender, sizeof(sender), "s%u", draw(w, 9));
		snprintf(ip, sizeof(ip), "192.0.2.%u", draw(w, 20));
		snprintf(text, sizeof(text), "t%u", draw(w, 3));
		snprintf(answers, sizeof(answers),
		    "[{\"seen\":\"greylist:pair:x\",\"state\":\"retried\",\"first\":%lld}]",
		    (long long)(r.time_ms / 1000 - 300 - draw(w, 5)));
		r.sender = str_of(sender);
		r.client_ip = str_of(ip);
		r.text = str_of(text);
		r.answers = str_of(answers);
		assert_true(journal_append(w->journal, &p, 1, NULL));
	}
}

static void
add_hour(void *owner, int64_t hour_ms, const int64_t counts[JOURNAL_VERDICTS])
{
	char *text = owner;
	size_t n = strlen(text);

	snprintf(text + n, SAID - n, "%d:%d/%d/%d/%d/%d ", (int)((hour_ms - T0) / HOUR),
	    (int)counts[0], (int)counts[1], (int)counts[2], (int)counts[3], (int)counts[4]);
}

static void
add_sum(void *owner, const struct journal_sum *sum)
{
	char *text = owner;
	size_t n = strlen(text);

	snprintf(text + n, SAID - n, "%.*s=%d ", STR_ARG(sum->key), (int)sum->n);
}

static void
add_wait(void *owner, int64_t seconds, int64_t n)
{
	char *text = owner;
	size_t used = strlen(text);

	snprintf(text + used, SAID - used, "%d*%d ", (int)n, (int)seconds);
}

/* All that is asked of a span, as text. */
static void
ask(struct world *w, struct journal_span span, char *said)
{
	static const char *const columns[] = { "sender", "client_ip", "rule", "text" };

	said[0] = '\0';
	assert_true(journal_hours(w->reader, &span, add_hour, said, NULL));
	for (size_t i = 0; i < 4; i++) {
		struct journal_ranking ranking = { span, columns[i], 100 };

		assert_true(journal_top(w->reader, &ranking, add_sum, said, NULL));
	}
	assert_true(journal_waits(w->reader, &span, add_wait, said, NULL));
}

/* --- the same whatever is summed up --------------------------------------------------------------- */

#define SPANS 60

static struct journal_span
some_span(struct world *w, size_t i)
{
	int64_t a = T0 + (int64_t)draw(w, 7 * 3600) * 1000 - HOUR,
		b = T0 + (int64_t)draw(w, 7 * 3600) * 1000;

	if (i == 0)
		return (struct journal_span){ 0 };
	if (i == 1)
		return (struct journal_span){ T0 + HOUR, T0 + 2 * HOUR };
	if (i == 2)
		return (struct journal_span){ T0 + 100, T0 + 200000 };
	return a < b ? (struct journal_span){ a, b } : (struct journal_span){ b, a };
}

static void
test_same(void **state)
{
	struct world *w = *state;
	static struct journal_span span[SPANS];
	static char before[SPANS][SAID], after[SAID];
	struct err e = { 0 };
	int steps = 1;

	append_some(w, 3500, 6);
	for (size_t i = 0; i < SPANS; i++) {
		span[i] = some_span(w, i);
		ask(w, span[i], before[i]);
	}
	assert_non_null(strchr(before[0], '*'));
	for (bool more = true; more; steps++) {
		more = journal_sum_up(w->journal, &e);
		assert_int_equal(e.code, ERR_NONE);
		for (size_t i = 0; i < SPANS; i++) {
			ask(w, span[i], after);
			if (strcmp(before[i], after) != 0)
				fail_msg("step %d, span %zu:\n%s\n%s", steps, i, before[i], after);
		}
	}
	assert_int_equal(steps, 1 + 4);
	/* There is nothing more to do. */
	assert_false(journal_sum_up(w->journal, &e));
	assert_int_equal(e.code, ERR_NONE);
}

/* Against what the entries themselves say, for whole hours and cut ones. */
static void
test_true(void **state)
{
	struct world *w = *state;
	char said[SAID] = "", want[SAID] = "";
	struct journal_span span = { T0 + HOUR / 2, T0 + 3 * HOUR + HOUR / 3 };
	sqlite3_stmt *stmt;
	sqlite3 *handle;

	append_some(w, 800, 5);
	while (journal_sum_up(w->journal, NULL))
		;
	assert_true(journal_hours(w->reader, &span, add_hour, said, NULL));
	assert_int_equal(sqlite3_open(folder_file(&w->folder, "journal.db"), &handle), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(handle,
		"SELECT time_ms / 3600000, sum(times * (verdict = 'accept')), "
		"sum(times * (verdict = 'tempfail')), sum(times * (verdict = 'reject')), "
		"sum(times * (verdict = 'defer')), sum(times * (verdict = 'left')) FROM entry "
		"WHERE time_ms >= ?1 AND time_ms < ?2 GROUP BY 1 ORDER BY 1",
		-1, &stmt, NULL),
	    SQLITE_OK);
	sqlite3_bind_int64(stmt, 1, span.since_ms);
	sqlite3_bind_int64(stmt, 2, span.until_ms);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		int64_t counts[JOURNAL_VERDICTS];

		for (int i = 0; i < JOURNAL_VERDICTS; i++)
			counts[i] = sqlite3_column_int64(stmt, i + 1);
		add_hour(want, sqlite3_column_int64(stmt, 0) * HOUR, counts);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(handle);
	assert_string_equal(said, want);
}

/* --- many of a kind ------------------------------------------------------------------------------- */

static int64_t
number(struct world *w, const char *sql)
{
	return folder_number(&w->folder, "journal.db", sql);
}

/* n refusals, each of another sender, and one sender that comes as often. */
static void
append_many(struct world *w, int64_t time_ms, size_t n)
{
	enum { LOT = 1000 };
	static struct journal_record r[LOT], *p[LOT];
	static char sender[LOT][20];

	for (size_t i = 0; i < n; i++) {
		struct journal_record *one = &r[i % LOT];

		snprintf(sender[i % LOT], 20, "s%zu", i);
		*one = (struct journal_record){
			.time_ms = time_ms,
			.front = "proxy",
			.step = "rcpt",
			.verdict = "reject",
			.sender = i % 2 ? STR("often") : str_of(sender[i % LOT]),
		};
		p[i % LOT] = one;
		if (i % LOT == LOT - 1)
			assert_true(journal_append(w->journal, p, LOT, NULL));
	}
}

static void
test_trimmed(void **state)
{
	struct world *w = *state;
	struct journal_ranking ranking = { { 0 }, "sender", 1 };
	char said[SAID] = "";

	append_many(w, T0, 24000);
	while (journal_sum_up(w->journal, NULL))
		;
	/* Over 10000 they were cut to 1000 while the hour went on. */
	assert_true(number(w, "SELECT count(*) FROM top WHERE kind = 0") < 10000);
	append_many(w, T0 + HOUR, 1000);
	while (journal_sum_up(w->journal, NULL))
		;
	assert_int_equal(
	    number(w, "SELECT count(*) FROM top WHERE kind = 0 AND hour = 472222"), 100);
	assert_true(journal_top(w->reader, &ranking, add_sum, said, NULL));
	assert_string_equal(said, "often=12500 ");
}

/* --- retention ------------------------------------------------------------------------------------ */

static void
clean(struct world *w, int64_t now_ms, struct journal_retention stays)
{
	struct err e = { 0 };

	while (journal_clean(w->journal, now_ms, &stays, &e))
		;
	assert_int_equal(e.code, ERR_NONE);
}

/* Entries go before their sums. */
static void
test_thinned(void **state)
{
	struct world *w = *state;
	struct journal_span all = { 0 };
	char before[SAID], after[SAID];

	append_some(w, 2000, 10);
	while (journal_sum_up(w->journal, NULL))
		;
	ask(w, all, before);
	clean(w, T0 + 10 * HOUR, (struct journal_retention){ 100 * HOUR, 5 * HOUR, 0 });
	assert_in_range(number(w, "SELECT count(*) FROM entry"), 900, 1100);
	ask(w, all, after);
	assert_string_equal(before, after);
	/* All entries, and then the sums too. */
	clean(w, T0 + 60 * HOUR, (struct journal_retention){ 100 * HOUR, 5 * HOUR, 0 });
	assert_int_equal(number(w, "SELECT count(*) FROM entry"), 0);
	ask(w, all, after);
	assert_string_equal(before, after);
	clean(w, T0 + 105 * HOUR, (struct journal_retention){ 100 * HOUR, 0, 0 });
	assert_int_equal(number(w, "SELECT min(hour) FROM hour"), T0 / HOUR + 5);
	assert_int_equal(number(w, "SELECT min(hour) FROM top"), T0 / HOUR + 5);
	assert_int_equal(number(w, "SELECT min(hour) FROM waited"), T0 / HOUR + 5);
	/* More than a day of them goes in several steps. */
	append_some(w, 2000, 100);
	clean(w, T0 + 1000 * HOUR, (struct journal_retention){ HOUR, 0, 0 });
	clean(w, T0 + 1000 * HOUR, (struct journal_retention){ HOUR, 0, 0 });
	clean(w, T0 + 1000 * HOUR, (struct journal_retention){ HOUR, 0, 0 });
	clean(w, T0 + 1000 * HOUR, (struct journal_retention){ HOUR, 0, 0 });
	clean(w, T0 + 1000 * HOUR, (struct journal_retention){ HOUR, 0, 0 });
	assert_int_equal(number(w, "SELECT count(*) FROM hour"), 0);
}

/* By size, the oldest go whatever their age, and the chain stays whole. */
static void
test_size(void **state)
{
	struct world *w = *state;
	static char long_text[2000];
	const int64_t most = 1 << 20;
	int64_t n, used;

	memset(long_text, 'x', sizeof(long_text) - 1);
	for (size_t i = 0; i < 1500; i++) {
		struct journal_record r = { .time_ms = T0 + (int64_t)i,
			.front = "proxy",
			.step = "rcpt",
			.verdict = "reject",
			.facts = str_of(long_text) };
		struct journal_record *p = &r;

		assert_true(journal_append(w->journal, &p, 1, NULL));
	}
	clean(w, T0 + 2000, (struct journal_retention){ 0, 0, 100 * most });
	assert_int_equal(number(w, "SELECT count(*) FROM entry"), 1500);
	clean(w, T0 + 2000, (struct journal_retention){ 0, 0, most });
	used = number(w,
	    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, "
	    "pragma_freelist_count, pragma_page_size");
	n = number(w, "SELECT count(*) FROM entry");
	if (used > most || n < 100 || n > 600)
		fail_msg("%d entries in %d octets", (int)n, (int)used);
	assert_int_equal(number(w, "SELECT max(serial) FROM entry"), 1500);
	assert_int_equal(number(w, "SELECT serial FROM anchor"), 1500 - n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_true, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trimmed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thinned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size, setup, teardown),
	};

	return cmocka_run_group_tests_name("journal_sums", tests, NULL, NULL);
}
