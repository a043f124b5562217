/*
 * How many different recipients, senders or networks somebody's messages had: QUESTION_DISTINCT, with the hashes of
 * what a message had. Keys in the store: rate:distinct-recipients:client:192.0.2.1.
 */
#include "filters/volume.h"

#include "filters/key.h"

enum different { DIFFERENT_RECIPIENTS, DIFFERENT_SENDERS, DIFFERENT_NETWORKS, DIFFERENT_COUNT };
const char *const different_words[] = { "recipients", "senders", "networks", NULL };
static const char *const key_words[] = { "distinct-recipients", "distinct-senders",
	"distinct-networks" };

static unsigned
bit_of(enum volume_who who, enum different what)
{
	return 1u << ((unsigned)who * DIFFERENT_COUNT + (unsigned)what);
}

/*
 * The upper half of FNV-1a, stirred (its upper bits alone are not even). No secret: several machines must come to the same, and who
 * chooses recipients to look like fewer of them has to write to those.
 */
static uint32_t
hash_of(struct str text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < text.n; i++)
		hash = (hash ^ (unsigned char)text.p[i]) * 0x100000001b3;
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
	return (uint32_t)((hash ^ hash >> 33) >> 32);
}

static void
add_hash(struct str text, struct buf *out)
{
	uint32_t hash = hash_of(text);

	for (int shift = 24; shift >= 0; shift -= 8)
		buf_addc(out, (char)(hash >> shift));
}

/* Hashes of what this message has. */
static void
hashes_of(struct ask *ask, enum different what, struct buf *out)
{
	const struct transaction *txn = &ask->session->txn;
	struct str network;

	if (what == DIFFERENT_SENDERS && txn->sender.address.n > 0)
		add_hash(arena_lower(ask->arena, txn->sender.address), out);
	if (what == DIFFERENT_NETWORKS) {
		network = volume_who_known(ask, VOLUME_NETWORK);
		if (network.n > 0)
			add_hash(network, out);
	}
	for (const struct recipient *r = txn->recipients; what == DIFFERENT_RECIPIENTS && r;
	     r = r->next)
		if (r->state == RECIPIENT_ACCEPTED)
			add_hash(arena_lower(ask->arena, r->mailbox.address), out);
}

/* In as many questions as it takes. */
static void
count(struct ask *ask, enum volume_who who, enum different what)
{
	struct str text = volume_who_known(ask, who), key, all;
	const struct count_answer *nobody_waits;
	size_t most = (size_t)QUESTION_HASHES_MAX * QUESTION_HASH;
	struct buf hashes;
	unsigned serial = 1;

	if (text.n == 0)
		return;
	key = volume_key_of(ask, key_words[what], who, text);
	buf_init(&hashes, 1 << 20);
	hashes_of(ask, what, &hashes);
	all = buf_str(&hashes);
	for (size_t i = 0; i < all.n; i += most)
		(void)ask_distinct(ask, key, str_sub(all, i, i + most), serial++, &nobody_waits);
	buf_free(&hashes);
}

void
different_count(struct ask *ask, const struct tally *tally)
{
	for (int who = 0; who < VOLUME_RECIPIENT; who++)
		for (int what = 0; what < DIFFERENT_COUNT; what++)
			if ((tally->different_asked & bit_of(who, what)) != 0)
				count(ask, who, what);
}

enum progress
different_compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	enum volume_who who = volume_who_of(&call->arg[0]);
	struct tally *tally = volume_tally(ask);
	const struct count_answer *answer;
	struct str text;
	int what = 0;

	while (
	    what + 1 < DIFFERENT_COUNT && !str_eq(call->arg[1].text, str_of(different_words[what])))
		what++;
	*out = (struct value){ .type = VALUE_NONE };
	if (tally)
		tally->different_asked |= bit_of(who, what);
	if (volume_who(ask, who, &text) == PENDING)
		return PENDING;
	if (text.n == 0)
		return DONE;
	if (ask_distinct(ask, volume_key_of(ask, key_words[what], who, text), STR(""), 0,
		&answer) == PENDING)
		return PENDING;
	if (answer)
		*out = volume_sum(answer, call->arg[2].number);
	return DONE;
}
