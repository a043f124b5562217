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
#include "base/die.h"
#include "db/row_redis.h"
#include "db/store_sqlite.h"
#include "db/window.h"
#include "tests/db/redis.h"

#define T0 INT64_C(1700000000)
#define DAY 86400
#define STEPS 6000
#define KEYS 4

struct world {
	struct redis redis;
	struct folder folder;
	struct store *sqlite, *shared;
	uint64_t random;
	char hashes[4 * 300];
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct redis_settings settings;
	struct err e;

	folder_make(&w->folder);
	redis_make(&w->redis);
	settings = redis_settings_of(&w->redis);
	w->sqlite = store_sqlite.open(folder_file(&w->folder, "store.db"), &e);
	w->shared = store_redis_open(&settings, false, &e);
	*state = w;
	return w->sqlite == NULL || w->shared == NULL;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	store_sqlite.close(&w->sqlite);
	store_redis.close(&w->shared);
	redis_remove(&w->redis);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

/* --- the same questions to both ------------------------------------------------------------------ */

static uint64_t
next(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static int64_t
below(struct world *w, int64_t n)
{
	return (int64_t)(next(w) % (uint64_t)n);
}

static int64_t
one_of(struct world *w, const int64_t *choice, size_t n)
{
	return choice[below(w, (int64_t)n)];
}

#define ONE_OF(w, ...) \
	one_of(w, (const int64_t[]){ __VA_ARGS__ }, \
	    sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

/* Seconds to minutes mostly; now and then hours, days, weeks, or back. */
static int64_t
step(struct world *w)
{
	switch (below(w, 40)) {
	case 0:
		return -below(w, 2 * DAY);
	case 1:
	case 2:
		return -below(w, 3700);
	case 3:
		return below(w, 40 * DAY);
	case 4:
	case 5:
		return below(w, 30 * 3600);
	case 6:
	case 7:
	case 8:
		return below(w, 7200);
	case 9:
	case 10:
	case 11:
	case 12:
		return below(w, 400);
	default:
		return below(w, 15);
	}
}

static void
seen_question(struct world *w, struct seen_question *s)
{
	*s = (struct seen_question){ .delay = ONE_OF(w, 0, 60, 300),
		.retry = ONE_OF(w, 3600, 2 * DAY),
		.remember = ONE_OF(w, DAY, 36 * DAY) };
	switch (below(w, 8)) {
	case 0:
		s->look_only = true;
		break;
	case 1:
		s->prove = true;
		break;
	case 2:
		s->forget = below(w, 3) == 0;
		break;
	default:
		break;
	}
}

static const enum take_what takes[] = { TAKE_HOLD, TAKE_HOLD, TAKE_HOLD, TAKE_HOLD, TAKE_SETTLE,
	TAKE_SETTLE, TAKE_SETTLE, TAKE_KEEP, TAKE_FREE, TAKE_LOOK, TAKE_ALLOW, TAKE_RESET };

static void
take_question(struct world *w, struct question *q)
{
	struct take_question *t = &q->take;

	t->what = takes[below(w, (int64_t)(sizeof(takes) / sizeof(takes[0])))];
	if (t->what == TAKE_RESET && below(w, 4))
		t->what = TAKE_LOOK;
	t->holder = (uint64_t)below(w, 3) * UINT64_C(0x5555555555555555);
	t->lasts = t->what == TAKE_ALLOW ? ONE_OF(w, 0, 3600, 3650 * (int64_t)DAY)
					 : ONE_OF(w, 60, 1200, DAY);
	t->limit = (struct take_limits){ ONE_OF(w, 0, 0, 3, 20), ONE_OF(w, 0, 5, 60),
		ONE_OF(w, 0, 20, 200), ONE_OF(w, 0, 100, 1000) };
	q->add = ONE_OF(w, 0, 1, 1, 1, 2, 7, 150);
}

/* Some of few, some of many: enough that the sketch samples. */
static void
distinct_question(struct world *w, struct question *q)
{
	int64_t many = below(w, 12), n = many == 0 ? below(w, 300) : below(w, 6);

	for (int64_t i = 0; i < n; i++) {
		uint32_t hash = many == 0 ? (uint32_t)next(w) : (uint32_t)below(w, 40) * 0x6789abcd;

		for (int k = 0; k < 4; k++)
			w->hashes[4 * i + k] = (char)(hash >> (24 - 8 * k));
	}
	q->hashes = (struct str){ w->hashes, (size_t)(4 * n) };
}

/*
 * Compiled with an error for what is in neither switch: whoever adds a kind of question, or of taking, has to put it to both
 * stores here.
 */
static enum question_kind
kind_at(int64_t n)
{
	enum question_kind kind = n < 5 ? QUESTION_SEEN : n < 10 ? QUESTION_COUNT : QUESTION_TAKE;

	switch (kind) {
	case QUESTION_SEEN:
	case QUESTION_COUNT:
	case QUESTION_TAKE:
	case QUESTION_DISTINCT:
	case QUESTION_DNS:
		return kind;
	}
	return QUESTION_DNS;
}

static bool
take_is_asked(enum take_what what)
{
	switch (what) {
	case TAKE_HOLD:
	case TAKE_KEEP:
	case TAKE_SETTLE:
	case TAKE_FREE:
	case TAKE_LOOK:
	case TAKE_ALLOW:
	case TAKE_RESET:
		break;
	}
	for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++)
		if (takes[i] == what)
			return true;
	return false;
}

static const char *const names[KEYS] = { "rate:messages:client:192.0.2.1", "b",
	"with blanks, \xc3\xa4 and *[?]\\", "rate:messages:account:alice" };

static void
make_question(struct world *w, struct question *q)
{
	*q = (struct question){ .kind = kind_at(below(w, 20)),
		.name = str_of(names[below(w, KEYS)]) };
	switch (q->kind) {
	case QUESTION_SEEN:
		seen_question(w, &q->seen);
		break;
	case QUESTION_COUNT:
		q->add = ONE_OF(w, 0, 1, 1, 1, 3, 127, 128, 1000000, INT64_C(1) << 46);
		if (below(w, 6))
			q->add = below(w, 3);
		break;
	case QUESTION_TAKE:
		take_question(w, q);
		break;
	case QUESTION_DISTINCT:
		distinct_question(w, q);
		break;
	case QUESTION_DNS:
		break;
	}
}

static void
same_answers(const struct answer *a, const struct answer *b, int at)
{
	char left[600], right[600];
	const struct answer *both[] = { a, b };

	for (int i = 0; i < 2; i++) {
		const struct seen_answer *s = &both[i]->seen;
		const struct count_answer *c = &both[i]->count;
		const struct take_answer *t = &both[i]->take;

		snprintf(i ? right : left, sizeof(left),
		    "seen %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " count %" PRId64
		    " %" PRId64 " %" PRId64 " %" PRId64 " usual %" PRId64 " %" PRId64 " %" PRId64
		    " %" PRId64 " %" PRId64 " %" PRId64 " take %d %" PRId64 " %" PRId64 " %" PRId64
		    " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
		    s->state, s->first, s->last, s->hits, s->wait, c->burst, c->minute, c->hour,
		    c->day, c->usual, c->usual_low, c->usual_high, c->hours_known, c->since,
		    c->past, t->granted, t->held, t->free, t->limit.burst, t->limit.minute,
		    t->limit.hour, t->limit.day, t->until);
	}
	if (strcmp(left, right) != 0)
		fail_msg("step %d, kind %d, what %d, \"%.*s\", add %" PRId64
			 "\n sqlite: %s\n redis:  %s",
		    at, a->question.kind, a->question.take.what, STR_ARG(a->question.name),
		    a->question.add, left, right);
}

static void
put_to_both(struct world *w, const struct question *q, int64_t now, int at)
{
	struct answer a = { .question = *q }, b = { .question = *q };
	struct store_ask ask = { .question = q, .answer = &a };
	struct err e;

	if (!store_sqlite.ask(w->sqlite, &ask, 1, now * 1000, &e))
		fail_msg("%s", e.text);
	ask.answer = &b;
	if (!store_redis.ask(w->shared, &ask, 1, now * 1000, &e))
		fail_msg("%s", e.text);
	same_answers(&a, &b, at);
}

static void
put_delivered(struct world *w, int64_t now)
{
	struct delivered a = { .what = (enum delivered_what)below(w, 4) }, b;
	struct store_ask ask = { .delivered = &a };
	struct err e;

	a.key[0] = (unsigned char)below(w, 3);
	a.key[31] = 0xfe;
	if (a.what == DELIVERED_PUT)
		a.n = (size_t)snprintf(
		    a.reply, sizeof(a.reply), "250 2.0.0 %d\r\n%%s", (int)below(w, 1000));
	b = a;
	assert_true(store_sqlite.ask(w->sqlite, &ask, 1, now * 1000, &e));
	ask.delivered = &b;
	assert_true(store_redis.ask(w->shared, &ask, 1, now * 1000, &e));
	if (a.what != DELIVERED_LOOK)
		return;
	assert_int_equal(a.found, b.found);
	if (a.found) {
		assert_int_equal(a.n, b.n);
		assert_memory_equal(a.reply, b.reply, a.n);
	}
}

/* --- and the same rows behind them --------------------------------------------------------------- */

struct rows {
	char text[4 * KEYS * STORE_KINDS][1 << 13];
	size_t n;
	int64_t now;
};

static bool
keep_row(void *owner, const struct store_row *row)
{
	struct rows *rows = owner;
	struct buf b;
	char *out = rows->text[rows->n];
	size_t n = 0;

	/* What is over Redis drops by its own clock, a second after it was touched. */
	if (row->kind == STORE_DELIVERED && row->expires < rows->now)
		return true;
	rows->n++;
	buf_init(&b, 1 << 13);
	row_redis_print(row, &b);
	n += (size_t)snprintf(out, 100, "%d %" PRId64 " ", row->kind,
	    row->kind == STORE_COUNTER || row->kind == STORE_SKETCH ? 0 : row->expires);
	for (size_t i = 0; i < row->key.n; i++)
		n += (size_t)snprintf(out + n, 4, "%02x", (unsigned char)row->key.p[i]);
	out[n++] = ' ';
	for (size_t i = 0; i < b.n; i++)
		n += (size_t)snprintf(out + n, 4, "%02x", (unsigned char)b.p[i]);
	buf_free(&b);
	return true;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
read_rows(const struct store_backend *backend, struct store *store, struct rows *rows)
{
	struct err e;

	rows->n = 0;
	for (int kind = 0; kind < STORE_KINDS; kind++)
		if (!backend->each(store, (enum store_kind)kind, keep_row, rows, &e))
			fail_msg("%s", e.text);
	qsort(rows->text, rows->n, sizeof(rows->text[0]), by_text);
}

static void
same_rows(struct world *w, int64_t now)
{
	struct rows *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	a->now = b->now = now;
	read_rows(&store_sqlite, w->sqlite, a);
	read_rows(&store_redis, w->shared, b);
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_string_equal(a->text[i], b->text[i]);
	free(a);
	free(b);
}

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
			bad[below(w, (int64_t)length)] = (unsigned char)next(w);
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
