#include "tests/rules/priced.h"

#include "mail/cost.h"
#include "mail/session.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static priced_compute *given;

void
priced_computed(priced_compute *compute)
{
	given = compute;
}

static enum progress
compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	if (given)
		return given(ask, call, out);
	*out = value_number(1);
	return DONE;
}

static void
asks_one(struct costs *costs, const struct fact_call *call)
{
	cost_dns(costs, str_of(call->entry->def->name), 1, 1);
}

static void
asks_ten(struct costs *costs, const struct fact_call *call)
{
	cost_dns(costs, str_of(call->entry->def->name), 2, 10);
}

/* The same ten, and perhaps one. */
static void
asks_more(struct costs *costs, const struct fact_call *call)
{
	cost_fact(costs, "ten");
	cost_dns(costs, STR("more"), 0, 1);
}

static void
asks_each(struct costs *costs, const struct fact_call *call)
{
	cost_store(costs, STR("common"), 1, 4);
	cost_store_each(costs, STR("of each"), 1, 2);
}

/* A zone a question. */
static void
asks_zone(struct costs *costs, const struct fact_call *call)
{
	cost_dns(costs, call->arg[0].text, 1, 1);
}

static void
asks_header(struct costs *costs, const void *conf)
{
	cost_fact(costs, "late");
}

static const struct fact_param zone[] = { { .name = "zone", .type = VALUE_TEXT },
	{ .name = NULL } };

#define FACT(name_, from_, life_, cost_, asks_) \
	{ \
		.name = name_, .type = VALUE_NUMBER, .from = from_, .to = STEP_MESSAGE, \
		.life = life_, .cost = cost_, .compute = compute, .asks = asks_, .help = "x", \
	}

static const struct fact_def facts[] = {
	FACT("each", STEP_RCPT, LIFE_RECIPIENT, COST_STORE, asks_each),
	FACT("free", STEP_CONNECT, LIFE_SESSION, COST_FREE, NULL),
	FACT("more", STEP_CONNECT, LIFE_SESSION, COST_DNS, asks_more),
	FACT("one", STEP_CONNECT, LIFE_SESSION, COST_DNS, asks_one),
	FACT("secret", STEP_CONNECT, LIFE_SESSION, COST_DNS, NULL),
	FACT("ten", STEP_CONNECT, LIFE_SESSION, COST_DNS, asks_ten),
	FACT("two", STEP_CONNECT, LIFE_SESSION, COST_DNS, asks_one),
	{ .name = "zone",
	    .type = VALUE_NUMBER,
	    .params = zone,
	    .from = STEP_CONNECT,
	    .to = STEP_MESSAGE,
	    .life = LIFE_SESSION,
	    .cost = COST_DNS,
	    .compute = compute,
	    .asks = asks_zone,
	    .help = "x" },
};
static const struct fact_def late_facts[] = { FACT(
    "late", STEP_MESSAGE, LIFE_TRANSACTION, COST_BODY, asks_ten) };

struct config *
priced_load(struct str text, struct complaints *c)
{
	const struct config_part part[] = {
		{ .name = "", .facts = session_facts, .n_facts = n_session_facts },
		{ .name = "priced", .facts = facts, .n_facts = COUNT(facts) },
		[PRICED_LATE] = { .name = "late",
		    .facts = late_facts,
		    .n_facts = COUNT(late_facts),
		    .early = asks_header },
	};
	const struct config_vocabulary vocabulary = { .part = part, .n = COUNT(part) };

	return config_load_text("/etc/t.conf", text, &vocabulary, c);
}
