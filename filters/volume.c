/*
 * volume: how much who sends. What the MTA took is counted, for the client, its network, the
 * sender's domain, the name in HELO and the account; recipients that the MTA does not know are counted for the
 * client, its network and the account. From the counts come rates, a comparison with the usual, and how much
 * of a plan is used. Each counter costs the db thread a reading and a writing for each message, so that there are only those
 * which rules or plans can ask for, and an account's.
 *
 * Counters in the store:
 *	rate:messages:client:192.0.2.1      messages; also of network, sender, account, helo, claimed, recipient
 *	rate:recipients:client:192.0.2.1    their recipients; the same
 *	rate:bounces:client:192.0.2.1       messages of <>, apart; the same
 *	rate:internal:client:192.0.2.1      messages among ourselves, apart; the same
 *	rate:taken:client:192.0.2.1         recipients that the MTA took; also of network and account
 *	rate:unknown:client:192.0.2.1       recipients that it refused for good; the same
 *	rate:networks:account:alice         networks from which it sent for the first time
 */
#include "filters/volume.h"

/* Recipients of a transaction that are counted one by one; then at each power of two. */
#define COUNTED_SINGLY 16

static const char *const what_words[] = { "messages", "recipients", "bounces", "internal", NULL };

/* --- which counters there are ------------------------------------------------------------------- */

static unsigned
bit_of(const char *what)
{
	static const char *const words[] = { "messages", "recipients", "bounces", "internal",
		"taken", "unknown" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], what) == 0)
			return 1u << i;
	return 0;
}

/* An account's are always there: they are few, and who makes a plan for it wants to know what it sent. */
static bool
is_wanted(const struct ask *ask, const char *what, enum volume_who who)
{
	const struct volume_conf *conf = ask->conf;
	const struct plans *plans = ask->session->plans;
	unsigned bit = bit_of(what);

	if (who == VOLUME_ACCOUNT || (conf->asked[who] & bit) != 0)
		return true;
	return who == VOLUME_CLIENT && plans && plans->n > 0 &&
	    (bit & (bit_of("messages") | bit_of("recipients"))) != 0;
}

static void
note_asked(struct ask *ask, const char *what, enum volume_who who)
{
	struct tally *tally = volume_tally(ask);

	if (tally && who == VOLUME_RECIPIENT)
		tally->recipient_asked = true;
	if (tally && who == VOLUME_CLAIMED)
		tally->claimed_asked = true;
	if (tally && who == VOLUME_ACCOUNT && strcmp(what, "unknown") == 0)
		tally->guesses_asked = true;
}

enum progress
volume_read(struct ask *ask, const char *what, enum volume_who who, const struct count_answer **out)
{
	struct str text;

	*out = NULL;
	note_asked(ask, what, who);
	if (volume_who(ask, who, &text) == PENDING)
		return PENDING;
	return text.n > 0 ? ask_count(ask, volume_key_of(ask, what, who, text), 0, out) : DONE;
}

struct value
volume_sum(const struct count_answer *a, int64_t window)
{
	switch (window) {
	case VOLUME_MINUTE:
		return value_range(a->minute, a->minute + a->spread.minute);
	case VOLUME_HOUR:
		return value_range(a->hour, a->hour + a->spread.hour);
	default:
		return value_range(a->day, a->day + a->spread.day);
	}
}

/* --- rates ------------------------------------------------------------------------------------ */

static const char *
what_of(const struct value *word)
{
	size_t what = 0;

	while (what_words[what + 1] && !str_eq(word->text, str_of(what_words[what])))
		what++;
	return what_words[what];
}

static enum progress
compute_rate(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;

	*out = (struct value){ .type = VALUE_NONE };
	if (volume_read(ask, what_of(&call->arg[1]), volume_who_of(&call->arg[0]), &answer) ==
	    PENDING)
		return PENDING;
	if (answer)
		*out = volume_sum(answer, call->arg[2].number);
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

void
volume_count(struct ask *ask, const char *what, enum volume_who who, int64_t add, unsigned n)
{
	struct str key;

	if (is_wanted(ask, what, who) && volume_key(ask, what, who, &key))
		count_key(ask, key, add, n);
}

static void
count_recipients(struct ask *ask, const char *what, unsigned n, unsigned *counted)
{
	unsigned add = n - *counted;

	*counted = n;
	volume_count(ask, what, VOLUME_CLIENT, add, n);
	volume_count(ask, what, VOLUME_NETWORK, add, n);
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
is_internal(const struct session *s)
{
	if (!volume_is_out(s) || !volume_ours(s, s->txn.sender.domain))
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
			count_key(ask, volume_key_of(ask, kind, VOLUME_RECIPIENT, r->key), 1, 0);
}

static void
count_message(struct ask *ask, struct tally *tally)
{
	const char *kind = kind_of(ask->session);

	for (int who = 0; who < VOLUME_RECIPIENT; who++) {
		if (who == VOLUME_CLAIMED && !tally->claimed_asked)
			continue;
		volume_count(ask, kind, who, 1, 0);
		if (strcmp(kind, "messages") == 0)
			volume_count(
			    ask, "recipients", who, (int64_t)ask->session->txn.n_accepted, 0);
	}
	if (tally->recipient_asked)
		count_each_recipient(ask, kind);
	count_recipients(ask, "taken", tally->taken, &tally->taken_counted);
	count_recipients(ask, "unknown", tally->unknown, &tally->unknown_counted);
	different_count(ask, tally);
	met_remember(ask, tally);
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
	case EVENT_REFUSED:
		break;
	case EVENT_OVER:
		/* An account is told by what it does over days, so that once a transaction is soon enough. */
		if (tally->guesses_asked) {
			volume_count(ask, "taken", VOLUME_ACCOUNT, tally->taken, 0);
			volume_count(ask, "unknown", VOLUME_ACCOUNT, tally->unknown, 0);
		}
		holds_free(ask, &tally->holds);
		break;
	}
}

static enum progress
compute_direction(struct ask *ask, const struct fact_call *call, struct value *out)
{
	(void)call;
	*out = value_symbol(volume_is_out(ask->session) ? "out" : "in");
	return DONE;
}

/* --- facts ------------------------------------------------------------------------------------ */

bool
volume_check_window(const struct value *window, struct err *e)
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

static void
asked(void *conf, const struct fact_call *call)
{
	unsigned *mask = ((struct volume_conf *)conf)->asked;
	const struct fact_def *def = call->entry->def;
	unsigned bits = 0;

	if (def->compute == compute_rate)
		bits = bit_of(what_of(&call->arg[1]));
	else if (def->compute == usual_compute || def->compute == usual_compute_surge ||
	    def->compute == usual_compute_words)
		bits = bit_of("messages");
	else if (def->compute == unknown_compute || def->compute == unknown_compute_surge ||
	    def->compute == unknown_compute_usual)
		bits = bit_of("taken") | bit_of("unknown");
	if (bits != 0)
		mask[volume_who_of(&call->arg[0])] |= bits;
}

static bool
check_rate(const struct fact_call *call, struct err *e)
{
	return volume_check_window(&call->arg[2], e);
}

static bool
check_share(const struct fact_call *call, struct err *e)
{
	return volume_check_window(&call->arg[1], e);
}

/* Who tries; senders are what it makes up. */
static const char *const client_words[] = { "client", "network", "account", NULL };
static const char *const many_words[] = { "client", "network", "sender", "account", "helo", NULL };

static const struct fact_param rate_params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = volume_words },
	{ .name = "what", .type = VALUE_SYMBOL, .symbols = what_words },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};
static const struct fact_param different_params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = many_words },
	{ .name = "what", .type = VALUE_SYMBOL, .symbols = different_words },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};
static const struct fact_param who_param[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = volume_words },
	{ .name = NULL },
};
static const struct fact_param client_param[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = client_words },
	{ .name = NULL },
};
static const struct fact_param share_params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = client_words },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};
static const struct fact_param met_param[] = {
	{ .name = "who", .type = VALUE_SYMBOL, .symbols = met_words },
	{ .name = NULL },
};

#define QUOTA_FACT .from = STEP_MAIL, .to = STEP_MESSAGE, .life = LIFE_RECIPIENT, .cost = COST_STORE
#define PLAN_FACT .from = STEP_MAIL, .to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .cost = COST_FREE

static const char *const direction_words[] = { "in", "out", NULL };
static const struct fact_param upstream_params[] = {
	{ .name = "name", .type = VALUE_TEXT },
	{ .name = NULL },
};
#define UPSTREAM_FACT .params = upstream_params, QUOTA_FACT

#define UPSTREAM_REMEDY \
	"Nothing, if a mail server sent it: it tries again by itself. A mail program has to send " \
	"it again later."
#define SLOWER \
	"Send more slowly. If it was not you who sent so much, somebody uses your account or your site: change the passwords."
#define ALLOWANCE \
	"Wait until there is room in your allowance again, send fewer messages, or ask your provider for a larger allowance."
#define CLEAN \
	"Clean your list of recipients: too many of the addresses that ${client.ip} tried do not exist."
#define NEW_HERE \
	"Nobody here has had mail from you before: ask the recipient, in another way than by mail, to have it let in."

static const struct fact_def facts[] = {
	{ .name = "account.suspicious",
	    .remedy =
		"Change the password of the account, on every device: it looks as if somebody else used it. If it was you, send more slowly.",
	    .type = VALUE_BOOL,
	    QUOTA_FACT,
	    .compute = suspicious_compute,
	    .asks = volume_asks_suspicious,
	    .help = "The account sends far more than usual, guesses recipients, or comes from "
		    "several networks that are new; account.suspicious.why says which." },
	{ .name = "account.suspicious.why",
	    .type = VALUE_TEXT,
	    QUOTA_FACT,
	    .compute = suspicious_compute_why,
	    .asks = volume_asks_suspicious,
	    .help = "In words; empty: it is not." },
	{ .name = "direction",
	    .type = VALUE_SYMBOL,
	    .symbols = direction_words,
	    PLAN_FACT,
	    .compute = compute_direction,
	    .help = "out: from an account or a trusted client; in: from anybody else." },
	{ .name = "distinct",
	    .remedy = SLOWER,
	    .type = VALUE_NUMBER,
	    .params = different_params,
	    QUOTA_FACT,
	    .compute = different_compute,
	    .asks = volume_asks_distinct,
	    .check = check_rate,
	    .help = "How many different recipients, senders or networks its messages had in the "
		    "last 1m, 1h or 1d, without this one; exact up to 128 a day." },
	{ .name = "quota",
	    .remedy = ALLOWANCE,
	    .type = VALUE_SYMBOL,
	    .symbols = quota_words,
	    QUOTA_FACT,
	    .compute = quota_compute,
	    .asks = volume_asks_quota,
	    .help = "What the plan of the account, or else of the client, says of this message on "
		    "top of what was taken already; none: there is no plan." },
	{ .name = "quota.free",
	    .type = VALUE_DURATION,
	    QUOTA_FACT,
	    .compute = quota_compute_free,
	    .asks = volume_asks_quota,
	    .help =
		"How long until the plan has room for this message again: to the second, or at "
		"most, while others that it waits for are under way; 0: it has, or never will." },
	{ .name = "quota.limit",
	    .type = VALUE_NUMBER,
	    QUOTA_FACT,
	    .compute = quota_compute_limit,
	    .asks = volume_asks_quota,
	    .help = "The limit of the plan that is nearest." },
	{ .name = "quota.plan",
	    .type = VALUE_TEXT,
	    PLAN_FACT,
	    .compute = quota_compute_plan,
	    .help = "The name of the plan." },
	{ .name = "quota.used",
	    .remedy = ALLOWANCE,
	    .type = VALUE_NUMBER,
	    QUOTA_FACT,
	    .compute = quota_compute_used,
	    .asks = volume_asks_quota,
	    .help =
		"How much of quota.limit is used, with what others hold that are under way, and "
		"without this message." },
	{ .name = "quota.warning",
	    .remedy = ALLOWANCE,
	    .most = 100,
	    .type = VALUE_NUMBER,
	    QUOTA_FACT,
	    .compute = quota_compute_warning,
	    .asks = volume_asks_quota,
	    .help = "The highest percentage of the plan's `warn at` that is reached with this "
		    "message; 0: none." },
	{ .name = "rate",
	    .remedy = "Send more slowly: fewer messages in the same time.",
	    .type = VALUE_NUMBER,
	    .params = rate_params,
	    QUOTA_FACT,
	    .compute = compute_rate,
	    .asks = volume_asks_rate,
	    .check = check_rate,
	    .help = "Messages, their recipients, bounces or internal mail that the MTA took in the "
		    "last 1m, 1h or 1d, without this message." },
	{ .name = "recipients.allowed",
	    .type = VALUE_NUMBER,
	    PLAN_FACT,
	    .compute = quota_compute_recipients,
	    .help = "Recipients that the plan allows a message; 0: any number." },
	{ .name = "seen",
	    .remedy = NEW_HERE,
	    .type = VALUE_BOOL,
	    .params = met_param,
	    QUOTA_FACT,
	    .compute = met_compute,
	    .asks = volume_asks_seen,
	    .help = "A message of this one was accepted before; no: it is the first." },
	{ .name = "seen.first",
	    .remedy = NEW_HERE,
	    .type = VALUE_DURATION,
	    .params = met_param,
	    QUOTA_FACT,
	    .compute = met_compute_first,
	    .asks = volume_asks_seen,
	    .help = "How long ago the first one was accepted; no value: never." },
	{ .name = "surge",
	    .remedy = SLOWER,
	    .type = VALUE_REAL,
	    .params = who_param,
	    QUOTA_FACT,
	    .compute = usual_compute_surge,
	    .asks = volume_asks_messages,
	    .help = "How many times the most that is usual at this hour of the week the messages "
		    "of the last hour are; 0: they are few, or what is usual is not known yet." },
	{ .name = "surge.words",
	    .type = VALUE_TEXT,
	    .params = who_param,
	    QUOTA_FACT,
	    .compute = usual_compute_words,
	    .asks = volume_asks_messages,
	    .help = "The same in words: usual 3 to 9 an hour, now 240." },
	{ .name = "unknown_share",
	    .remedy = CLEAN,
	    .most = 100,
	    .type = VALUE_NUMBER,
	    .params = share_params,
	    QUOTA_FACT,
	    .compute = unknown_compute,
	    .asks = volume_asks_unknown,
	    .check = check_share,
	    .help = "Of 100 recipients that the MTA was asked for in the last 1m, 1h or 1d, how "
		    "many it did not know; 0 while only few were asked for." },
	{ .name = "unknown_share.surge",
	    .remedy = CLEAN,
	    .type = VALUE_REAL,
	    .params = client_param,
	    QUOTA_FACT,
	    .compute = unknown_compute_surge,
	    .asks = volume_asks_unknown,
	    .help = "How many times its own usual share that of the last hour is; 0: it is small, "
		    "or not known." },
	{ .name = "unknown_share.usual",
	    .most = 100,
	    .type = VALUE_NUMBER,
	    .params = client_param,
	    QUOTA_FACT,
	    .compute = unknown_compute_usual,
	    .asks = volume_asks_unknown,
	    .help = "The share of unknown recipients in its past, from yesterday back; no value: "
		    "not known." },
	{ .name = "upstream",
	    .remedy = UPSTREAM_REMEDY,
	    .type = VALUE_SYMBOL,
	    .symbols = quota_words,
	    UPSTREAM_FACT,
	    .compute = upstream_compute,
	    .asks = volume_asks_upstream,
	    .help = "What our own plan at that provider says of this message, as quota does." },
	{ .name = "upstream.free",
	    .type = VALUE_DURATION,
	    UPSTREAM_FACT,
	    .compute = upstream_compute_free,
	    .asks = volume_asks_upstream,
	    .help = "How long until it has room for this message again, as quota.free." },
	{ .name = "upstream.limit",
	    .type = VALUE_NUMBER,
	    UPSTREAM_FACT,
	    .compute = upstream_compute_limit,
	    .asks = volume_asks_upstream,
	    .help = "Its limit that is nearest, less what is reserved." },
	{ .name = "upstream.used",
	    .remedy = UPSTREAM_REMEDY,
	    .type = VALUE_NUMBER,
	    UPSTREAM_FACT,
	    .compute = upstream_compute_used,
	    .asks = volume_asks_upstream,
	    .help = "How much of upstream.limit is used, as quota.used." },
	{ .name = "usual",
	    .type = VALUE_REAL,
	    .params = who_param,
	    QUOTA_FACT,
	    .compute = usual_compute,
	    .asks = volume_asks_messages,
	    .help = "Messages that usually come in such an hour of the week; 0: not known yet." },
};

/* --- settings --------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct volume_conf, member)
#define HOUR (3600 * INT64_C(1000))

static const struct setting settings[] = {
	{ "network ipv4", SETTING_NUMBER, AT(network_ipv4), 1, 32, "24", NULL,
	    "So many bits of an IPv4 address make the network that is counted." },
	{ "network ipv6", SETTING_NUMBER, AT(network_ipv6), 1, 128, "64", NULL,
	    "So many bits of an IPv6 address make the network that is counted." },
	{ "unknown from", SETTING_NUMBER, AT(unknown_from), 1, 1000000, "10", NULL,
	    "unknown_share stays 0 until so many recipients were asked for in its window." },
	{ "surge from", SETTING_NUMBER, AT(surge_from), 1, 1000000, "20", NULL,
	    "surge stays 0 until so many messages came in the last hour." },
	{ "surge after", SETTING_DURATION, AT(surge_after), HOUR, 60 * 24 * HOUR, "7d", NULL,
	    "surge and usual stay 0 until the first message is so long ago." },
	{ "remember", SETTING_DURATION, AT(remember), 24 * HOUR, 3650 * 24 * HOUR, "180d", NULL,
	    "Who was seen is forgotten when not seen for this time." },
	{ "suspicious surge", SETTING_NUMBER, AT(suspicious_surge), 1, 1000000, "5", NULL,
	    "An account is suspicious when it sends so many times what is usual." },
	{ "suspicious unknown", SETTING_NUMBER, AT(suspicious_unknown), 1, 100, "30", NULL,
	    "An account is suspicious when so many in 100 of its recipients in an hour are "
	    "unknown." },
	{ "suspicious networks", SETTING_NUMBER, AT(suspicious_networks), 1, 1000, "3", NULL,
	    "An account is suspicious when it sent from so many new networks in a day." },
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
	.asked = asked,
	.event = told,
};
