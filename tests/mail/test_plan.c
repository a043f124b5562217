#include "mail/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct list *
list_of(struct arena *arena, const char *item)
{
	struct list *list = list_new(arena, STR("l"));

	assert_true(list_add_text(list, str_of(item), NULL));
	list_finish(list);
	return list;
}

static void
test_whose_plan(void **state)
{
	static const struct {
		const char *account, *client; /* NULL: no address */
		const char *plan;             /* NULL: none */
	} cases[] = {
		{ "jane", "203.0.113.9", "business" },
		{ "JANE", "192.0.2.1", "business" },
		{ "joe", "192.0.2.1", "office" },
		{ "joe", "203.0.113.9", "all" },
		{ "joe", NULL, "all" },
		{ "", "192.0.2.1", "office" },
		{ "", "203.0.113.9", NULL },
		{ "", NULL, NULL },
	};
	struct arena *arena = arena_new(1 << 16);
	const struct plan plan[] = {
		{ .name = STR("all"), .everyone = true },
		{ .name = STR("office"), .clients = list_of(arena, "192.0.2.0/24") },
		{ .name = STR("business"), .accounts = list_of(arena, "jane") },
		{ .name = STR("unused") },
	};
	const struct plans plans = { plan, COUNT(plan) }, none = { 0 };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip;
		bool has_ip = cases[i].client && ip_parse(str_of(cases[i].client), &ip);
		const struct plan *p =
		    plan_of(&plans, str_of(cases[i].account), has_ip ? &ip : NULL);

		assert_int_equal(p == NULL, cases[i].plan == NULL);
		if (p != NULL)
			assert_true(str_eq(p->name, str_of(cases[i].plan)));
	}
	assert_null(plan_of(&none, STR("jane"), NULL));
	arena_free(&arena);
}

static void
test_forecast(void **state)
{
	static const struct {
		int64_t used[3];
		enum plan_window window;
		int64_t limit, seconds;
	} cases[] = {
		/* a minute has none shorter to go by */
		{ { 50, 50, 50 }, PLAN_MINUTE, 60, 0 },
		/* ten a minute, a hundred to go */
		{ { 10, 100, 100 }, PLAN_HOUR, 200, 601 },
		{ { 0, 100, 100 }, PLAN_HOUR, 200, 0 },
		/* not within its own hour */
		{ { 1, 100, 100 }, PLAN_HOUR, 200, 0 },
		/* a hundred an hour, 600 to go */
		{ { 0, 100, 400 }, PLAN_DAY, 1000, 6 * 3600 + 1 },
		{ { 0, 100, 1000 }, PLAN_DAY, 1000, 0 },
		{ { 0, 100, 1001 }, PLAN_DAY, 1000, 0 },
		{ { 0, 1, INT64_MAX / 2 }, PLAN_DAY, INT64_MAX, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(plan_forecast(cases[i].used, cases[i].window, cases[i].limit),
		    cases[i].seconds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forecast),
		cmocka_unit_test(test_whose_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
