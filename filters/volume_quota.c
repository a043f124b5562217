#include "filters/volume.h"

enum quota { QUOTA_NONE, QUOTA_OK, QUOTA_NEAR, QUOTA_OVER };
const char *const quota_words[] = { "none", "ok", "near", "over", NULL };

struct use {
	const struct plan *plan; /* NULL: none applies */
	enum quota quota;
	bool counted;        /* used, limit are known: the plan has limits */
	int64_t used, limit; /* of the limit that is nearest */
	int64_t free;        /* seconds until it is no longer over, at most */
	bool failed;         /* the store did not answer */
};

static const struct plan *
plan_in_force(const struct session *s)
{
	return s->plans ? plan_of(s->plans, s->account, &s->client_ip) : NULL;
}

/* A plan for an account counts the account's mail, one for clients that of each address. */
static enum volume_who
who_pays(const struct session *s, const struct plan *plan)
{
	struct value account = value_text(s->account);
	struct value client = { .type = VALUE_IP, .ip = s->client_ip };

	if (s->account.n == 0)
		return VOLUME_CLIENT;
	if (plan->accounts && list_has(plan->accounts, &account))
		return VOLUME_ACCOUNT;
	return plan->clients && list_has(plan->clients, &client) ? VOLUME_CLIENT : VOLUME_ACCOUNT;
}

/* Recipients of this transaction, with the one that is being decided. */
static int64_t
recipients_now(const struct ask *ask)
{
	const struct transaction *txn = &ask->session->txn;

	return (int64_t)txn->n_accepted + (ask->step == STEP_MESSAGE ? 0 : 1);
}

static int64_t
window_seconds(enum plan_window window)
{
	switch (window) {
	case PLAN_MINUTE:
		return VOLUME_MINUTE;
	case PLAN_HOUR:
		return VOLUME_HOUR;
	case PLAN_DAY:
		return VOLUME_DAY;
	}
	return VOLUME_DAY;
}

static enum quota
quota_of(const struct plan *plan, int64_t with_this, int64_t limit)
{
	if (with_this > limit)
		return QUOTA_OVER;
	/* a limit can be as large as a number can: whole numbers would run over */
	return (double)with_this * 100 >= (double)limit * plan->warn_percent ? QUOTA_NEAR
									     : QUOTA_OK;
}

static void
use_limit(struct use *use, const struct plan_limit *limit, int64_t used, int64_t adds)
{
	int64_t window = window_seconds(limit->window);
	enum quota quota = quota_of(use->plan, used + adds, limit->most);

	/* Sums fall as what is in them gets old; when, the sum does not say: at the latest, now
	 * plus all of the window. */
	if (quota == QUOTA_OVER && window > use->free)
		use->free = window;
	if (quota > use->quota)
		use->quota = quota;
	/* used / limit, compared without dividing */
	if (!use->counted ||
	    (double)used * (double)use->limit > (double)use->used * (double)limit->most) {
		use->used = used;
		use->limit = limit->most;
	}
	use->counted = true;
}

static enum progress
quota_look(struct ask *ask, struct use *use)
{
	const struct plan *plan = plan_in_force(ask->session);
	const struct count_answer *messages, *recipients;
	enum progress progress;
	enum volume_who who;

	*use = (struct use){ .plan = plan };
	if (!plan)
		return DONE;
	use->quota = QUOTA_OK;
	if (plan->recipients_per_message > 0 && recipients_now(ask) > plan->recipients_per_message)
		use->quota = QUOTA_OVER;
	if (plan->n_limits == 0)
		return DONE;
	who = who_pays(ask->session, plan);
	progress = volume_read(ask, "messages", who, &messages);
	if (volume_read(ask, "recipients", who, &recipients) == PENDING || progress == PENDING)
		return PENDING;
	if (!messages || !recipients) {
		use->failed = true;
		return DONE;
	}
	for (size_t i = 0; i < plan->n_limits; i++) {
		const struct plan_limit *limit = &plan->limit[i];
		bool of_messages = limit->what == PLAN_MESSAGES;

		use_limit(use, limit,
		    volume_sum(of_messages ? messages : recipients, window_seconds(limit->window)),
		    of_messages ? 1 : recipients_now(ask));
	}
	return DONE;
}

enum progress
quota_compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	if (quota_look(ask, &use) == PENDING)
		return PENDING;
	*out = value_symbol(quota_words[use.quota]);
	if (use.failed && use.quota != QUOTA_OVER)
		*out = (struct value){ .type = VALUE_NONE };
	return DONE;
}

static enum progress
nearest(struct ask *ask, bool limit, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (quota_look(ask, &use) == PENDING)
		return PENDING;
	if (use.counted)
		*out = value_number(limit ? use.limit : use.used);
	return DONE;
}

enum progress
quota_compute_used(struct ask *ask, const struct fact_call *call, struct value *out)
{
	return nearest(ask, false, out);
}

enum progress
quota_compute_limit(struct ask *ask, const struct fact_call *call, struct value *out)
{
	return nearest(ask, true, out);
}

enum progress
quota_compute_free(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (quota_look(ask, &use) == PENDING)
		return PENDING;
	if (use.plan && !use.failed)
		*out = (struct value){ .type = VALUE_DURATION, .number = use.free };
	return DONE;
}

enum progress
quota_compute_plan(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct plan *plan = plan_in_force(ask->session);

	*out = (struct value){ .type = VALUE_NONE };
	if (plan)
		*out = value_text(plan->name);
	return DONE;
}

enum progress
quota_compute_recipients(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct plan *plan = plan_in_force(ask->session);

	*out = value_number(plan ? plan->recipients_per_message : 0);
	return DONE;
}
