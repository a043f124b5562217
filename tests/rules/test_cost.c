/* What the rules of each step can cost: of facts whose price is known, the least and the most. */
#include "rules/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/rule.h"
#include "tests/rules/priced.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
add_sum(struct buf *b, const char *what, const struct cost_sum *s)
{
	if (s->once.most > 0)
		buf_printf(b, " %s %u-%u", what, s->once.least, s->once.most);
	if (s->each.most > 0)
		buf_printf(b, " each %s %u-%u", what, s->each.least, s->each.most);
}

static void
add_step(struct buf *b, const char *name, const struct cost_step *s)
{
	size_t before = b->n;

	buf_printf(b, "%s%s", b->n > 0 ? "; " : "", name);
	if (s->dns.once.most + s->store.once.most + s->store.each.most == 0 && !s->unknown) {
		b->n = before;
		return;
	}
	add_sum(b, "dns", &s->dns);
	add_sum(b, "store", &s->store);
	if (s->unknown)
		buf_add(b, STR(" ?"));
}

/* "mail dns 1-2; all dns 1-2" and "3: ten 10, one 1" */
static void
check(const char *text, const char *steps, const char *rules)
{
	struct arena *arena = arena_new(1 << 24);
	struct complaints c = { 0 };
	struct cost_report report;
	struct config *config;
	struct buf found, told;

	config = priced_load(str_of(text), &c);
	if (config == NULL)
		fail_msg("%s\n%s", text, c.n > 0 ? c.item[0].text : "");
	cost_report(arena, config, &report);
	buf_init(&found, 10000);
	buf_init(&told, 10000);
	buf_add(&found, STR(""));
	buf_add(&told, STR(""));
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++)
		add_step(&found, step_name(step), &report.step[step]);
	add_step(&found, "header", &report.header);
	add_step(&found, "all", &report.message);
	for (size_t i = 0; i < report.n_rules; i++) {
		const struct cost_rule *r = &report.rule[i];

		buf_printf(&told, "%s%.*s:", i > 0 ? "; " : "",
		    STR_ARG(str_sub(r->shown->id, str_find(r->shown->id, ':') + 1, SIZE_MAX)));
		for (const struct cost_fact *f = r->facts; f; f = f->next) {
			buf_addc(&told, ' ');
			fact_call_print(f->call, &told);
			buf_printf(&told, " %u",
			    f->dns.once.most + f->store.once.most + f->store.each.most);
		}
	}
	if (!str_eq(buf_str(&found), str_of(steps)))
		fail_msg("%s\nexpected: %s\nfound:    %.*s", text, steps, STR_ARG(buf_str(&found)));
	if (rules && !str_eq(buf_str(&told), str_of(rules)))
		fail_msg("%s\nexpected: %s\nfound:    %.*s", text, rules, STR_ARG(buf_str(&told)));
	buf_free(&found);
	buf_free(&told);
	complaints_free(&c);
	config_release(&config);
	arena_free(&arena);
}

struct example {
	const char *text, *steps, *rules;
};

static void
check_all(const struct example *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(e[i].text, e[i].steps, e[i].rules);
}

static void
test_conditions(void **state)
{
	static const struct example examples[] = {
		{ "at mail { score 1 if free > 1 }", "", "" },
		{ "at mail { score 1 if one > 1 }", "mail dns 1-1; all dns 1-1", "1: one 1" },
		{ "at mail { score 1 if one > 1 and ten > 1 }", "mail dns 1-11; all dns 1-11",
		    "1: one 1 ten 10" },
		{ "at mail { score 1 if free > 1 and ten > 1 }", "mail dns 0-10; all dns 0-10",
		    NULL },
		{ "at mail { score 1 if one > 1 or ten > 1 }", "mail dns 1-11; all dns 1-11",
		    NULL },
		{ "at mail { score 1 if not (one > 1 or free > 1) and ten > 1 }",
		    "mail dns 1-11; all dns 1-11", NULL },
		/* the same in one rule, or two */
		{ "at mail { score 1 if one > 1 and one < 5 }", "mail dns 1-1; all dns 1-1", NULL },
		{ "at mail { score 1 if one > 1\nscore 1 if one > 2 }", "mail dns 1-1; all dns 1-1",
		    "1: one 1" },
		{ "at mail { score 1 if free > 1 and one > 1\nscore 1 if one > 2 }",
		    "mail dns 1-1; all dns 1-1", "1: one 1; 2: one 1" },
		/* a fact that needs another's questions */
		{ "at mail { score 1 if more > 1\nscore 1 if ten > 2 }",
		    "mail dns 2-11; all dns 2-11", "1: more 11" },
		{ "at mail { score 1 if zone(\"a\") > 1 or zone(\"b\") > 1 or zone(\"a\") > 2 }",
		    "mail dns 1-2; all dns 1-2", "1: zone(\"a\") 1 zone(\"b\") 1" },
		/* a right side is asked for if the left one is known; what is computed is asked for whole */
		{ "at mail { score 1 if one > ten }", "mail dns 1-11; all dns 1-11", NULL },
		{ "at mail { score 1 if one + ten > 5 }", "mail dns 3-11; all dns 3-11", NULL },
		{ "at mail { score 1 if one is known }", "mail dns 1-1; all dns 1-1", NULL },
		{ "define d = one > 1 and ten > 1\nat mail { score 1 if d }",
		    "mail dns 1-11; all dns 1-11", "2: one 1 ten 10" },
		{ "at mail { score 1 if secret > 1 }", "mail ?; all ?", "1: secret 0" },
	};

	check_all(examples, COUNT(examples));
}

static void
test_rules(void **state)
{
	static const struct example examples[] = {
		/* whoever is let go asks no more */
		{ "at mail { accept if free > 1\nscore 1 if one > 2 }", "mail dns 0-1; all dns 0-1",
		    NULL },
		{ "at mail { accept if one > 1\nscore 1 if ten > 2 }",
		    "mail dns 1-11; all dns 1-11", NULL },
		{ "at mail { observe accept if one > 1\nscore 1 if ten > 2 }",
		    "mail dns 3-11; all dns 3-11", NULL },
		/* words of a refusal are asked for when it is due */
		{ "at mail { reject 550 5.7.1 \"${ten}\" if one > 1 }",
		    "mail dns 1-11; all dns 1-1", "1: one 1 ten 10" },
		{ "at mail { reject 550 5.7.1 \"${ten}\" if free > 1\nscore 1 if one > 2 }",
		    "mail dns 0-10; all dns 1-1", NULL },
		{ "at mail { add header \"X-A\" \"${ten}\"\nscore 1 if one > 2 }",
		    "mail dns 3-11; all dns 3-11", NULL },
		{ "mode observe\nat mail { reject 550 5.7.1 \"${ten}\" if free > 1\nscore 1 if one > 2 }",
		    "mail dns 0-10; all dns 0-10", NULL },
		/* of `if` and `else` the one that costs more, whatever stands behind */
		{ "at mail { if free > 1 { score 1 if ten > 1 } else { score 1 if one > 1 } }",
		    "mail dns 0-10; all dns 0-10", NULL },
		{ "at mail { if free > 1 { score 1 if ten > 1 }\nscore 1 if ten > 1 }",
		    "mail dns 2-10; all dns 2-10", "1: ten 10; 2: ten 10" },
		{ "at mail { if free > 1 { score 1 if ten > 1 } else { score 1 if one > 1 }\n"
		  "score 1 if ten > 1 }",
		    "mail dns 2-11; all dns 2-11", NULL },
		{ "at mail { if one > 1 { score 1 } else if two > 1 { score 1 if ten > 1 } else { score 1 } }",
		    "mail dns 1-12; all dns 1-12", NULL },
		{ "at mail { if free > 1 { reject 550 5.7.1 \"x\" } else { score 1 if one > 1 }\n"
		  "score 1 if ten > 1 }",
		    "mail dns 0-11; all dns 3-11", NULL },
		{ "at mail { if free > 1 { if free > 2 { score 1 if ten > 1 } score 1 if one > 1 } }",
		    "mail dns 0-11; all dns 0-11", NULL },
	};

	check_all(examples, COUNT(examples));
}

static void
test_steps(void **state)
{
	static const struct example examples[] = {
		/* what all were asked before */
		{ "at connect { delay 1s if one > 1 }\nat mail { score 1 if one > 1 and two > 1 }",
		    "connect dns 1-1; mail dns 0-1; all dns 1-2", "1: one 1; 2: two 1" },
		/* not what some were */
		{ "at connect { delay 1s if free > 1 and one > 1 }\nat mail { score 1 if one > 1 }",
		    "connect dns 0-1; mail dns 1-1; all dns 1-1", NULL },
		/* who is refused does not come to the next, who is accepted does */
		{ "at connect { reject 554 5.7.1 \"x\" if free > 1\ndelay 1s if one > 1 }\n"
		  "at mail { score 1 if one > 1 }",
		    "connect dns 0-1; all dns 1-1", NULL },
		{ "at connect { accept if free > 1\ndelay 1s if one > 1 }\nat mail { score 1 if one > 1 }",
		    "connect dns 0-1; mail dns 1-1; all dns 1-1", NULL },
		{ "at connect { accept session if free > 1\ndelay 1s if one > 1 }\n"
		  "at mail { score 1 if one > 1 }",
		    "connect dns 0-1; all dns 1-1", NULL },
		{ "mode observe\nat connect { reject 554 5.7.1 \"x\" if free > 1\ndelay 1s if one > 1 }\n"
		  "at mail { score 1 if one > 1 }",
		    "connect dns 0-1; mail dns 1-1; all dns 1-1", NULL },
		{ "at rcpt { score 1 if each > 1 }\nat message { score 1 if each > 1 }",
		    "rcpt store 1-4 each store 1-2; all store 1-4 each store 1-2", "1: each 6" },
		/* the header's questions are for every message, even if no rule comes so far */
		{ "at message { accept if free > 1\nscore 1 if late > 1 }",
		    "message dns 2-10; header dns 2-10; all dns 2-10", "" },
		/* tests of message that part recipients are put at rcpt */
		{ "at message { score 1 if recipient.domain is \"x\" and one > 1 }",
		    "message dns 0-1; all dns 0-1", NULL },
	};

	check_all(examples, COUNT(examples));
}

/* --- many ways -------------------------------------------------------------------------------------- */

/* More blocks than ways are followed: what is told is never too low, and here it is right. */
static void
test_many_ways(void **state)
{
	struct buf b;

	buf_init(&b, 20000);
	buf_add(&b, STR("at mail {\n"));
	for (int i = 0; i < 40; i++)
		buf_printf(&b,
		    "if free > %d { score 1 if zone(\"a%d\") > 1 } else { score 1 if zone(\"b%d\") > 1 }\n",
		    i, i, i);
	buf_add(&b, STR("}\n"));
	{
		struct arena *arena = arena_new(1 << 26);
		struct complaints c = { 0 };
		struct cost_report report;
		struct config *config;

		config = priced_load(buf_str(&b), &c);
		assert_non_null(config);
		cost_report(arena, config, &report);
		assert_int_equal(report.step[STEP_MAIL].dns.once.least, 0);
		assert_in_range(report.step[STEP_MAIL].dns.once.most, 40, 80);
		assert_int_equal(report.n_rules, 80);
		complaints_free(&c);
		config_release(&config);
		arena_free(&arena);
	}
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_many_ways),
	};

	return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
