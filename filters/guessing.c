/*
 * guessing: how often authentication failed. The front counts, as each failure happens, for the
 * client and for the account that was tried (key.h has the names of the counters); this stage reads.
 */
#include "filters/key.h"
#include "filters/stage.h"

#define MINUTE 60
#define HOUR 3600
#define DAY 86400

static enum progress
compute_failures(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct session *s = ask->session;
	bool client = str_eq(call->arg[0].text, STR("client"));
	const struct count_answer *answer;

	*out = value_number(0);
	if (client ? s->client_ip.version == 0 : s->account.n == 0)
		return DONE;
	if (ask_count(ask,
		client ? key_auth_client(ask->arena, &s->client_ip)
		       : key_auth_account(ask->arena, s->account),
		0, &answer) == PENDING)
		return PENDING;
	if (answer == NULL)
		*out = (struct value){ .type = VALUE_NONE };
	else if (call->arg[1].number == MINUTE)
		out->number = answer->minute;
	else
		out->number = call->arg[1].number == HOUR ? answer->hour : answer->day;
	return DONE;
}

static void
asks(struct costs *costs, const struct fact_call *call)
{
	struct str who = call->arg[0].text;

	cost_store(costs, arena_printf(costs->arena, "auth.failures %.*s", STR_ARG(who)),
	    str_eq(who, STR("client")), 1);
}

static bool
check_failures(const struct fact_call *call, struct err *e)
{
	int64_t window = call->arg[1].number;

	return window == MINUTE || window == HOUR || window == DAY ||
	    err_set(e, ERR_SYNTAX, "counts are kept for 1m, 1h and 1d");
}

static const char *const who_words[] = { "client", "account", NULL };
static const struct fact_param params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = who_words },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};

static const struct fact_def facts[] = {
	{ .name = "auth.failures",
	    .remedy =
		"Check the password that your programs have stored, on every device, and try again later.",
	    .type = VALUE_NUMBER,
	    .params = params,
	    .from = STEP_CONNECT,
	    .to = STEP_MESSAGE,
	    /* Anew once the client has authenticated: before, there was no account. */
	    .life = LIFE_HELO,
	    .cost = COST_STORE,
	    .compute = compute_failures,
	    .asks = asks,
	    .check = check_failures,
	    .help =
		"How many authentications failed in the last 1m, 1h or 1d, of the client (an IPv6 "
		"client is its /64) or, from whomever, for the account that it has authenticated "
		"as." },
};

extern const struct stage guessing_stage;
const struct stage guessing_stage = {
	.abi = STAGE_ABI,
	.name = "guessing",
	.help = "Tells how often authentication failed.",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
};
