#include "tests/db/store_pair.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/row_redis.h"

int
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

int
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

uint64_t
draw(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

int64_t
below(struct world *w, int64_t n)
{
	return (int64_t)(draw(w) % (uint64_t)n);
}

static int64_t
one_of(struct world *w, const int64_t *choice, size_t n)
{
	return choice[below(w, (int64_t)n)];
}

#define ONE_OF(w, ...) \
	one_of(w, (const int64_t[]){ __VA_ARGS__ }, \
	    sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

int64_t
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
		uint32_t hash = many == 0 ? (uint32_t)draw(w) : (uint32_t)below(w, 40) * 0x6789abcd;

		for (int k = 0; k < 4; k++)
			w->hashes[4 * i + k] = (char)(hash >> (24 - 8 * k));
	}
	q->hashes = (struct str){ w->hashes, (size_t)(4 * n) };
}

/*
 * Compiled with an error for what is in neither switch: whoever adds a kind of question, or of taking, has to put it to both
 * stores.
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

bool
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

void
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

void
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

/* By its own clock Redis would drop it after a second or so, in which a busy machine may not have come to the next step. */
static void
persist(const struct world *w, const struct delivered *d)
{
	char name[100] = "postern:delivered:";
	const char *argument[] = { "PERSIST", name };

	for (size_t i = 0; i < sizeof(d->key); i++)
		snprintf(name + strlen(name), 3, "%02x", d->key[i]);
	redis_say(&w->redis, NULL, 0, 2, argument);
}

void
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
	if (a.what != DELIVERED_LOOK) {
		persist(w, &a);
		return;
	}
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

void
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
