/* The resolver against a name server of our own on a loopback socket, in the same event loop. */
#include "base/resolver.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/die.h"
#include "base/escape.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
	struct event_base *base;
	int fd;
	uint16_t port;
	struct event *readable;
	struct buf seen; /* names asked for, a blank behind each */
	struct resolver *resolver;
	struct arena *arena;
	unsigned done;
	unsigned wanted; /* the loop ends when done gets there */
};

static void
put_u16(struct buf *b, unsigned value)
{
	buf_addc(b, (char)(value >> 8));
	buf_addc(b, (char)value);
}

/* The name as text into f->seen; returns what is behind it in the question. */
static size_t
note_name(struct fixture *f, struct str packet)
{
	size_t at = 12;

	while (at < packet.n && packet.p[at] != 0) {
		size_t n = (unsigned char)packet.p[at];

		buf_add(&f->seen, str_sub(packet, at + 1, at + 1 + n));
		buf_addc(&f->seen, '.');
		at += n + 1;
	}
	buf_addc(&f->seen, ' ');
	return at + 1;
}

/* Says what the first label tells it to; silent* gets no answer. */
static void
serve(evutil_socket_t fd, short what, void *arg)
{
	struct fixture *f = arg;
	struct sockaddr_in peer;
	socklen_t peer_size = sizeof(peer);
	char question[512];
	ssize_t n =
	    recvfrom(fd, question, sizeof(question), 0, (struct sockaddr *)&peer, &peer_size);
	struct str packet = { question, n > 0 ? (size_t)n : 0 }, label;
	struct buf b;
	unsigned rcode = 0;
	size_t end;

	if (packet.n < 17)
		return;
	end = note_name(f, packet);
	label = str_sub(packet, 13, 13 + (size_t)packet.p[12]);
	if (str_starts(label, STR("silent")))
		return;
	if (str_starts(label, STR("nx")))
		rcode = 3;
	if (str_starts(label, STR("broken")))
		rcode = 2;
	buf_init(&b, 1024);
	buf_add(&b, str_sub(packet, 0, 2));
	put_u16(&b, 0x8580 | rcode);
	put_u16(&b, 1);
	put_u16(&b, rcode == 0);
	put_u16(&b, 0);
	put_u16(&b, 0);
	buf_add(&b, str_sub(packet, 12, end + 4));
	if (rcode == 0) {
		/* A record of TXT, whatever was asked for, is one that some tests ask for. */
		put_u16(&b, 0xc00c);
		put_u16(&b, DNS_TXT);
		put_u16(&b, 1);
		put_u16(&b, 0);
		put_u16(&b, 300);
		put_u16(&b, 6);
		buf_add(&b, STR("\2ab\2cd"));
	}
	sendto(fd, b.p, b.n, 0, (struct sockaddr *)&peer, peer_size);
	buf_free(&b);
}

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t size = sizeof(sin);
	struct resolver_settings settings = { .forward = true, .deadline_ms = 4000 };
	struct err e;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->base = event_base_new();
	f->arena = arena_new(1 << 20);
	buf_init(&f->seen, 1 << 20);
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(f->fd, (struct sockaddr *)&sin, &size), 0);
	f->port = ntohs(sin.sin_port);
	f->readable = event_new(f->base, f->fd, EV_READ | EV_PERSIST, serve, f);
	event_add(f->readable, NULL);
	snprintf(settings.host, sizeof(settings.host), "127.0.0.1");
	settings.port = f->port;
	f->resolver = resolver_new(f->base, &settings, &e);
	assert_non_null(f->resolver);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	resolver_free(&f->resolver);
	event_free(f->readable);
	close(f->fd);
	event_base_free(f->base);
	buf_free(&f->seen);
	arena_free(&f->arena);
	free(f);
	return 0;
}

static void
use_deadline(struct fixture *f, unsigned ms)
{
	struct resolver_settings settings = { .forward = true, .deadline_ms = ms };

	resolver_free(&f->resolver);
	snprintf(settings.host, sizeof(settings.host), "127.0.0.1");
	settings.port = f->port;
	f->resolver = resolver_new(f->base, &settings, NULL);
	assert_non_null(f->resolver);
}

static void
on_done(struct lookup *lookup)
{
	struct fixture *f = lookup->owner;

	assert_false(lookup->waiting);
	if (++f->done == f->wanted)
		event_base_loopbreak(f->base);
}

static struct lookup
make(struct fixture *f, struct str name)
{
	return (struct lookup){
		.name = name, .type = DNS_TXT, .arena = f->arena, .done = on_done, .owner = f
	};
}

/* Runs the loop until so many lookups are done. */
static void
run_until(struct fixture *f, unsigned wanted)
{
	f->wanted = wanted;
	while (f->done < wanted)
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	assert_int_equal(f->done, wanted);
}

static void
assert_seen(struct fixture *f, struct str name)
{
	if (name.n > 0 && memmem(f->seen.p, f->seen.n, name.p, name.n) == NULL)
		fail_msg(
		    "%s never reached the forwarder, only: %s", ESC(name), ESC(buf_str(&f->seen)));
}

/* One name below each zone that libunbound would answer by itself. */
static void
test_forwards_every_name(void **state)
{
	static const char *const names[] = { "x.test", "test", "a.onion", "b.invalid", "localhost",
		"c.localhost", "h.home.arpa", "r.resolver.arpa", "s.service.arpa",
		"1.0.0.127.in-addr.arpa", "4.3.2.10.in-addr.arpa", "1.0.168.192.in-addr.arpa",
		"1.2.0.192.in-addr.arpa", "1.100.51.198.in-addr.arpa", "1.113.0.203.in-addr.arpa",
		"1.1.254.169.in-addr.arpa", "0.0.0.0.in-addr.arpa", "255.255.255.255.in-addr.arpa",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
		"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
		"1.d.f.ip6.arpa", "1.8.e.f.ip6.arpa", "1.9.e.f.ip6.arpa", "1.a.e.f.ip6.arpa",
		"1.b.e.f.ip6.arpa", "1.8.b.d.0.1.0.0.2.ip6.arpa", "mx.example.com", "local",
		"a.local", "wpad.lan" };
	struct fixture *f = *state;
	struct lookup lookups[COUNT(names)];

	for (size_t i = 0; i < COUNT(names); i++) {
		lookups[i] = make(f, str_of(names[i]));
		assert_false(resolver_start(f->resolver, &lookups[i]));
	}
	run_until(f, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_seen(f, arena_printf(f->arena, "%s. ", names[i]));
		if (lookups[i].answer.status != DNS_OK)
			fail_msg("%s: %s", names[i], dns_status_name(lookups[i].answer.status));
	}
}

static void
test_forwards_shared_and_private_networks(void **state)
{
	struct fixture *f = *state;
	struct lookup lookups[64 + 16];
	size_t n = 0;

	for (int i = 64; i < 128; i++)
		lookups[n++] = make(f, arena_printf(f->arena, "1.%d.100.in-addr.arpa", i));
	for (int i = 16; i < 32; i++)
		lookups[n++] = make(f, arena_printf(f->arena, "1.%d.172.in-addr.arpa", i));
	for (size_t i = 0; i < n; i++)
		assert_false(resolver_start(f->resolver, &lookups[i]));
	run_until(f, (unsigned)n);
	for (size_t i = 0; i < n; i++) {
		assert_seen(f, lookups[i].name);
		assert_int_equal(lookups[i].answer.status, DNS_OK);
	}
}

static void
test_statuses(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		enum dns_status status;
		const char *why;
	} cases[] = {
		{ "ok.example.com", DNS_TXT, DNS_OK, NULL },
		{ "nx.example.com", DNS_TXT, DNS_NXDOMAIN, NULL },
		{ "broken.example.com", DNS_TXT, DNS_TEMPFAIL, "servfail" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct lookup lookup = make(f, str_of(cases[i].name));

		lookup.type = cases[i].type;
		f->done = 0;
		assert_false(resolver_start(f->resolver, &lookup));
		run_until(f, 1);
		assert_int_equal(lookup.answer.status, cases[i].status);
		if (cases[i].why)
			assert_string_equal(lookup.answer.why, cases[i].why);
		else
			assert_null(lookup.answer.why);
		assert_false(lookup.answer.secure);
		if (lookup.answer.status == DNS_OK) {
			assert_int_equal(lookup.answer.n, 1);
			assert_true(str_eq(lookup.answer.rr[0].data, STR("abcd")));
			assert_in_range(lookup.answer.ttl, 1, 300);
		}
	}
}

static void
test_gives_a_cached_answer_at_hand(void **state)
{
	struct fixture *f = *state;
	struct lookup first = make(f, STR("ok.example.com"));
	struct lookup second = make(f, STR("OK.example.com."));
	struct resolver_counts counts;

	assert_false(resolver_start(f->resolver, &first));
	run_until(f, 1);
	assert_true(resolver_start(f->resolver, &second));
	assert_int_equal(second.answer.status, DNS_OK);
	assert_true(str_eq(second.answer.rr[0].data, STR("abcd")));
	assert_false(second.waiting);
	assert_int_equal(f->done, 1);
	counts = resolver_counts(f->resolver);
	assert_int_equal(counts.asked, 2);
	assert_int_equal(counts.at_hand, 1);
	assert_int_equal(counts.failures, 0);
}

static void
test_calls_back_each_of_two_that_ask_the_same(void **state)
{
	struct fixture *f = *state;
	struct lookup a = make(f, STR("ok.example.org")), b = a;

	assert_false(resolver_start(f->resolver, &a));
	assert_false(resolver_start(f->resolver, &b));
	run_until(f, 2);
	assert_int_equal(a.answer.status, DNS_OK);
	assert_int_equal(b.answer.status, DNS_OK);
}

static void
test_has_a_deadline(void **state)
{
	struct fixture *f = *state;
	struct lookup lookup = make(f, STR("silent.example.com"));

	use_deadline(f, 50);
	assert_false(resolver_start(f->resolver, &lookup));
	run_until(f, 1);
	assert_int_equal(lookup.answer.status, DNS_TEMPFAIL);
	assert_string_equal(lookup.answer.why, "timeout");
	assert_int_equal(resolver_counts(f->resolver).timeouts, 1);
	assert_int_equal(resolver_counts(f->resolver).failures, 1);
}

/* A silent name must not harm the next one. */
static void
test_answers_after_a_timeout(void **state)
{
	struct fixture *f = *state;
	struct lookup silent[20], good = make(f, STR("ok.example.net"));

	use_deadline(f, 500);
	for (size_t i = 0; i < COUNT(silent); i++) {
		silent[i] = make(f, arena_printf(f->arena, "silent%zu.example.com", i));
		assert_false(resolver_start(f->resolver, &silent[i]));
	}
	run_until(f, COUNT(silent));
	assert_false(resolver_start(f->resolver, &good));
	run_until(f, COUNT(silent) + 1);
	assert_int_equal(good.answer.status, DNS_OK);
}

static void
test_cancels(void **state)
{
	struct fixture *f = *state;
	struct lookup cancelled = make(f, STR("ok.example.com")), other = make(f, STR("ok.b.com"));

	assert_false(resolver_start(f->resolver, &cancelled));
	assert_false(resolver_start(f->resolver, &other));
	resolver_cancel(&cancelled);
	assert_false(cancelled.waiting);
	resolver_cancel(&cancelled);
	run_until(f, 1);
	assert_int_equal(other.answer.status, DNS_OK);
	assert_int_equal(cancelled.answer.n, 0);
	/* It can be started again, from libunbound's cache by now or not. */
	if (!resolver_start(f->resolver, &cancelled))
		run_until(f, 2);
	assert_int_equal(cancelled.answer.status, DNS_OK);
}

static void
test_frees_with_lookups_waiting(void **state)
{
	struct fixture *f = *state;
	struct lookup lookups[3];

	for (size_t i = 0; i < COUNT(lookups); i++) {
		lookups[i] = make(f, arena_printf(f->arena, "silent%zu.example.com", i));
		assert_false(resolver_start(f->resolver, &lookups[i]));
	}
	resolver_cancel(&lookups[1]);
	resolver_free(&f->resolver);
	assert_null(f->resolver);
	for (size_t i = 0; i < COUNT(lookups); i++)
		assert_false(lookups[i].waiting);
	assert_int_equal(f->done, 0);
}

/* At hand, and never seen by libunbound, which would leak them. */
static void
test_refuses_names_that_cannot_be(void **state)
{
	static const struct str names[] = { { "", 0 }, { ".", 1 }, { "a..b", 4 }, { ".a", 2 },
		{ "a\0b", 3 },
		{ "0123456789012345678901234567890123456789012345678901234567890123.a", 66 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(names); i++) {
		struct lookup lookup = make(f, names[i]);

		assert_true(resolver_start(f->resolver, &lookup));
		assert_int_equal(lookup.answer.status, DNS_NXDOMAIN);
	}
	assert_int_equal(f->seen.n, 0);
}

static void
test_asks_for_any_octet(void **state)
{
	static const struct str names[] = { { "a\\b.example.com", 15 }, { "a b.example.com", 15 },
		{ "a\\.example.com", 14 }, { "\\065\"$@.example.com", 19 },
		{ "\xff\x01\x7f.example.com", 15 }, { "_dmarc.example.com", 18 }, { "@", 1 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(names); i++) {
		struct lookup lookup = make(f, names[i]);

		f->done = 0;
		assert_false(resolver_start(f->resolver, &lookup));
		run_until(f, 1);
		assert_seen(f, names[i]);
		assert_int_equal(lookup.answer.status, DNS_OK);
	}
}

static void
start_another(struct lookup *lookup)
{
	struct fixture *f = lookup->owner;
	struct lookup *next = ARENA_NEW(f->arena, struct lookup);

	*next = make(f, STR("ok.next.example.com"));
	assert_false(resolver_start(f->resolver, next));
}

static void
test_done_may_ask_again(void **state)
{
	struct fixture *f = *state;
	struct lookup lookup = make(f, STR("ok.example.com"));

	lookup.done = start_another;
	assert_false(resolver_start(f->resolver, &lookup));
	run_until(f, 1);
	assert_seen(f, STR("ok.next.example.com."));
}

static void
free_all(struct lookup *lookup)
{
	struct fixture *f = lookup->owner;

	resolver_free(&f->resolver);
	on_done(lookup);
}

static void
test_done_may_free_the_resolver(void **state)
{
	struct fixture *f = *state;
	struct lookup a = make(f, STR("ok.example.com")), b = make(f, STR("silent.example.com"));

	a.done = free_all;
	assert_false(resolver_start(f->resolver, &b));
	assert_false(resolver_start(f->resolver, &a));
	run_until(f, 1);
	assert_false(b.waiting);
}

static void
test_reports_bad_settings(void **state)
{
	struct fixture *f = *state;
	struct resolver_settings forward = { .forward = true, .host = "nowhere", .port = 53 };
	struct resolver_settings anchor = { .trust_anchor = "/nonexistent/root.key" };
	struct err e;

	assert_null(resolver_new(f->base, &forward, &e));
	assert_string_equal(
	    e.text, "cannot forward DNS questions to nowhere port 53: syntax error");
	assert_null(resolver_new(f->base, &anchor, &e));
	assert_string_equal(e.text, "cannot read the trust anchor /nonexistent/root.key");
}

static void
test_makes_a_recursive_one(void **state)
{
	struct fixture *f = *state;
	struct resolver_settings settings = { 0 };
	struct resolver *resolver = resolver_new(f->base, &settings, NULL);
	struct lookup lookup = make(f, STR("x.test"));

	assert_non_null(resolver);
	/* RFC 6761: in recursion libunbound answers for test. itself. */
	assert_true(resolver_start(resolver, &lookup));
	assert_int_equal(lookup.answer.status, DNS_NXDOMAIN);
	resolver_free(&resolver);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_forwards_every_name),
		TEST(test_forwards_shared_and_private_networks),
		TEST(test_statuses),
		TEST(test_gives_a_cached_answer_at_hand),
		TEST(test_calls_back_each_of_two_that_ask_the_same),
		TEST(test_has_a_deadline),
		TEST(test_answers_after_a_timeout),
		TEST(test_cancels),
		TEST(test_frees_with_lookups_waiting),
		TEST(test_refuses_names_that_cannot_be),
		TEST(test_asks_for_any_octet),
		TEST(test_done_may_ask_again),
		TEST(test_done_may_free_the_resolver),
		TEST(test_reports_bad_settings),
		TEST(test_makes_a_recursive_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
