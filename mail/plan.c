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

int64_t
plan_forecast(const int64_t used[3], enum plan_window window, int64_t limit)
{
	static const int64_t length[] = { 60, 3600, 86400 };
	double seconds;

	if (window == PLAN_MINUTE || used[window - 1] == 0 || limit <= used[window])
		return 0;
	/* a limit can be as large as a number can: whole ones would run over */
	seconds =
	    (double)(limit - used[window]) * (double)length[window - 1] / (double)used[window - 1];
	return seconds < (double)length[window] ? (int64_t)seconds + 1 : 0;
}
