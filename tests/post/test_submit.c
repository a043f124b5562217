#include "post/submit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/base/port.h"
#include "tests/post/server.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define EHLO "250-mta\r\n250-STARTTLS\r\n250 AUTH LOGIN PLAIN\r\n"

static struct wire_limit
within(int64_t ms)
{
	return (struct wire_limit){ clock_mono_us() + ms * 1000, -1 };
}

static void
test_dialogues(void **state)
{
	static const struct {
		const char *script[SERVER_SCRIPT];
		const char *user;
		enum submission_tls tls;
		const char *heard; /* whole, or NULL */
		const char *wrong; /* NULL: taken */
		bool forever;
	} cases[] = {
		{ { "220 hi\r\n", EHLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n",
		      "221 bye\r\n" },
		    NULL, SUBMISSION_CLEAR,
		    "EHLO mx.example.org\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
		    "Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n",
		    NULL, false },
		{ { "220 hi\r\n", EHLO, "235 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n",
		      "250 ok\r\n", "221 bye\r\n" },
		    "bob", SUBMISSION_CLEAR,
		    "EHLO mx.example.org\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\nMAIL FROM:<>\r\n"
		    "RCPT TO:<bob@example.org>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nQUIT\r\n",
		    NULL, false },
		{ { "220 hi\r\n", "250 mta\r\n" }, NULL, SUBMISSION_TLS, NULL,
		    "it does not offer STARTTLS", false },
		{ { "220 hi\r\n", "250 mta\r\n" }, "bob", SUBMISSION_CLEAR, NULL,
		    "it does not offer AUTH PLAIN", false },
		{ { "220 hi\r\n", EHLO, "535 5.7.8 no\r\n" }, "bob", SUBMISSION_CLEAR, NULL,
		    "AUTH: 535 5.7.8 no", false },
		{ { "554 go away\r\n" }, NULL, SUBMISSION_CLEAR, NULL, "greeting: 554 go away",
		    false },
		{ { "220 hi\r\n", EHLO, "250 ok\r\n", "550 5.1.1 \"nobody\"\r\n" }, NULL,
		    SUBMISSION_CLEAR, NULL, "RCPT TO: 550 5.1.1 \\x22nobody\\x22", true },
		{ { "220 hi\r\n", EHLO, "250 ok\r\n", "450 later\r\n" }, NULL, SUBMISSION_CLEAR,
		    NULL, "RCPT TO: 450 later", false },
		{ { "220 hi\r\n", EHLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "554 spam\r\n" },
		    NULL, SUBMISSION_CLEAR, NULL, "end of data: 554 spam", true },
		{ { "220 hi\r\n", EHLO, "250 ok\r\n", NULL }, NULL, SUBMISSION_CLEAR, NULL,
		    "the connection was closed", false },
		{ { "220 hi\r\n", "250 mta\r\n", "" }, NULL, SUBMISSION_CLEAR, NULL,
		    "no answer in time", false },
		{ { "hello\r\n" }, NULL, SUBMISSION_CLEAR, NULL, NULL, false },
		/* what stands behind the yes to STARTTLS was said by who knows whom */
		{ { "220 hi\r\n", EHLO, "220 go\r\n250 ok\r\n" }, NULL, SUBMISSION_TLS, NULL,
		    "it spoke in the clear behind its yes to STARTTLS", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct submit_mail mail = { STR(""), STR("bob@example.org"),
			STR("Subject: x\r\n\r\n.\r\n") };
		const struct wire_limit limit = within(
		    cases[i].script[2] == NULL || cases[i].script[2][0] != '\0' ? 10000 : 300);
		struct submission to = { .host = "127.0.0.1",
			.tls = cases[i].tls,
			.user = cases[i].user,
			.password = STR("secret"),
			.helo = "mx.example.org" };
		struct server server;
		struct err e = { 0 };
		bool forever, ok;

		server_start(&server, cases[i].script, false);
		to.port = server.port;
		ok = submit(&to, &mail, &limit, &forever, &e);
		pthread_join(server.thread, NULL);
		if (cases[i].heard)
			assert_string_equal(server.heard.p, cases[i].heard);
		assert_int_equal(ok, cases[i].heard != NULL);
		if (cases[i].wrong)
			assert_string_equal(e.text, cases[i].wrong);
		assert_int_equal(forever, cases[i].forever);
		close(server.fd);
		buf_free(&server.heard);
	}
}

static void
test_guards(void **state)
{
	static const char *const script[SERVER_SCRIPT] = { "220 hi\r\n", EHLO, "250 ok\r\n" };
	const struct submit_mail bad = { STR(""), STR("bob@example.org>\r\nRCPT TO:<x"), STR("") };
	const struct wire_limit limit = within(10000);
	struct submission to = { .host = "127.0.0.1", .helo = "mx" };
	struct server server;
	struct err e;
	bool forever;

	server_start(&server, script, false);
	to.port = server.port;
	assert_false(submit(&to, &bad, &limit, &forever, &e));
	assert_string_equal(e.text, "RCPT TO: cannot be said in a line");
	server_stop(&server);
	/* localhost may be anybody's name for anything */
	server_start(&server, script, false);
	to = (struct submission){ .host = "localhost",
		.port = server.port,
		.helo = "mx",
		.user = "bob",
		.password = STR("secret") };
	assert_false(submit(&to, &bad, &limit, &forever, &e));
	assert_string_equal(e.text, "the password is not said in the clear: use `starttls`");
	assert_null(strstr(server.heard.p, "AUTH"));
	server_stop(&server);
}

static void
test_told_to_end(void **state)
{
	static const char *const script[SERVER_SCRIPT] = { "" };
	const struct submit_mail mail = { STR(""), STR("bob@example.org"), STR("") };
	struct wire_limit limit = within(60000);
	struct submission to = { .host = "127.0.0.1", .helo = "mx" };
	struct server server;
	struct err e;
	int ends[2];
	bool forever;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	limit.stop = ends[0];
	server_start(&server, script, false);
	to.port = server.port;
	assert_false(submit(&to, &mail, &limit, &forever, &e));
	assert_string_equal(e.text, "told to end");
	server_stop(&server);
	close(ends[0]);
	close(ends[1]);
}

static void
test_nobody(void **state)
{
	const struct submit_mail mail = { STR(""), STR("bob@example.org"), STR("") };
	const struct wire_limit limit = within(10000);
	struct submission to = { .host = "127.0.0.1", .helo = "mx", .port = port_claim() };
	struct err e;
	bool forever;

	assert_false(submit(&to, &mail, &limit, &forever, &e));
	assert_string_equal(e.text, "Connection refused");
	to.host = "nobody.invalid";
	assert_false(submit(&to, &mail, &limit, &forever, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_guards),
		cmocka_unit_test(test_told_to_end),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
