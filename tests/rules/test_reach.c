/* Rules behind another that always speaks first: those that are found, and those that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_reach(void **state)
{
	static const struct {
		const char *text;
		unsigned line, by; /* 0: all can be reached */
	} cases[] = {
		/* behind one without a condition */
		{ "at mail { accept\nscore 1 }", 2, 1 },
		{ "at mail { accept session\nscore 1 }", 2, 1 },
		{ "at mail { reject 550 5.7.1 \"x\"\nscore 1 if spf is fail }", 2, 1 },
		{ "at mail { score 1\nmark a\nadd header \"X\" \"y\"\naccept }", 0, 0 },
		{ "at mail { observe accept\nscore 1 }", 0, 0 },
		{ "at mail { accept\nobserve score 1 }", 2, 1 },
		/* in later steps: not behind a plain accept, nor behind HELO, which need not come */
		{ "at mail { accept }\nat rcpt { score 1 }", 0, 0 },
		{ "at mail { accept session }\nat rcpt { score 1 }", 2, 1 },
		{ "at connect { tempfail 450 4.7.1 \"x\" }\nat message { score 1 }", 2, 1 },
		{ "at helo { reject 550 5.7.1 \"x\" }\nat mail { score 1 }", 0, 0 },
		{ "at message { accept session }\nat mail { score 1 }", 0, 0 },
		/* the same condition */
		{ "at mail { accept if spf is fail\nscore 1 if spf is fail }", 2, 1 },
		{ "at mail { accept if spf is fail\nscore 1 if spf = fail }", 2, 1 },
		{ "at mail { score 1 if spf is fail\naccept if spf is fail }", 0, 0 },
		{ "at mail { accept if spf is fail\nscore 1 if spf is not fail }", 0, 0 },
		{ "at mail { accept if spf is fail\nscore 1 if not spf is fail }", 0, 0 },
		{ "at mail { accept if spf is fail\nscore 1 if spf is pass }", 0, 0 },
		{ "at mail { accept if spf is fail\nscore 1 if spf.helo is fail }", 0, 0 },
		{ "at mail { accept if spf is fail }\nat rcpt { score 1 if spf is fail }", 0, 0 },
		{ "at mail { observe accept if spf is fail\nscore 1 if spf is fail }", 0, 0 },
		{ "at mail { accept if rate(client, messages, 1h) > 5\n"
		  "score 1 if rate(client, messages, 60m) > 5 }",
		    2, 1 },
		{ "at mail { accept if rate(client, messages, 1h) > 5\n"
		  "score 1 if rate(client, messages, 2h) > 5 }",
		    0, 0 },
		{ "at mail { accept if rate(client, messages, 1h) > 5\n"
		  "score 1 if rate(client, messages, 1h) >= 5 }",
		    0, 0 },
		{ "at mail { accept if sender is \"a\"\nscore 1 if sender is \"a\" }", 2, 1 },
		{ "at mail { accept if sender is \"a\"\nscore 1 if sender contains \"a\" }", 0, 0 },
		{ "at mail { accept if sender is \"1\"\nscore 1 if quota.free is 1s }", 0, 0 },
		/* that and more */
		{ "at mail { accept if spf is fail\nscore 1 if spf is fail and surge(client) > 5 }",
		    2, 1 },
		{ "at mail { accept if spf is fail\nscore 1 if surge(client) > 5 and spf is fail }",
		    2, 1 },
		{ "at mail { accept if spf is fail\nscore 1 if spf is fail or surge(client) > 5 }",
		    0, 0 },
		{ "at mail { accept if spf is fail and surge(client) > 5\nscore 1 if spf is fail }",
		    0, 0 },
		/* either of two */
		{ "at mail { accept if spf is fail or surge(client) > 5\nscore 1 if spf is fail }",
		    2, 1 },
		{ "at mail { accept if spf is fail or surge(client) > 5\n"
		  "score 1 if surge(client) > 5 and spf is pass }",
		    2, 1 },
		/* the first that hides it is named */
		{ "at mail { accept if spf is fail\naccept if spf is pass\nscore 1 if spf is pass }",
		    3, 2 },
		/* lists: the same by name; written in place they are others */
		{ "at mail { accept if client in trusted\nscore 1 if client in trusted }", 2, 1 },
		{ "at mail { accept if spf in { fail, pass }\nscore 1 if spf in { fail, pass } }",
		    2, 1 },
		{ "at mail { accept if spf in { fail }\nscore 1 if spf in { fail, pass } }", 0, 0 },
		/* what changes from rule to rule */
		{ "at mail { accept if score > 5\nscore 3\nreject 550 5.7.1 \"x\" if score > 5 }",
		    0, 0 },
		{ "at mail { mark a\naccept if marked a\nscore 1 if marked a }", 0, 0 },
		{ "at message { accept if message.size > 5 or score > 5\n"
		  "score 1 if message.size > 5 or score > 5 }",
		    0, 0 },
		{ "at mail { accept if spf is known\nscore 1 if spf is known }", 2, 1 },
		{ "at mail { accept if spf is known\nscore 1 if spf is not unknown }", 0, 0 },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *said = said_of(cases[i].text), *colon = strchr(said, ' ');
		char one[200] = "", other[200] = "";

		if (cases[i].line > 0) {
			snprintf(one, sizeof one,
			    " this rule can never be reached: the one of line %u has no condition",
			    cases[i].by);
			snprintf(other, sizeof other,
			    " this rule can never be reached: the one of line %u speaks first",
			    cases[i].by);
		}
		if (cases[i].line != (unsigned)strtoul(said, NULL, 10) ||
		    (colon && strcmp(colon, one) != 0 && strcmp(colon, other) != 0)) {
			print_error("%s\n%s\n", cases[i].text, said);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reach),
	};

	return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
