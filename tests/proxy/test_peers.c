#include "proxy/peers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define S INT64_C(1000000)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct peer_network usual = { 24, 48 };

static struct peer
peer_of(const struct peers *peers, const char *text)
{
	struct ip ip;

	assert_true(ip_parse(str_of(text), &ip));
	return peers_of(peers, &ip, &usual);
}

static void
test_who_is_one(void **state)
{
	static const struct {
		const char *a, *b;
		bool client, network;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", true, true },
		{ "192.0.2.1", "192.0.2.2", false, true },
		{ "192.0.2.1", "192.0.3.1", false, false },
		{ "2001:db8::1", "2001:db8::ffff:1", true, true },
		{ "2001:db8::1", "2001:db8:0:1::1", false, true },
		{ "2001:db8::1", "2001:db8:1::1", false, false },
		{ "0.0.0.0", "::", false, false },
	};
	struct peers *peers = peers_new();

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer a = peer_of(peers, cases[i].a), b = peer_of(peers, cases[i].b);

		assert_int_equal(a.client == b.client, cases[i].client);
		assert_int_equal(a.network == b.network, cases[i].network);
		/* A network is no client, even if it is as wide. */
		assert_true(a.client != a.network);
	}
	peers_free(&peers);
	assert_null(peers);
}

static void
test_width_of_networks(void **state)
{
	const struct peer_network narrow = { 32, 64 };
	struct peers *peers = peers_new();
	struct ip a, b;

	assert_true(ip_parse(STR("192.0.2.1"), &a));
	assert_true(ip_parse(STR("192.0.2.2"), &b));
	assert_true(peers_of(peers, &a, &usual).network == peers_of(peers, &b, &usual).network);
	assert_true(peers_of(peers, &a, &narrow).network != peers_of(peers, &b, &narrow).network);
	peers_free(&peers);
}

static void
test_keys_are_secret(void **state)
{
	struct peers *one = peers_new(), *other = peers_new();

	assert_true(peer_of(one, "192.0.2.1").client != peer_of(other, "192.0.2.1").client);
	peers_free(&one);
	peers_free(&other);
}

static void
test_counts(void **state)
{
	struct peers *peers = peers_new();
	struct peer a = peer_of(peers, "192.0.2.1"), b = peer_of(peers, "192.0.2.2");
	struct peer_sessions n;

	n = peers_enter(peers, &a);
	assert_int_equal(n.client, 1);
	assert_int_equal(n.network, 1);
	n = peers_enter(peers, &b);
	assert_int_equal(n.client, 1);
	assert_int_equal(n.network, 2);
	n = peers_enter(peers, &a);
	assert_int_equal(n.client, 2);
	assert_int_equal(n.network, 3);
	peers_leave(peers, &a);
	peers_leave(peers, &a);
	n = peers_enter(peers, &a);
	assert_int_equal(n.client, 1);
	assert_int_equal(n.network, 2);
	peers_free(&peers);
}

/* Never too low; too high for hardly anybody. */
static void
test_many(void **state)
{
	struct peers *peers = peers_new();
	struct ip ip = { .version = 4 };
	size_t too_much = 0;

	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 10000; i++) {
			struct peer peer;
			size_t n;

			ip.b[1] = (uint8_t)(i >> 8);
			ip.b[2] = (uint8_t)i;
			peer = peers_of(peers, &ip, &usual);
			n = peers_enter(peers, &peer).client;
			assert_true(n >= 1);
			too_much += n - 1;
		}
		for (unsigned i = 0; i < 10000; i++) {
			struct peer peer;

			ip.b[1] = (uint8_t)(i >> 8);
			ip.b[2] = (uint8_t)i;
			peer = peers_of(peers, &ip, &usual);
			peers_leave(peers, &peer);
		}
	}
	/* 1 or 2 a round are to be expected. */
	assert_in_range(too_much, 0, 40);
	peers_free(&peers);
}

static struct peers *shared;

static void *
come_and_go(void *arg)
{
	struct peer peer = peer_of(shared, "192.0.2.1");
	size_t *most = arg;

	for (int i = 0; i < 20000; i++) {
		size_t n = peers_enter(shared, &peer).client;

		if (n > *most)
			*most = n;
		(void)peers_count(shared, &peer, PEER_MESSAGES, PEER_RATE_MOST, 30 * S);
		peers_leave(shared, &peer);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t thread[4];
	size_t most[4] = { 0 };
	struct peer peer;

	shared = peers_new();
	peer = peer_of(shared, "192.0.2.1");
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &most[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_in_range(most[i], 1, 4);
	}
	assert_int_equal(peers_enter(shared, &peer).client, 1);
	/* None of 80,000 was lost. */
	assert_int_equal(peers_wait(shared, &peer, PEER_MESSAGES, 80001, 30 * S), 0);
	assert_true(peers_wait(shared, &peer, PEER_MESSAGES, 80000, 30 * S) > 0);
	peers_free(&shared);
}

/* At each time so many try at once; so many get through, and the next is told so many seconds. */
static void
test_rates(void **state)
{
	static const struct {
		int64_t most;
		struct {
			int64_t at;
			unsigned tries, pass, wait;
		} step[5];
	} cases[] = {
		{ 0, { { 60, 1000, 1000, 0 } } },
		{ 1,
		    { { 60, 2, 1, 120 }, { 119, 1, 0, 61 }, { 179, 1, 0, 1 },
			{ 180, 1, 1, 120 } } },
		/* All at the start of a minute: in the next they fade evenly. */
		{ 60,
		    { { 60, 70, 60, 61 }, { 120, 1, 0, 1 }, { 121, 2, 1, 1 },
			{ 151, 40, 30, 1 } } },
		/* At its end. */
		{ 60, { { 119, 70, 60, 2 }, { 121, 3, 1, 1 }, { 240, 61, 60, 61 } } },
		/* A long pause forgets all. */
		{ 10, { { 60, 20, 10, 66 }, { 6000, 20, 10, 66 } } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peers *peers = peers_new();
		struct peer a = peer_of(peers, "192.0.2.1"), b = peer_of(peers, "192.0.2.2");

		for (size_t k = 0; k < 5 && cases[i].step[k].tries; k++) {
			int64_t now = cases[i].step[k].at * S;
			unsigned passed = 0;

			for (unsigned n = 0; n < cases[i].step[k].tries; n++)
				passed +=
				    peers_count(peers, &a, PEER_MESSAGES, cases[i].most, now) == 0;
			if (passed != cases[i].step[k].pass)
				print_message("case %zu step %zu\n", i, k);
			assert_int_equal(passed, cases[i].step[k].pass);
			assert_int_equal(peers_wait(peers, &a, PEER_MESSAGES, cases[i].most, now),
			    cases[i].step[k].wait);
			/* Neither somebody else's nor another kind. */
			assert_int_equal(
			    peers_wait(peers, &b, PEER_MESSAGES, cases[i].most, now), 0);
			assert_int_equal(peers_wait(peers, &a, PEER_ERRORS, cases[i].most, now), 0);
		}
		peers_free(&peers);
	}
}

/* What is told is true: a second before it is refused, and then it is not. */
static void
test_waits_are_true(void **state)
{
	for (int64_t most = 1; most < 200; most += 7) {
		struct peers *peers = peers_new();
		struct peer a = peer_of(peers, "192.0.2.1");
		int64_t now = 60 + most % 60;
		unsigned wait;

		for (int round = 0; round < 20; round++) {
			while ((wait = peers_count(peers, &a, PEER_RECIPIENTS, most, now * S)) == 0)
				;
			assert_in_range(wait, 1, 120);
			assert_true(
			    peers_wait(peers, &a, PEER_RECIPIENTS, most, (now + wait - 1) * S) > 0);
			now += wait;
			assert_int_equal(peers_wait(peers, &a, PEER_RECIPIENTS, most, now * S), 0);
		}
		peers_free(&peers);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_one),
		cmocka_unit_test(test_width_of_networks),
		cmocka_unit_test(test_keys_are_secret),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_waits_are_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
