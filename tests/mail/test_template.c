#include "mail/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const names[] = { "who", "used", NULL };

static void
test_fills(void **state)
{
	static const struct {
		const char *text, *filled;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "${who}", "W" },
		{ "a ${who} b ${used}${who} c", "a W b ${who}W c" },
		{ "$$ ${who}", "$ W" },
		{ "$${who}", "${who}" },
		{ "$$${who}", "$W" },
		{ "100$", "100$" },
		{ "$x }{ $ ", "$x }{ $ " },
		{ "l1\n${used}\nl3\n", "l1\n${who}\nl3\n" },
	};
	/* what a value holds is not looked at again */
	const struct str value[] = { STR("W"), STR("${who}") };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena = arena_new(SIZE_MAX);
		struct template_fault fault;
		const struct template *t =
		    template_read(str_of(cases[i].text), names, arena, &fault);
		struct buf b;

		buf_init(&b, 1000);
		assert_non_null(t);
		template_fill(t, value, &b);
		buf_addc(&b, '.');
		assert_int_equal(b.n, strlen(cases[i].filled) + 1);
		assert_memory_equal(b.p, cases[i].filled, b.n - 1);
		buf_free(&b);
		arena_free(&arena);
	}
}

static void
test_refuses(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *name;
	} cases[] = {
		{ "${hwo}", 1, 1, "hwo" },
		{ "a\nbc ${Who}", 2, 4, "Who" },
		{ "${}", 1, 1, "" },
		{ "x ${who", 1, 3, "" },
		{ "${who\n}", 1, 1, "" },
		{ "\n\n${ who}", 3, 1, " who" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena = arena_new(SIZE_MAX);
		struct template_fault fault;

		assert_null(template_read(str_of(cases[i].text), names, arena, &fault));
		assert_int_equal(fault.line, cases[i].line);
		assert_int_equal(fault.column, cases[i].column);
		assert_true(str_eq(fault.name, str_of(cases[i].name)));
		arena_free(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fills),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
