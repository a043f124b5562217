/*
 * Who watches a replay is told of each decision of a session once. Entries repeat the steps that led to them: a refused recipient's those of the
 * connection, the message's those of the recipient. So what was told lately is kept, as a number of session, transaction and step.
 */
#include "rules/replay_session.h"

#include <stdlib.h>

#include "base/die.h"
#include "base/sip.h"

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

/* What makes a decision the same as another entry's: padded with zeros, so that it can be hashed whole. */
struct decided {
	uint64_t step, txn, recipient, after;
	char session[32];
	char helo[256]; /* of HELO there may be several: which, and when it was decided */
};

#define DECIDED_WORDS (sizeof(struct decided) / sizeof(uint64_t))
/* Those that always count; of the name as many as it has. */
#define WORDS_BEFORE_HELO (offsetof(struct decided, helo) / sizeof(uint64_t))

static uint64_t
key_of(const struct replay *r, enum step step, const struct json *t)
{
	static const uint64_t no_secret[2];
	const struct transaction *txn = &r->session.txn;
	struct str helo = str_sub(r->session.helo, 0, sizeof((struct decided){ 0 }.helo) - 1);
	struct decided d = { .step = step };
	uint64_t word[DECIDED_WORDS];
	size_t n = WORDS_BEFORE_HELO;

	str_copy(r->entry.record->session, d.session, sizeof(d.session));
	d.txn = step >= STEP_MAIL ? txn->serial : 0;
	d.recipient = step == STEP_RCPT ? txn->n_asked : 0;
	if (step == STEP_HELO) {
		str_copy(helo, d.helo, sizeof(d.helo));
		d.after = (uint64_t)replay_number(t, "after");
		n += helo.n / sizeof(uint64_t) + 1;
	}
	memcpy(word, &d, n * sizeof(uint64_t));
	return sip_hash(no_secret, word, n) | 1; /* 0: empty */
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
