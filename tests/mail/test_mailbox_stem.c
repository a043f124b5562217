#include "mail/mailbox_stem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
test_forms(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "<>", "<>" },
		{ "<Jane.Doe@Example.ORG>", "jane.doe@example.org" },
		/* a tag of the sender's own */
		{ "<jane+news@example.org>", "jane@example.org" },
		{ "<bounce+jane=example.net@list.example>", "bounce@list.example" },
		{ "<+jane@example.org>", "+jane@example.org" },
		/* BATV and its dialects */
		{ "<prvs=0123ab45cd=jane@example.org>", "jane@example.org" },
		{ "<PRVS=0123AB45CD=jane+x@example.org>", "jane@example.org" },
		{ "<prvs=jane=0123ab45cd@example.org>", "jane@example.org" },
		{ "<prvs=jane/0123ab45cd@example.org>", "jane@example.org" },
		{ "<msprvs1=18765abcdefgh=jane@example.org>", "jane@example.org" },
		{ "<btv1==098abcdef12==jane@example.org>", "jane@example.org" },
		{ "<prvs=@example.org>", "prvs=@example.org" },
		{ "<prvs=0123ab45cd=@example.org>", "prvs=#=@example.org" },
		{ "<prvs=jane@example.org>", "prvs=jane@example.org" },
		/* SRS */
		{ "<SRS0=4k1Z=X7=a.example=jane@fwd.example>", "srs0=a.example=jane@fwd.example" },
		{ "<SRS0+9ab=Y2=a.example=jane@fwd.example>", "srs0=a.example=jane@fwd.example" },
		{ "<SRS1=Qx9=fwd.example==HHH=TT=a.example=jane@fwd2.example>",
		    "srs1=fwd.example=a.example=jane@fwd2.example" },
		{ "<SRS0=4k1Z@fwd.example>", "srs0=4k1z@fwd.example" },
		{ "<srs0@fwd.example>", "srs0@fwd.example" },
		{ "<SRS1=a=b@fwd.example>", "srs1=a=b@fwd.example" },
		/* numbers and made-up words */
		{ "<bounce-12-998877-jane=example.net@list.example>",
		    "bounce-#-#-jane=example.net@list.example" },
		{ "<b.5f3a9c0d1e@esp.example>", "b.#@esp.example" },
		{ "<0100018f-7a-4a1b-9c3d-000000@ses.example>", "#-7a-4a1b-9c3d-#@ses.example" },
		{ "<bounce20260131@esp.example>", "bounce#@esp.example" },
		{ "<dead.beef@example.org>", "dead.beef@example.org" },
		{ "<deadbeef@example.org>", "deadbeef@example.org" },
		{ "<r2d2@example.org>", "r2d2@example.org" },
		{ "<\"a 123 b\"@example.org>", "\"a # b\"@example.org" },
	};
	struct arena *arena = arena_new(65536);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str rest = str_of(cases[i].path), got;
		struct mailbox m;
		struct err e;

		if (!mailbox_take(&rest, true, true, &m, &e))
			fail_msg("%s: %s", cases[i].path, e.text);
		got = mailbox_stem(arena, &m);
		if (!str_eq(got, str_of(cases[i].want)))
			fail_msg("%s: \"%.*s\" is not \"%s\"", cases[i].path, STR_ARG(got),
			    cases[i].want);
	}
	arena_free(&arena);
}

/* What it gives is left as it is when it is given again: rows of the store can be looked up. */
static void
test_stable(void **state)
{
	struct arena *arena = arena_new(65536);
	struct mailbox m = { .local = STR("prvs=0123ab45cd=bounce-77"),
		.domain = STR("A.Example") };
	struct str once = mailbox_stem(arena, &m);

	assert_true(str_eq(once, STR("bounce-#@a.example")));
	m.local = str_sub(once, 0, str_find(once, '@'));
	assert_true(str_eq(mailbox_stem(arena, &m), once));
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
