/*
 * The shared store gives the answers that SQLite gives: the same questions are put to both, made from a seed, and every
 * answer and at the end every row is compared. Against a real redis-server.
 */
#include "db/store_redis.h"

#include <inttypes.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "db/window.h"
#include "tests/db/store_pair.h"

#define STEPS 6000

/* --- the same questions to both ------------------------------------------------------------------ */

static void
conforms(void **state)
{
	struct world *w = *state;
	const char *seed = getenv("POSTERN_SEED");
	int64_t now = T0;
	struct question q;

	w->random = seed ? strtoull(seed, NULL, 10) : UINT64_C(88172645463325252);
	for (int i = 0; i < STEPS; i++) {
		now += step(w);
		if (below(w, 10) == 0) {
			put_delivered(w, now);
			continue;
		}
		make_question(w, &q);
		put_to_both(w, &q, now, i);
		if (i % 500 == 0)
			same_rows(w, now);
	}
	same_rows(w, now);
	for (size_t i = 0; i <= TAKE_RESET; i++)
		assert_true(take_is_asked((enum take_what)i));
}

/* A busy key, whose every bin is full: the largest blob. */
static void
conforms_when_busy(void **state)
{
	struct world *w = *state;
	struct question q = { .kind = QUESTION_COUNT, .name = STR("busy"), .add = 1 };

	w->random = 1;
	for (int i = 0; i < 4000; i++) {
		q.add = (i % 7 == 0 ? INT64_C(1) << 33 : 1) + below(w, 300);
		put_to_both(w, &q, T0 + i * INT64_C(47), i);
	}
	same_rows(w, T0);
	/* Every hour of the week, and a second and third time: what is usual, and floods that do not become it. */
	q.name = STR("usual");
	for (int i = 0; i < 1500; i++) {
		q.add = i % 97 == 0 ? 100000 : 1 + below(w, 300);
		put_to_both(w, &q, T0 + i * INT64_C(1900), i);
	}
	same_rows(w, T0);
}

/* --- texts that no store of ours has written ------------------------------------------------------- */

static void
set_both(struct world *w, const char *key, const unsigned char *p, size_t n)
{
	char path[600], name[100];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	redisContext *c = redisConnectUnix(w->redis.socket);
	redisReply *reply;

	snprintf(path, sizeof(path), "%s", folder_file(&w->folder, "store.db"));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_prepare_v2(
	    db, "INSERT OR REPLACE INTO counter VALUES (?1, ?2, 9999999999)", -1, &stmt, NULL);
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, p, (int)n, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	snprintf(name, sizeof(name), "postern:count:%s", key);
	reply = redisCommand(c, "SET %s %b", name, p, n);
	assert_non_null(reply);
	freeReplyObject(reply);
	redisFree(c);
}

static void
damaged_counters(void **state)
{
	struct world *w = *state;
	struct window window = { 0 };
	unsigned char blob[WINDOW_BLOB_MAX], bad[WINDOW_BLOB_MAX];
	struct question q = { .kind = QUESTION_COUNT, .name = STR("damaged"), .add = 1 };
	size_t n;

	w->random = 3;
	for (int i = 0; i < 60; i++)
		window_add(&window, T0 + i * INT64_C(1500), 1 + below(w, 500));
	n = window_save(&window, blob);
	for (int i = 0; i < 1500; i++) {
		size_t length = below(w, 3) ? n : (size_t)below(w, (int64_t)n + 1);

		memcpy(bad, blob, n);
		for (int64_t k = below(w, 3); length > 0 && k > 0; k--)
			bad[below(w, (int64_t)length)] = (unsigned char)draw(w);
		set_both(w, "damaged", bad, length);
		put_to_both(w, &q, T0 + below(w, 60 * 1500), i);
	}
}

/* --- what else it can ------------------------------------------------------------------------------ */

static void
read_only(void **state)
{
	struct world *w = *state;
	struct redis_settings settings = redis_settings_of(&w->redis);
	struct err e;
	struct store *redis = store_redis_open(&settings, true, &e);
	struct store *sqlite = store_sqlite_open_read(folder_file(&w->folder, "store.db"), &e);
	struct store *written[] = { w->sqlite, w->shared };
	int64_t now = T0;
	struct question q;

	assert_non_null(redis);
	assert_non_null(sqlite);
	w->random = 5;
	for (int i = 0; i < 1500; i++) {
		now += step(w);
		make_question(w, &q);
		put_to_both(w, &q, now, i);
		make_question(w, &q);
		w->sqlite = sqlite;
		w->shared = redis;
		put_to_both(w, &q, now, i);
		w->sqlite = written[0];
		w->shared = written[1];
	}
	same_rows(w, T0);
	store_redis.close(&redis);
	store_sqlite.close(&sqlite);
}

struct copying {
	const struct store_backend *backend;
	struct store *to;
	int64_t changed;
};

static bool
copy_row(void *owner, const struct store_row *row)
{
	struct copying *c = owner;
	struct err e;

	if (!c->backend->merge(c->to, row, 1, &c->changed, &e))
		fail_msg("%s", e.text);
	return true;
}

static int64_t
copy_all(struct world *w, bool to_redis)
{
	struct copying c = { to_redis ? &store_redis : &store_sqlite,
		to_redis ? w->shared : w->sqlite, 0 };
	const struct store_backend *from = to_redis ? &store_sqlite : &store_redis;
	struct err e;

	for (int kind = 0; kind < STORE_KINDS; kind++)
		assert_true(from->each(
		    to_redis ? w->sqlite : w->shared, (enum store_kind)kind, copy_row, &c, &e));
	return c.changed;
}

/* What one knows is copied to the other and back, until both know the same; and once more, which changes nothing. */
static void
copies_both_ways(void **state)
{
	struct world *w = *state;
	const struct store_backend *backend[] = { &store_sqlite, &store_redis };
	struct store *store[] = { w->sqlite, w->shared };
	int64_t now = clock_wall_ms() / 1000;
	struct question q;
	struct err e;

	w->random = 11;
	for (int i = 0; i < 600; i++) {
		struct answer answer;
		struct store_ask ask = { .question = &q, .answer = &answer };

		make_question(w, &q);
		answer.question = q;
		assert_true(backend[i % 2]->ask(store[i % 2], &ask, 1, (now + i / 20) * 1000, &e));
	}
	assert_true(copy_all(w, true) > 5);
	assert_true(copy_all(w, false) > 5);
	same_rows(w, T0);
	assert_int_equal(copy_all(w, true), 0);
	assert_int_equal(copy_all(w, false), 0);
	same_rows(w, T0);
}

struct listed {
	char key[8][64];
	size_t n, most;
};

static bool
list_row(void *owner, const struct store_seen *row)
{
	struct listed *l = owner;

	snprintf(l->key[l->n++], sizeof(l->key[0]), "%.*s %d", STR_ARG(row->key), row->proven);
	return l->n < l->most;
}

static void
lists_in_order(void **state)
{
	static const char *const keys[] = { "g:*", "g:b", "g:[", "g:", "h:a", "g:a", "G:a" };
	struct world *w = *state;
	struct listed all = { .most = 8 }, some = { .most = 2 };
	struct err e;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct question q = { .kind = QUESTION_SEEN,
			.name = str_of(keys[i]),
			.seen = { .delay = 1, .retry = DAY, .remember = DAY, .prove = i == 1 } };

		put_to_both(w, &q, T0, 0);
	}
	assert_true(store_redis.list(w->shared, STR("g:"), list_row, &all, &e));
	assert_int_equal(all.n, 4);
	assert_string_equal(all.key[0], "g:* 0");
	assert_string_equal(all.key[1], "g:[ 0");
	assert_string_equal(all.key[2], "g:a 0");
	assert_string_equal(all.key[3], "g:b 1");
	assert_true(store_redis.list(w->shared, STR("g:"), list_row, &some, &e));
	assert_int_equal(some.n, 2);
}

static void
put_exceptions(struct world *w, struct store_exceptions *a, struct store_exceptions *b, int64_t now)
{
	struct store_ask ask = { .exceptions = a };
	struct err e;

	assert_true(store_sqlite.ask(w->sqlite, &ask, 1, now * 1000, &e));
	ask.exceptions = b;
	if (!store_redis.ask(w->shared, &ask, 1, now * 1000, &e))
		fail_msg("%s", e.text);
	assert_int_equal(a->done, b->done);
	assert_int_equal(a->one.number, b->one.number);
}

static void
same_exceptions(struct world *w, int64_t version[2], bool changed)
{
	struct store_exceptions a = { .version = version[0], .memory = arena_new(1 << 20) };
	struct store_exceptions b = { .version = version[1], .memory = arena_new(1 << 20) };
	const struct store_exception *x, *y;

	put_exceptions(w, &a, &b, T0);
	assert_int_equal(a.same, !changed);
	assert_int_equal(b.same, !changed);
	for (x = a.rows, y = b.rows; x && y; x = x->next, y = y->next) {
		assert_int_equal(x->number, y->number);
		assert_true(str_eq(x->key, y->key));
		assert_true(str_eq(x->about, y->about));
		assert_int_equal(x->made, y->made);
		assert_int_equal(x->expires, y->expires);
		assert_int_equal(x->hits, y->hits);
		assert_int_equal(x->last, y->last);
	}
	assert_true(x == NULL && y == NULL);
	version[0] = a.version;
	version[1] = b.version;
	arena_free(&a.memory);
	arena_free(&b.memory);
}

static void
exceptions(void **state)
{
	struct world *w = *state;
	int64_t version[2] = { 0, 0 };

	w->random = 9;
	same_exceptions(w, version, true);
	same_exceptions(w, version, false);
	for (int i = 0; i < 3000; i++) {
		struct store_exceptions a = { .what = (enum exceptions_what)(1 + below(w, 3)) }, b;
		char key[64], about[64];
		bool changed;

		snprintf(key, sizeof(key), "key %d %%1 \"'", (int)below(w, 50));
		snprintf(about, sizeof(about), "{\"why\": \"%d 4 5\"}", i);
		a.one = (struct store_exception){
			.number = below(w, 30),
			.key = str_of(key),
			.about = str_of(about),
			.expires = below(w, 2) ? T0 + 1000 * (int64_t)DAY : 0,
			.hits = 1 + below(w, 9),
		};
		b = a;
		put_exceptions(w, &a, &b, T0 + below(w, 1000));
		changed = a.what != EXCEPTIONS_HIT && a.done;
		if (changed || i % 10 == 0)
			same_exceptions(w, version, changed);
	}
}

static void
exceptions_are_bounded(void **state)
{
	struct world *w = *state;
	int64_t version[2] = { 0, 0 };
	struct store_exceptions a, b;

	for (int i = 0; i <= STORE_EXCEPTIONS_MAX; i++) {
		a = (struct store_exceptions){ .what = EXCEPTIONS_PUT,
			.one = { .key = STR("k"), .about = STR("a") } };
		b = a;
		put_exceptions(w, &a, &b, T0);
		assert_int_equal(b.done, i < STORE_EXCEPTIONS_MAX);
	}
	same_exceptions(w, version, true);
}

/* Scripts that were flushed are sent again. */
static void
scripts_flushed(void **state)
{
	struct world *w = *state;
	const char *flush[] = { "SCRIPT", "FLUSH" };
	struct question q = { .kind = QUESTION_COUNT, .name = STR("x"), .add = 1 };

	for (int i = 0; i < 3; i++) {
		put_to_both(w, &q, T0 + i, i);
		redis_say(&w->redis, NULL, 0, 2, flush);
	}
}

static void
keys_expire(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *key;
		int64_t least, most;
	} rows[] = {
		{ "postern:seen:k", 2 * DAY, 2 * DAY + 3600 },
		{ "postern:count:k", 14 * DAY, 15 * DAY },
		{ "postern:hold:k", DAY, 15 * DAY },
		{ "postern:limit:k", 3600, 7200 },
	};
	struct question q[] = {
		{ .kind = QUESTION_SEEN, .seen = { .delay = 300, .retry = 2 * DAY } },
		{ .kind = QUESTION_COUNT, .add = 1 },
		{ .kind = QUESTION_TAKE,
		    .take = { .what = TAKE_HOLD, .holder = 7, .lasts = 60 },
		    .add = 1 },
		{ .kind = QUESTION_TAKE,
		    .take = { .what = TAKE_ALLOW, .lasts = 3600, .limit = { 1, 2, 3 } } },
	};

	for (size_t i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
		q[i].name = STR("k");
		put_to_both(w, &q[i], T0, 0);
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *ttl[] = { "TTL", rows[i].key };
		char out[32];

		redis_say(&w->redis, out, sizeof(out), 2, ttl);
		assert_in_range(atoll(out), rows[i].least, rows[i].most);
	}
}

static void
opens_by_address(void **state)
{
	struct world *w = *state;
	char where[64];
	struct err e;
	struct store *s;

	snprintf(where, sizeof(where), "127.0.0.1:%d", w->redis.port);
	s = store_redis.open(where, &e);
	assert_non_null(s);
	store_redis.close(&s);
	assert_null(store_redis.open("nonsense", &e));
	assert_string_equal(e.text, "nonsense: no address with a port, and no path of a socket");
	redis_kill(&w->redis);
	assert_null(store_redis.open(where, &e));
	assert_non_null(strstr(e.text, "Connection refused"));
	redis_start(&w->redis);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(conforms),
		CASE(conforms_when_busy),
		CASE(damaged_counters),
		CASE(read_only),
		CASE(copies_both_ways),
		CASE(lists_in_order),
		CASE(exceptions),
		CASE(exceptions_are_bounded),
		CASE(scripts_flushed),
		CASE(keys_expire),
		CASE(opens_by_address),
	};

	if (!redis_installed()) {
		printf("1..0 # SKIP there is no redis-server\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
