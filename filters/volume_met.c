/*
 * Who was seen before: a row of the store (QUESTION_SEEN, proven at once) for each of whom a message was accepted in a transaction in which
 * a rule asked. Keys: seen:sender.domain:example.org, seen:account-network:alice 192.0.2.0/24.
 */
#include "filters/volume.h"

#include "filters/key.h"

enum met { MET_DOMAIN, MET_SENDER, MET_CLIENT, MET_NETWORK, MET_HELO, MET_COUNT };
const char *const met_words[] = { "sender.domain", "sender", "client", "network", "helo", NULL };

/* A row is written again only when this part of `remember` has passed since. */
#define RENEW_PART 32

static struct seen_question
question(const struct ask *ask)
{
	const struct volume_conf *conf = ask->conf;

	return (struct seen_question){ .remember = conf->remember / 1000, .look_only = true };
}

static enum volume_who
who_of(enum met met)
{
	static const enum volume_who who[] = { VOLUME_SENDER, VOLUME_SENDER, VOLUME_CLIENT,
		VOLUME_NETWORK, VOLUME_HELO };

	return who[met];
}

/* text: of who_of(). A sender is known by its address, if its domain is proven. */
static struct str
key_of(struct ask *ask, enum met met, struct str text)
{
	if (met == MET_SENDER)
		text = arena_lower(ask->arena, ask->session->txn.sender.address);
	return key_bound(
	    ask->arena, arena_printf(ask->arena, "seen:%s:%.*s", met_words[met], STR_ARG(text)));
}

static struct str
network_key(struct ask *ask)
{
	struct str account = volume_who_known(ask, VOLUME_ACCOUNT);
	struct str network = volume_who_known(ask, VOLUME_NETWORK);

	if (account.n == 0 || network.n == 0)
		return STR("");
	return key_bound(ask->arena,
	    arena_printf(
		ask->arena, "seen:account-network:%.*s %.*s", STR_ARG(account), STR_ARG(network)));
}

/* The message was taken; true: it is the first. */
static bool
remember(struct ask *ask, struct str key)
{
	struct seen_question q = question(ask);
	const struct seen_answer *answer, *nobody_waits;

	/* Without an answer from before nothing is known of it: then it is remembered, and no first one. */
	if (ask_seen(ask, key, &q, &answer) == DONE && answer && answer->state == SEEN_PROVEN &&
	    ask->now - answer->last <= q.remember / RENEW_PART)
		return false;
	q.look_only = false;
	q.prove = true;
	(void)ask_seen(ask, key, &q, &nobody_waits);
	q = question(ask);
	return ask_seen(ask, key, &q, &answer) == DONE && answer && answer->state == SEEN_NEVER;
}

void
met_remember(struct ask *ask, const struct tally *tally)
{
	struct str key, text;

	for (int met = 0; met < MET_COUNT; met++) {
		if ((tally->met_asked & 1u << met) == 0)
			continue;
		text = volume_who_known(ask, who_of(met));
		if (text.n > 0)
			(void)remember(ask, key_of(ask, met, text));
	}
	key = tally->networks_asked ? network_key(ask) : STR("");
	if (key.n > 0 && remember(ask, key))
		volume_count(ask, "networks", VOLUME_ACCOUNT, 1, 0);
}

enum progress
met_networks(struct ask *ask, int64_t *out)
{
	struct tally *tally = volume_tally(ask);
	struct seen_question q = question(ask);
	const struct count_answer *count;
	const struct seen_answer *seen;
	enum progress progress;
	struct str key = network_key(ask);

	*out = 0;
	if (tally)
		tally->networks_asked = true;
	if (key.n == 0)
		return DONE;
	progress = ask_seen(ask, key, &q, &seen);
	if (volume_read(ask, "networks", VOLUME_ACCOUNT, &count) == PENDING || progress == PENDING)
		return PENDING;
	if (count && !count_sums_known(count))
		return PENDING;
	if (count && seen)
		*out = count->day + (seen->state != SEEN_PROVEN);
	return DONE;
}

/* *answer is NULL when nobody is there, or the store does not answer; *nobody tells which. */
static enum progress
look(struct ask *ask, const struct fact_call *call, const struct seen_answer **answer, bool *nobody)
{
	struct tally *tally = volume_tally(ask);
	struct seen_question q = question(ask);
	struct str text;
	int met = 0;

	while (met + 1 < MET_COUNT && !str_eq(call->arg[0].text, str_of(met_words[met])))
		met++;
	*answer = NULL;
	if (tally)
		tally->met_asked |= 1u << met;
	if (volume_who(ask, who_of(met), &text) == PENDING)
		return PENDING;
	*nobody = text.n == 0;
	return *nobody ? DONE : ask_seen(ask, key_of(ask, met, text), &q, answer);
}

enum progress
met_compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct seen_answer *answer;
	bool nobody;

	if (look(ask, call, &answer, &nobody) == PENDING)
		return PENDING;
	*out =
	    (struct value){ .type = VALUE_BOOL, .number = answer && answer->state == SEEN_PROVEN };
	if (!answer && !nobody)
		out->type = VALUE_NONE;
	return DONE;
}

enum progress
met_compute_first(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct seen_answer *answer;
	bool nobody;

	if (look(ask, call, &answer, &nobody) == PENDING)
		return PENDING;
	*out = (struct value){ .type = VALUE_NONE };
	if (answer && answer->state == SEEN_PROVEN)
		*out = (struct value){ .type = VALUE_DURATION,
			.number = ask->now > answer->first ? ask->now - answer->first : 0 };
	return DONE;
}
