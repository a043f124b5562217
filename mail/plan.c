#include "mail/plan.h"

static bool
plan_has_account(const struct plan *plan, const struct value *account)
{
	return plan->accounts != NULL && list_has(plan->accounts, account);
}

static bool
plan_has_client(const struct plan *plan, const struct value *client)
{
	return plan->clients != NULL && list_has(plan->clients, client);
}

const struct plan *
plan_of(const struct plans *plans, struct str account, const struct ip *client)
{
	const struct value who = value_text(account);
	const struct value where = { .type = VALUE_IP,
		.ip = client != NULL ? *client : (struct ip){ 0 } };

	for (size_t i = 0; account.n > 0 && i < plans->n; i++)
		if (plan_has_account(&plans->plan[i], &who))
			return &plans->plan[i];
	for (size_t i = 0; client != NULL && i < plans->n; i++)
		if (plan_has_client(&plans->plan[i], &where))
			return &plans->plan[i];
	for (size_t i = 0; account.n > 0 && i < plans->n; i++)
		if (plans->plan[i].everyone)
			return &plans->plan[i];
	return NULL;
}

const struct plan *
plan_upstream(const struct plans *plans, struct str name)
{
	for (size_t i = 0; i < plans->n; i++)
		if (plans->plan[i].upstream && str_eq(plans->plan[i].name, name))
			return &plans->plan[i];
	return NULL;
}

const char *
plan_window_name(enum plan_window window)
{
	static const char *const names[] = { "minute", "hour", "day", "burst" };

	return names[window];
}

int
plan_reserved(const struct plan *plan, struct str account, const struct ip *client)
{
	const struct value who = value_text(account);
	const struct value where = { .type = VALUE_IP, .ip = *client };
	int percent = plan->reserve;

	/* Each class may use what is left for those behind it. */
	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct plan_reserve *c = &plan->class[i];

		if (c->accounts ? account.n > 0 && list_has(c->accounts, &who)
				: list_has(c->clients, &where))
			break;
		percent += c->percent;
	}
	return percent;
}

struct take_limits
plan_limits(const struct plan *plan, enum plan_what what, int less)
{
	struct take_limits limits = { 0 };
	int64_t *const place[PLAN_WINDOWS] = { &limits.minute, &limits.hour, &limits.day,
		&limits.burst };

	for (size_t i = 0; i < plan->n_limits; i++) {
		int64_t most = plan->limit[i].most;

		most -= most / 100 * less + most % 100 * less / 100;
		if (plan->limit[i].what == what)
			*place[plan->limit[i].window] = most > 0 ? most : 1;
	}
	return limits;
}

int64_t
plan_forecast(const int64_t used[3], enum plan_window window, int64_t limit)
{
	static const int64_t length[] = { 60, 3600, 86400 };
	double seconds;

	if (window == PLAN_MINUTE || window == PLAN_BURST || used[window - 1] == 0 ||
	    limit <= used[window])
		return 0;
	/* a limit can be as large as a number can: whole ones would run over */
	seconds =
	    (double)(limit - used[window]) * (double)length[window - 1] / (double)used[window - 1];
	return seconds < (double)length[window] ? (int64_t)seconds + 1 : 0;
}
