#include "mail/question.h"

#include "base/die.h"

/* What a full table says: not kept in it, so that a flood of questions costs no memory. */
static const struct answer over_budget = {
	.state = ANSWER_HERE,
	.failed = true,
	.dns = { .status = DNS_TEMPFAIL, .why = "budget" },
};

static const struct answer no_such_name = {
	.state = ANSWER_HERE,
	.dns = { .status = DNS_NXDOMAIN },
};

/* Cheap comparisons first: 512 rows are walked in a microsecond or two. */
bool
question_eq(const struct question *a, const struct question *b)
{
	if (a->kind != b->kind || a->name.n != b->name.n)
		return false;
	switch (a->kind) {
	case QUESTION_DNS:
		if (a->type != b->type)
			return false;
		break;
	case QUESTION_SEEN:
		/* Durations are settings: the same all over one session. */
		if (a->seen.look_only != b->seen.look_only || a->seen.prove != b->seen.prove ||
		    a->seen.forget != b->seen.forget)
			return false;
		break;
	case QUESTION_TAKE:
		/* Limits are settings, and the holder the transaction. */
		if (a->take.what != b->take.what)
			return false;
		/* fallthrough */
	case QUESTION_COUNT:
		if (a->add != b->add || a->serial != b->serial)
			return false;
		break;
	case QUESTION_DISTINCT:
		if (a->serial != b->serial || !str_eq(a->hashes, b->hashes))
			return false;
		break;
	}
	return a->name.n == 0 || memcmp(a->name.p, b->name.p, a->name.n) == 0;
}

static struct answer *
answers_row(const struct answers *a, const struct question *q)
{
	for (struct answer *row = a->first; row != NULL; row = row->next)
		if (question_eq(&row->question, q))
			return row;
	return NULL;
}

static void
answers_append(struct answers *a, struct answer *row)
{
	/* A table that was born zeroed has no end yet. */
	if (a->first == NULL)
		a->end = &a->first;
	*a->end = row;
	a->end = &row->next;
	a->total++;
}

static void
answers_note(struct answers *a, struct arena *arena, const struct question *q)
{
	struct answer *row = ARENA_NEW(arena, struct answer);

	row->question = *q;
	row->question.name = arena_dup(arena, q->name);
	if (q->hashes.n > 0)
		row->question.hashes = arena_dup(arena, q->hashes);
	row->state = ANSWER_NOTED;
	answers_append(a, row);
	a->noted++;
}

const struct answer *
answers_get(struct answers *a, struct arena *arena, const struct question *q)
{
	const struct answer *row = answers_row(a, q);

	require(q->kind <= QUESTION_DISTINCT);
	if (row != NULL)
		return row->state == ANSWER_HERE ? row : NULL;
	if (q->kind == QUESTION_DNS && !dns_name_ok(q->name))
		return &no_such_name;
	/* What is over its memory already takes no answers in. */
	if (a->total >= ANSWERS_MAX || arena_over(arena))
		return &over_budget;
	answers_note(a, arena, q);
	return NULL;
}

const struct answer *
answers_peek(const struct answers *a, const struct question *q)
{
	const struct answer *row = answers_row(a, q);

	return row != NULL && row->state == ANSWER_HERE ? row : NULL;
}

bool
answer_is_over(const struct answer *a)
{
	return a == &over_budget;
}

bool
answers_holds(const struct answers *a, const struct question *q)
{
	return answers_row(a, q) != NULL;
}

void
answers_clear(struct answers *a)
{
	*a = (struct answers){ 0 };
}
