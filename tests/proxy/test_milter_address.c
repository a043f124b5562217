#include "proxy/milter_address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/un.h>

#include <cmocka.h>

static const struct {
	const char *text;
	const char *want; /* "4 ADDRESS PORT", "6 ...", "unix PATH" */
} good[] = {
	{ "inet:8891@127.0.0.1", "4 127.0.0.1 8891" },
	{ "inet:8891@[127.0.0.1]", "4 127.0.0.1 8891" },
	{ "INET:1@127.0.0.2", "4 127.0.0.2 1" },
	{ "inet:8891", "4 0.0.0.0 8891" },
	{ "inet:smtp@127.0.0.1", "4 127.0.0.1 25" },
	{ "inet:0@127.0.0.1", "4 127.0.0.1 0" },
	{ "inet6:8891@::1", "6 ::1 8891" },
	{ "inet6:8891@[::1]", "6 ::1 8891" },
	{ "inet6:8891", "6 :: 8891" },
	{ "unix:/run/postern/milter", "unix /run/postern/milter" },
	{ "local:/run/a:b", "unix /run/a:b" },
	{ ":/run/x", "unix /run/x" },
	{ "/run/postern/milter", "unix /run/postern/milter" },
};

static const struct {
	const char *text, *want;
} bad[] = {
	{ "tcp:25@127.0.0.1",
	    "\"tcp\" is none of inet, inet6, unix and local, as which a milter can listen" },
	{ "inet:", "a milter's address is inet:PORT@HOST, unix:PATH" },
	{ "inet:@127.0.0.1", "a milter's address is inet:PORT@HOST, unix:PATH" },
	{ "inet:25@", "a milter's address is inet:PORT@HOST, unix:PATH" },
	{ "inet:25@[]", "a milter's address is inet:PORT@HOST, unix:PATH" },
	{ "unix:", "the path of a milter's socket must have 1 to 107 octets, not 0" },
	{ "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	  "89012345678901234567",
	    "the path of a milter's socket must have 1 to 107 octets, not 109" },
};

static void
show(const struct endpoint *where, char *out, size_t size)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&where->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&where->address;
	char ip[64];

	if (where->address.ss_family == AF_UNIX)
		snprintf(out, size, "unix %s", ((const struct sockaddr_un *)v4)->sun_path);
	else if (where->address.ss_family == AF_INET)
		snprintf(out, size, "4 %s %u", inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip)),
		    ntohs(v4->sin_port));
	else
		snprintf(out, size, "6 %s %u", inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip)),
		    ntohs(v6->sin6_port));
}

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct endpoint where;
		struct err e = { 0 };
		char shown[256];

		if (!milter_address_parse(good[i].text, &where, &e))
			fail_msg("%s: %s", good[i].text, e.text);
		show(&where, shown, sizeof(shown));
		assert_string_equal(shown, good[i].want);
	}
}

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct endpoint where;
		struct err e = { 0 };

		if (milter_address_parse(bad[i].text, &where, &e))
			fail_msg("%s was taken", bad[i].text);
		assert_string_equal(e.text, bad[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests_name("milter_address", tests, NULL, NULL);
}
