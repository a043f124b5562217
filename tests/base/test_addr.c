#include "base/addr.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct ip
ip(const char *text)
{
	struct ip out;

	assert_true(ip_parse(str_of(text), &out));
	return out;
}

static void
test_parses_and_prints(void **state)
{
	static const struct {
		const char *text, *printed; /* NULL: refused */
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "9.10.99.100", "9.10.99.100" },
		{ "101.200.209.110", "101.200.209.110" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::ffff:c000:201", "192.0.2.1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "1:0:0:2:0:0:0:3", "1:0:0:2::3" },
		{ "", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.01", NULL },
		{ "192.0.2.1 ", NULL },
		{ "0x7f.1", NULL },
		{ "1:2:3:4:5:6:7", NULL },
		{ "fe80::1%eth0", NULL },
		{ "[::1]", NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip out;
		bool ok = ip_parse(str_of(cases[i].text), &out);

		assert_int_equal(ok, cases[i].printed != NULL);
		if (ok)
			assert_string_equal(IP_TEXT(&out), cases[i].printed);
		else
			assert_string_equal(IP_TEXT(&out), "unknown");
	}
	assert_false(ip_parse((struct str){ "1.2.3.4\0x", 9 }, &(struct ip){ 0 }));
}

static void
test_from_sockaddr(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr local = { .sa_family = AF_UNIX };
	struct ip got;

	sin.sin_addr.s_addr = htonl(0xc0000201);
	got = ip_from_sockaddr((const struct sockaddr *)&sin);
	assert_string_equal(IP_TEXT(&got), "192.0.2.1");
	sin6.sin6_addr = in6addr_loopback;
	got = ip_from_sockaddr((const struct sockaddr *)&sin6);
	assert_string_equal(IP_TEXT(&got), "::1");
	sin6.sin6_addr.s6_addr[10] = sin6.sin6_addr.s6_addr[11] = 0xff;
	got = ip_from_sockaddr((const struct sockaddr *)&sin6);
	assert_string_equal(IP_TEXT(&got), "0.0.0.1");
	got = ip_from_sockaddr(&local);
	assert_int_equal(got.version, 0);
	got = ip_from_sockaddr(NULL);
	assert_int_equal(got.version, 0);
}

static void
test_equality(void **state)
{
	struct ip a = ip("192.0.2.1"), b = ip("::ffff:192.0.2.1"), c = ip("192.0.2.2");
	struct ip d = ip("::1"), none = { 0 };

	assert_true(ip_eq(&a, &b));
	assert_false(ip_eq(&a, &c));
	assert_false(ip_eq(&a, &d));
	assert_false(ip_eq(&a, &none));
	assert_true(ip_eq(&none, &none));
}

static void
test_networks(void **state)
{
	static const struct {
		const char *ip;
		unsigned bits4, bits6;
		const char *network;
	} cases[] = {
		{ "192.0.2.255", 24, 64, "192.0.2.0" },
		{ "192.0.2.255", 31, 64, "192.0.2.254" },
		{ "192.0.2.255", 0, 64, "0.0.0.0" },
		{ "192.0.2.255", 32, 64, "192.0.2.255" },
		{ "192.0.2.255", 99, 64, "192.0.2.255" },
		{ "2001:db8:1:2:3:4:5:6", 24, 64, "2001:db8:1:2::" },
		{ "2001:db8:1:2:3:4:5:6", 24, 33, "2001:db8::" },
		{ "2001:db8:1:2:3:4:5:6", 24, 128, "2001:db8:1:2:3:4:5:6" },
		{ "2001:db8:1:2:3:4:5:6", 24, 0, "::" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip from = ip(cases[i].ip);
		struct ip got = ip_network(&from, cases[i].bits4, cases[i].bits6);

		assert_string_equal(IP_TEXT(&got), cases[i].network);
	}
}

static void
test_cidr(void **state)
{
	static const struct {
		const char *text, *inside, *outside;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.9", "192.0.3.0" },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.2" },
		{ "0.0.0.0/0", "255.1.2.3", "::1" },
		{ "::/0", "2001::", "1.2.3.4" },
		{ "2001:db8::/32", "2001:db8:ffff::", "2001:db9::" },
		{ "::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0" },
		{ "128.0.0.0/1", "200.0.0.0", "127.0.0.0" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr net;
		struct err e;
		struct ip inside = ip(cases[i].inside), outside = ip(cases[i].outside);

		assert_true(cidr_parse(str_of(cases[i].text), &net, &e));
		assert_true(cidr_has(&net, &inside));
		assert_false(cidr_has(&net, &outside));
		assert_false(cidr_has(&net, &(struct ip){ 0 }));
	}
}

static void
test_cidr_errors(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "\"\" is not an IP address or network" },
		{ "example.com", "\"example.com\" is not an IP address or network" },
		{ "a\nb", "\"a\\x0ab\" is not an IP address or network" },
		{ "10.0.0.0/33", "\"10.0.0.0/33\": the number after the slash must be 0 to 32" },
		{ "10.0.0.0/", "\"10.0.0.0/\": the number after the slash must be 0 to 32" },
		{ "::/129", "\"::/129\": the number after the slash must be 0 to 128" },
		{ "10.0.0.1/8",
		    "\"10.0.0.1/8\": bits are set beyond the first 8; "
		    "the network would be 10.0.0.0/8" },
		{ "::ffff:10.0.0.0/8",
		    "\"::ffff:10.0.0.0/8\": an IPv4-mapped network needs at least 96 bits" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr net;
		struct err e = { 0 };

		assert_false(cidr_parse(str_of(cases[i].text), &net, &e));
		assert_int_equal(e.code, ERR_SYNTAX);
		assert_string_equal(e.text, cases[i].error);
		assert_false(cidr_parse(str_of(cases[i].text), &net, NULL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parses_and_prints),
		cmocka_unit_test(test_from_sockaddr),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_cidr),
		cmocka_unit_test(test_cidr_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
