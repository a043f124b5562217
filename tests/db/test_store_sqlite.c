#include "db/store_sqlite.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/db/store_world.h"

#define T0 1700000000 /* when the tests begin */
#define DAY 86400

static struct seen_answer
seen(struct store *store, const struct question *q, int64_t now)
{
	struct answer a = { .question = *q };
	struct store_ask ask = { q, &a };
	struct err e;

	if (!store_sqlite.ask(store, &ask, 1, now * 1000 + 999, &e))
		fail_msg("%s", e.text);
	return a.seen;
}

static struct seen_answer
plain(struct store *store, const char *key, int64_t now)
{
	struct question q = { .kind = QUESTION_SEEN,
		.name = str_of(key),
		.seen = { .delay = 300, .retry = 2 * DAY, .remember = 36 * DAY } };

	return seen(store, &q, now);
}

static struct count_answer
count(struct store *store, const char *key, int64_t add, int64_t now)
{
	struct question q = { .kind = QUESTION_COUNT, .name = str_of(key), .add = add };
	struct answer a = { .question = q };
	struct store_ask ask = { &q, &a };
	struct err e;

	if (!store_sqlite.ask(store, &ask, 1, now * 1000, &e))
		fail_msg("%s", e.text);
	return a.count;
}

/* One number out of the file, read by another connection. */
static int64_t
number(struct world *w, const char *sql)
{
	return folder_number(&w->folder, "store.db", sql);
}

/* --- seen: tables of visits to one key ----------------------------------------------------------- */

struct visit {
	int64_t at; /* after T0 */
	enum { NORMAL, LOOK, PROVE } how;
	struct seen_answer want; /* first and last after T0, too, where they are not 0 */
};

#define FIRST(t) \
	{ \
		SEEN_FIRST, (t), -T0, 0, 300 \
	}
#define NEVER \
	{ \
		SEEN_NEVER, -T0, -T0, 0, 0 \
	}

struct story {
	const char *name;
	struct visit visit[10];
	size_t n;
};

static const struct story stories[] = {
	{ "the usual greylisting",
	    { { 0, NORMAL, FIRST(0) }, { 10, NORMAL, { SEEN_EARLY, 0, 0, 0, 290 } },
		{ 299, NORMAL, { SEEN_EARLY, 0, 10, 0, 1 } },
		{ 300, NORMAL, { SEEN_RETRIED, 0, 299, 1, 0 } },
		{ 301, NORMAL, { SEEN_PROVEN, 0, 300, 2, 0 } },
		{ 30 * DAY, NORMAL, { SEEN_PROVEN, 0, 301, 3, 0 } } },
	    6 },
	{ "the last second to retry",
	    { { 0, NORMAL, FIRST(0) }, { 2 * DAY, NORMAL, { SEEN_RETRIED, 0, 0, 1, 0 } } }, 2 },
	{ "a second too late to retry",
	    { { 0, NORMAL, FIRST(0) }, { 2 * DAY + 1, NORMAL, FIRST(2 * DAY + 1) },
		{ 2 * DAY + 301, NORMAL, { SEEN_RETRIED, 2 * DAY + 1, 2 * DAY + 1, 1, 0 } } },
	    3 },
	{ "remembered from the last visit on",
	    { { 0, NORMAL, FIRST(0) }, { 300, NORMAL, { SEEN_RETRIED, 0, 0, 1, 0 } },
		{ 300 + 36 * DAY, NORMAL, { SEEN_PROVEN, 0, 300, 2, 0 } },
		{ 300 + 72 * DAY, NORMAL, { SEEN_PROVEN, 0, 300 + 36 * DAY, 3, 0 } },
		{ 300 + 108 * DAY + 1, NORMAL, FIRST(300 + 108 * DAY + 1) } },
	    5 },
	{ "looking changes nothing",
	    { { 0, LOOK, NEVER }, { 1, NORMAL, FIRST(1) },
		{ 2, LOOK, { SEEN_EARLY, 1, 1, 0, 299 } },
		{ 400, LOOK, { SEEN_RETRIED, 1, 1, 0, 0 } },
		{ 401, LOOK, { SEEN_RETRIED, 1, 1, 0, 0 } }, { 2 * DAY + 2, LOOK, NEVER },
		{ 500, NORMAL, { SEEN_RETRIED, 1, 1, 1, 0 } },
		{ 600, LOOK, { SEEN_PROVEN, 1, 500, 1, 0 } },
		{ 700, NORMAL, { SEEN_PROVEN, 1, 500, 2, 0 } } },
	    9 },
	{ "proven at once",
	    { { 0, PROVE, { SEEN_RETRIED, 0, -T0, 1, 0 } },
		{ 1, NORMAL, { SEEN_PROVEN, 0, 0, 2, 0 } },
		{ 36 * DAY, PROVE, { SEEN_PROVEN, 0, 1, 3, 0 } },
		{ 72 * DAY, NORMAL, { SEEN_PROVEN, 0, 36 * DAY, 4, 0 } } },
	    4 },
	{ "proven while waiting",
	    { { 0, NORMAL, FIRST(0) }, { 5, PROVE, { SEEN_RETRIED, 0, 0, 1, 0 } },
		{ 6, NORMAL, { SEEN_PROVEN, 0, 5, 2, 0 } } },
	    3 },
	{ "a clock that is set back",
	    { { 1000, NORMAL, FIRST(1000) }, { 0, NORMAL, { SEEN_EARLY, 1000, 1000, 0, 300 } },
		{ 299, NORMAL, { SEEN_EARLY, 0, 0, 0, 1 } },
		{ 300, NORMAL, { SEEN_RETRIED, 0, 299, 1, 0 } } },
	    4 },
};

static void
test_stories(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		for (size_t k = 0; k < stories[i].n; k++) {
			const struct visit *v = &stories[i].visit[k];
			struct question q = { .kind = QUESTION_SEEN,
				.name = str_of(stories[i].name),
				.seen = {
				    300, 2 * DAY, 36 * DAY, v->how == LOOK, v->how == PROVE } };
			struct seen_answer a = seen(w->store, &q, T0 + v->at);

			if (a.state != v->want.state || a.first != v->want.first + T0 ||
			    a.last != v->want.last + T0 || a.hits != v->want.hits ||
			    a.wait != v->want.wait)
				fail_msg(
				    "%s, visit %zu: state %d first %jd last %jd hits %jd wait %jd",
				    stories[i].name, k, a.state, (intmax_t)a.first - T0,
				    (intmax_t)a.last - T0, (intmax_t)a.hits, (intmax_t)a.wait);
		}
	}
}

static void
test_no_delay(void **state)
{
	struct world *w = *state;
	struct question q = { .kind = QUESTION_SEEN, .name = STR("k"), .seen = { 0, 10, 10 } };

	assert_int_equal(seen(w->store, &q, T0).state, SEEN_FIRST);
	assert_int_equal(seen(w->store, &q, T0).state, SEEN_RETRIED);
	assert_int_equal(seen(w->store, &q, T0).state, SEEN_PROVEN);
}

static void
test_odd_keys(void **state)
{
	struct world *w = *state;
	static const struct str keys[] = { { "", 0 }, { "\0", 1 }, { "\0a", 2 },
		{ "'; DROP TABLE seen", 18 }, { "\xff\xfe", 2 }, { NULL, 0 } };

	for (size_t i = 0; i < 5; i++) {
		struct question q = {
			.kind = QUESTION_SEEN, .name = keys[i], .seen = { 5, 10, 10 }
		};

		assert_int_equal(seen(w->store, &q, T0).state, SEEN_FIRST);
	}
	assert_int_equal(number(w, "SELECT count(*) FROM seen"), 5);
}

/* --- counters ----------------------------------------------------------------------------------- */

static void
test_count(void **state)
{
	struct world *w = *state;
	struct count_answer a;

	a = count(w->store, "k", 0, T0);
	assert_int_equal(a.day, 0);
	assert_int_equal(number(w, "SELECT count(*) FROM counter"), 0);
	a = count(w->store, "k", 3, T0);
	assert_int_equal(a.minute, 3);
	a = count(w->store, "k", 2, T0 + 100);
	assert_int_equal(a.minute, 2);
	assert_int_equal(a.hour, 5);
	a = count(w->store, "k", 0, T0 + 100 + 4000);
	assert_int_equal(a.hour, 0);
	assert_int_equal(a.day, 5);
	a = count(w->store, "other", 1, T0 + 100);
	assert_int_equal(a.day, 1);
	a = count(w->store, "k", -7, T0 + 100);
	assert_int_equal(a.day, 5);
}

static void
test_count_damaged(void **state)
{
	struct world *w = *state;
	sqlite3 *db;

	count(w->store, "k", 3, T0);
	assert_int_equal(sqlite3_open(folder_file(&w->folder, "store.db"), &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "UPDATE counter SET bins = x'ff0102'", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(count(w->store, "k", 1, T0).day, 1);
	assert_int_equal(count(w->store, "k", 1, T0).day, 2);
}

/* --- delivered ---------------------------------------------------------------------------------- */

/* One that is asked about or told: key is repeated, reply is PUT's, or what is expected of LOOK. */
static void
delivered(struct world *w, int what, char key, const char *reply, int64_t now)
{
	struct delivered d = { .what = what };
	struct store_ask ask = { .delivered = &d };
	struct err e;

	memset(d.key, key, sizeof(d.key));
	if (what == DELIVERED_PUT)
		memcpy(d.reply, reply, d.n = strlen(reply));
	if (!store_sqlite.ask(w->store, &ask, 1, now * 1000, &e))
		fail_msg("%s", e.text);
	if (what != DELIVERED_LOOK)
		return;
	assert_int_equal(d.found, reply != NULL);
	assert_true(str_eq((struct str){ d.reply, d.n }, reply ? str_of(reply) : STR("")));
}

static void
test_delivered(void **state)
{
	struct world *w = *state;

	delivered(w, DELIVERED_LOOK, 'a', NULL, T0);
	delivered(w, DELIVERED_PUT, 'a', "250 first\r\n", T0);
	delivered(w, DELIVERED_PUT, 'b', "", T0);
	/* Not before its client had time to show that it heard, or is known not to have. */
	delivered(w, DELIVERED_LOOK, 'a', NULL, T0 + DELIVERED_UNSURE - 1);
	delivered(w, DELIVERED_LOOK, 'a', "250 first\r\n", T0 + DELIVERED_UNSURE);
	delivered(w, DELIVERED_UNHEARD, 'b', NULL, T0);
	delivered(w, DELIVERED_LOOK, 'b', "", T0);
	delivered(w, DELIVERED_UNHEARD, 'x', NULL, T0);
	delivered(w, DELIVERED_LOOK, 'x', NULL, T0 + DELIVERED_UNSURE);
	/* The first reply stays, and so does its time. */
	delivered(w, DELIVERED_PUT, 'a', "250 second\r\n", T0 + 100);
	delivered(w, DELIVERED_LOOK, 'a', "250 first\r\n", T0 + DELIVERED_KEEP);
	delivered(w, DELIVERED_LOOK, 'a', NULL, T0 + DELIVERED_KEEP + 1);
	delivered(w, DELIVERED_FORGET, 'a', NULL, T0 + 1);
	delivered(w, DELIVERED_FORGET, 'x', NULL, T0 + 1);
	delivered(w, DELIVERED_LOOK, 'a', NULL, T0 + 1);
	delivered(w, DELIVERED_LOOK, 'b', "", T0 + 1);
}

static void
test_delivered_cap_and_cleaning(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	store_sqlite_limit_delivered(w->store, 5);
	for (int i = 0; i < 20; i++)
		delivered(w, DELIVERED_PUT, (char)i, "250\r\n", T0 + i);
	assert_int_equal(number(w, "SELECT count(*) FROM delivered"), 5);
	delivered(w, DELIVERED_LOOK, 14, NULL, T0 + 30);
	delivered(w, DELIVERED_LOOK, 15, "250\r\n", T0 + 30);
	/* What is forgotten makes room. */
	delivered(w, DELIVERED_FORGET, 19, NULL, T0 + 20);
	delivered(w, DELIVERED_PUT, 'n', "250\r\n", T0 + 20);
	delivered(w, DELIVERED_LOOK, 15, "250\r\n", T0 + 20);
	store_sqlite.clean(w->store, (T0 + 17 + DELIVERED_KEEP) * 1000LL, &e);
	assert_int_equal(number(w, "SELECT count(*) FROM delivered"), 3);
	store_sqlite.clean(w->store, (T0 + 21 + DELIVERED_KEEP) * 1000LL, &e);
	assert_int_equal(number(w, "SELECT count(*) FROM delivered"), 0);
	assert_int_equal(e.code, ERR_NONE);
}

/* --- batches ------------------------------------------------------------------------------------ */

static void
test_batch(void **state)
{
	struct world *w = *state;
	struct question s = { .kind = QUESTION_SEEN, .name = STR("k"), .seen = { 0, 10, 10 } };
	struct question c = { .kind = QUESTION_COUNT, .name = STR("k"), .add = 2 };
	struct answer a[4] = { 0 };
	struct store_ask batch[] = { { &s, &a[0] }, { &c, &a[1] }, { &s, &a[2] }, { &c, &a[3] } };

	/* Those of one batch see each other. */
	assert_true(store_sqlite.ask(w->store, batch, 4, T0 * 1000LL, NULL));
	assert_int_equal(a[0].seen.state, SEEN_FIRST);
	assert_int_equal(a[1].count.minute, 2);
	assert_int_equal(a[2].seen.state, SEEN_RETRIED);
	assert_int_equal(a[3].count.minute, 4);
	assert_true(store_sqlite.ask(w->store, batch, 0, T0 * 1000LL, NULL));
}

/* A batch that fails in its middle has not happened. */
static void
test_batch_fails(void **state)
{
	struct world *w = *state;
	struct question q[3] = { { .kind = QUESTION_COUNT, .name = STR("a"), .add = 1 },
		{ .kind = QUESTION_SEEN, .name = STR("bad"), .seen = { 5, 10, 10 } },
		{ .kind = QUESTION_COUNT, .name = STR("b"), .add = 1 } };
	struct answer a[3] = { 0 };
	struct store_ask batch[] = { { &q[0], &a[0] }, { &q[1], &a[1] }, { &q[2], &a[2] } };
	struct err e = { 0 };
	sqlite3 *db;

	assert_int_equal(sqlite3_open(folder_file(&w->folder, "store.db"), &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db,
		"CREATE INDEX no ON seen (abs(hits - hits - 9223372036854775807 - 1)) WHERE key = 'bad'",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_false(store_sqlite.ask(w->store, batch, 3, T0 * 1000LL, &e));
	assert_non_null(strstr(e.text, "store.db: integer overflow"));
	assert_int_equal(number(w, "SELECT count(*) FROM counter"), 0);
	/* And the next one works. */
	assert_int_equal(sqlite3_exec(db, "DROP INDEX no", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_true(store_sqlite.ask(w->store, batch, 3, T0 * 1000LL, &e));
	assert_int_equal(a[2].count.day, 1);
}

static void
test_locked(void **state)
{
	struct world *w = *state;
	sqlite3 *db;

	/* A reader is not in the way. */
	assert_int_equal(sqlite3_open(folder_file(&w->folder, "store.db"), &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "BEGIN; SELECT * FROM seen", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(plain(w->store, "k", T0).state, SEEN_FIRST);
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
}

/* --- caps and cleaning --------------------------------------------------------------------------- */

static void
test_cap_waiting(void **state)
{
	struct world *w = *state;
	char key[32];

	store_sqlite_limit(w->store, 10, 5);
	plain(w->store, "proven", T0 - 400);
	assert_int_equal(plain(w->store, "proven", T0 - 50).state, SEEN_RETRIED);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(plain(w->store, key, T0 + i).state, SEEN_FIRST);
		assert_in_range(number(w, "SELECT count(*) FROM seen WHERE proven = 0"), 1, 10);
	}
	/* The newest are there, the oldest are not, and what is proven stays. */
	assert_int_equal(plain(w->store, "key 99", T0 + 100).state, SEEN_EARLY);
	assert_int_equal(plain(w->store, "key 90", T0 + 100).state, SEEN_EARLY);
	assert_int_equal(plain(w->store, "proven", T0 + 100).state, SEEN_PROVEN);
	assert_int_equal(plain(w->store, "key 89", T0 + 100).state, SEEN_FIRST);
}

/* A question of a bare kind. */
static struct seen_answer
proves(struct store *store, const char *key, int64_t remember, int64_t now)
{
	struct question q = { .kind = QUESTION_SEEN,
		.name = str_of(key),
		.seen = { .remember = remember, .prove = true } };

	return seen(store, &q, now);
}

/* What waits never pushes out what is proven; among the proven, who would go first goes first. */
static void
test_cap_proven(void **state)
{
	struct world *w = *state;
	char key[32];

	store_sqlite_limit(w->store, 10, 5);
	store_sqlite_limit_proven(w->store, 4);
	proves(w->store, "allowed", 3650 * DAY, T0);
	proves(w->store, "known", 36 * DAY, T0);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "made up %d", i);
		plain(w->store, key, T0 + i);
	}
	assert_int_equal(plain(w->store, "allowed", T0 + 100).state, SEEN_PROVEN);
	assert_int_equal(plain(w->store, "known", T0 + 100).state, SEEN_PROVEN);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "proven %d", i);
		assert_int_equal(proves(w->store, key, DAY, T0 + 100 + i).state, SEEN_RETRIED);
		assert_in_range(number(w, "SELECT count(*) FROM seen WHERE proven = 1"), 2, 4);
	}
	assert_int_equal(plain(w->store, "allowed", T0 + 300).state, SEEN_PROVEN);
	assert_int_equal(plain(w->store, "known", T0 + 300).state, SEEN_PROVEN);
	assert_int_equal(plain(w->store, "proven 99", T0 + 300).state, SEEN_PROVEN);
	assert_int_equal(plain(w->store, "proven 97", T0 + 300).state, SEEN_FIRST);
	/* A row that changes sides is counted there. */
	for (int i = 0; i < 9; i++)
		proves(w->store, "proven 97", DAY, T0 + 300);
	assert_in_range(number(w, "SELECT count(*) FROM seen WHERE proven = 1"), 4, 4);
	assert_in_range(number(w, "SELECT count(*) FROM seen WHERE proven = 0"), 9, 10);
}

/* What was promised for long is not shortened by being used. */
static void
test_use_does_not_shorten(void **state)
{
	struct world *w = *state;

	proves(w->store, "allowed", 100 * DAY, T0);
	assert_int_equal(plain(w->store, "allowed", T0 + DAY).state, SEEN_PROVEN);
	proves(w->store, "allowed", 36 * DAY, T0 + 2 * DAY);
	assert_int_equal(number(w, "SELECT expires FROM seen"), T0 + 100 * DAY);
	assert_int_equal(plain(w->store, "allowed", T0 + 99 * DAY).state, SEEN_PROVEN);
	assert_int_equal(number(w, "SELECT expires FROM seen"), T0 + 135 * DAY);
}

static void
test_forget(void **state)
{
	struct question q = { .kind = QUESTION_SEEN,
		.name = STR("k"),
		.seen = { .delay = 300, .retry = DAY, .forget = true } };
	struct world *w = *state;

	store_sqlite_limit(w->store, 1, 1);
	assert_int_equal(seen(w->store, &q, T0).state, SEEN_NEVER);
	plain(w->store, "k", T0);
	assert_int_equal(seen(w->store, &q, T0 + 60).state, SEEN_EARLY);
	assert_int_equal(number(w, "SELECT count(*) FROM seen"), 0);
	proves(w->store, "k", DAY, T0);
	assert_int_equal(seen(w->store, &q, T0 + 60).state, SEEN_PROVEN);
	assert_int_equal(number(w, "SELECT count(*) FROM seen"), 0);
	/* Its place under the cap is free again. */
	plain(w->store, "other", T0);
	assert_int_equal(plain(w->store, "other", T0 + 1).state, SEEN_EARLY);
}

struct listing {
	char text[8192];
	size_t n;
	int stop_after;
};

static bool
list_row(void *owner, const struct store_seen *row)
{
	struct listing *l = owner;

	l->n++;
	if (l->n <= 3)
		snprintf(l->text + strlen(l->text), 64, "%.*s %d %d;", STR_ARG(row->key),
		    row->proven, (int)(row->expires - T0));
	return l->stop_after == 0 || (int)l->n < l->stop_after;
}

static void
test_list(void **state)
{
	struct listing all = { .text = "" }, some = { .text = "" }, none = { .text = "" };
	struct world *w = *state;
	char key[32];
	struct err e;

	plain(w->store, "a:1", T0);
	plain(w->store, "c:1", T0);
	proves(w->store, "b:0001", DAY, T0);
	for (int i = 2; i <= 450; i++) {
		snprintf(key, sizeof(key), "b:%04d", i);
		plain(w->store, key, T0);
	}
	assert_true(store_sqlite.list(w->store, STR("b:"), list_row, &all, &e));
	assert_int_equal(all.n, 450);
	assert_string_equal(all.text, "b:0001 1 86400;b:0002 0 172800;b:0003 0 172800;");
	some.stop_after = 2;
	assert_true(store_sqlite.list(w->store, STR(""), list_row, &some, &e));
	assert_string_equal(some.text, "a:1 0 172800;b:0001 1 86400;");
	assert_true(store_sqlite.list(w->store, STR("d"), list_row, &none, &e));
	assert_int_equal(none.n, 0);
}

static bool
list_key(void *owner, struct str key)
{
	const struct store_seen row = { .key = key };

	return list_row(owner, &row);
}

static void
test_list_counters(void **state)
{
	struct listing all = { .text = "" }, some = { .text = "" };
	struct world *w = *state;
	char key[32];
	struct err e;

	count(w->store, "a:1", 1, T0);
	count(w->store, "b:0000", 0, T0);
	for (int i = 1; i <= 450; i++) {
		snprintf(key, sizeof(key), "b:%04d", i);
		count(w->store, key, 1, T0);
	}
	assert_true(store_sqlite.counters(w->store, STR("b:"), list_key, &all, &e));
	assert_int_equal(all.n, 450);
	some.stop_after = 2;
	assert_true(store_sqlite.counters(w->store, STR(""), list_key, &some, &e));
	assert_memory_equal(some.text, "a:1 ", 4);
	assert_non_null(strstr(some.text, ";b:0001 "));
}

static void
test_cap_counters(void **state)
{
	struct world *w = *state;
	char key[32];

	store_sqlite_limit(w->store, 10, 5);
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		count(w->store, key, 1, T0 + (int64_t)i * DAY);
	}
	assert_int_equal(number(w, "SELECT count(*) FROM counter"), 5);
	assert_true(count(w->store, "key 19", 0, T0 + 19 * DAY).day == 1);
}

static void
test_clean(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	plain(w->store, "waits", T0);
	plain(w->store, "proven", T0);
	plain(w->store, "proven", T0 + 300);
	count(w->store, "counter", 1, T0);
	assert_false(store_sqlite.clean(w->store, (T0 + 2 * DAY) * 1000LL, &e));
	assert_int_equal(number(w, "SELECT count(*) FROM seen"), 2);
	store_sqlite.clean(w->store, (T0 + 2 * DAY + 1) * 1000LL, &e);
	assert_int_equal(number(w, "SELECT count(*) FROM seen"), 1);
	store_sqlite.clean(w->store, (T0 + 14 * DAY) * 1000LL, &e);
	assert_int_equal(number(w, "SELECT count(*) FROM counter"), 1);
	store_sqlite.clean(w->store, (T0 + 15 * DAY + 1) * 1000LL, &e);
	assert_int_equal(number(w, "SELECT count(*) FROM counter"), 0);
	store_sqlite.clean(w->store, (T0 + 301 + 36 * DAY) * 1000LL, &e);
	assert_int_equal(number(w, "SELECT count(*) FROM seen"), 0);
	assert_int_equal(e.code, ERR_NONE);
}

static void
test_clean_in_steps(void **state)
{
	struct world *w = *state;
	char name[1200][24];
	struct question q[1200] = { 0 };
	struct answer a[1200] = { 0 };
	struct store_ask batch[1200];
	int steps = 1;

	for (int i = 0; i < 1200; i++) {
		snprintf(name[i], sizeof(name[i]), "key %d", i);
		q[i] = (struct question){
			.kind = QUESTION_SEEN, .name = str_of(name[i]), .seen = { 5, 10, 10 }
		};
		batch[i] = (struct store_ask){ &q[i], &a[i] };
	}
	assert_true(store_sqlite.ask(w->store, batch, 1200, T0 * 1000LL, NULL));
	while (store_sqlite.clean(w->store, (T0 + DAY) * 1000LL, NULL))
		steps++;
	assert_int_equal(steps, 3);
	assert_int_equal(number(w, "SELECT count(*) FROM seen"), 0);
}

/* --- reopening ---------------------------------------------------------------------------------- */

static void
test_kept(void **state)
{
	struct world *w = *state;

	plain(w->store, "k", T0);
	count(w->store, "k", 5, T0);
	store_sqlite.close(&w->store);
	assert_null(w->store);
	w->store = store_sqlite.open(folder_file(&w->folder, "store.db"), NULL);
	assert_int_equal(plain(w->store, "k", T0 + 300).state, SEEN_RETRIED);
	assert_int_equal(count(w->store, "k", 1, T0 + 300).day, 6);
}

static void
test_read_only(void **state)
{
	struct world *w = *state;
	struct store *reader;
	struct err e;

	plain(w->store, "k", T0);
	count(w->store, "k", 5, T0);
	reader = store_sqlite_open_read(folder_file(&w->folder, "store.db"), &e);
	if (reader == NULL)
		fail_msg("%s", e.text);
	assert_int_equal(plain(reader, "k", T0 + 300).state, SEEN_RETRIED);
	assert_int_equal(plain(reader, "k", T0 + 1).state, SEEN_EARLY);
	assert_int_equal(plain(reader, "new", T0).state, SEEN_FIRST);
	assert_int_equal(plain(reader, "new", T0).state, SEEN_FIRST);
	assert_int_equal(count(reader, "k", 7, T0).day, 5);
	store_sqlite.close(&reader);
	assert_int_equal(plain(w->store, "k", T0 + 2).state, SEEN_EARLY);
	assert_int_equal(count(w->store, "k", 0, T0).day, 5);
	assert_int_equal(number(w, "SELECT count(*) FROM seen"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_delay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_count_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delivered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delivered_cap_and_cleaning, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cap_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cap_proven, setup, teardown),
		cmocka_unit_test_setup_teardown(test_use_does_not_shorten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_counters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cap_counters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clean_in_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
	};

	return cmocka_run_group_tests_name("store_sqlite", tests, NULL, NULL);
}
