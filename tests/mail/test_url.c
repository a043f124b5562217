#include "mail/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_read(void **state)
{
	static const struct {
		const char *text;
		bool ok, secure;
		const char *host; /* or what is wrong */
		uint16_t port;
		const char *path;
	} cases[] = {
		{ "http://127.0.0.1:9000/plan", true, false, "127.0.0.1", 9000, "/plan" },
		{ "https://hooks.example.org/a?b=c", true, true, "hooks.example.org", 443,
		    "/a?b=c" },
		{ "HTTP://h", true, false, "h", 80, "/" },
		{ "http://[::1]:81/", true, false, "::1", 81, "/" },
		{ "ftp://h/", false, false, "it begins with http:// or https://", 0, NULL },
		{ "http://", false, false, "it is written https://host:port/path", 0, NULL },
		{ "http://u:p@h/", false, false, "it is written https://host:port/path", 0, NULL },
		{ "http://h:0/", false, false, "it is written https://host:port/path", 0, NULL },
		{ "http://h:65536/", false, false, "it is written https://host:port/path", 0,
		    NULL },
		{ "http://[::1/", false, false, "it is written https://host:port/path", 0, NULL },
		{ "http://h?x", false, false, "a / stands before its ?", 0, NULL },
		{ "http://h/a b", false, false,
		    "what is no printable ASCII, and #, are written %XX in it", 0, NULL },
		{ "http://h/a\r\nHost: x", false, false,
		    "what is no printable ASCII, and #, are written %XX in it", 0, NULL },
		{ "http://h/#x", false, false,
		    "what is no printable ASCII, and #, are written %XX in it", 0, NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e = { 0 };
		struct url url;
		bool ok = url_read(str_of(cases[i].text), &url, &e);

		if (ok != cases[i].ok)
			fail_msg("%s", cases[i].text);
		assert_string_equal(ok ? url.host : e.text, cases[i].host);
		if (!ok)
			continue;
		assert_int_equal(url.secure, cases[i].secure);
		assert_int_equal(url.port, cases[i].port);
		assert_string_equal(url.path, cases[i].path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_read) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
