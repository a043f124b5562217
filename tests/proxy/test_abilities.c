#include "proxy/abilities.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct abilities
read_all(const char *lines)
{
	struct reply reply;
	struct abilities a;
	struct str rest = str_of(lines), line;
	struct err e;

	reply_init(&reply);
	while (str_pop(&rest, '\n', &line))
		assert_true(reply_take(&reply, line, &e));
	assert_true(reply.complete);
	a = abilities_read(&reply);
	reply_free(&reply);
	return a;
}

/* What is offered to our clients in front of an MTA that answers so. */
static void
test_offer(void **state)
{
	static const struct {
		const char *mta, *size, *between, *rcpt_max;
	} cases[] = {
		{ "250 mta", "1000", "", "100" },
		{ "250-mta\n250 SIZE", "1000", "", "100" },
		{ "250-mta\n250 SIZE 0", "1000", "", "100" },
		{ "250-mta\n250 SIZE 999", "999", "", "100" },
		{ "250-mta\n250 SIZE 5000", "1000", "", "100" },
		{ "250-mta\n250 SIZE 99999999999999999999999", "1000", "", "100" },
		{ "250-mta\n250-8bitmime\n250 size 10", "10", "8BITMIME\n", "100" },
		/* The greeting is no ability. */
		{ "250-8BITMIME 8BITMIME\n250 X", "1000", "", "100" },
		{ "250-mta\n250-STARTTLS\n250-REQUIRETLS\n250-PRDR\n250-BURL\n"
		  "250-XCLIENT ADDR\n250-X-DSN\n250 8BITMIMEX",
		    "1000", "", "100" },
		{ "250-mta\n250-DSN\n250 dsn", "1000", "DSN\n", "100" },
		{ "250-mta\n250-DELIVERBY\n250 MT-PRIORITY", "1000", "DELIVERBY\nMT-PRIORITY\n",
		    "100" },
		{ "250-mta\n250-MT-PRIORITY MIXER\n250 DELIVERBY  240 ", "1000",
		    "DELIVERBY 240\nMT-PRIORITY MIXER\n", "100" },
		{ "250-mta\n250-DELIVERBY 1234567890\n250 MT-PRIORITY two words", "1000",
		    "DELIVERBY\nMT-PRIORITY\n", "100" },
		{ "250-mta\n250-DELIVERBY -1\n250 MT-PRIORITY A\xc3\xa4", "1000",
		    "DELIVERBY\nMT-PRIORITY\n", "100" },
		{ "250-mta\n250-SMTPUTF8\n250 8BITMIME", "1000", "8BITMIME\nSMTPUTF8\n", "100" },
		{ "250-mta\n250 SMTPUTF8", "1000", "", "100" },
		{ "250-mta\n250-BINARYMIME\n250 CHUNKING", "1000", "BINARYMIME\n", "100" },
		{ "250-mta\n250 BINARYMIME", "1000", "", "100" },
		{ "250-mta\n250 CHUNKING", "1000", "", "100" },
		{ "250-mta\n250 AUTH PLAIN LOGIN", "1000", "AUTH PLAIN LOGIN\n", "100" },
		{ "250-mta\n250-AUTH  plain EXTERNAL x!y\n250 AUTH PLAIN SCRAM-SHA-1-PLUS X_Y",
		    "1000", "AUTH plain X_Y\n", "100" },
		{ "250-mta\n250 AUTH EXTERNAL", "1000", "", "100" },
		{ "250-mta\n250-AUTH\n250 AUTH=PLAIN", "1000", "", "100" },
		{ "250-mta\n250 LIMITS RCPTMAX=20 MAILMAX=5", "1000", "", "20" },
		{ "250-mta\n250 limits mailmax=5 rcptmax=1", "1000", "", "1" },
		{ "250-mta\n250 LIMITS RCPTMAX=500", "1000", "", "100" },
		{ "250-mta\n250 LIMITS RCPTMAX=x", "1000", "", "100" },
		{ "250-mta\n250 LIMITS", "1000", "", "100" },
		{ "250-mta\n250 LIMITS RCPTMAX=9999999", "1000", "", "100" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct abilities a = read_all(cases[i].mta);
		struct buf out, words;
		char offered[512];
		struct str rest, line;

		buf_init(&out, 4096);
		buf_init(&words, 4096);
		abilities_write(&a, &(struct offer){ "mx.example.org", 1000, 100, NULL }, &out);
		rest = buf_str(&out);
		assert_true(str_starts(rest, STR("250-mx.example.org\r\n")));
		str_pop(&rest, '\n', &line);
		while (str_pop(&rest, '\n', &line) && line.n > 0) {
			assert_true(str_starts(line, rest.n ? STR("250-") : STR("250 ")));
			buf_add(&words, str_sub(line, 4, line.n - 1));
			buf_addc(&words, '\n');
		}
		snprintf(offered, sizeof(offered),
		    "PIPELINING\nSIZE %s\n%sLIMITS RCPTMAX=%s\nENHANCEDSTATUSCODES\n",
		    cases[i].size, cases[i].between, cases[i].rcpt_max);
		assert_string_equal(words.p, offered);
		buf_free(&out);
		buf_free(&words);
	}
}

static void
test_xclient(void **state)
{
	static const struct {
		const char *mta;
		unsigned xclient;
	} cases[] = {
		{ "250 mta", 0 },
		{ "250-mta\n250 XCLIENT", 0 },
		{ "250-mta\n250 XCLIENT NAME ADDR PROTO HELO",
		    XCLIENT_NAME | XCLIENT_ADDR | XCLIENT_PROTO | XCLIENT_HELO },
		{ "250-mta\n250 xclient addr REVERSE_NAME login Port DESTADDR",
		    XCLIENT_ADDR | XCLIENT_LOGIN | XCLIENT_PORT | XCLIENT_REVERSE_NAME |
			XCLIENT_DESTADDR },
		{ "250-mta\n250 XCLIENT ADDR DESTPORT SHOESIZE", XCLIENT_ADDR | XCLIENT_DESTPORT },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(read_all(cases[i].mta).xclient, cases[i].xclient);
}

static void
test_text(void **state)
{
	static const struct {
		const char *mta, *text;
	} cases[] = {
		{ "250 mta", "ESMTP" },
		{ "250-mta\n250-SIZE\n250-8BITMIME\n250-XCLIENT ADDR\n250-PIPELINING\n250-STARTTLS\n"
		  "250-DSN\n250-CHUNKING\n250-LIMITS RCPTMAX=7\n250 SIZE 2000",
		    "ESMTP SIZE 2000 8BITMIME DSN PIPELINING CHUNKING STARTTLS XCLIENT RCPTMAX=7" },
	};
	struct buf out;

	buf_init(&out, 512);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct abilities a = read_all(cases[i].mta);

		buf_clear(&out);
		abilities_text(&a, &out);
		assert_true(str_eq(buf_str(&out), str_of(cases[i].text)));
	}
	buf_clear(&out);
	abilities_text(&(struct abilities){ 0 }, &out);
	assert_int_equal(out.n, 0);
	abilities_text(&(struct abilities){ .known = true }, &out);
	assert_true(str_eq(buf_str(&out), STR("SMTP")));
	buf_free(&out);
}

static void
test_common(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned extensions;
		unsigned size_max;
	} cases[] = {
		{ "250-a\n250-SIZE 2000\n250 8BITMIME",
		    "250-b\n250-SIZE 1000\n250-DSN\n250 8BITMIME", EXTENSION_8BITMIME, 1000 },
		{ "250-a\n250-SIZE 2000\n250 8BITMIME", "250-b\n250 SIZE", 0, 2000 },
		{ "250-a\n250 SIZE 0", "250-b\n250 SIZE 1000", 0, 1000 },
		{ "250-a\n250 8BITMIME", "250 b", 0, 0 },
		{ "250-a\n250 MT-PRIORITY MIXER", "250-a\n250 MT-PRIORITY MIXER",
		    EXTENSION_MT_PRIORITY, 0 },
		{ "250-a\n250 MT-PRIORITY MIXER", "250-a\n250 MT-PRIORITY NSEP", 0, 0 },
		{ "250-a\n250 AUTH PLAIN LOGIN", "250-b\n250 AUTH X LOGIN", EXTENSION_AUTH, 0 },
		{ "250-a\n250 AUTH PLAIN", "250-b\n250 AUTH LOGIN", 0, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct abilities a = read_all(cases[i].a), b = read_all(cases[i].b);

		for (unsigned turn = 0; turn < 2; turn++) {
			struct abilities c =
			    turn ? abilities_common(&a, &b) : abilities_common(&b, &a);

			assert_true(c.known);
			assert_int_equal(c.extensions, cases[i].extensions);
			assert_int_equal(c.size_max, cases[i].size_max);
			/* The longer of two times, the smaller of two limits. */
			a.rcpt_max = 100;
			b.rcpt_max = 50;
			str_copy(STR("90"), a.by_least, sizeof(a.by_least));
			str_copy(STR("100"), b.by_least, sizeof(b.by_least));
			c = turn ? abilities_common(&a, &b) : abilities_common(&b, &a);
			assert_int_equal(c.rcpt_max, 50);
			assert_string_equal(c.by_least, "100");
		}
	}
}

/* Before the MTA was ever reached, nothing is offered that depends on it. */
static void
test_unknown(void **state)
{
	static const char *const ours[] = { "STARTTLS", "XCLIENT ADDR", NULL };
	struct abilities none = { 0 };
	struct buf out;

	buf_init(&out, 4096);
	abilities_write(&none, &(struct offer){ "h", 7, 8, ours }, &out);
	assert_string_equal(out.p,
	    "250-h\r\n250-PIPELINING\r\n250-SIZE 7\r\n250-STARTTLS\r\n250-XCLIENT ADDR\r\n"
	    "250-LIMITS RCPTMAX=8\r\n250 ENHANCEDSTATUSCODES\r\n");
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offer),
		cmocka_unit_test(test_xclient),
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
