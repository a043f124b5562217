#include "mail/said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/code.h"

static void
replies(enum said said, const char *fill, const char *text)
{
	struct buf b;

	buf_init(&b, 4096);
	said_reply(said, fill, &b);
	assert_string_equal(b.p, text);
	buf_free(&b);
}

static void
test_replies(void **state)
{
	replies(SAID_BYE, NULL, "221 2.0.0 Bye\r\n");
	replies(SAID_SEND_MESSAGE, NULL, "354 End with a line that holds only a dot\r\n");
	replies(SAID_GREETING, "mx.example.org", "220 mx.example.org ESMTP\r\n");
	replies(SAID_PARAMETER_UNKNOWN, "FOO", "555 5.5.4 The parameter FOO is not known here\r\n");
	replies(SAID_MESSAGES_MINUTE, ", more than 3",
	    "450 4.7.1 Too many messages in a minute, more than 3\r\n");
	replies(SAID_MESSAGES_MINUTE, NULL, "450 4.7.1 Too many messages in a minute\r\n");
	/* What a text would do to a printf is done to nothing here. */
	replies(SAID_COMMAND_SYNTAX, "%s %n", "501 5.5.4 %s %n\r\n");
}

static void
test_verdicts(void **state)
{
	struct verdict v = said_verdict(SAID_TOO_BIG);

	assert_int_equal(v.kind, VERDICT_REJECT);
	assert_int_equal(v.code, 552);
	assert_string_equal(v.enhanced, "5.3.4");
	assert_true(str_eq(v.text, STR("The message is too big")));
	assert_true(str_eq(v.rule, STR("limit: size")));
	assert_int_equal(said_verdict(SAID_RECIPIENTS).kind, VERDICT_TEMPFAIL);
	assert_true(
	    str_eq(said_verdict(SAID_ERRORS_MINUTE).text, STR("Too many errors in a minute")));
}

static void
test_rows_are_found_by_what_the_journal_has(void **state)
{
	assert_int_equal(said_find(STR("limit: size"), 552), SAID_TOO_BIG);
	assert_int_equal(said_find(STR("limit: memory"), 452), SAID_NO_MEMORY);
	assert_int_equal(said_find(STR("limit: memory"), 554), SAID_NO_MEMORY_EVER);
	/* In place of a greeting. */
	assert_int_equal(said_find(STR("failure: dns"), 421), SAID_DNS);
	/* Which exception it was. */
	assert_int_equal(said_find(STR("exception 12"), 550), SAID_BLOCKED);
	assert_int_equal(said_find(STR("exception 12"), 554), SAID_BLOCKED_CONNECT);
	assert_int_equal(said_find(STR("postern.conf:12"), 550), SAID_COUNT);
	assert_int_equal(said_find(STR(""), 250), SAID_COUNT);
}

static void
explains(const struct explanation *about)
{
	const char *const text[] = { about->meaning, about->sender, about->admin };

	for (size_t i = 0; i < 3; i++) {
		assert_true(strlen(text[i]) > 5);
		assert_true(text[i][strlen(text[i]) - 1] == '.');
	}
}

static void
test_every_row_is_whole(void **state)
{
	for (enum said said = 0; said < SAID_COUNT; said++) {
		const struct saying *row = said_row(said);
		char code[8];

		assert_non_null(row->name);
		snprintf(code, sizeof(code), "%d", row->code);
		assert_non_null(code_find(str_of(code)));
		/* RFC 2034 4: the class of the one is that of the other. */
		if (row->enhanced[0] != '\0') {
			assert_non_null(code_find(str_of(row->enhanced)));
			assert_int_equal(row->enhanced[0], code[0]);
		}
		assert_non_null(row->text);
		assert_true(strlen(row->text) < 120);
		if (strchr(row->text, '%'))
			assert_ptr_equal(strchr(row->text, '%'), strstr(row->text, "%s"));
		explains(row->about);
		if (row->why)
			assert_int_not_equal(said_find(str_of(row->why), row->code), SAID_COUNT);
	}
	explains(&said_by_backend);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_rows_are_found_by_what_the_journal_has),
		cmocka_unit_test(test_every_row_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
