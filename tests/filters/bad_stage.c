/* Stages that must not be loaded, one for each way of compiling this with -DBAD_... */
#include "filters/stage.h"

static enum progress
compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number(1);
	return DONE;
}

static const struct fact_def facts[] = {
	{ .name = "one", .type = VALUE_NUMBER, .compute = compute },
#ifdef BAD_FACT
	{ .name = "two", .type = VALUE_NUMBER },
#endif
};

#ifdef BAD_SETTINGS
static const struct setting settings[] = { { .name = "nowhere", .type = SETTING_NUMBER } };
#endif

#ifdef BAD_SYMBOL
extern const struct stage another_name;
const struct stage another_name = {
#else
extern const struct stage postern_stage;
const struct stage postern_stage = {
#endif
#ifdef BAD_ABI
	.abi = STAGE_ABI + 1,
#else
	.abi = STAGE_ABI,
#endif
#ifndef BAD_NAME
	.name = "bad",
#endif
	.facts = facts,
#ifndef BAD_FACTS
	.n_facts = sizeof(facts) / sizeof(facts[0]),
#endif
#ifdef BAD_SETTINGS
	.settings = settings,
	.n_settings = 1,
#endif
};
