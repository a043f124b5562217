/*
 * early: does the client wait for its turn? A server waits for the greeting (RFC 5321 4.3.1) and for
 * the answer to EHLO (RFC 2920 3.1); many programs that send junk do neither. The front watches; here
 * it becomes a fact. Whoever was greeted and waited is remembered, so that rules need to hold the greeting
 * back (`delay`) from strangers only.
 *
 * Row in the store:
 *	early:NETWORK    proven by having waited
 */
#include "filters/stage.h"

#include "filters/key.h"

/* A proven row is written again only when this part of `remember` has passed since. */
#define RENEW_PART 32

struct early_conf {
	int64_t remember;                   /* ms */
	int64_t network_ipv4, network_ipv6; /* bits */
};

static struct str
network_key(struct ask *ask)
{
	const struct early_conf *conf = ask->conf;
	struct str network = key_network(
	    ask->arena, &ask->session->client_ip, conf->network_ipv4, conf->network_ipv6);

	return key_bound(ask->arena, arena_printf(ask->arena, "early:%.*s", STR_ARG(network)));
}

static struct seen_question
seen_question(const struct early_conf *conf)
{
	return (struct seen_question){ .remember = conf->remember / 1000, .look_only = true };
}

static bool
has_passed(const struct seen_answer *answer)
{
	return answer && answer->state == SEEN_PROVEN;
}

static enum progress
compute_passed(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct seen_question q = seen_question(ask->conf);
	const struct seen_answer *answer;

	*out = (struct value){ .type = VALUE_NONE };
	if (ask_seen(ask, network_key(ask), &q, &answer) == PENDING)
		return PENDING;
	if (answer)
		*out = value_bool(has_passed(answer));
	return DONE;
}

/* Written down on the way: to be asked for is what makes the fact worth remembering. */
static enum progress
remember(struct ask *ask)
{
	struct seen_question q = seen_question(ask->conf);
	const struct seen_answer *answer;

	if (ask_seen(ask, network_key(ask), &q, &answer) == PENDING)
		return PENDING;
	if (!answer || (has_passed(answer) && ask->now - answer->last <= q.remember / RENEW_PART))
		return DONE;
	q.look_only = false;
	q.prove = true;
	return ask_seen(ask, network_key(ask), &q, &answer);
}

static enum progress
compute_early(struct ask *ask, const struct fact_call *call, struct value *out)
{
	enum turn turn = ask->session->turn;
	unsigned failures = ask->failures;

	*out = (struct value){ .type = VALUE_NONE };
	if (turn == TURN_UNKNOWN)
		return DONE;
	if (turn == TURN_KEPT && remember(ask) == PENDING)
		return PENDING;
	/* What was seen does not depend on whether it could be written down. */
	ask->failures = failures;
	*out = value_bool(turn == TURN_BROKEN);
	return DONE;
}

static void
asks_passed(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	cost_store(costs, STR("client.passed"), 1, 1);
}

/* Who kept its turn is looked up, and written down when that is due. */
static void
asks_early(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	cost_store(costs, STR("client.passed"), 0, 1);
	cost_store(costs, STR("client.early"), 0, 1);
}

#define WAIT_YOUR_TURN \
	"Let the program that sends your mail wait for the server's greeting before it speaks, as SMTP wants it."

static const struct fact_def facts[] = {
	{
	    .name = "client.early",
	    .remedy = WAIT_YOUR_TURN,
	    .type = VALUE_BOOL,
	    .from = STEP_HELO,
	    .to = STEP_MESSAGE,
	    .life = LIFE_HELO,
	    .cost = COST_STORE,
	    .compute = compute_early,
	    .asks = asks_early,
	    .help = "Whether the client spoke before the greeting, or went on before EHLO was "
		    "answered. Unknown in the milter front, which does not see it.",
	},
	{
	    .name = "client.passed",
	    .remedy = WAIT_YOUR_TURN,
	    .type = VALUE_BOOL,
	    .from = STEP_CONNECT,
	    .to = STEP_MESSAGE,
	    .life = LIFE_SESSION,
	    .cost = COST_STORE,
	    .compute = compute_passed,
	    .asks = asks_passed,
	    .help = "Whether a client of this network has waited for its turn before, as far as "
		    "rules asked for client.early then.",
	},
};

static const struct setting settings[] = {
	{ .name = "remember",
	    .type = SETTING_DURATION,
	    .offset = offsetof(struct early_conf, remember),
	    .least = 60000,
	    .most = INT64_C(365) * 86400000,
	    .fallback = "30d",
	    .help =
		"How long a network that waited for its turn is remembered, from its last time." },
	{ .name = "network ipv4",
	    .type = SETTING_NUMBER,
	    .offset = offsetof(struct early_conf, network_ipv4),
	    .least = 8,
	    .most = 32,
	    .fallback = "32",
	    .help = "How many bits of an IPv4 address make the network that is remembered." },
	{ .name = "network ipv6",
	    .type = SETTING_NUMBER,
	    .offset = offsetof(struct early_conf, network_ipv6),
	    .least = 16,
	    .most = 128,
	    .fallback = "64",
	    .help = "The same for IPv6." },
};

extern const struct stage early_stage;
const struct stage early_stage = {
	.abi = STAGE_ABI,
	.name = "early",
	.help = "Says whether the client waits for its turn, and remembers who does.",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.settings = settings,
	.n_settings = sizeof(settings) / sizeof(settings[0]),
	.conf_size = sizeof(struct early_conf),
};
