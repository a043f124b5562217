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

/* Keys that may differ; those beyond stay as they were. */
#define TOUCHED_MOST 200000
/* A row that was proven often is as good as one that was proven so often. */
#define HITS_MOST 50
#define KEY_LONGEST 1024

struct replay_world {
	struct store *store;
	struct arena *arena;
	struct intern touched;
	/*
	 * Rows that accepted messages write. Those in the store are there besides what was answered then; and of that, one that
	 * began at `gone` (by number) or later is not there any more
	 */
	struct intern remembered;
	int64_t *gone;
	size_t cap_gone;
};

/* Of an entry: what it counted now and not then, in one place for each counter or row. */
struct replay_difference {
	enum question_kind kind;
	struct str key;
	struct str hashes; /* DISTINCT: each set apart */
	struct seen_question seen;
	int64_t n; /* COUNT: so much; else how often */
	struct replay_difference *next;
};

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
	free(w->gone);
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
	    (intern_find(&r->world->touched, key) != SIZE_MAX ||
		intern_find(&r->world->remembered, key) != SIZE_MAX);
}

/* False: there are too many already. */
static bool
add_key(const struct replay_world *w, struct intern *keys, struct str key)
{
	if (w->touched.n + w->remembered.n >= TOUCHED_MOST)
		return intern_find(keys, key) != SIZE_MAX;
	intern_add(keys, key);
	return true;
}

static bool
touch(struct replay_world *w, struct str key)
{
	return add_key(w, &w->touched, key);
}

static size_t
n_touched(const struct replay_world *w)
{
	return w->touched.n + w->remembered.n;
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

/* In the world's store each has two: what came more, and what came less. */
static struct question
difference(char name[KEY_LONGEST], int sign, struct str key, int64_t add)
{
	struct question q = { .kind = QUESTION_COUNT, .add = add };
	size_t n = key.n < KEY_LONGEST - 1 ? key.n : KEY_LONGEST - 1;

	name[0] = sign > 0 ? '+' : '-';
	memcpy(name + 1, key.p, n);
	q.name = (struct str){ name, n + 1 };
	return q;
}

static int64_t
changed(int64_t then, int64_t more, int64_t less)
{
	int64_t now = then + more - less;

	return now > 0 ? now : 0;
}

void
replay_count(struct replay *r, struct answer *a)
{
	int64_t now = r->entry.record->time_ms / 1000;
	struct answer more = { 0 }, less = { 0 };
	char name[KEY_LONGEST];
	struct question q;

	if (a->failed || !replay_touched(r, a->question.name))
		return;
	q = difference(name, 1, a->question.name, 0);
	ask(r->world, &q, now, &more);
	q = difference(name, -1, a->question.name, 0);
	ask(r->world, &q, now, &less);
	a->count.burst = changed(a->count.burst, more.count.burst, less.count.burst);
	a->count.minute = changed(a->count.minute, more.count.minute, less.count.minute);
	a->count.hour = changed(a->count.hour, more.count.hour, less.count.hour);
	a->count.day = changed(a->count.day, more.count.day, less.count.day);
}

/* ---- rows that accepted messages write: whom our users wrote to, who was seen ---- */

static void
remember(struct replay_world *w, const struct replay_difference *d, int64_t now)
{
	struct question q = { .kind = QUESTION_SEEN, .name = d->key, .seen = d->seen };
	size_t before = w->remembered.n, i;
	struct answer ignored = { 0 };

	if (!add_key(w, &w->remembered, d->key))
		return;
	if (before == w->cap_gone) {
		w->cap_gone = w->cap_gone ? w->cap_gone * 2 : 64;
		w->gone = xrealloc(w->gone, w->cap_gone * sizeof(*w->gone));
	}
	i = intern_find(&w->remembered, d->key);
	if (i == before)
		w->gone[i] = INT64_MAX;
	if (d->n > 0)
		ask(w, &q, now, &ignored);
	else if (now < w->gone[i])
		w->gone[i] = now;
}

/* True: it has its answer. False: nobody asked then, and no row is known to be there. */
static bool
recall(struct replay *r, struct answer *a, size_t i)
{
	const struct seen_answer *then = NULL;

	for (size_t k = 0; k < r->entry.n_recorded; k++) {
		struct replay_answer *recorded = &r->entry.recorded[k];

		if (!question_eq(&recorded->answer.question, &a->question))
			continue;
		recorded->used = true;
		then = &recorded->answer.seen;
		a->failed = recorded->answer.failed;
		break;
	}
	if (a->failed)
		return true;
	ask(r->world, &a->question, r->entry.record->time_ms / 1000, a);
	if (then == NULL)
		return a->seen.state == SEEN_PROVEN;
	if (then->state == SEEN_PROVEN && then->first < r->world->gone[i])
		a->seen = *then;
	return true;
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

/* Nobody has asked the store: what is only noted was noted by stages that were told. */
static bool
is_counted(const struct answer *a, int64_t *n)
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
		return writes_row(a);
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
replay_note(struct replay *r, int sign)
{
	int64_t n;

	for (const struct answer *a = r->session.txn.answers.first; a; a = a->next)
		if (is_counted(a, &n))
			difference_of(r, &a->question)->n += sign * n;
}

static void
count(struct replay_world *w, const struct replay_difference *d, int64_t now)
{
	struct answer ignored = { 0 };
	char name[KEY_LONGEST];
	struct question q;

	if (!touch(w, d->key))
		return;
	q = difference(name, d->n > 0 ? 1 : -1, d->key, d->n > 0 ? d->n : -d->n);
	ask(w, &q, now, &ignored);
}

void
replay_settle(struct replay *r)
{
	int64_t now = r->entry.record->time_ms / 1000;

	for (const struct replay_difference *d = r->entry.difference; d; d = d->next) {
		if (d->n == 0)
			continue;
		if (d->kind == QUESTION_SEEN)
			remember(r->world, d, now);
		else if (d->kind == QUESTION_COUNT)
			count(r->world, d, now);
		else
			/* How many different ones came cannot be taken apart again: what rests on that is not known. */
			touch(r->world, d->key);
	}
	r->entry.difference = NULL;
}

/* ---- rows of greylisting ---- */

bool
replay_seen(struct replay *r, struct answer *a)
{
	size_t remembered;

	if (!replay_touched(r, a->question.name))
		return false;
	remembered = intern_find(&r->world->remembered, a->question.name);
	if (remembered != SIZE_MAX)
		return recall(r, a, remembered);
	ask(r->world, &a->question, r->entry.record->time_ms / 1000, a);
	return true;
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
