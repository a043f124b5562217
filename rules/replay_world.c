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
	return r->world && intern_find(&r->world->touched, key) != SIZE_MAX;
}

/* False: there are too many already. */
static bool
touch(struct replay_world *w, struct str key)
{
	if (w->touched.n >= TOUCHED_MOST)
		return intern_find(&w->touched, key) != SIZE_MAX;
	intern_add(&w->touched, key);
	return true;
}

bool
replay_touches(struct replay *r)
{
	if (r->world == NULL || r->world->touched.n == 0)
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

void
replay_add(struct replay *r, int sign, int64_t now)
{
	for (const struct answer *a = r->session.txn.answers.first; a; a = a->next) {
		struct answer ignored = { 0 };
		char name[KEY_LONGEST];
		struct question q;

		if (a->state != ANSWER_NOTED ||
		    (a->question.kind == QUESTION_COUNT ? a->question.add <= 0
							: a->question.kind != QUESTION_DISTINCT) ||
		    !touch(r->world, a->question.name))
			continue;
		/* How many different ones came cannot be taken apart again: what rests on that is not known. */
		if (a->question.kind == QUESTION_DISTINCT)
			continue;
		q = difference(name, sign, a->question.name, a->question.add);
		ask(r->world, &q, now, &ignored);
	}
}

/* ---- rows of greylisting ---- */

bool
replay_seen(struct replay *r, struct answer *a)
{
	if (!replay_touched(r, a->question.name))
		return false;
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
