/*
 * greylist: who writes for the first time has to come back; most senders of junk do not. What
 * waits is a triplet: an origin (what proves itself: a domain that SPF or DKIM vouches for, else
 * the client's network), a sender and a recipient. An origin that came back once is not
 * delayed again, whatever it sends to whom.
 *
 * Rows in the store:
 *	greylist:origin:ORIGIN            proven by triplets that passed
 *	greylist:ORIGIN:SENDER:RECIPIENT  waits, then proven
 * No domain holds a ':' outside of brackets and no local part begins with one unquoted, so that
 * two triplets never share a key.
 */
#include "filters/stage.h"

#include "filters/key.h"

/*
 * From here on the recipients of one transaction share a triplet. A session may ask so many
 * questions only, and what it asks beyond goes unanswered: without this, a client could use
 * them up with recipients that do not matter and be taken for the rest.
 */
#define TRIPLETS_MAX 100
/* A proven origin is written again only when this part of `remember` has passed since. */
#define RENEW_PART 32

struct greylist_conf {
	int64_t delay, retry, remember;     /* ms */
	int64_t network_ipv4, network_ipv6; /* bits */
	int64_t proven_after;               /* triplets that passed */
	bool use_spf, use_dkim;
};

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

static struct seen_question
seen_question(const struct greylist_conf *conf)
{
	return (struct seen_question){
		.delay = conf->delay / 1000,
		.retry = conf->retry / 1000,
		.remember = conf->remember / 1000,
	};
}

/* --- what a message is keyed by --------------------------------------------------------------- */

/* The domain that SPF let through, or an empty text. */
static enum progress
spf_domain(struct ask *ask, struct str *out)
{
	struct value v;

	*out = STR("");
	if (fact_get_named(ask, "spf", &v) == PENDING)
		return PENDING;
	if (v.type != VALUE_SYMBOL || !str_eq(v.text, STR("pass")))
		return DONE;
	if (fact_get_named(ask, "spf.domain", &v) == PENDING)
		return PENDING;
	if (v.type == VALUE_TEXT)
		*out = arena_lower(ask->arena, v.text);
	return DONE;
}

/* The first domain with a signature that verifies, or an empty text. */
static enum progress
dkim_domain(struct ask *ask, struct str *out)
{
	struct value v;

	*out = STR("");
	if (fact_get_named(ask, "dkim.domains", &v) == PENDING)
		return PENDING;
	if (v.type == VALUE_LIST && v.list.n > 0)
		*out = arena_lower(ask->arena, v.list.item[0]);
	return DONE;
}

static enum progress
find_origin(struct ask *ask, struct str *out)
{
	const struct greylist_conf *conf = ask->conf;
	struct str domain;

	if (conf->use_spf) {
		if (spf_domain(ask, &domain) == PENDING)
			return PENDING;
		if (domain.n > 0) {
			*out = arena_printf(ask->arena, "spf:%.*s", STR_ARG(domain));
			return DONE;
		}
	}
	if (conf->use_dkim && ask->step == STEP_MESSAGE) {
		if (dkim_domain(ask, &domain) == PENDING)
			return PENDING;
		if (domain.n > 0) {
			*out = arena_printf(ask->arena, "dkim:%.*s", STR_ARG(domain));
			return DONE;
		}
	}
	*out = key_network(
	    ask->arena, &ask->session->client_ip, conf->network_ipv4, conf->network_ipv6);
	return DONE;
}

static struct str
origin_key(struct ask *ask, struct str origin)
{
	return key_bound(
	    ask->arena, arena_printf(ask->arena, "greylist:origin:%.*s", STR_ARG(origin)));
}

static struct str
triplet_key(struct ask *ask, struct str origin, const struct recipient *recipient)
{
	const struct transaction *txn = &ask->session->txn;
	struct str to = recipient->key;
	struct str from = txn->sender.null ? STR("<>") : txn->sender_key;
	size_t before = 0;

	for (const struct recipient *r = txn->recipients; r && r != recipient; r = r->next)
		before++;
	if (before >= TRIPLETS_MAX)
		to = STR("*");
	return key_bound(ask->arena,
	    arena_printf(ask->arena, "greylist:%.*s:%.*s:%.*s", STR_ARG(origin), STR_ARG(from),
		STR_ARG(to)));
}

/* --- origins ---------------------------------------------------------------------------------- */

static enum progress
prove_origin(struct ask *ask, struct str origin)
{
	struct seen_question q = seen_question(ask->conf);
	const struct seen_answer *answer;

	q.prove = true;
	return ask_seen(ask, origin_key(ask, origin), &q, &answer);
}

/* Has this origin proved itself? Then look is filled. */
static enum progress
look_at_origin(struct ask *ask, struct look *look, bool *proven)
{
	const struct greylist_conf *conf = ask->conf;
	struct seen_question q = seen_question(conf);
	const struct seen_answer *answer;

	*proven = false;
	q.look_only = true;
	if (ask_seen(ask, origin_key(ask, look->origin), &q, &answer) == PENDING)
		return PENDING;
	if (!answer || answer->state != SEEN_PROVEN || answer->hits < conf->proven_after)
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

static enum progress
look_at_recipient(struct ask *ask, const struct recipient *r, struct look *look)
{
	struct seen_question q = seen_question(ask->conf);
	const struct seen_answer *answer;
	struct look one = { 0 };

	if (ask_seen(ask, triplet_key(ask, look->origin, r), &q, &answer) == PENDING)
		return PENDING;
	one.outcome = outcome_of(answer);
	if (one.outcome == OUTCOME_WAITING)
		one.wait = answer->wait;
	if (answer && answer->first > 0 && answer->first < ask->now)
		one.first = ask->now - answer->first;
	look_merge(look, &one);
	return one.outcome == OUTCOME_PASSED ? prove_origin(ask, look->origin) : DONE;
}

extern const struct stage greylist_stage;

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

/* All recipients' questions are noted before anything waits. */
static enum progress
look_at_message(struct ask *ask, struct look *look)
{
	enum progress progress = DONE;

	for (const struct recipient *r = ask->session->txn.recipients; r; r = r->next) {
		if (r->state != RECIPIENT_ACCEPTED || was_let_through(r, look))
			continue;
		if (look_at_recipient(ask, r, look) == PENDING)
			progress = PENDING;
	}
	return progress;
}

static enum progress
greylist_look(struct ask *ask, struct look *look)
{
	const struct recipient *current = ask->session->txn.current;
	bool proven;

	*look = (struct look){ .empty = true };
	if (find_origin(ask, &look->origin) == PENDING)
		return PENDING;
	if (look_at_origin(ask, look, &proven) == PENDING)
		return PENDING;
	if (proven)
		return DONE;
	if (ask->step == STEP_RCPT && current)
		return look_at_recipient(ask, current, look);
	return look_at_message(ask, look);
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

	if (find_origin(ask, &origin) == PENDING)
		return PENDING;
	*out = value_text(origin);
	return DONE;
}

#define GREYLIST_FACT \
	.from = STEP_RCPT, .to = STEP_MESSAGE, .life = LIFE_RECIPIENT, .cost = COST_STORE

static const struct fact_def facts[] = {
	{
	    .name = "greylist",
	    .type = VALUE_SYMBOL,
	    .symbols = words,
	    GREYLIST_FACT,
	    .compute = compute_greylist,
	    .help = "waiting: has to come back later; passed: came back, and is known from now on; "
		    "known: was proven before; unknown: the store did not answer.",
	},
	{
	    .name = "greylist.first",
	    .type = VALUE_DURATION,
	    GREYLIST_FACT,
	    .compute = compute_first,
	    .help = "How long ago it was first seen.",
	},
	{
	    .name = "greylist.key",
	    .type = VALUE_TEXT,
	    GREYLIST_FACT,
	    .compute = compute_key,
	    .help = "What has to prove itself: a domain (spf:example.org, dkim:example.org) or the "
		    "client's network.",
	},
	{
	    .name = "greylist.wait",
	    .type = VALUE_DURATION,
	    GREYLIST_FACT,
	    .compute = compute_wait,
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
	{ "retry within", SETTING_DURATION, AT(retry), 2 * SECOND, 30 * DAY, "2d", NULL,
	    "Who has not come back after this time is new again." },
	{ "remember", SETTING_DURATION, AT(remember), 60 * SECOND, 3650 * DAY, "36d", NULL,
	    "Who is proven is forgotten when not seen for this time." },
	{ "network ipv4", SETTING_NUMBER, AT(network_ipv4), 1, 32, "24", NULL,
	    "So many bits of an IPv4 address make the network that has to prove itself." },
	{ "network ipv6", SETTING_NUMBER, AT(network_ipv6), 1, 128, "64", NULL,
	    "So many bits of an IPv6 address make the network that has to prove itself." },
	{ "proven after", SETTING_NUMBER, AT(proven_after), 1, 1000, "1", NULL,
	    "A domain or network is not delayed again after so many of its messages came back." },
	{ "use spf", SETTING_SWITCH, AT(use_spf), 0, 0, "on", NULL,
	    "A domain that SPF lets through proves itself, instead of the client's network." },
	{ "use dkim", SETTING_SWITCH, AT(use_dkim), 0, 0, "on", NULL,
	    "At the step `message`, a domain whose signature verifies proves itself, instead of "
	    "the client's network." },
};

static bool
configure(void *conf, struct arena *arena, struct err *e)
{
	const struct greylist_conf *c = conf;

	if (c->retry <= c->delay)
		return err_set(e, ERR_LIMIT,
		    "greylist: `retry within` must be longer than `delay`, or no retry is ever "
		    "taken");
	if (c->remember <= c->delay)
		return err_set(e, ERR_LIMIT, "greylist: `remember` must be longer than `delay`");
	return true;
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
};
