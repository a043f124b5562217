/*
 * What the store would hold by now, had the new rules been in force. It is not known as a whole, nor need it be: what was answered
 * then is right for all that no changed verdict has touched. So only the difference is kept, in a store of its own in memory, which
 * is the same that posternd has: for counters what was counted more and what less, and rows of greylisting that went another way.
 */
#include <stdlib.h>

#include "base/die.h"
#include "db/dbfile.h"
#include "db/store_sqlite.h"
#include "rules/replay_session.h"

/* Keys that may differ; with more, nothing is known any more of those that are not among them. */
#define TOUCHED_MOST 500000
/* A row that was proven often is as good as one that was proven so often. */
#define HITS_MOST 50
#define KEY_LONGEST 1024
#define HOUR 3600

struct replay_world {
	struct store *store;
	struct arena *arena;
	struct intern touched;
	unsigned char *sides; /* by number of these: a bit for each side that was counted */
	size_t cap_sides;
	bool full;
	/*
	 * Rows that accepted messages write. Those in the store are there besides what was answered then; and of that, one that
	 * began at `gone` (by number) or later is not there any more. From `unknown` on nobody knows what became of one
	 */
	struct intern remembered;
	struct row {
		int64_t gone, unknown;
	} * row;
	size_t cap_rows;
};

/* Of an entry: what it counted now and not then, in one place for each counter or row. */
struct replay_difference {
	enum question_kind kind;
	struct str key;
	struct str hashes; /* DISTINCT: each set apart */
	struct seen_question seen;
	int64_t n; /* COUNT: so much; else how often */
	int64_t may_be_more, may_be_less;
	struct replay_difference *next;
};

/* What came more than then, what came less; and what may have. Each has a counter of its own, whose name begins so. */
enum side { MORE, LESS, MAY_BE_MORE, MAY_BE_LESS, SIDES };
static const char side_letter[SIDES] = { '+', '-', '>', '<' };

struct replay_world *
replay_world_new(void)
{
	struct replay_world *w = xcalloc(1, sizeof(*w));
	struct err e;

	w->store = store_sqlite.open(DBFILE_MEMORY, &e);
	if (w->store == NULL)
		die("%s", e.text);
	w->arena = arena_new(SIZE_MAX);
	intern_init(&w->touched, w->arena);
	intern_init(&w->remembered, w->arena);
	return w;
}

void
replay_world_free(struct replay_world **world)
{
	struct replay_world *w = *world;

	if (w == NULL)
		return;
	store_sqlite.close(&w->store);
	intern_free(&w->touched);
	intern_free(&w->remembered);
	free(w->sides);
	free(w->row);
	arena_free(&w->arena);
	free(w);
	*world = NULL;
}

static void
ask(struct replay_world *w, const struct question *q, int64_t now, struct answer *out)
{
	struct store_ask one = { .question = q, .answer = out };
	struct err e;

	if (!store_sqlite.ask(w->store, &one, 1, now * 1000, &e))
		die("%s", e.text);
}

/* ---- what is touched ---- */

bool
replay_touched(const struct replay *r, struct str key)
{
	return r->world && !r->as_then &&
	    (r->world->full || intern_find(&r->world->touched, key) != SIZE_MAX ||
		intern_find(&r->world->remembered, key) != SIZE_MAX);
}

static size_t
n_touched(const struct replay_world *w)
{
	return w->touched.n + w->remembered.n;
}

/* False: there are too many already. */
static bool
add_key(struct replay_world *w, struct intern *keys, struct str key)
{
	w->full = w->full || n_touched(w) >= TOUCHED_MOST;
	if (w->full)
		return intern_find(keys, key) != SIZE_MAX;
	intern_add(keys, key);
	return true;
}

static bool
touch(struct replay_world *w, struct str key)
{
	return add_key(w, &w->touched, key);
}

bool
replay_touches(struct replay *r)
{
	if (r->world == NULL || n_touched(r->world) == 0)
		return false;
	replay_answers(r);
	for (size_t i = 0; i < r->entry.n_recorded; i++) {
		const struct question *q = &r->entry.recorded[i].answer.question;

		if (q->kind != QUESTION_DNS && replay_touched(r, q->name))
			return true;
	}
	return false;
}

/* ---- counters ---- */

static struct question
difference(char name[KEY_LONGEST], enum side side, struct str key, int64_t add)
{
	struct question q = { .kind = QUESTION_COUNT, .add = add };
	size_t n = key.n < KEY_LONGEST - 1 ? key.n : KEY_LONGEST - 1;

	name[0] = side_letter[side];
	memcpy(name + 1, key.p, n);
	q.name = (struct str){ name, n + 1 };
	return q;
}

/* From *sum on, which may be so many more. */
static void
change(int64_t *sum, int64_t *spread, const int64_t by[SIDES])
{
	int64_t exact = *sum + by[MORE] - by[LESS];
	int64_t low = exact - by[MAY_BE_LESS], high = exact + *spread + by[MAY_BE_MORE];

	*sum = low > 0 ? low : 0;
	*spread = (high > 0 ? high : 0) - *sum;
}

static void
change_all(struct count_answer *c, const struct count_answer by[SIDES])
{
	int64_t burst[SIDES], minute[SIDES], hour[SIDES], day[SIDES];

	for (int side = 0; side < SIDES; side++) {
		burst[side] = by[side].burst;
		minute[side] = by[side].minute;
		hour[side] = by[side].hour;
		day[side] = by[side].day;
	}
	change(&c->burst, &c->spread.burst, burst);
	change(&c->minute, &c->spread.minute, minute);
	change(&c->hour, &c->spread.hour, hour);
	change(&c->day, &c->spread.day, day);
}

void
replay_count(struct replay *r, struct answer *a)
{
	int64_t now = r->entry.record->time_ms / 1000;
	struct count_answer by[SIDES] = { { 0 } };
	const struct replay_world *w = r->world;
	char name[KEY_LONGEST];
	size_t i;

	if (a->failed || !replay_touched(r, a->question.name))
		return;
	i = intern_find(&w->touched, a->question.name);
	if (w->full && i == SIZE_MAX) {
		replay_widen(&a->count, REPLAY_ANY_NUMBER, REPLAY_ANY_NUMBER);
		a->count.hours_known = -1;
		return;
	}
	for (int side = 0; side < SIDES; side++) {
		struct question q = difference(name, side, a->question.name, 0);
		struct answer one = { 0 };

		if (i >= w->cap_sides || (w->sides[i] & 1U << side) == 0)
			continue;
		ask(r->world, &q, now, &one);
		by[side] = one.count;
		/* Finished hours make up what is usual. */
		if (one.count.since > 0 && one.count.since / HOUR < now / HOUR)
			a->count.hours_known = -1;
	}
	change_all(&a->count, by);
}

void
replay_widen(struct count_answer *c, int64_t less, int64_t more)
{
	struct count_answer by[SIDES] = { { 0 } };

	by[MAY_BE_MORE] = (struct count_answer){ more, more, more, more };
	by[MAY_BE_LESS] = (struct count_answer){ less, less, less, less };
	change_all(c, by);
}

/* ---- rows that accepted messages write: whom our users wrote to, who was seen ---- */

/* NULL: there are too many. */
static struct row *
row_of(struct replay_world *w, struct str key)
{
	size_t before = w->remembered.n, i;

	if (!add_key(w, &w->remembered, key))
		return NULL;
	if (before == w->cap_rows) {
		w->cap_rows = w->cap_rows ? w->cap_rows * 2 : 64;
		w->row = xrealloc(w->row, w->cap_rows * sizeof(*w->row));
	}
	i = intern_find(&w->remembered, key);
	if (i == before)
		w->row[i] = (struct row){ INT64_MAX, INT64_MAX };
	return &w->row[i];
}

static void
lose(struct replay_world *w, struct str key, int64_t now)
{
	struct row *row = row_of(w, key);

	if (row && now < row->unknown)
		row->unknown = now;
}

static void
remember(struct replay_world *w, const struct replay_difference *d, int64_t now)
{
	struct question q = { .kind = QUESTION_SEEN, .name = d->key, .seen = d->seen };
	struct row *row = row_of(w, d->key);
	struct answer ignored = { 0 };

	if (row == NULL)
		return;
	if (d->n > 0)
		ask(w, &q, now, &ignored);
	else if (d->n < 0 && now < row->gone)
		row->gone = now;
	if (d->may_be_more > 0 || d->may_be_less > 0)
		lose(w, d->key, now);
}

/* As it was then, whatever came since: once it is proven often enough, nobody asks how often. */
static bool
stands(const struct answer *a, const struct row *row)
{
	const struct seen_answer *then = &a->seen;

	if (then->state != SEEN_PROVEN || then->first >= row->gone || then->first >= row->unknown)
		return false;
	return row->unknown == INT64_MAX || a->question.seen.look_only || then->hits >= HITS_MOST;
}

/* False: nobody knows. */
static bool
recall(struct replay *r, struct answer *a, const struct row *row)
{
	const struct answer *then = NULL;

	for (size_t k = 0; k < r->entry.n_recorded; k++) {
		struct replay_answer *recorded = &r->entry.recorded[k];

		if (!question_eq(&recorded->answer.question, &a->question))
			continue;
		recorded->used = true;
		then = &recorded->answer;
		a->failed = recorded->answer.failed;
		break;
	}
	if (a->failed)
		return true;
	if (then && stands(then, row)) {
		a->seen = then->seen;
		return true;
	}
	if (row->unknown < INT64_MAX)
		return false;
	ask(r->world, &a->question, r->entry.record->time_ms / 1000, a);
	return then != NULL || a->seen.state == SEEN_PROVEN;
}

bool
replay_has_remembered(const struct replay *r)
{
	return r->world->remembered.n > 0;
}

static bool
writes_row(const struct answer *a)
{
	return a->state == ANSWER_NOTED && a->question.kind == QUESTION_SEEN &&
	    a->question.seen.prove && !a->question.seen.look_only;
}

void
replay_renew(struct replay *r)
{
	int64_t now = r->entry.record->time_ms / 1000;

	for (const struct answer *a = r->session.txn.answers.first; a; a = a->next) {
		struct answer ignored = { 0 };

		if (writes_row(a) &&
		    intern_find(&r->world->remembered, a->question.name) != SIZE_MAX)
			ask(r->world, &a->question, now, &ignored);
	}
}

/* ---- what an entry counts ---- */

/* Nobody has asked the store: what is only noted was noted by stages that were told; or asked in vain, which may write a row, too. */
static bool
is_counted(const struct answer *a, bool sure, int64_t *n)
{
	const struct question *q = &a->question;

	*n = 1;
	if (a->state != ANSWER_NOTED)
		return false;
	switch (q->kind) {
	case QUESTION_COUNT:
		*n = q->add;
		return q->add > 0;
	case QUESTION_TAKE:
		*n = q->add;
		return q->take.what == TAKE_SETTLE && q->add > 0;
	case QUESTION_DISTINCT:
		return q->hashes.n > 0;
	case QUESTION_SEEN:
		return writes_row(a) || (!sure && !q->seen.look_only);
	case QUESTION_DNS:
		break;
	}
	return false;
}

static struct replay_difference *
difference_of(struct replay *r, const struct question *q)
{
	/* What is settled is counted. */
	enum question_kind kind = q->kind == QUESTION_TAKE ? QUESTION_COUNT : q->kind;
	struct replay_difference *d = r->entry.difference;

	while (d && (d->kind != kind || !str_eq(d->key, q->name) || !str_eq(d->hashes, q->hashes)))
		d = d->next;
	if (d)
		return d;
	d = ARENA_NEW(r->text, struct replay_difference);
	*d = (struct replay_difference){ .kind = kind,
		.key = arena_dup(r->text, q->name),
		.hashes = arena_dup(r->text, q->hashes),
		.seen = q->seen,
		.next = r->entry.difference };
	r->entry.difference = d;
	return d;
}

void
replay_note(struct replay *r, const struct answers *noted, int64_t times, bool sure)
{
	int64_t n;

	for (const struct answer *a = noted->first; a; a = a->next) {
		struct replay_difference *d;

		if (!is_counted(a, sure, &n))
			continue;
		d = difference_of(r, &a->question);
		if (sure)
			d->n += times * n;
		else if (times > 0)
			d->may_be_more += times * n;
		else
			d->may_be_less -= times * n;
	}
}

static void
count(struct replay_world *w, enum side side, struct str key, int64_t n, int64_t now)
{
	struct answer ignored = { 0 };
	char name[KEY_LONGEST];
	struct question q;
	size_t i;

	if (n <= 0 || !touch(w, key))
		return;
	i = intern_find(&w->touched, key);
	while (i >= w->cap_sides) {
		w->sides = xrealloc(w->sides, w->cap_sides * 2 + 64);
		memset(w->sides + w->cap_sides, 0, w->cap_sides + 64);
		w->cap_sides = w->cap_sides * 2 + 64;
	}
	w->sides[i] |= (unsigned char)(1U << side);
	q = difference(name, side, key, n);
	ask(w, &q, now, &ignored);
}

void
replay_settle(struct replay *r)
{
	int64_t now = r->entry.record->time_ms / 1000;

	for (const struct replay_difference *d = r->entry.difference; d; d = d->next) {
		if (d->n == 0 && d->may_be_more == 0 && d->may_be_less == 0)
			continue;
		if (d->kind == QUESTION_SEEN) {
			remember(r->world, d, now);
		} else if (d->kind == QUESTION_COUNT) {
			count(r->world, MORE, d->key, d->n, now);
			count(r->world, LESS, d->key, -d->n, now);
			count(r->world, MAY_BE_MORE, d->key, d->may_be_more, now);
			count(r->world, MAY_BE_LESS, d->key, d->may_be_less, now);
		} else {
			/* How many different ones came cannot be taken apart again: what rests on that is not known. */
			touch(r->world, d->key);
		}
	}
	r->entry.difference = NULL;
}

/* ---- rows of greylisting ---- */

enum replay_row
replay_seen(struct replay *r, struct answer *a)
{
	size_t remembered;

	if (!replay_touched(r, a->question.name))
		return REPLAY_ROW_AS_THEN;
	remembered = intern_find(&r->world->remembered, a->question.name);
	if (remembered != SIZE_MAX)
		return recall(r, a, &r->world->row[remembered]) ? REPLAY_ROW_NOW
								: REPLAY_ROW_UNKNOWN;
	if (r->world->full && intern_find(&r->world->touched, a->question.name) == SIZE_MAX)
		return REPLAY_ROW_UNKNOWN;
	ask(r->world, &a->question, r->entry.record->time_ms / 1000, a);
	return REPLAY_ROW_NOW;
}

/* The row as it was before the question that was answered with a. */
static void
restore(struct replay_world *w, const struct answer *a)
{
	struct question q = a->question;
	struct answer ignored = { 0 };
	const struct seen_answer *seen = &a->seen;

	if (seen->state == SEEN_NEVER || seen->state == SEEN_FIRST)
		return;
	q.seen.look_only = q.seen.forget = q.seen.prove = false;
	ask(w, &q, seen->first, &ignored);
	if (seen->state != SEEN_PROVEN)
		return;
	q.seen.prove = true;
	for (int64_t i = 1; i < seen->hits && i < HITS_MOST; i++)
		ask(w, &q, seen->last, &ignored);
}

void
replay_undo(struct replay *r)
{
	replay_answers(r);
	for (size_t i = 0; i < r->entry.n_recorded; i++) {
		const struct replay_answer *recorded = &r->entry.recorded[i];
		const struct question *q = &recorded->answer.question;

		if (q->kind != QUESTION_SEEN || q->seen.look_only || recorded->used ||
		    recorded->answer.failed || replay_touched(r, q->name))
			continue;
		if (touch(r->world, q->name))
			restore(r->world, &recorded->answer);
	}
}

void
replay_lose(struct replay *r)
{
	replay_answers(r);
	for (size_t i = 0; i < r->entry.n_recorded; i++) {
		const struct answer *a = &r->entry.recorded[i].answer;

		if (a->question.kind == QUESTION_SEEN && !a->question.seen.look_only && !a->failed)
			lose(r->world, a->question.name, r->entry.record->time_ms / 1000);
	}
}
