/*
 * Who watches a replay is told of each decision of a session once. Entries repeat the steps that led to them: a refused recipient's those of the
 * connection, the message's those of the recipient. So what was told lately is kept, as a number of session, transaction and step.
 */
#include "rules/replay_session.h"

#include <stdlib.h>

#include "base/die.h"

/*
 * So many decisions are remembered, in sets of WAYS of which the oldest goes first. Entries of one session stand close together in the journal;
 * only who has more sessions at once than fit would see one counted again.
 */
#define SETS 65536
#define WAYS 4

struct replay_watch {
	void (*told)(void *owner, const struct replay_step *step);
	void *owner;
	uint64_t key[SETS][WAYS];
	unsigned char next[SETS];
};

void
replay_watch(
    struct replay *r, void (*told)(void *owner, const struct replay_step *step), void *owner)
{
	r->watch = xcalloc(1, sizeof(*r->watch));
	r->watch->told = told;
	r->watch->owner = owner;
}

void
replay_watch_free(struct replay *r)
{
	free(r->watch);
	r->watch = NULL;
}

static uint64_t
mix(uint64_t hash, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 0x100000001b3;
	return hash;
}

/* FNV-1a, stirred: the session's id is random. Of HELO there may be several, of which each says when it was decided. */
static uint64_t
key_of(const struct replay *r, enum step step, const struct json *t)
{
	const struct transaction *txn = &r->session.txn;
	const uint64_t numbers[] = { step, step >= STEP_MAIL ? txn->serial : 0,
		step == STEP_RCPT ? txn->n_asked : 0,
		step == STEP_HELO ? (uint64_t)replay_number(t, "after") : 0 };
	uint64_t hash = 0xcbf29ce484222325;

	hash = mix(hash, r->entry.record->session.p, r->entry.record->session.n);
	if (step == STEP_HELO)
		hash = mix(hash, r->session.helo.p, r->session.helo.n);
	hash = mix(hash, numbers, sizeof(numbers));
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
	return (hash ^ hash >> 33) | 1; /* 0: empty */
}

/* False: it is there already. */
static bool
remember(struct replay_watch *w, uint64_t key)
{
	size_t set = key >> 32 & (SETS - 1);

	for (size_t i = 0; i < WAYS; i++)
		if (w->key[set][i] == key)
			return false;
	w->key[set][w->next[set]] = key;
	w->next[set] = (unsigned char)((w->next[set] + 1) % WAYS);
	return true;
}

void
replay_tell(struct replay *r, enum step step, const struct json *t, const struct decision *d)
{
	struct replay_step told = { .step = step, .trace = d->trace, .lacks = d->lacks };

	if (remember(r->watch, key_of(r, step, t)))
		r->watch->told(r->watch->owner, &told);
}
