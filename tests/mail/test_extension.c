#include "mail/extension.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_keywords(void **state)
{
	static const struct {
		const char *keyword;
		unsigned extension;
	} cases[] = {
		{ "8BITMIME", EXTENSION_8BITMIME },
		{ "8bitmime", EXTENSION_8BITMIME },
		{ "DSN", EXTENSION_DSN },
		{ "DELIVERBY", EXTENSION_DELIVERBY },
		{ "MT-PRIORITY", EXTENSION_MT_PRIORITY },
		{ "SMTPUTF8", EXTENSION_SMTPUTF8 },
		{ "BINARYMIME", EXTENSION_BINARYMIME },
		{ "VRFY", EXTENSION_VRFY },
		{ "EXPN", EXTENSION_EXPN },
		{ "HELP", EXTENSION_HELP },
		{ "ETRN", EXTENSION_ETRN },
		{ "AUTH", EXTENSION_AUTH },
		{ "CHUNKING", 0 },
		{ "STARTTLS", 0 },
		{ "REQUIRETLS", 0 },
		{ "DSNX", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned extension = extension_find(str_of(cases[i].keyword));

		assert_int_equal(extension, cases[i].extension);
		if (extension)
			assert_true(str_eqcase(
			    str_of(extension_keyword(extension)), str_of(cases[i].keyword)));
	}
	assert_string_equal(extension_keyword(0), "unknown");
}

#define X(n) n n n n n n n n n n

static const char ret[] = "RET is FULL or HDRS";
static const char envid[] = "ENVID is xtext of at most 100 octets";
static const char notify[] = "NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY";
static const char orcpt[] = "ORCPT is a type, a semicolon and xtext, of at most 500 octets";
static const char by[] = "BY is a number of seconds, a semicolon and a mode";
static const char priority[] = "MT-PRIORITY is a number from -9 to 9";
static const char auth[] = "AUTH is <>, or an address in xtext, of at most 500 octets";
static const char body[] = "BODY is 7BIT, 8BITMIME or BINARYMIME";

static const struct {
	const char *line;
	const char *wrong; /* NULL: valid */
	unsigned needs;
} values[] = {
	{ "MAIL FROM:<> BODY=7BIT", NULL, 0 },
	{ "MAIL FROM:<> body=8bitmime", NULL, EXTENSION_8BITMIME },
	{ "MAIL FROM:<> BODY=BinaryMIME", NULL, EXTENSION_BINARYMIME },
	{ "MAIL FROM:<> BODY=9BIT", body, 0 },
	{ "MAIL FROM:<> BODY", body, 0 },
	{ "MAIL FROM:<> AUTH=<>", NULL, EXTENSION_AUTH },
	{ "MAIL FROM:<> auth=e+3Dmc2@example.com", NULL, EXTENSION_AUTH },
	{ "MAIL FROM:<> AUTH=a+0Ab@example.com", auth, EXTENSION_AUTH },
	{ "MAIL FROM:<> AUTH=a+b@example.com", auth, EXTENSION_AUTH },
	{ "MAIL FROM:<> AUTH", auth, EXTENSION_AUTH },
	{ "MAIL FROM:<> RET=FULL", NULL, EXTENSION_DSN },
	{ "MAIL FROM:<> ret=hdrs", NULL, EXTENSION_DSN },
	{ "MAIL FROM:<> RET=BODY", ret, EXTENSION_DSN },
	{ "MAIL FROM:<> RET", ret, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID=QQ314159", NULL, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID=a+2Bb+20c", NULL, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID=" X("0123456789"), NULL, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID=" X("0123456789") "0", envid, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID=a+0D+0ARCPT", envid, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID=a+7F", envid, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID=a+F", envid, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID=a+zz", envid, EXTENSION_DSN },
	{ "MAIL FROM:<> ENVID", envid, EXTENSION_DSN },
	{ "RCPT TO:<a@b> NOTIFY=NEVER", NULL, EXTENSION_DSN },
	{ "RCPT TO:<a@b> NOTIFY=success,Failure,DELAY", NULL, EXTENSION_DSN },
	{ "RCPT TO:<a@b> NOTIFY=DELAY", NULL, EXTENSION_DSN },
	{ "RCPT TO:<a@b> NOTIFY=NEVER,DELAY", notify, EXTENSION_DSN },
	{ "RCPT TO:<a@b> NOTIFY=DELAY,", notify, EXTENSION_DSN },
	{ "RCPT TO:<a@b> NOTIFY=,DELAY", notify, EXTENSION_DSN },
	{ "RCPT TO:<a@b> NOTIFY=ALWAYS", notify, EXTENSION_DSN },
	{ "RCPT TO:<a@b> NOTIFY", notify, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=rfc822;a+2Bc@example.net", NULL, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=x-y;z", NULL, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=rfc822;", orcpt, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=;a", orcpt, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=a@b", orcpt, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=rfc+32;a", orcpt, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=rfc822;a+00", orcpt, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=a;" X(X("12345")), orcpt, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT", orcpt, EXTENSION_DSN },
	{ "MAIL FROM:<> BY=120;R", NULL, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=+999999999;rt", NULL, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=-5;NT", NULL, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=0;N", NULL, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=0;R", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=-1;R", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=1234567890;N", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=120", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=;N", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=--1;N", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=1;X", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY=1;", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> BY", by, EXTENSION_DELIVERBY },
	{ "MAIL FROM:<> MT-PRIORITY=3", NULL, EXTENSION_MT_PRIORITY },
	{ "MAIL FROM:<> MT-PRIORITY=0", NULL, EXTENSION_MT_PRIORITY },
	{ "MAIL FROM:<> MT-PRIORITY=-9", NULL, EXTENSION_MT_PRIORITY },
	{ "MAIL FROM:<> MT-PRIORITY=-0", priority, EXTENSION_MT_PRIORITY },
	{ "MAIL FROM:<> MT-PRIORITY=+1", priority, EXTENSION_MT_PRIORITY },
	{ "MAIL FROM:<> MT-PRIORITY=10", priority, EXTENSION_MT_PRIORITY },
	{ "MAIL FROM:<> MT-PRIORITY=-", priority, EXTENSION_MT_PRIORITY },
	{ "MAIL FROM:<> MT-PRIORITY", priority, EXTENSION_MT_PRIORITY },
	{ "MAIL FROM:<> SMTPUTF8", NULL, EXTENSION_SMTPUTF8 },
	{ "MAIL FROM:<> smtputf8=1", "SMTPUTF8 has no value", EXTENSION_SMTPUTF8 },
	{ "MAIL FROM:<> ENVID=\xc3\xa4", envid, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=utf-8;a+2B\\x{E4}@b", NULL, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=UTF-8;a+2B\xc3\xa4@b", NULL, EXTENSION_DSN | EXTENSION_SMTPUTF8 },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\xc3\xa4+0D@b", orcpt, EXTENSION_DSN | EXTENSION_SMTPUTF8 },
	{ "RCPT TO:<a@b> ORCPT=utf-8;", orcpt, EXTENSION_DSN },
	{ "RCPT TO:<a@b> ORCPT=rfc822;\xc3\xa4@b", orcpt, EXTENSION_DSN | EXTENSION_SMTPUTF8 },
};

static void
test_values(void **state)
{
	for (size_t i = 0; i < COUNT(values); i++) {
		struct command c;
		struct err e = { 0 };
		unsigned needs = 77;
		enum parameter_kind kind;

		command_parse(str_of(values[i].line), &c);
		assert_true(command_path(&c, &e));
		kind = extension_parameter(c.verb, &c.parameter[0], &needs, &e);
		assert_int_equal(kind, values[i].wrong ? PARAMETER_INVALID : PARAMETER_VALID);
		assert_int_equal(needs, values[i].needs);
		if (values[i].wrong)
			assert_string_equal(e.text, values[i].wrong);
	}
}

/* Each belongs to one verb, and what we do not carry to none. */
static void
test_unknown(void **state)
{
	static const char *const lines[] = { "MAIL FROM:<> NOTIFY=NEVER",
		"MAIL FROM:<> ORCPT=rfc822;a", "MAIL FROM:<> REQUIRETLS",
		"MAIL FROM:<> SUBMITTER=a", "MAIL FROM:<> HOLDFOR=1", "RCPT TO:<a@b> RET=FULL",
		"RCPT TO:<a@b> BODY=7BIT", "RCPT TO:<a@b> RRVS=2014-04-03T23:01:00Z",
		"RCPT TO:<a@b> X" };

	for (size_t i = 0; i < COUNT(lines); i++) {
		struct command c;
		unsigned needs = 77;

		command_parse(str_of(lines[i]), &c);
		assert_true(command_path(&c, NULL));
		assert_int_equal(
		    extension_parameter(c.verb, &c.parameter[0], &needs, NULL), PARAMETER_UNKNOWN);
		assert_int_equal(needs, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keywords),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
