/*
 * volume: how much who sends. What the MTA took is counted, for the client, its network, the
 * sender's domain and the account; recipients that the MTA does not know are counted for the
 * client and its network. From the counts come rates, a comparison with the usual, and how much
 * of a plan is used.
 *
 * Counters in the store:
 *	rate:messages:client:192.0.2.1      messages; also of network, sender, account
 *	rate:recipients:client:192.0.2.1    their recipients; the same
 *	rate:taken:client:192.0.2.1         recipients that the MTA took; also of network
 *	rate:unknown:client:192.0.2.1       recipients that it refused for good; also of network
 */
#include "filters/stage.h"

#include "filters/key.h"

#define MINUTE 60
#define HOUR 3600
#define DAY 86400

/* An hour is called usual from so many active hours on. */
#define HOURS_KNOWN_LEAST 3
/* Recipients of a transaction that are counted one by one; then at each power of two. */
#define COUNTED_SINGLY 16

struct volume_conf {
	int64_t network_ipv4, network_ipv6; /* bits */
	int64_t unknown_from;               /* recipients tried */
};

/* In the order of who_words. */
enum who { WHO_CLIENT, WHO_NETWORK, WHO_SENDER, WHO_ACCOUNT, WHO_COUNT };
static const char *const who_words[] = { "client", "network", "sender", "account", NULL };
static const char *const what_words[] = { "messages", "recipients", NULL };

/* Of a transaction: recipients that happened, and that were counted already. */
struct tally {
	unsigned taken, taken_counted;
	unsigned unknown, unknown_counted;
};

/* --- keys ------------------------------------------------------------------------------------- */

/* An empty text: there is no such one in this session. */
static struct str
who_text(struct ask *ask, enum who who)
{
	const struct session *s = ask->session;
	const struct volume_conf *conf = ask->conf;

	switch (who) {
	case WHO_CLIENT:
		if (s->client_ip.version == 0)
			return STR("");
		return arena_dup(ask->arena, str_of(IP_TEXT(&s->client_ip)));
	case WHO_NETWORK:
		if (s->client_ip.version == 0)
			return STR("");
		return key_network(
		    ask->arena, &s->client_ip, conf->network_ipv4, conf->network_ipv6);
	case WHO_SENDER:
		return arena_lower(ask->arena, s->txn.sender.domain);
	case WHO_ACCOUNT:
		return s->account;
	case WHO_COUNT:
		break;
	}
	return STR("");
}

/* False: there is no such one, so there is nothing to count. */
static bool
rate_key(struct ask *ask, const char *what, enum who who, struct str *key)
{
	struct str text = who_text(ask, who);

	if (text.n == 0)
		return false;
	*key = key_bound(ask->arena,
	    arena_printf(ask->arena, "rate:%s:%s:%.*s", what, who_words[who], STR_ARG(text)));
	return true;
}

static enum who
who_of(const struct value *word)
{
	for (int i = 0; i < WHO_COUNT; i++) {
		if (str_eq(word->text, str_of(who_words[i])))
			return i;
	}
	return WHO_COUNT;
}

/* *out is NULL when there is no such one, or the store did not answer. */
static enum progress
read_count(struct ask *ask, const char *what, enum who who, const struct count_answer **out)
{
	struct str key;

	*out = NULL;
	if (!rate_key(ask, what, who, &key))
		return DONE;
	return ask_count(ask, key, 0, out);
}

static int64_t
sum_of(const struct count_answer *answer, int64_t window)
{
	switch (window) {
	case MINUTE:
		return answer->minute;
	case HOUR:
		return answer->hour;
	default:
		return answer->day;
	}
}

/* --- rates ------------------------------------------------------------------------------------ */

static enum progress
compute_rate(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;
	const char *what = str_eq(call->arg[1].text, STR("messages")) ? "messages" : "recipients";

	*out = (struct value){ .type = VALUE_NONE };
	if (read_count(ask, what, who_of(&call->arg[0]), &answer) == PENDING)
		return PENDING;
	if (answer)
		*out = value_number(sum_of(answer, call->arg[2].number));
	return DONE;
}

static enum progress
compute_usual(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;

	*out = (struct value){ .type = VALUE_NONE };
	if (read_count(ask, "messages", who_of(&call->arg[0]), &answer) == PENDING)
		return PENDING;
	if (!answer)
		return DONE;
	*out = (struct value){ .type = VALUE_REAL };
	if (answer->hours_known >= HOURS_KNOWN_LEAST)
		out->real = answer->usual_hour;
	return DONE;
}

static enum progress
compute_surge(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;

	*out = (struct value){ .type = VALUE_NONE };
	if (read_count(ask, "messages", who_of(&call->arg[0]), &answer) == PENDING)
		return PENDING;
	if (!answer)
		return DONE;
	*out = (struct value){ .type = VALUE_REAL };
	if (answer->hours_known >= HOURS_KNOWN_LEAST && answer->usual_hour > 0)
		out->real = (double)answer->hour / answer->usual_hour;
	return DONE;
}

static enum progress
compute_unknown_share(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct volume_conf *conf = ask->conf;
	enum who who = who_of(&call->arg[0]);
	const struct count_answer *taken, *unknown;
	enum progress progress;
	int64_t n_taken, n_unknown;

	*out = (struct value){ .type = VALUE_NONE };
	progress = read_count(ask, "taken", who, &taken);
	if (read_count(ask, "unknown", who, &unknown) == PENDING || progress == PENDING)
		return PENDING;
	if (!taken || !unknown)
		return DONE;
	n_taken = sum_of(taken, call->arg[1].number);
	n_unknown = sum_of(unknown, call->arg[1].number);
	*out = value_number(0);
	if (n_unknown > 0 && n_taken + n_unknown >= conf->unknown_from)
		out->number = 100 * n_unknown / (n_taken + n_unknown);
	return DONE;
}

/* --- plans ------------------------------------------------------------------------------------ */

enum quota { QUOTA_NONE, QUOTA_OK, QUOTA_NEAR, QUOTA_OVER };
static const char *const quota_words[] = { "none", "ok", "near", "over", NULL };

struct use {
	const struct plan *plan; /* NULL: none applies */
	enum quota quota;
	bool counted;        /* used, limit are known: the plan has limits */
	int64_t used, limit; /* of the limit that is nearest */
	int64_t free;        /* seconds until it is no longer over, at most */
	bool failed;         /* the store did not answer */
};

static const struct plan *
plan_in_force(const struct session *s)
{
	return s->plans ? plan_of(s->plans, s->account, &s->client_ip) : NULL;
}

/* A plan for an account counts the account's mail, one for clients that of each address. */
static enum who
who_pays(const struct session *s, const struct plan *plan)
{
	struct value account = value_text(s->account);
	struct value client = { .type = VALUE_IP, .ip = s->client_ip };

	if (s->account.n == 0)
		return WHO_CLIENT;
	if (plan->accounts && list_has(plan->accounts, &account))
		return WHO_ACCOUNT;
	return plan->clients && list_has(plan->clients, &client) ? WHO_CLIENT : WHO_ACCOUNT;
}

/* Recipients of this transaction, with the one that is being decided. */
static int64_t
recipients_now(const struct ask *ask)
{
	const struct transaction *txn = &ask->session->txn;

	return (int64_t)txn->n_accepted + (ask->step == STEP_MESSAGE ? 0 : 1);
}

static int64_t
window_seconds(enum plan_window window)
{
	switch (window) {
	case PLAN_MINUTE:
		return MINUTE;
	case PLAN_HOUR:
		return HOUR;
	case PLAN_DAY:
		return DAY;
	}
	return DAY;
}

static enum quota
quota_of(const struct plan *plan, int64_t with_this, int64_t limit)
{
	if (with_this > limit)
		return QUOTA_OVER;
	return with_this * 100 >= limit * plan->warn_percent ? QUOTA_NEAR : QUOTA_OK;
}

static void
use_limit(struct use *use, const struct plan_limit *limit, int64_t used, int64_t adds)
{
	int64_t window = window_seconds(limit->window);
	enum quota quota = quota_of(use->plan, used + adds, limit->most);

	/* Sums fall as what is in them gets old; when, the sum does not say: at the latest, now
	 * plus all of the window. */
	if (quota == QUOTA_OVER && window > use->free)
		use->free = window;
	if (quota > use->quota)
		use->quota = quota;
	/* used / limit, compared without dividing */
	if (!use->counted ||
	    (double)used * (double)use->limit > (double)use->used * (double)limit->most) {
		use->used = used;
		use->limit = limit->most;
	}
	use->counted = true;
}

static enum progress
quota_look(struct ask *ask, struct use *use)
{
	const struct plan *plan = plan_in_force(ask->session);
	const struct count_answer *messages, *recipients;
	enum progress progress;
	enum who who;

	*use = (struct use){ .plan = plan };
	if (!plan)
		return DONE;
	use->quota = QUOTA_OK;
	if (plan->recipients_per_message > 0 && recipients_now(ask) > plan->recipients_per_message)
		use->quota = QUOTA_OVER;
	if (plan->n_limits == 0)
		return DONE;
	who = who_pays(ask->session, plan);
	progress = read_count(ask, "messages", who, &messages);
	if (read_count(ask, "recipients", who, &recipients) == PENDING || progress == PENDING)
		return PENDING;
	if (!messages || !recipients) {
		use->failed = true;
		return DONE;
	}
	for (size_t i = 0; i < plan->n_limits; i++) {
		const struct plan_limit *limit = &plan->limit[i];
		bool of_messages = limit->what == PLAN_MESSAGES;

		use_limit(use, limit,
		    sum_of(of_messages ? messages : recipients, window_seconds(limit->window)),
		    of_messages ? 1 : recipients_now(ask));
	}
	return DONE;
}

static enum progress
compute_quota(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	if (quota_look(ask, &use) == PENDING)
		return PENDING;
	*out = value_symbol(quota_words[use.quota]);
	if (use.failed && use.quota != QUOTA_OVER)
		*out = (struct value){ .type = VALUE_NONE };
	return DONE;
}

static enum progress
compute_quota_used(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (quota_look(ask, &use) == PENDING)
		return PENDING;
	if (use.counted)
		*out = value_number(use.used);
	return DONE;
}

static enum progress
compute_quota_limit(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (quota_look(ask, &use) == PENDING)
		return PENDING;
	if (use.counted)
		*out = value_number(use.limit);
	return DONE;
}

static enum progress
compute_quota_free(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (quota_look(ask, &use) == PENDING)
		return PENDING;
	if (use.plan && !use.failed)
		*out = (struct value){ .type = VALUE_DURATION, .number = use.free };
	return DONE;
}

static enum progress
compute_quota_plan(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct plan *plan = plan_in_force(ask->session);

	*out = (struct value){ .type = VALUE_NONE };
	if (plan)
		*out = value_text(plan->name);
	return DONE;
}

static enum progress
compute_recipients_allowed(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct plan *plan = plan_in_force(ask->session);

	*out = value_number(plan ? plan->recipients_per_message : 0);
	return DONE;
}

/* --- counting --------------------------------------------------------------------------------- */

/*
 * A session may ask so many questions only, so that the recipients of a long transaction are not
 * counted one by one. What a client that guesses gets for it is at most a half that is not counted.
 */
static bool
is_due(unsigned n)
{
	return n <= COUNTED_SINGLY || (n & (n - 1)) == 0;
}

/* n tells this addition apart from others of the transaction. */
static void
count(struct ask *ask, const char *what, enum who who, int64_t add, unsigned n)
{
	const struct count_answer *nobody_waits;
	struct str key;

	if (add > 0 && rate_key(ask, what, who, &key))
		(void)ask_count_nth(ask, key, add, n, &nobody_waits);
}

static void
count_recipients(struct ask *ask, const char *what, unsigned n, unsigned *counted)
{
	unsigned add = n - *counted;

	*counted = n;
	count(ask, what, WHO_CLIENT, add, n);
	count(ask, what, WHO_NETWORK, add, n);
}

static struct tally *
tally_of(struct ask *ask)
{
	if (!*ask->state)
		*ask->state = ARENA_NEW(ask->session->txn.arena, struct tally);
	return *ask->state;
}

static void
count_message(struct ask *ask, struct tally *tally)
{
	for (int who = 0; who < WHO_COUNT; who++) {
		count(ask, "messages", who, 1, 0);
		count(ask, "recipients", who, (int64_t)ask->session->txn.n_accepted, 0);
	}
	count_recipients(ask, "taken", tally->taken, &tally->taken_counted);
	count_recipients(ask, "unknown", tally->unknown, &tally->unknown_counted);
}

static void
told(struct ask *ask, enum stage_event event)
{
	struct tally *tally;

	if (!ask->state)
		return;
	tally = tally_of(ask);
	switch (event) {
	case EVENT_RCPT_TAKEN:
		if (is_due(++tally->taken))
			count_recipients(ask, "taken", tally->taken, &tally->taken_counted);
		break;
	case EVENT_RCPT_UNKNOWN:
		if (is_due(++tally->unknown))
			count_recipients(ask, "unknown", tally->unknown, &tally->unknown_counted);
		break;
	case EVENT_ACCEPTED:
		count_message(ask, tally);
		break;
	case EVENT_HEADER:
	case EVENT_BODY:
		break;
	}
}

/* --- facts ------------------------------------------------------------------------------------ */

static bool
check_window(const struct value *window, struct err *e)
{
	struct buf text;

	if (window->number == MINUTE || window->number == HOUR || window->number == DAY)
		return true;
	buf_init(&text, 64);
	value_print(window, &text);
	err_set(e, ERR_SYNTAX, "counts are kept for 1m, 1h and 1d; there is none for %.*s",
	    STR_ARG(buf_str(&text)));
	buf_free(&text);
	return false;
}

static bool
check_rate(const struct fact_call *call, struct err *e)
{
	return check_window(&call->arg[2], e);
}

static bool
check_unknown_share(const struct fact_call *call, struct err *e)
{
	return check_window(&call->arg[1], e);
}

/* Guesses are counted against machines: senders and accounts are what they make up. */
static const char *const client_words[] = { "client", "network", NULL };

static const struct fact_param rate_params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = who_words },
	{ .name = "what", .type = VALUE_SYMBOL, .symbols = what_words },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};
static const struct fact_param who_param[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = who_words },
	{ .name = NULL },
};
static const struct fact_param share_params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = client_words },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};

#define COUNTED_FACT \
	.from = STEP_MAIL, .to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .cost = COST_STORE
#define QUOTA_FACT .from = STEP_MAIL, .to = STEP_MESSAGE, .life = LIFE_RECIPIENT, .cost = COST_STORE
#define PLAN_FACT .from = STEP_MAIL, .to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .cost = COST_FREE

static const struct fact_def facts[] = {
	{ .name = "quota",
	    .type = VALUE_SYMBOL,
	    .symbols = quota_words,
	    QUOTA_FACT,
	    .compute = compute_quota,
	    .help = "What the plan of the account, or else of the client, says of this message on "
		    "top of what was taken already; none: there is no plan." },
	{ .name = "quota.free",
	    .type = VALUE_DURATION,
	    QUOTA_FACT,
	    .compute = compute_quota_free,
	    .help = "How long, at most, until the plan is no longer used up." },
	{ .name = "quota.limit",
	    .type = VALUE_NUMBER,
	    QUOTA_FACT,
	    .compute = compute_quota_limit,
	    .help = "The limit of the plan that is nearest." },
	{ .name = "quota.plan",
	    .type = VALUE_TEXT,
	    PLAN_FACT,
	    .compute = compute_quota_plan,
	    .help = "The name of the plan." },
	{ .name = "quota.used",
	    .type = VALUE_NUMBER,
	    QUOTA_FACT,
	    .compute = compute_quota_used,
	    .help = "How much of quota.limit is used, without this message." },
	{ .name = "rate",
	    .type = VALUE_NUMBER,
	    .params = rate_params,
	    COUNTED_FACT,
	    .compute = compute_rate,
	    .check = check_rate,
	    .help = "Messages or recipients that the MTA took in the last 1m, 1h or 1d, without "
		    "this message." },
	{ .name = "recipients.allowed",
	    .type = VALUE_NUMBER,
	    PLAN_FACT,
	    .compute = compute_recipients_allowed,
	    .help = "Recipients that the plan allows a message; 0: any number." },
	{ .name = "surge",
	    .type = VALUE_REAL,
	    .params = who_param,
	    COUNTED_FACT,
	    .compute = compute_surge,
	    .help = "How many times its usual hour the messages of the last hour are; 0: what is "
		    "usual is not known yet." },
	{ .name = "unknown_share",
	    .type = VALUE_NUMBER,
	    .params = share_params,
	    COUNTED_FACT,
	    .compute = compute_unknown_share,
	    .check = check_unknown_share,
	    .help = "Of 100 recipients that the MTA was asked for in the last 1m, 1h or 1d, how "
		    "many it did not know; 0 while only few were asked for." },
	{ .name = "usual",
	    .type = VALUE_REAL,
	    .params = who_param,
	    COUNTED_FACT,
	    .compute = compute_usual,
	    .help = "Messages in an hour that is usual for it; 0: not known yet." },
};

/* --- settings --------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct volume_conf, member)

static const struct setting settings[] = {
	{ "network ipv4", SETTING_NUMBER, AT(network_ipv4), 1, 32, "24", NULL,
	    "So many bits of an IPv4 address make the network that is counted." },
	{ "network ipv6", SETTING_NUMBER, AT(network_ipv6), 1, 128, "64", NULL,
	    "So many bits of an IPv6 address make the network that is counted." },
	{ "unknown from", SETTING_NUMBER, AT(unknown_from), 1, 1000000, "10", NULL,
	    "unknown_share stays 0 until so many recipients were asked for in its window." },
};

extern const struct stage volume_stage;
const struct stage volume_stage = {
	.abi = STAGE_ABI,
	.name = "volume",
	.help = "Counts how much who sends, and compares it with the usual and with plans.",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.settings = settings,
	.n_settings = sizeof(settings) / sizeof(settings[0]),
	.conf_size = sizeof(struct volume_conf),
	.event = told,
};
