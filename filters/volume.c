/*
 * volume: how much who sends. What the MTA took is counted, for the client, its network, the
 * sender's domain and the account; recipients that the MTA does not know are counted for the
 * client and its network. From the counts come rates, a comparison with the usual, and how much
 * of a plan is used.
 *
 * Counters in the store:
 *	rate:messages:client:192.0.2.1      messages; also of network, sender, account, helo, recipient
 *	rate:recipients:client:192.0.2.1    their recipients; the same
 *	rate:bounces:client:192.0.2.1       messages of <>, apart; the same
 *	rate:internal:client:192.0.2.1      messages among ourselves, apart; the same
 *	rate:taken:client:192.0.2.1         recipients that the MTA took; also of network
 *	rate:unknown:client:192.0.2.1       recipients that it refused for good; also of network
 */
#include "filters/volume.h"

#include "filters/key.h"

/* An hour is called usual from so many active hours on. */
#define HOURS_KNOWN_LEAST 3
/* Recipients of a transaction that are counted one by one; then at each power of two. */
#define COUNTED_SINGLY 16

struct volume_conf {
	int64_t network_ipv4, network_ipv6; /* bits */
	int64_t unknown_from;               /* recipients tried */
};

/* In the order of enum volume_who. */
static const char *const who_words[] = { "client", "network", "sender", "account", "helo",
	"recipient", NULL };
static const char *const what_words[] = { "messages", "recipients", "bounces", "internal", NULL };

/* --- keys ------------------------------------------------------------------------------------- */

/* An empty text: there is no such one in this session. */
static struct str
who_text(struct ask *ask, enum volume_who who)
{
	const struct session *s = ask->session;
	const struct volume_conf *conf = ask->conf;
	const struct recipient *recipient;

	switch (who) {
	case VOLUME_CLIENT:
		if (s->client_ip.version == 0)
			return STR("");
		return arena_dup(ask->arena, str_of(IP_TEXT(&s->client_ip)));
	case VOLUME_NETWORK:
		if (s->client_ip.version == 0)
			return STR("");
		return key_network(
		    ask->arena, &s->client_ip, conf->network_ipv4, conf->network_ipv6);
	case VOLUME_SENDER:
		return arena_lower(ask->arena, s->txn.sender.domain);
	case VOLUME_ACCOUNT:
		/* Lists of plans have no case, and most mail servers: who changes it is the same. */
		return arena_lower(ask->arena, s->account);
	case VOLUME_HELO:
		return arena_lower(ask->arena, s->helo);
	case VOLUME_RECIPIENT:
		recipient = session_recipient(s);
		return recipient ? recipient->key : STR("");
	case VOLUME_COUNT:
		break;
	}
	return STR("");
}

static struct str
key_of(struct ask *ask, const char *what, enum volume_who who, struct str text)
{
	return key_bound(ask->arena,
	    arena_printf(ask->arena, "rate:%s:%s:%.*s", what, who_words[who], STR_ARG(text)));
}

bool
volume_key(struct ask *ask, const char *what, enum volume_who who, struct str *key)
{
	struct str text = who_text(ask, who);

	if (text.n == 0)
		return false;
	*key = key_of(ask, what, who, text);
	return true;
}

static enum volume_who
who_of(const struct value *word)
{
	for (int i = 0; i < VOLUME_COUNT; i++) {
		if (str_eq(word->text, str_of(who_words[i])))
			return i;
	}
	return VOLUME_COUNT;
}

enum progress
volume_read(struct ask *ask, const char *what, enum volume_who who, const struct count_answer **out)
{
	struct str key;

	*out = NULL;
	if (who == VOLUME_RECIPIENT && volume_tally(ask))
		volume_tally(ask)->recipient_asked = true;
	if (!volume_key(ask, what, who, &key))
		return DONE;
	return ask_count(ask, key, 0, out);
}

int64_t
volume_sum(const struct count_answer *answer, int64_t window)
{
	switch (window) {
	case VOLUME_MINUTE:
		return answer->minute;
	case VOLUME_HOUR:
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
	size_t what = 0;

	while (what_words[what + 1] && !str_eq(call->arg[1].text, str_of(what_words[what])))
		what++;
	*out = (struct value){ .type = VALUE_NONE };
	if (volume_read(ask, what_words[what], who_of(&call->arg[0]), &answer) == PENDING)
		return PENDING;
	if (answer)
		*out = value_number(volume_sum(answer, call->arg[2].number));
	return DONE;
}

static enum progress
compute_usual(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;

	*out = (struct value){ .type = VALUE_NONE };
	if (volume_read(ask, "messages", who_of(&call->arg[0]), &answer) == PENDING)
		return PENDING;
	if (!answer)
		return DONE;
	*out = (struct value){ .type = VALUE_REAL };
	if (answer->hours_known >= HOURS_KNOWN_LEAST)
		out->real = (double)answer->usual / 8;
	return DONE;
}

static enum progress
compute_surge(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;

	*out = (struct value){ .type = VALUE_NONE };
	if (volume_read(ask, "messages", who_of(&call->arg[0]), &answer) == PENDING)
		return PENDING;
	if (!answer)
		return DONE;
	*out = (struct value){ .type = VALUE_REAL };
	if (answer->hours_known >= HOURS_KNOWN_LEAST && answer->usual_high > 0)
		out->real = (double)answer->hour / (double)answer->usual_high;
	return DONE;
}

static enum progress
compute_unknown_share(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct volume_conf *conf = ask->conf;
	enum volume_who who = who_of(&call->arg[0]);
	const struct count_answer *taken, *unknown;
	enum progress progress;
	int64_t n_taken, n_unknown;

	*out = (struct value){ .type = VALUE_NONE };
	progress = volume_read(ask, "taken", who, &taken);
	if (volume_read(ask, "unknown", who, &unknown) == PENDING || progress == PENDING)
		return PENDING;
	if (!taken || !unknown)
		return DONE;
	n_taken = volume_sum(taken, call->arg[1].number);
	n_unknown = volume_sum(unknown, call->arg[1].number);
	*out = value_number(0);
	if (n_unknown > 0 && n_taken + n_unknown >= conf->unknown_from)
		out->number = 100 * n_unknown / (n_taken + n_unknown);
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
count_key(struct ask *ask, struct str key, int64_t add, unsigned n)
{
	const struct count_answer *nobody_waits;

	if (add > 0 && !holds_settle(ask, &volume_tally(ask)->holds, key, add))
		(void)ask_count_nth(ask, key, add, n, &nobody_waits);
}

static void
count(struct ask *ask, const char *what, enum volume_who who, int64_t add, unsigned n)
{
	struct str key;

	if (volume_key(ask, what, who, &key))
		count_key(ask, key, add, n);
}

static void
count_recipients(struct ask *ask, const char *what, unsigned n, unsigned *counted)
{
	unsigned add = n - *counted;

	*counted = n;
	count(ask, what, VOLUME_CLIENT, add, n);
	count(ask, what, VOLUME_NETWORK, add, n);
}

struct tally *
volume_tally(struct ask *ask)
{
	if (!ask->state)
		return NULL;
	if (!*ask->state)
		*ask->state = ARENA_NEW(ask->session->txn.arena, struct tally);
	return *ask->state;
}

bool
volume_ours(const struct session *s, struct str domain)
{
	struct str name = s->hostname;

	if (domain.n == 0 || str_find(domain, '.') == STR_NPOS || domain.n > name.n)
		return false;
	return str_eqcase(str_sub(name, name.n - domain.n, name.n), domain) &&
	    (domain.n == name.n || name.p[name.n - domain.n - 1] == '.');
}

static bool
is_out(const struct session *s)
{
	return s->account.n > 0 || s->trusted;
}

static bool
is_internal(const struct session *s)
{
	if (!is_out(s) || !volume_ours(s, s->txn.sender.domain))
		return false;
	for (const struct recipient *r = s->txn.recipients; r; r = r->next)
		if (r->state == RECIPIENT_ACCEPTED && !volume_ours(s, r->mailbox.domain))
			return false;
	return true;
}

/*
 * What a plan limits counts in full: who pays must not get round it by an empty sender. Of all other mail bounces and
 * what we write to each other are apart, so that they make nobody look busy.
 */
static const char *
kind_of(const struct session *s)
{
	if (quota_applies(s))
		return "messages";
	if (s->txn.sender.address.n == 0)
		return "bounces";
	return is_internal(s) ? "internal" : "messages";
}

/* Of each accepted recipient one message. */
static void
count_each_recipient(struct ask *ask, const char *kind)
{
	for (const struct recipient *r = ask->session->txn.recipients; r; r = r->next)
		if (r->state == RECIPIENT_ACCEPTED && r->key.n > 0)
			count_key(ask, key_of(ask, kind, VOLUME_RECIPIENT, r->key), 1, 0);
}

static void
count_message(struct ask *ask, struct tally *tally)
{
	const char *kind = kind_of(ask->session);

	for (int who = 0; who < VOLUME_RECIPIENT; who++) {
		count(ask, kind, who, 1, 0);
		if (strcmp(kind, "messages") == 0)
			count(ask, "recipients", who, (int64_t)ask->session->txn.n_accepted, 0);
	}
	if (tally->recipient_asked)
		count_each_recipient(ask, kind);
	count_recipients(ask, "taken", tally->taken, &tally->taken_counted);
	count_recipients(ask, "unknown", tally->unknown, &tally->unknown_counted);
	upstream_settle(ask, &tally->holds);
}

static void
told(struct ask *ask, enum stage_event event)
{
	struct tally *tally;

	/* What is over without anything asked or counted has no tally, and needs none. */
	if (!ask->state || (event == EVENT_OVER && !*ask->state))
		return;
	tally = volume_tally(ask);
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
		holds_keep(ask, &tally->holds, HOLD_LASTS, HOLD_RENEW);
		break;
	case EVENT_OFFERED:
		holds_keep(ask, &tally->holds, HOLD_OFFERED, 0);
		break;
	case EVENT_OVER:
		holds_free(ask, &tally->holds);
		break;
	}
}

static enum progress
compute_direction(struct ask *ask, const struct fact_call *call, struct value *out)
{
	(void)call;
	*out = value_symbol(is_out(ask->session) ? "out" : "in");
	return DONE;
}

/* --- facts ------------------------------------------------------------------------------------ */

static bool
check_window(const struct value *window, struct err *e)
{
	struct buf text;

	if (window->number == VOLUME_MINUTE || window->number == VOLUME_HOUR ||
	    window->number == VOLUME_DAY)
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

static const char *const direction_words[] = { "in", "out", NULL };
static const struct fact_param upstream_params[] = {
	{ .name = "name", .type = VALUE_TEXT },
	{ .name = NULL },
};
#define UPSTREAM_FACT .params = upstream_params, QUOTA_FACT

static const struct fact_def facts[] = {
	{ .name = "direction",
	    .type = VALUE_SYMBOL,
	    .symbols = direction_words,
	    PLAN_FACT,
	    .compute = compute_direction,
	    .help = "out: from an account or a trusted client; in: from anybody else." },
	{ .name = "quota",
	    .type = VALUE_SYMBOL,
	    .symbols = quota_words,
	    QUOTA_FACT,
	    .compute = quota_compute,
	    .help = "What the plan of the account, or else of the client, says of this message on "
		    "top of what was taken already; none: there is no plan." },
	{ .name = "quota.free",
	    .type = VALUE_DURATION,
	    QUOTA_FACT,
	    .compute = quota_compute_free,
	    .help =
		"How long until the plan has room for this message again: to the second, or at "
		"most, while others that it waits for are under way; 0: it has, or never will." },
	{ .name = "quota.limit",
	    .type = VALUE_NUMBER,
	    QUOTA_FACT,
	    .compute = quota_compute_limit,
	    .help = "The limit of the plan that is nearest." },
	{ .name = "quota.plan",
	    .type = VALUE_TEXT,
	    PLAN_FACT,
	    .compute = quota_compute_plan,
	    .help = "The name of the plan." },
	{ .name = "quota.used",
	    .type = VALUE_NUMBER,
	    QUOTA_FACT,
	    .compute = quota_compute_used,
	    .help =
		"How much of quota.limit is used, with what others hold that are under way, and "
		"without this message." },
	{ .name = "quota.warning",
	    .type = VALUE_NUMBER,
	    QUOTA_FACT,
	    .compute = quota_compute_warning,
	    .help = "The highest percentage of the plan's `warn at` that is reached with this "
		    "message; 0: none." },
	{ .name = "rate",
	    .type = VALUE_NUMBER,
	    .params = rate_params,
	    QUOTA_FACT,
	    .compute = compute_rate,
	    .check = check_rate,
	    .help = "Messages, their recipients, bounces or internal mail that the MTA took in the "
		    "last 1m, 1h or 1d, without this message." },
	{ .name = "recipients.allowed",
	    .type = VALUE_NUMBER,
	    PLAN_FACT,
	    .compute = quota_compute_recipients,
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
	{ .name = "upstream",
	    .type = VALUE_SYMBOL,
	    .symbols = quota_words,
	    UPSTREAM_FACT,
	    .compute = upstream_compute,
	    .help = "What our own plan at that provider says of this message, as quota does." },
	{ .name = "upstream.free",
	    .type = VALUE_DURATION,
	    UPSTREAM_FACT,
	    .compute = upstream_compute_free,
	    .help = "How long until it has room for this message again, as quota.free." },
	{ .name = "upstream.limit",
	    .type = VALUE_NUMBER,
	    UPSTREAM_FACT,
	    .compute = upstream_compute_limit,
	    .help = "Its limit that is nearest, less what is reserved." },
	{ .name = "upstream.used",
	    .type = VALUE_NUMBER,
	    UPSTREAM_FACT,
	    .compute = upstream_compute_used,
	    .help = "How much of upstream.limit is used, as quota.used." },
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
