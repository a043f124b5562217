#include "proxy/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IP4 "\300\0\2\1\300\0\2\2\x12\x67\0\x19"
#define IP6 \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x12\x67\0\x19"
#define MAPPED \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\300\0\2\1" \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x12\x67\0\x19"
#define TEXT(literal) \
	{ \
		(literal), sizeof(literal) - 1 \
	}

struct good {
	struct str octets;
	enum proxy_header kind;
	const char *client, *server;
	unsigned client_port, server_port;
};

static const struct good good[] = {
	{ TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n"), PROXY_HEADER_CLIENT, "192.0.2.1",
	    "192.0.2.2", 4711, 25 },
	{ TEXT("PROXY TCP6 2001:db8::1 2001:db8::2 4711 25\r\n"), PROXY_HEADER_CLIENT,
	    "2001:db8::1", "2001:db8::2", 4711, 25 },
	{ TEXT("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 0 65535\r\n"), PROXY_HEADER_CLIENT,
	    "192.0.2.1", "2001:db8::2", 0, 65535 },
	{ TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    PROXY_HEADER_CLIENT, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535 },
	{ TEXT("PROXY UNKNOWN\r\n"), PROXY_HEADER_UNKNOWN, "unknown", "unknown", 0, 0 },
	{ TEXT("PROXY UNKNOWN 192.0.2.1 whatever \xff\r\n"), PROXY_HEADER_UNKNOWN, "unknown",
	    "unknown", 0, 0 },
	{ TEXT(SIGNATURE "\x21\x11\0\x0c" IP4), PROXY_HEADER_CLIENT, "192.0.2.1", "192.0.2.2", 4711,
	    25 },
	{ TEXT(SIGNATURE "\x21\x11\0\x12" IP4 "\x04\0\3abc"), PROXY_HEADER_CLIENT, "192.0.2.1",
	    "192.0.2.2", 4711, 25 },
	{ TEXT(SIGNATURE "\x21\x21\0\x24" IP6), PROXY_HEADER_CLIENT, "2001:db8::1", "2001:db8::2",
	    4711, 25 },
	{ TEXT(SIGNATURE "\x21\x21\0\x24" MAPPED), PROXY_HEADER_CLIENT, "192.0.2.1", "2001:db8::2",
	    4711, 25 },
	{ TEXT(SIGNATURE "\x20\0\0\0"), PROXY_HEADER_LOCAL, "unknown", "unknown", 0, 0 },
	{ TEXT(SIGNATURE "\x20\x11\0\x0c" IP4), PROXY_HEADER_LOCAL, "unknown", "unknown", 0, 0 },
	{ TEXT(SIGNATURE "\x21\0\0\0"), PROXY_HEADER_UNKNOWN, "unknown", "unknown", 0, 0 },
	{ TEXT(SIGNATURE "\x21\x31\0\4\1\2\3\4"), PROXY_HEADER_UNKNOWN, "unknown", "unknown", 0,
	    0 },
};

static void
check_good(const struct good *c, struct str octets)
{
	struct endpoints ends;
	struct err e;
	size_t used;

	assert_int_equal(proxy_header_read(octets, &ends, &used, &e), c->kind);
	assert_int_equal(used, c->octets.n);
	assert_string_equal(IP_TEXT(&ends.client_ip), c->client);
	assert_string_equal(IP_TEXT(&ends.server_ip), c->server);
	assert_int_equal(ends.client_port, c->client_port);
	assert_int_equal(ends.server_port, c->server_port);
}

/* Every beginning of it asks for more; with anything behind it, it is the same. */
static void
test_good(void **state)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		char more[512];

		for (size_t n = 0; n < good[i].octets.n; n++) {
			struct endpoints ends;
			struct err e;
			size_t used;

			if (proxy_header_read(str_sub(good[i].octets, 0, n), &ends, &used, &e) !=
			    PROXY_HEADER_MORE)
				fail_msg("case %zu, %zu octets: %s", i, n, e.text);
		}
		check_good(&good[i], good[i].octets);
		memset(more, '\n', sizeof(more));
		memcpy(more, good[i].octets.p, good[i].octets.n);
		check_good(&good[i], (struct str){ more, sizeof(more) });
	}
}

static void
test_wrong(void **state)
{
	static const struct {
		struct str octets;
		const char *why;
	} cases[] = {
		{ TEXT("EHLO x\r\n"), "it begins otherwise" },
		{ TEXT("proxy TCP4"), "it begins otherwise" },
		{ TEXT("\r\n\r\n\0\r\nQUIT\r"), "it begins otherwise" },
		{ TEXT("PROXY \r\n"), "its protocol is not TCP4, TCP6 or UNKNOWN" },
		{ TEXT("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
		    "its protocol is not TCP4, TCP6 or UNKNOWN" },
		{ TEXT("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"),
		    "its protocol is not TCP4, TCP6 or UNKNOWN" },
		{ TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"), "its line does not end in CR LF" },
		{ TEXT("PROXY TCP4 192.0.2.1\r\n"), "an address is not of its protocol" },
		{ TEXT("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"),
		    "an address is not of its protocol" },
		{ TEXT("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"),
		    "an address is not of its protocol" },
		{ TEXT("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"),
		    "an address is not of its protocol" },
		{ TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), "it does not end in two ports" },
		{ TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), "it does not end in two ports" },
		{ TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"),
		    "it does not end in two ports" },
		{ TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"), "it does not end in two ports" },
		{ TEXT("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
		    "its line is too long" },
		{ TEXT(SIGNATURE "\x11\x11\0\x0c" IP4),
		    "its version is not 2, or its command not known" },
		{ TEXT(SIGNATURE "\x22\x11\0\x0c" IP4),
		    "its version is not 2, or its command not known" },
		{ TEXT(SIGNATURE "\x21\x12\0\x0c" IP4), "its protocol is not TCP" },
		{ TEXT(SIGNATURE "\x21\x11\0\x0b" IP4),
		    "its length has no room for its addresses" },
		{ TEXT(SIGNATURE "\x21\x21\0\x0c" IP4),
		    "its length has no room for its addresses" },
		{ TEXT(SIGNATURE "\x21\x11\x0f\xf1"), "it is too long" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct endpoints ends;
		struct err e = { 0 };
		size_t used;

		if (proxy_header_read(cases[i].octets, &ends, &used, &e) != PROXY_HEADER_WRONG)
			fail_msg("case %zu is taken", i);
		assert_string_equal(e.text, cases[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
