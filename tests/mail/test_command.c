#include "mail/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_parses(void **state)
{
	static const struct {
		struct str line;
		enum verb verb;
		const char *name, *rest;
	} cases[] = {
		{ STR("HELO example.net"), VERB_HELO, "HELO", "example.net" },
		{ STR("ehlo  example.net \t"), VERB_EHLO, "ehlo", "example.net" },
		{ STR("MAIL FROM:<a@b> SIZE=1"), VERB_MAIL, "MAIL", "FROM:<a@b> SIZE=1" },
		{ STR("rCpT To:<a@b>"), VERB_RCPT, "rCpT", "To:<a@b>" },
		{ STR("DATA"), VERB_DATA, "DATA", "" },
		{ STR("RSET "), VERB_RSET, "RSET", "" },
		{ STR("NOOP\twhat"), VERB_NOOP, "NOOP", "what" },
		{ STR("QUIT"), VERB_QUIT, "QUIT", "" },
		{ STR("VRFY x"), VERB_VRFY, "VRFY", "x" },
		{ STR("EXPN x"), VERB_EXPN, "EXPN", "x" },
		{ STR("HELP"), VERB_HELP, "HELP", "" },
		{ STR("ETRN x"), VERB_ETRN, "ETRN", "x" },
		{ STR("AUTH PLAIN AGEAYg=="), VERB_AUTH, "AUTH", "PLAIN AGEAYg==" },
		{ STR("STARTTLS"), VERB_STARTTLS, "STARTTLS", "" },
		{ STR("BDAT 10 LAST"), VERB_BDAT, "BDAT", "10 LAST" },
		{ STR("XCLIENT NAME=x"), VERB_XCLIENT, "XCLIENT", "NAME=x" },
		{ STR("XFORWARD NAME=x"), VERB_XFORWARD, "XFORWARD", "NAME=x" },
		{ STR("GET / HTTP/1.1"), VERB_FOREIGN, "GET", "/ HTTP/1.1" },
		{ STR("POST / HTTP/1.1"), VERB_FOREIGN, "POST", "/ HTTP/1.1" },
		{ STR("CONNECT x:25 HTTP/1.1"), VERB_FOREIGN, "CONNECT", "x:25 HTTP/1.1" },
		{ STR(""), VERB_UNKNOWN, "", "" },
		{ STR(" DATA"), VERB_UNKNOWN, "", "DATA" },
		{ STR("DAT"), VERB_UNKNOWN, "DAT", "" },
		{ STR("DATAX"), VERB_UNKNOWN, "DATAX", "" },
		{ STR("DATA\r"), VERB_UNKNOWN, "DATA\r", "" },
		{ STR("MAIL\xa0"), VERB_UNKNOWN, "MAIL\xa0", "" },
		{ STR("\x16\x03\x01"), VERB_UNKNOWN, "\x16\x03\x01", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct command c;

		command_parse(cases[i].line, &c);
		assert_int_equal(c.verb, cases[i].verb);
		assert_true(str_eq(c.name, str_of(cases[i].name)));
		assert_true(str_eq(c.rest, str_of(cases[i].rest)));
	}
}

static void
test_controls_are_not_trimmed(void **state)
{
	struct command c;

	command_parse(STR("RSET\0"), &c);
	assert_int_equal(c.verb, VERB_UNKNOWN);
	command_parse(STR("EHLO x\r"), &c);
	assert_true(str_eq(c.rest, STR("x\r")));
}

static void
test_names(void **state)
{
	assert_string_equal(verb_name(VERB_STARTTLS), "STARTTLS");
	assert_string_equal(verb_name(VERB_UNKNOWN), "unknown");
	assert_string_equal(verb_name(VERB_FOREIGN), "foreign");
	for (enum verb verb = VERB_HELO; verb < VERB_FOREIGN; verb++) {
		struct command c;

		command_parse(str_of(verb_name(verb)), &c);
		assert_int_equal(c.verb, verb);
	}
}

static void
test_paths(void **state)
{
	static const char no_brackets[] = "the address must be in angle brackets";
	static const char bad[] = "syntax error in the parameters";
	static const struct {
		const char *line, *address; /* NULL: refused */
		size_t parameters;
		const char *error;
	} cases[] = {
		{ "MAIL FROM:<a@b>", "a@b", 0, NULL },
		{ "mail from: <a@b>", "a@b", 0, NULL },
		{ "MAIL FROM:<>", "", 0, NULL },
		{ "MAIL FROM:<> SIZE=10  BODY=8BITMIME", "", 2, NULL },
		{ "MAIL FROM:<a@b> SMTPUTF8", "a@b", 1, NULL },
		{ "MAIL FROM:<\"a> b\"@c> X-Y=<>", "\"a> b\"@c", 1, NULL },
		{ "RCPT TO:<a@b>", "a@b", 0, NULL },
		{ "RCPT TO:<postmaster>", "postmaster", 0, NULL },
		{ "RCPT TO:<@x:a@b> NOTIFY=NEVER ORCPT=rfc822;a@b", "a@b", 2, NULL },
		{ "MAIL", NULL, 0, "syntax: MAIL FROM:<address>" },
		{ "MAIL TO:<a@b>", NULL, 0, "syntax: MAIL FROM:<address>" },
		{ "MAIL FROM <a@b>", NULL, 0, "syntax: MAIL FROM:<address>" },
		{ "RCPT FROM:<a@b>", NULL, 0, "syntax: RCPT TO:<address>" },
		{ "MAIL FROM:", NULL, 0, no_brackets },
		{ "MAIL FROM:a@b", NULL, 0, no_brackets },
		{ "MAIL FROM:  <a@b>", NULL, 0, no_brackets },
		{ "MAIL FROM:\t<a@b>", NULL, 0, no_brackets },
		{ "MAIL FROM:<postmaster>", NULL, 0, "the address has no domain" },
		{ "RCPT TO:<>", NULL, 0, "the address is empty" },
		{ "MAIL FROM:<a@b>SIZE=1", NULL, 0, "a blank must follow the address" },
		{ "MAIL FROM:<a@b>\tSIZE=1", NULL, 0, "a blank must follow the address" },
		{ "MAIL FROM:<a@b> =1", NULL, 0, bad },
		{ "MAIL FROM:<a@b> SIZE=", NULL, 0, bad },
		{ "MAIL FROM:<a@b> -A=1", NULL, 0, bad },
		{ "MAIL FROM:<a@b> A_B=1", NULL, 0, bad },
		{ "MAIL FROM:<a@b> A=1=2", NULL, 0, bad },
		{ "MAIL FROM:<a@b> A=\xc3\xa4", "a@b", 1, NULL },
		{ "MAIL FROM:<a@b> A=\xc3", NULL, 0, bad },
		{ "MAIL FROM:<a@b> A=\xc2\x85", NULL, 0, bad },
		{ "MAIL FROM:<a@b> \xc3\xa4=1", NULL, 0, bad },
		{ "MAIL FROM:<a@b> A=1\rRCPT", NULL, 0, bad },
		{ "MAIL FROM:<a@b> A=1\tB", NULL, 0, bad },
		{ "MAIL FROM:<a@b> SIZE=1 size=2", NULL, 0, "a parameter was given twice" },
		{ "MAIL FROM:<a@b> A B C D E F G H I J K L M N O P", "a@b", 16, NULL },
		{ "MAIL FROM:<a@b> A B C D E F G H I J K L M N O P Q", NULL, 0,
		    "more than 16 parameters" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct command c;
		struct err e = { 0 };
		bool ok;

		command_parse(str_of(cases[i].line), &c);
		ok = command_path(&c, &e);
		if (cases[i].address == NULL) {
			assert_false(ok);
			assert_string_equal(e.text, cases[i].error);
			continue;
		}
		assert_true(ok);
		assert_false(c.path_wrong);
		assert_true(str_eq(c.path.address, str_of(cases[i].address)));
		assert_int_equal(c.n_parameters, cases[i].parameters);
	}
}

/* Whether it is the address that is wrong, which has a code of its own (RFC 3463 3.2, 3.6). */
static void
test_path_wrong(void **state)
{
	static const struct {
		const char *line;
		bool address;
	} cases[] = {
		{ "MAIL", false },
		{ "MAIL TO:<a@b>", false },
		{ "MAIL FROM:", false },
		{ "MAIL FROM: ", false },
		{ "MAIL FROM:<a@b", true },
		{ "MAIL FROM:a@b", true },
		{ "MAIL FROM:<a@b>x", true },
		{ "MAIL FROM:<a@b> =", false },
		{ "MAIL FROM:<a@b> A=1 A=2", false },
		{ "RCPT TO:", false },
		{ "RCPT TO:<>", true },
		{ "RCPT TO:<a@b> A=", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct command c;

		command_parse(str_of(cases[i].line), &c);
		assert_false(command_path(&c, NULL));
		assert_int_equal(c.path_wrong, cases[i].address);
	}
}

static void
test_parameters(void **state)
{
	struct command c;

	command_parse(STR("MAIL FROM:<a@b> Size=10 SMTPUTF8"), &c);
	assert_true(command_path(&c, NULL));
	assert_true(str_eq(command_parameter(&c, "SIZE")->value, STR("10")));
	assert_null(command_parameter(&c, "smtputf8")->value.p);
	assert_null(command_parameter(&c, "BODY"));
}

static void
test_xtext(void **state)
{
	static const struct {
		struct str plain;
		const char *coded;
	} cases[] = {
		{ STR(""), "" },
		{ STR("mx.example.net"), "mx.example.net" },
		{ STR("a+b=c d"), "a+2Bb+3Dc+20d" },
		{ STR("\0\r\n\x7f\xff"), "+00+0D+0A+7F+FF" },
	};
	static const char *const refused[] = { "a=b", "a b", "a+", "a+4", "a+4g", "a++41", "\xc3" };
	struct arena *arena = arena_new(4096);
	struct str out;

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(str_eq(xtext_encode(arena, cases[i].plain), str_of(cases[i].coded)));
		assert_true(xtext_decode(arena, str_of(cases[i].coded), &out));
		assert_true(str_eq(out, cases[i].plain));
	}
	for (size_t i = 0; i < COUNT(refused); i++)
		assert_false(xtext_decode(arena, str_of(refused[i]), &out));
	assert_true(xtext_decode(arena, STR("+2b"), &out));
	assert_true(str_eq(out, STR("+")));
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parses),
		cmocka_unit_test(test_controls_are_not_trimmed),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_path_wrong),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_xtext),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
