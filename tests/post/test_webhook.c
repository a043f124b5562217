#include "post/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/post/server.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_answers(void **state)
{
	static const struct {
		const char *answer;
		const char *wrong; /* NULL: it is a yes */
		bool forever;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL, false },
		{ "HTTP/1.1 204 No Content\r\n\r\n", NULL, false },
		{ "HTTP/1.0 202 x\r\n\r\nbody", NULL, false },
		{ "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
		    "it answered 301", false },
		{ "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "it answered 404", true },
		{ "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", "it answered 429", false },
		{ "HTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n", "it answered 503", false },
		{ "220 smtp.example.org\r\n", "it was not reached, or did not answer as HTTP does",
		    false },
		{ "", "it was not reached, or did not answer as HTTP does", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *const script[] = { cases[i].answer, NULL };
		const struct wire_limit limit = { clock_mono_us() + 20000000, -1 };
		struct server server;
		struct webhook hook = { 0 };
		struct err e = { 0 };
		char text[100];
		bool forever, ok;

		server_start(&server, script, true);
		snprintf(text, sizeof(text), "http://127.0.0.1:%u/plan?x=1", server.port);
		assert_true(url_read(str_of(text), &hook.url, NULL));
		ok = webhook_post(&hook, STR("{\"a\":1}"), &limit, &forever, &e);
		pthread_join(server.thread, NULL);
		assert_int_equal(ok, cases[i].wrong == NULL);
		if (!ok)
			assert_string_equal(e.text, cases[i].wrong);
		assert_int_equal(forever, cases[i].forever);
		assert_true(str_starts(buf_str(&server.heard), STR("POST /plan?x=1 HTTP/1.1\r\n")));
		assert_non_null(strstr(server.heard.p, "Content-Type: application/json\r\n"));
		assert_true(str_ends(buf_str(&server.heard), STR("\r\n\r\n{\"a\":1}")));
		close(server.fd);
		buf_free(&server.heard);
	}
}

static void
test_waits_no_longer(void **state)
{
	static const char *const script[SERVER_SCRIPT] = { "" };
	struct wire_limit limit = { clock_mono_us() + 200000, -1 };
	struct server server;
	struct webhook hook = { .url = { .host = "127.0.0.1", .path = "/" } };
	struct err e;
	int ends[2];
	bool forever;

	server_start(&server, script, false);
	hook.url.port = server.port;
	assert_false(webhook_post(&hook, STR("{}"), &limit, &forever, &e));
	server_stop(&server);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	server_start(&server, script, false);
	hook.url.port = server.port;
	limit = (struct wire_limit){ clock_mono_us() + 60000000, ends[0] };
	assert_false(webhook_post(&hook, STR("{}"), &limit, &forever, &e));
	assert_string_equal(e.text, "told to end");
	server_stop(&server);
	/* nobody is there any more */
	limit.stop = -1;
	assert_false(webhook_post(&hook, STR("{}"), &limit, &forever, &e));
	assert_string_equal(e.text, "it was not reached, or did not answer as HTTP does");
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_waits_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
