/* Of the recipients that the MTA was asked for, how many it does not know. */
#include "filters/volume.h"

static enum progress
read_pair(struct ask *ask, enum volume_who who, struct share_counts *out)
{
	enum progress progress = volume_read(ask, "unknown", who, &out->bad);

	return volume_read(ask, "taken", who, &out->good) == PENDING ? PENDING : progress;
}

static int64_t
least(const struct ask *ask)
{
	const struct volume_conf *conf = ask->conf;

	return conf->unknown_from;
}

enum progress
unknown_share(struct ask *ask, enum volume_who who, int64_t window, int64_t *percent)
{
	struct share_counts counts;
	struct value share;

	*percent = 0;
	if (read_pair(ask, who, &counts) == PENDING)
		return PENDING;
	share = share_value(&counts, window, least(ask));
	if (share.type == VALUE_RANGE)
		return PENDING;
	if (share.type == VALUE_NUMBER)
		*percent = share.number;
	return DONE;
}

enum progress
unknown_compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct share_counts counts;

	if (read_pair(ask, volume_who_of(&call->arg[0]), &counts) == PENDING)
		return PENDING;
	*out = share_value(&counts, call->arg[1].number, least(ask));
	return DONE;
}

enum progress
unknown_compute_usual(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct share_counts counts;

	if (read_pair(ask, volume_who_of(&call->arg[0]), &counts) == PENDING ||
	    !share_past_known(&counts))
		return PENDING;
	*out = share_value_usual(&counts, least(ask));
	return DONE;
}

enum progress
unknown_compute_surge(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct share_counts counts;

	if (read_pair(ask, volume_who_of(&call->arg[0]), &counts) == PENDING ||
	    !share_known(&counts))
		return PENDING;
	*out = share_value_surge(&counts, least(ask));
	return DONE;
}
