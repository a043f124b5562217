/*
 * table: the stages that are built in, in the order in which they are told of events. The one
 * line that a new stage needs outside of its own file is here.
 */
#include "filters/stage.h"

extern const struct stage guessing_stage;
extern const struct stage dkim_stage;
extern const struct stage dmarc_stage;
extern const struct stage early_stage;
extern const struct stage geo_stage;
extern const struct stage greylist_stage;
extern const struct stage helo_stage;
extern const struct stage listed_stage;
extern const struct stage mime_stage;
extern const struct stage spf_stage;
extern const struct stage refusals_stage;
extern const struct stage volume_stage;

const struct stage *const stages[] = {
	&early_stage,
	&geo_stage,
	&helo_stage,
	&listed_stage,
	&spf_stage,
	&dkim_stage,
	&dmarc_stage,
	&greylist_stage,
	&volume_stage,
	&refusals_stage,
	&guessing_stage,
	&mime_stage,
};
const size_t n_stages = sizeof(stages) / sizeof(stages[0]);
