/*
 * What the facts of the stage can ask, by who and what they are about: counters are groups of one question each, named as in
 * the store, so that facts that read the same one share it.
 */
#include "filters/volume.h"

/* A plan's counters, that of recipients for each number of them: what is taken of it in lots may be refused, and is asked for then. */
#define HOLDS_OF_RECIPIENTS 2

/* Whose domain a sender's is: asked for unless it is one of ours. */
static void
asks_proof(struct costs *costs, enum volume_who who)
{
	if (who != VOLUME_SENDER)
		return;
	cost_fact(costs, "spf");
	if (costs->step >= STEP_MESSAGE)
		cost_fact(costs, "dkim.domains");
}

/* Somebody is there: but for accounts, and domains that may not be proven. */
static unsigned
least_of(enum volume_who who)
{
	return who != VOLUME_ACCOUNT && who != VOLUME_SENDER;
}

static void
asks_counter(struct costs *costs, const char *what, enum volume_who who)
{
	struct str name = arena_printf(costs->arena, "rate %s %s", what, volume_words[who]);

	asks_proof(costs, who);
	if (who == VOLUME_RECIPIENT)
		cost_store_each(costs, name, 1, 1);
	else
		cost_store(costs, name, least_of(who), 1);
}

void
volume_asks_rate(struct costs *costs, const struct fact_call *call)
{
	const char *what = arena_dup(costs->arena, call->arg[1].text).p;

	asks_counter(costs, what, volume_who_of(&call->arg[0]));
}

void
volume_asks_messages(struct costs *costs, const struct fact_call *call)
{
	asks_counter(costs, "messages", volume_who_of(&call->arg[0]));
}

void
volume_asks_unknown(struct costs *costs, const struct fact_call *call)
{
	asks_counter(costs, "unknown", volume_who_of(&call->arg[0]));
	asks_counter(costs, "taken", volume_who_of(&call->arg[0]));
}

void
volume_asks_distinct(struct costs *costs, const struct fact_call *call)
{
	struct str who = call->arg[0].text, what = call->arg[1].text;

	asks_proof(costs, volume_who_of(&call->arg[0]));
	cost_store(costs,
	    arena_printf(costs->arena, "distinct %.*s %.*s", STR_ARG(what), STR_ARG(who)),
	    least_of(volume_who_of(&call->arg[0])), 1);
}

void
volume_asks_seen(struct costs *costs, const struct fact_call *call)
{
	struct str who = call->arg[0].text;
	bool sender = str_starts(who, STR("sender"));

	asks_proof(costs, sender ? VOLUME_SENDER : VOLUME_CLIENT);
	cost_store(costs, arena_printf(costs->arena, "seen %.*s", STR_ARG(who)), sender ? 0 : 1, 1);
}

void
volume_asks_suspicious(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	asks_counter(costs, "messages", VOLUME_ACCOUNT);
	asks_counter(costs, "unknown", VOLUME_ACCOUNT);
	asks_counter(costs, "taken", VOLUME_ACCOUNT);
	asks_counter(costs, "networks", VOLUME_ACCOUNT);
	cost_store(costs, STR("seen account-network"), 0, 1);
}

/* At rcpt each recipient is one more; at mail and message it is asked once, for all of them. */
static void
asks_holds(struct costs *costs, struct str whose, unsigned messages)
{
	struct str one = arena_printf(costs->arena, "%.*s messages", STR_ARG(whose));
	struct str each = arena_printf(costs->arena, "%.*s recipients", STR_ARG(whose));

	cost_store(costs, one, 0, messages);
	if (costs->step == STEP_RCPT)
		cost_store_each(costs, each, 0, HOLDS_OF_RECIPIENTS);
	else
		cost_store(costs,
		    arena_printf(costs->arena, "%.*s at %s", STR_ARG(each), step_name(costs->step)),
		    0, HOLDS_OF_RECIPIENTS);
}

static bool
has_plan(const struct costs *costs)
{
	for (size_t i = 0; costs->plans && i < costs->plans->n; i++)
		if (!costs->plans->plan[i].upstream && costs->plans->plan[i].n_limits > 0)
			return true;
	return false;
}

void
volume_asks_quota(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	if (has_plan(costs))
		asks_holds(costs, STR("quota"), 1);
}

/* Mail to the postmaster alone may take of what is reserved: that is another question. */
void
volume_asks_upstream(struct costs *costs, const struct fact_call *call)
{
	struct str name = call->arg[0].text;
	const struct plan *plan = costs->plans ? plan_upstream(costs->plans, name) : NULL;

	if (plan != NULL && plan->n_limits > 0)
		asks_holds(costs, arena_printf(costs->arena, "upstream %.*s", STR_ARG(name)), 2);
}
