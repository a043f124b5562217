#include "filters/volume.h"

/* An hour is called usual from so many finished hours on. */
#define HOURS_KNOWN_LEAST 3

bool
usual_known(const struct ask *ask, const struct count_answer *answer)
{
	const struct volume_conf *conf = ask->conf;

	return answer->hours_known >= HOURS_KNOWN_LEAST && answer->usual_high > 0 &&
	    ask->now - answer->since >= conf->surge_after / 1000;
}

double
usual_surge(const struct ask *ask, const struct count_answer *answer)
{
	const struct volume_conf *conf = ask->conf;

	if (answer->hour < conf->surge_from || !usual_known(ask, answer))
		return 0;
	return (double)answer->hour / (double)answer->usual_high;
}

bool
usual_tells(const struct ask *ask, const struct count_answer *answer)
{
	const struct volume_conf *conf = ask->conf;

	return (count_past_known(answer) && answer->spread.hour == 0) ||
	    answer->hour + answer->spread.hour < conf->surge_from;
}

struct str
usual_in_words(struct ask *ask, const struct count_answer *a)
{
	if (!usual_known(ask, a))
		return arena_printf(ask->arena, "what is usual is not known yet, now %lld an hour",
		    (long long)a->hour);
	if (a->usual_low == a->usual_high)
		return arena_printf(ask->arena, "usual %lld an hour, now %lld",
		    (long long)a->usual_high, (long long)a->hour);
	return arena_printf(ask->arena, "usual %lld to %lld an hour, now %lld",
	    (long long)a->usual_low, (long long)a->usual_high, (long long)a->hour);
}

/* *answer is NULL when there is nothing to say; *out has no value then. */
static enum progress
read_messages(struct ask *ask, const struct fact_call *call, const struct count_answer **answer,
    struct value *out)
{
	*out = (struct value){ .type = VALUE_NONE };
	return volume_read(ask, "messages", volume_who_of(&call->arg[0]), answer);
}

enum progress
usual_compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;

	if (read_messages(ask, call, &answer, out) == PENDING ||
	    (answer && !count_past_known(answer)))
		return PENDING;
	if (answer)
		*out = (struct value){ .type = VALUE_REAL,
			.real = usual_known(ask, answer) ? (double)answer->usual / 8 : 0 };
	return DONE;
}

enum progress
usual_compute_surge(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;

	if (read_messages(ask, call, &answer, out) == PENDING ||
	    (answer && !usual_tells(ask, answer)))
		return PENDING;
	if (answer)
		*out = (struct value){ .type = VALUE_REAL, .real = usual_surge(ask, answer) };
	return DONE;
}

enum progress
usual_compute_words(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct count_answer *answer;

	if (read_messages(ask, call, &answer, out) == PENDING ||
	    (answer && (!count_past_known(answer) || answer->spread.hour > 0)))
		return PENDING;
	if (answer)
		*out = value_text(usual_in_words(ask, answer));
	return DONE;
}
