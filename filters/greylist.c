/*
 * greylist: who writes for the first time has to come back; most senders of junk do not. What
 * waits is a triplet: an origin (what proves itself: a domain that SPF or DKIM vouches for, the owner of the
 * client's name, else its network), a sender and a recipient. An origin that came back once is not
 * delayed again, whatever it sends to whom. Beside the triplet waits the pair of sender and recipient, so that
 * nobody is delayed for longer than `longest`, from however many addresses it comes.
 *
 * Questions go off in three rounds: what is known (nothing is changed); then, for who is not, the triplet; then,
 * if that waits, the pair.
 */
#include "filters/greylist.h"

/* A proven origin is written again only when this part of `remember` has passed since. */
#define RENEW_PART 32

/* Of a recipient; a message has the greatest of its recipients'. */
enum outcome { OUTCOME_KNOWN, OUTCOME_PASSED, OUTCOME_UNKNOWN, OUTCOME_WAITING };
static const char *const words[] = { "known", "passed", "unknown", "waiting", NULL };

struct look {
	enum outcome outcome;
	int64_t wait;  /* seconds */
	int64_t first; /* seconds ago */
	struct str origin;
	bool empty; /* no recipient was looked at */
};

/* --- origins ---------------------------------------------------------------------------------- */

static enum progress
prove_origin(struct ask *ask, struct str origin)
{
	struct seen_question q = greylist_question(ask->conf);
	const struct seen_answer *answer;

	q.prove = true;
	return ask_seen(ask, greylist_origin_key(ask->arena, origin), &q, &answer);
}

/* A domain is somebody's own; in a network, strangers live side by side. */
static int64_t
proofs_needed(const struct greylist_conf *conf, struct str origin)
{
	return greylist_is_network(origin) ? conf->network_after : conf->proven_after;
}

/* Has this origin proved itself? Then look is filled. */
static enum progress
look_at_origin(struct ask *ask, struct look *look, bool *proven)
{
	const struct greylist_conf *conf = ask->conf;
	struct seen_question q = greylist_question(conf);
	const struct seen_answer *answer;

	*proven = false;
	q.look_only = true;
	if (ask_seen(ask, greylist_origin_key(ask->arena, look->origin), &q, &answer) == PENDING)
		return PENDING;
	if (!answer || answer->state != SEEN_PROVEN ||
	    answer->hits < proofs_needed(conf, look->origin))
		return DONE;
	if (ask->now - answer->last > q.remember / RENEW_PART &&
	    prove_origin(ask, look->origin) == PENDING)
		return PENDING;
	*proven = true;
	look->outcome = OUTCOME_KNOWN;
	look->first = ask->now > answer->first ? ask->now - answer->first : 0;
	look->empty = false;
	return DONE;
}

/* --- triplets --------------------------------------------------------------------------------- */

static enum outcome
outcome_of(const struct seen_answer *answer)
{
	if (!answer)
		return OUTCOME_UNKNOWN;
	switch (answer->state) {
	case SEEN_NEVER:
	case SEEN_FIRST:
	case SEEN_EARLY:
		return OUTCOME_WAITING;
	case SEEN_RETRIED:
		return OUTCOME_PASSED;
	case SEEN_PROVEN:
		return OUTCOME_KNOWN;
	}
	return OUTCOME_UNKNOWN;
}

/* Keeps the greater outcome; of two that wait the longer wait. */
static void
look_merge(struct look *look, const struct look *other)
{
	struct str origin = look->origin;

	if (!look->empty &&
	    (other->outcome < look->outcome ||
		(other->outcome == look->outcome && other->wait <= look->wait)))
		return;
	*look = *other;
	look->origin = origin;
}

/* Since when, in seconds ago. */
static int64_t
age(const struct ask *ask, const struct seen_answer *answer)
{
	return answer && answer->first > 0 && answer->first < ask->now ? ask->now - answer->first
								       : 0;
}

/* The pair of sender and recipient: it is let in after `longest`, and remembered no longer than who comes back. */
static struct seen_question
pair_question(const struct greylist_conf *conf)
{
	return (struct seen_question){
		.delay = conf->longest / 1000,
		.retry = conf->retry / 1000,
		.remember = conf->retry / 1000,
	};
}

/* The first round: does the pair wait? */
static enum progress
look_at_pair(struct ask *ask, const struct recipient *r, const struct seen_answer **answer)
{
	struct seen_question q = pair_question(ask->conf);

	q.look_only = true;
	return ask_seen(ask, greylist_pair_key(ask, r), &q, answer);
}

static enum progress
note_pair(struct ask *ask, const struct recipient *r, struct look *look)
{
	const struct seen_answer *answer;

	return look_at_pair(ask, r, &answer);
}

/*
 * Whoever is let in waits no longer. That the pair's row is taken away, not proven, keeps others from using it; and the
 * answer, which the journal has, tells how long the wait was (`postern stats`).
 */
static enum progress
settle(struct ask *ask, const struct recipient *r, struct look *look)
{
	struct seen_question q = pair_question(ask->conf);
	const struct seen_answer *answer;

	if (look_at_pair(ask, r, &answer) == PENDING)
		return PENDING;
	if (!answer || (answer->state != SEEN_EARLY && answer->state != SEEN_RETRIED))
		return DONE;
	q.forget = true;
	return ask_seen(ask, greylist_pair_key(ask, r), &q, &answer);
}

/* The third round, for whom the triplet makes wait. */
static enum progress
wait_as_pair(struct ask *ask, const struct recipient *r, struct look *one)
{
	struct seen_question q = pair_question(ask->conf);
	const struct seen_answer *answer;
	enum outcome outcome;

	if (ask_seen(ask, greylist_pair_key(ask, r), &q, &answer) == PENDING)
		return PENDING;
	outcome = outcome_of(answer);
	if (outcome < one->outcome)
		*one = (struct look){ .outcome = outcome };
	else if (outcome == OUTCOME_WAITING && answer->wait < one->wait)
		one->wait = answer->wait;
	if (age(ask, answer) > one->first)
		one->first = age(ask, answer);
	return DONE;
}

static enum progress
look_at_recipient(struct ask *ask, const struct recipient *r, struct look *look)
{
	struct seen_question q = greylist_question(ask->conf);
	const struct seen_answer *answer, *pair;
	enum progress progress = DONE;
	struct look one = { 0 };

	if (ask_seen(ask, greylist_triplet_key(ask, look->origin, r), &q, &answer) == PENDING)
		return PENDING;
	one.outcome = outcome_of(answer);
	one.first = age(ask, answer);
	if (one.outcome >= OUTCOME_UNKNOWN) {
		one.wait = one.outcome == OUTCOME_WAITING ? answer->wait : 0;
		if (wait_as_pair(ask, r, &one) == PENDING)
			return PENDING;
	} else {
		if (look_at_pair(ask, r, &pair) == DONE && pair && pair->state != SEEN_PROVEN &&
		    age(ask, pair) > one.first)
			one.first = age(ask, pair);
		progress = settle(ask, r, look);
		if (one.outcome == OUTCOME_PASSED && prove_origin(ask, look->origin) == PENDING)
			progress = PENDING;
	}
	look_merge(look, &one);
	return progress;
}

/* Let through when its RCPT was decided: it is not delayed again under another key. */
static bool
was_let_through(const struct recipient *r, struct look *look)
{
	struct look one = { 0 };

	for (const struct fact *f = r->facts.first; f; f = f->next) {
		if (f->call.entry->def != &greylist_stage.facts[0] || f->value.type != VALUE_SYMBOL)
			continue;
		if (str_eq(f->value.text, STR("known")))
			one.outcome = OUTCOME_KNOWN;
		else if (str_eq(f->value.text, STR("passed")))
			one.outcome = OUTCOME_PASSED;
		else
			return false;
		look_merge(look, &one);
		return true;
	}
	return false;
}

/* Those who are looked at; all their questions are noted before anything waits. */
static enum progress
each_recipient(struct ask *ask, struct look *look,
    enum progress (*fn)(struct ask *ask, const struct recipient *r, struct look *look))
{
	const struct transaction *txn = &ask->session->txn;
	enum progress progress = DONE;

	if (ask->step == STEP_RCPT && txn->current)
		return fn(ask, txn->current, look);
	for (const struct recipient *r = txn->recipients; r; r = r->next) {
		if (r->state != RECIPIENT_ACCEPTED || was_let_through(r, look))
			continue;
		if (fn(ask, r, look) == PENDING)
			progress = PENDING;
	}
	return progress;
}

static enum progress
greylist_look(struct ask *ask, struct look *look)
{
	enum progress progress;
	bool known, proven;

	*look = (struct look){ .empty = true };
	if (greylist_is_ours(ask->session)) {
		look->outcome = OUTCOME_KNOWN;
		look->empty = false;
		return DONE;
	}
	if (greylist_origin(ask, &look->origin) == PENDING)
		return PENDING;
	progress = greylist_is_known(ask, look->origin, &known);
	if (look_at_origin(ask, look, &proven) == PENDING)
		progress = PENDING;
	if (each_recipient(ask, look, note_pair) == PENDING || progress == PENDING)
		return PENDING;
	if (!known && !proven)
		return each_recipient(ask, look, look_at_recipient);
	if (!proven)
		look_merge(look, &(struct look){ .outcome = OUTCOME_KNOWN });
	return each_recipient(ask, look, settle);
}

/* --- facts ------------------------------------------------------------------------------------ */

static enum progress
compute_greylist(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct look look;

	if (greylist_look(ask, &look) == PENDING)
		return PENDING;
	*out = value_symbol(words[look.empty ? OUTCOME_UNKNOWN : look.outcome]);
	return DONE;
}

static enum progress
compute_wait(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct look look;

	if (greylist_look(ask, &look) == PENDING)
		return PENDING;
	*out = (struct value){ .type = VALUE_DURATION, .number = look.wait };
	return DONE;
}

static enum progress
compute_first(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct look look;

	if (greylist_look(ask, &look) == PENDING)
		return PENDING;
	*out = (struct value){ .type = VALUE_DURATION, .number = look.first };
	if (look.empty || look.outcome == OUTCOME_UNKNOWN)
		out->type = VALUE_NONE;
	return DONE;
}

static enum progress
compute_key(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct str origin;

	if (greylist_origin(ask, &origin) == PENDING)
		return PENDING;
	*out = value_text(origin);
	return DONE;
}

/* --- what it costs ---------------------------------------------------------------------------- */

/* Facts that the origin and the credibility of the sender rest on. */
static void
asks_origin(struct costs *costs, const struct fact_call *call)
{
	const struct greylist_conf *conf = call->entry->conf;

	if (conf->use_spf)
		cost_fact(costs, "spf");
	if (conf->use_dkim && costs->step == STEP_MESSAGE)
		cost_fact(costs, "dkim.domains");
	if (conf->use_name)
		cost_fact(costs, "client.name");
}

/*
 * Whether client, network, sender or its domain are known; the same of the origin, whether it is proven, and to prove it; and for each
 * recipient the pair, its end or its wait, and the triplet. A signature can make another origin of it at message, with other triplets; and
 * then a pair that waited is let in.
 */
static void
asks(struct costs *costs, const struct fact_call *call)
{
	const struct greylist_conf *conf = call->entry->conf;

	asks_origin(costs, call);
	cost_store(costs, STR("greylist known"), 1, 4);
	cost_store_each(costs, STR("greylist pair"), 1, 2);
	if (conf->use_dkim && costs->step == STEP_MESSAGE) {
		cost_store(costs, STR("greylist signed origin"), 1, 3);
		cost_store_each(costs, STR("greylist signed triplet"), 0, 2);
	} else {
		cost_store(costs, STR("greylist origin"), 2, 3);
		cost_store_each(costs, STR("greylist triplet"), 0, 1);
	}
}

#define GREYLIST_FACT \
	.from = STEP_RCPT, .to = STEP_MESSAGE, .life = LIFE_RECIPIENT, .cost = COST_STORE

#define COMES_BACK \
	"Nothing, as a rule: your mail server tries again by itself, and is let in then. If it does not try again within some hours, that is a fault of it."

static const struct fact_def facts[] = {
	{
	    .name = "greylist",
	    .remedy = COMES_BACK,
	    .type = VALUE_SYMBOL,
	    .symbols = words,
	    GREYLIST_FACT,
	    .compute = compute_greylist,
	    .asks = asks,
	    .help = "waiting: has to come back later; passed: came back, and is known from now on; "
		    "known: was proven before, somebody whom our users wrote to, or one of our "
		    "own; unknown: the store did not answer.",
	},
	{
	    .name = "greylist.first",
	    .remedy = COMES_BACK,
	    .type = VALUE_DURATION,
	    GREYLIST_FACT,
	    .compute = compute_first,
	    .asks = asks,
	    .help = "How long ago it was first seen.",
	},
	{
	    .name = "greylist.key",
	    .type = VALUE_TEXT,
	    GREYLIST_FACT,
	    .compute = compute_key,
	    .asks = asks_origin,
	    .help = "What has to prove itself: a domain (spf:example.org, dkim:example.org), the "
		    "owner of the client's name (name:example.org) or the client's network.",
	},
	{
	    .name = "greylist.wait",
	    .remedy = COMES_BACK,
	    .type = VALUE_DURATION,
	    GREYLIST_FACT,
	    .compute = compute_wait,
	    .asks = asks,
	    .help = "How long until a retry is taken.",
	},
};

/* --- settings --------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct greylist_conf, member)
#define SECOND INT64_C(1000)
#define DAY (86400 * SECOND)

static const struct setting settings[] = {
	{ "delay", SETTING_DURATION, AT(delay), SECOND, DAY, "5m", NULL,
	    "Who is new has to come back after this time." },
	{ "longest", SETTING_DURATION, AT(longest), SECOND, 30 * DAY, "30m", NULL,
	    "Whoever has tried for so long is let in, from whatever address it comes." },
	{ "retry within", SETTING_DURATION, AT(retry), 2 * SECOND, 30 * DAY, "2d", NULL,
	    "Who has not come back after this time is new again." },
	{ "remember", SETTING_DURATION, AT(remember), 60 * SECOND, 3650 * DAY, "36d", NULL,
	    "Who is proven is forgotten when not seen for this time." },
	{ "network ipv4", SETTING_NUMBER, AT(network_ipv4), 1, 32, "24", NULL,
	    "So many bits of an IPv4 address make the network that has to prove itself." },
	{ "network ipv6", SETTING_NUMBER, AT(network_ipv6), 1, 128, "64", NULL,
	    "So many bits of an IPv6 address make the network that has to prove itself." },
	{ "proven after", SETTING_NUMBER, AT(proven_after), 1, 1000, "1", NULL,
	    "A domain, or the owner of a name, is not delayed again after so many of its messages "
	    "came back." },
	{ "network proven after", SETTING_NUMBER, AT(network_after), 1, 1000, "5", NULL,
	    "The same for a network, in which strangers live side by side." },
	{ "use spf", SETTING_SWITCH, AT(use_spf), 0, 0, "on", NULL,
	    "A domain that SPF lets through proves itself, instead of the client's network." },
	{ "use dkim", SETTING_SWITCH, AT(use_dkim), 0, 0, "on", NULL,
	    "At the step `message`, a domain whose signature verifies proves itself, instead of "
	    "the client's network." },
	{ "use name", SETTING_SWITCH, AT(use_name), 0, 0, "on", NULL,
	    "The owner of the client's confirmed name proves itself, instead of the client's "
	    "network; unless the name looks like a customer's." },
	{ "know correspondents", SETTING_SWITCH, AT(know_correspondents), 0, 0, "on", NULL,
	    "Whom our own users (authenticated or trusted clients) wrote to is never delayed." },
};

static bool
configure(void *conf, struct arena *arena, struct err *e)
{
	struct greylist_conf *c = conf;

	if (c->retry <= c->delay)
		return err_set(e, ERR_LIMIT,
		    "greylist: `retry within` must be longer than `delay`, or no retry is ever "
		    "taken");
	if (c->remember <= c->delay)
		return err_set(e, ERR_LIMIT, "greylist: `remember` must be longer than `delay`");
	/* Whoever sets one of the others has not asked for a mistake by leaving this one as it is. */
	if (c->longest < c->delay)
		c->longest = c->delay;
	if (c->longest >= c->retry)
		c->longest = c->retry - SECOND;
	return true;
}

static void
event(struct ask *ask, enum stage_event event)
{
	if (event == EVENT_ACCEPTED)
		greylist_remember_recipients(ask);
}

const struct stage greylist_stage = {
	.abi = STAGE_ABI,
	.name = "greylist",
	.help = "Has those who write for the first time come back later.",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.settings = settings,
	.n_settings = sizeof(settings) / sizeof(settings[0]),
	.conf_size = sizeof(struct greylist_conf),
	.configure = configure,
	.event = event,
};
