#include "filters/volume_hold.h"

/* Recipients are held one by one up to here, then so many at a time: a transaction has so many questions only. */
#define LOT 16

static uint64_t
mix(uint64_t hash, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 0x100000001b3;
	return hash;
}

/* FNV-1a of the session's id, which is random, and the number of the transaction in it. */
static uint64_t
holder_of(const struct session *s)
{
	uint64_t hash = mix(0xcbf29ce484222325, s->id, strlen(s->id));

	return mix(hash, &s->txn.serial, sizeof(s->txn.serial));
}

static struct hold *
find(struct holds *holds, struct str key)
{
	for (size_t i = 0; i < holds->n; i++)
		if (str_eq(holds->hold[i].key, key))
			return &holds->hold[i];
	return NULL;
}

/* Before the answer has come, for who goes away meanwhile has to give back all the same. */
static void
note(struct ask *ask, struct holds *holds, struct str key, int64_t n)
{
	struct hold *hold = find(holds, key);

	if (hold == NULL && holds->n < HOLDS_MAX) {
		hold = &holds->hold[holds->n++];
		*hold = (struct hold){ .key = arena_dup(ask->session->txn.arena, key) };
	}
	if (hold) {
		hold->n = n > hold->n ? n : hold->n;
		hold->at = ask->now;
	}
}

static enum progress
hold_n(struct ask *ask, struct holds *holds, const struct hold_bid *bid, int64_t n,
    struct hold_room *out)
{
	struct take_call call = { .key = bid->key,
		.n = n,
		.serial = bid->serial,
		.take = { .what = TAKE_HOLD,
		    .holder = holder_of(ask->session),
		    .lasts = HOLD_LASTS,
		    .limit = bid->limit } };
	enum progress progress = ask_take(ask, &call, &out->counts, &out->take);

	/* What was refused is noted too: it is counted there if it is let through all the same. */
	note(
	    ask, holds, bid->key, progress == PENDING || (out->take && out->take->granted) ? n : 0);
	return progress;
}

enum progress
holds_bid(struct ask *ask, struct holds *holds, const struct hold_bid *bid, struct hold_room *out)
{
	int64_t lot = (bid->n + LOT - 1) / LOT * LOT;
	enum progress progress;

	if (lot > bid->most)
		lot = bid->most;
	if (bid->n > LOT && lot > bid->n) {
		progress = hold_n(ask, holds, bid, lot, out);
		if (progress == PENDING || (out->take && out->take->granted))
			return progress;
	}
	return hold_n(ask, holds, bid, bid->n, out);
}

static void
tell(struct ask *ask, struct holds *holds, const struct hold *hold, struct take_question take)
{
	const struct count_answer *nobody_waits;
	const struct take_answer *nor_for_this;
	struct take_call call = {
		.key = hold->key, .n = hold->n, .serial = ++holds->serial, .take = take
	};

	call.take.holder = holder_of(ask->session);
	(void)ask_take(ask, &call, &nobody_waits, &nor_for_this);
}

void
holds_keep(struct ask *ask, struct holds *holds, int64_t lasts, int64_t young)
{
	for (size_t i = 0; i < holds->n; i++) {
		struct hold *hold = &holds->hold[i];

		if (ask->now - hold->at < young)
			continue;
		hold->at = ask->now;
		tell(ask, holds, hold, (struct take_question){ .what = TAKE_KEEP, .lasts = lasts });
	}
}

bool
holds_settle(struct ask *ask, struct holds *holds, struct str key, int64_t n)
{
	struct hold *hold = find(holds, key);

	if (hold == NULL)
		return false;
	hold->n = n;
	tell(ask, holds, hold, (struct take_question){ .what = TAKE_SETTLE });
	*hold = holds->hold[--holds->n];
	return true;
}

void
holds_free(struct ask *ask, struct holds *holds)
{
	for (; holds->n > 0; holds->n--) {
		holds->hold[holds->n - 1].n = 0;
		tell(ask, holds, &holds->hold[holds->n - 1],
		    (struct take_question){ .what = TAKE_FREE });
	}
}
