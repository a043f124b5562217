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
