/*
 * refusals: how much of what somebody tries is refused for good, now and in its past. An attempt is a MAIL, a recipient or a message:
 * counted when a rule refuses it or the MTA does, and, as one that went well, when the MTA takes a message. What is deferred
 * is neither. A stage of its own, for it writes to the store for everybody who is turned away: only
 * while a rule can ask for it.
 *
 * Counters in the store: refusals:refused:client:192.0.2.1, refusals:taken:client:192.0.2.1; also of network and account.
 */
#include "filters/key.h"
#include "filters/share.h"
#include "filters/stage.h"

#define MINUTE 60
#define HOUR 3600
#define DAY 86400

struct refusals_conf {
	int64_t network_ipv4, network_ipv6; /* bits */
	int64_t from;                       /* attempts */
};

enum who { WHO_CLIENT, WHO_NETWORK, WHO_ACCOUNT, WHO_COUNT };
static const char *const who_words[] = { "client", "network", "account", NULL };

/* Refusals of one transaction: a session may ask so many questions only, so that many are counted in groups. */
#define COUNTED_SINGLY 16
struct refused {
	unsigned n, counted;
};

/* An empty text: there is nobody. */
static struct str
who_text(struct ask *ask, enum who who)
{
	const struct refusals_conf *conf = ask->conf;
	const struct session *s = ask->session;

	if (who == WHO_ACCOUNT)
		return arena_lower(ask->arena, s->account);
	if (s->client_ip.version == 0)
		return STR("");
	if (who == WHO_CLIENT)
		return arena_dup(ask->arena, str_of(IP_TEXT(&s->client_ip)));
	return key_network(ask->arena, &s->client_ip, conf->network_ipv4, conf->network_ipv6);
}

static bool
key_of(struct ask *ask, const char *what, enum who who, struct str *key)
{
	struct str text = who_text(ask, who);

	if (text.n == 0)
		return false;
	*key = key_bound(ask->arena,
	    arena_printf(ask->arena, "refusals:%s:%s:%.*s", what, who_words[who], STR_ARG(text)));
	return true;
}

/* n tells this addition apart from others of the transaction. */
static void
count(struct ask *ask, const char *what, int64_t add, unsigned n)
{
	const struct count_answer *nobody_waits;
	struct str key;

	for (int who = 0; who < WHO_COUNT; who++)
		if (key_of(ask, what, who, &key))
			(void)ask_count_nth(ask, key, add, n, &nobody_waits);
}

static void
count_refused(struct ask *ask, struct refused *refused)
{
	if (refused->n > refused->counted)
		count(ask, "refused", refused->n - refused->counted, refused->n);
	refused->counted = refused->n;
}

static void
one_more(struct ask *ask)
{
	struct refused *refused;

	if (!*ask->state)
		*ask->state = ARENA_NEW(ask->session->txn.arena, struct refused);
	refused = *ask->state;
	refused->n++;
	if (refused->n <= COUNTED_SINGLY || (refused->n & (refused->n - 1)) == 0)
		count_refused(ask, refused);
}

static void
told(struct ask *ask, enum stage_event event)
{
	if (!ask->state)
		return;
	switch (event) {
	case EVENT_REFUSED:
	case EVENT_RCPT_UNKNOWN:
		one_more(ask);
		break;
	case EVENT_ACCEPTED:
		count(ask, "taken", 1, 0);
		break;
	case EVENT_OVER:
		if (*ask->state)
			count_refused(ask, *ask->state);
		break;
	case EVENT_HEADER:
	case EVENT_BODY:
	case EVENT_RCPT_TAKEN:
	case EVENT_OFFERED:
		break;
	}
}

/* --- facts ------------------------------------------------------------------------------------ */

static enum progress
read_pair(struct ask *ask, const struct fact_call *call, struct share_counts *out)
{
	enum progress progress = DONE;
	struct str refused, taken;
	int who = 0;

	*out = (struct share_counts){ 0 };
	while (who + 1 < WHO_COUNT && !str_eq(call->arg[0].text, str_of(who_words[who])))
		who++;
	if (!key_of(ask, "refused", who, &refused) || !key_of(ask, "taken", who, &taken))
		return DONE;
	progress = ask_count(ask, refused, 0, &out->bad);
	return ask_count(ask, taken, 0, &out->good) == PENDING ? PENDING : progress;
}

static int64_t
least(const struct ask *ask)
{
	const struct refusals_conf *conf = ask->conf;

	return conf->from;
}

static enum progress
compute_share(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct share_counts counts;

	if (read_pair(ask, call, &counts) == PENDING)
		return PENDING;
	*out = share_value(&counts, call->arg[1].number, least(ask));
	return DONE;
}

static enum progress
compute_usual(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct share_counts counts;

	if (read_pair(ask, call, &counts) == PENDING || !share_past_known(&counts))
		return PENDING;
	*out = share_value_usual(&counts, least(ask));
	return DONE;
}

static enum progress
compute_surge(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct share_counts counts;

	if (read_pair(ask, call, &counts) == PENDING || !share_known(&counts))
		return PENDING;
	*out = share_value_surge(&counts, least(ask));
	return DONE;
}

/* Refused, and taken. */
static void
asks(struct costs *costs, const struct fact_call *call)
{
	struct str who = call->arg[0].text;

	cost_store(costs, arena_printf(costs->arena, "refusals %.*s", STR_ARG(who)),
	    str_eq(who, STR("account")) ? 0 : 2, 2);
}

static bool
check_share(const struct fact_call *call, struct err *e)
{
	int64_t window = call->arg[1].number;

	return window == MINUTE || window == HOUR || window == DAY ||
	    err_set(e, ERR_SYNTAX, "refusals are counted for 1m, 1h and 1d");
}

static const struct fact_param share_params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = who_words },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};
static const struct fact_param who_param[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = who_words },
	{ .name = NULL },
};

#define REFUSALS_FACT \
	.from = STEP_MAIL, .to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .cost = COST_STORE, \
	.asks = asks

#define REMEDY \
	"Look at the replies to what ${client.ip} sent before: too much of it was refused. Mend what they name, and send more slowly."

static const struct fact_def facts[] = {
	{ .name = "refused_share",
	    .remedy = REMEDY,
	    .most = 100,
	    .type = VALUE_NUMBER,
	    .params = share_params,
	    REFUSALS_FACT,
	    .compute = compute_share,
	    .check = check_share,
	    .help = "Of 100 attempts in the last 1m, 1h or 1d, how many were refused for good; 0 "
		    "while there were only few." },
	{ .name = "refused_share.surge",
	    .remedy = REMEDY,
	    .type = VALUE_REAL,
	    .params = who_param,
	    REFUSALS_FACT,
	    .compute = compute_surge,
	    .help = "How many times its own usual share that of the last hour is; 0: there were "
		    "too few, now or before." },
	{ .name = "refused_share.usual",
	    .most = 100,
	    .type = VALUE_NUMBER,
	    .params = who_param,
	    REFUSALS_FACT,
	    .compute = compute_usual,
	    .help =
		"The share of refusals in its past, from yesterday back; no value: not known." },
};

#define AT(member) offsetof(struct refusals_conf, member)

static const struct setting settings[] = {
	{ "network ipv4", SETTING_NUMBER, AT(network_ipv4), 1, 32, "24", NULL,
	    "So many bits of an IPv4 address make the network that is counted." },
	{ "network ipv6", SETTING_NUMBER, AT(network_ipv6), 1, 128, "64", NULL,
	    "So many bits of an IPv6 address make the network that is counted." },
	{ "from", SETTING_NUMBER, AT(from), 1, 1000000, "10", NULL,
	    "refused_share stays 0 until there were so many attempts in its window." },
};

extern const struct stage refusals_stage;
const struct stage refusals_stage = {
	.abi = STAGE_ABI,
	.name = "refusals",
	.help = "Counts how much of what somebody tries is refused for good.",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.settings = settings,
	.n_settings = sizeof(settings) / sizeof(settings[0]),
	.conf_size = sizeof(struct refusals_conf),
	.event = told,
};
