#include "proxy/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ip
ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(str_of(text), &ip));
	return ip;
}

static void
test_counts(void **state)
{
	struct peers *peers = peers_new();
	struct ip a = ip_of("192.0.2.1"), b = ip_of("192.0.2.2");
	struct ip c = ip_of("2001:db8::1"), d = ip_of("2001:db8::ffff:1"),
		  e = ip_of("2001:db8:0:1::1");

	assert_int_equal(peers_enter(peers, &a), 1);
	assert_int_equal(peers_enter(peers, &a), 2);
	assert_int_equal(peers_enter(peers, &b), 1);
	peers_leave(peers, &a);
	assert_int_equal(peers_enter(peers, &a), 2);
	/* A /64 is one client. */
	assert_int_equal(peers_enter(peers, &c), 1);
	assert_int_equal(peers_enter(peers, &d), 2);
	assert_int_equal(peers_enter(peers, &e), 1);
	peers_leave(peers, &c);
	peers_leave(peers, &d);
	assert_int_equal(peers_enter(peers, &c), 1);
	peers_free(&peers);
	assert_null(peers);
}

static void
test_many(void **state)
{
	struct peers *peers = peers_new();
	struct ip ip = { .version = 4 };

	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 5000; i++) {
			ip.b[2] = (uint8_t)(i >> 8);
			ip.b[3] = (uint8_t)i;
			assert_int_equal(peers_enter(peers, &ip), 1);
		}
		for (unsigned i = 0; i < 5000; i++) {
			ip.b[2] = (uint8_t)(i >> 8);
			ip.b[3] = (uint8_t)i;
			peers_leave(peers, &ip);
		}
	}
	peers_free(&peers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
