#include "proxy/handoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/abilities.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ALL \
	(XCLIENT_NAME | XCLIENT_ADDR | XCLIENT_PORT | XCLIENT_PROTO | XCLIENT_HELO | XCLIENT_LOGIN)
#define EVERY (ALL | XCLIENT_REVERSE_NAME | XCLIENT_DESTADDR | XCLIENT_DESTPORT)

static void
make_session(struct session *s, const char *client, const char *server)
{
	session_init(s, FRONT_PROXY, NULL, 0);
	assert_true(ip_parse(str_of(client), &s->client_ip));
	assert_true(ip_parse(str_of(server), &s->server_ip));
	s->client_port = 4711;
	s->server_port = 25;
	s->helo = STR("mail.example.net");
	s->esmtp = true;
}

static void
test_xclient(void **state)
{
	static const struct {
		unsigned attributes;
		const char *client, *name, *helo, *account;
		bool esmtp;
		const char *expected;
	} cases[] = {
		{ ALL, "192.0.2.1", "", "mail.example.net", "", true,
		    "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP "
		    "HELO=mail.example.net LOGIN=[UNAVAILABLE]" },
		{ ALL, "2001:db8::1", "real.example.net", "x", "joe", false,
		    "XCLIENT NAME=real.example.net ADDR=IPV6:2001:db8::1 PORT=4711 PROTO=SMTP HELO=x "
		    "LOGIN=joe" },
		{ EVERY, "192.0.2.1", "n", "h", "joe", true,
		    "XCLIENT NAME=n REVERSE_NAME=n ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP HELO=h "
		    "LOGIN=joe DESTADDR=192.0.2.2 DESTPORT=25" },
		{ XCLIENT_ADDR, "192.0.2.1", "n", "h", "joe", true, "XCLIENT ADDR=192.0.2.1" },
		{ XCLIENT_ADDR | XCLIENT_HELO, "192.0.2.1", "n", "a b\r\nQUIT+=\xff", "", true,
		    "XCLIENT ADDR=192.0.2.1 HELO=a+20b+0D+0AQUIT+2B+3D+FF" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct session s;
		struct buf out;

		make_session(&s, cases[i].client, "192.0.2.2");
		s.client_name = str_of(cases[i].name);
		s.helo = str_of(cases[i].helo);
		s.account = str_of(cases[i].account);
		s.esmtp = cases[i].esmtp;
		buf_init(&out, 4096);
		handoff_xclient(&s, cases[i].attributes, &out);
		assert_string_equal(out.p, cases[i].expected);
		buf_free(&out);
		session_free(&s);
	}
}

static struct endpoints
make_ends(const char *client, const char *server)
{
	struct endpoints ends = { .client_port = 4711, .server_port = 25 };

	assert_true(!*client || ip_parse(str_of(client), &ends.client_ip));
	assert_true(!*server || ip_parse(str_of(server), &ends.server_ip));
	return ends;
}

static void
test_proxy(void **state)
{
	static const struct {
		const char *client, *server, *expected;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.2", "PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n" },
		{ "2001:db8::1", "2001:db8::2", "PROXY TCP6 2001:db8::1 2001:db8::2 4711 25\r\n" },
		{ "192.0.2.1", "2001:db8::2",
		    "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4711 25\r\n" },
		{ "", "192.0.2.2", "PROXY TCP4 0.0.0.0 192.0.2.2 4711 25\r\n" },
		{ "", "", "PROXY TCP4 0.0.0.0 0.0.0.0 4711 25\r\n" },
		{ "", "2001:db8::2", "PROXY TCP6 :: 2001:db8::2 4711 25\r\n" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct endpoints ends = make_ends(cases[i].client, cases[i].server);
		struct buf out;

		buf_init(&out, HANDOFF_PROXY_MAX);
		handoff_proxy(&ends, &out);
		assert_false(out.over);
		assert_string_equal(out.p, cases[i].expected);
		buf_free(&out);
	}
}

/* What we write is what we read. */
static void
test_proxy_v2(void **state)
{
	static const struct {
		const char *client, *server, *read_client, *read_server;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2" },
		{ "2001:db8::1", "2001:db8::2", "2001:db8::1", "2001:db8::2" },
		{ "2001:db8::1", "192.0.2.2", "2001:db8::1", "192.0.2.2" },
		{ "", "192.0.2.2", "0.0.0.0", "192.0.2.2" },
	};
	struct endpoints ends;
	struct buf out;
	struct err e;
	size_t used;

	buf_init(&out, HANDOFF_PROXY_MAX);
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_clear(&out);
		ends = make_ends(cases[i].client, cases[i].server);
		handoff_proxy_v2(&ends, &out);
		assert_int_equal(
		    proxy_header_read(buf_str(&out), &ends, &used, &e), PROXY_HEADER_CLIENT);
		assert_int_equal(used, out.n);
		assert_string_equal(IP_TEXT(&ends.client_ip), cases[i].read_client);
		assert_string_equal(IP_TEXT(&ends.server_ip), cases[i].read_server);
		assert_int_equal(ends.client_port, 4711);
		assert_int_equal(ends.server_port, 25);
	}
	buf_clear(&out);
	handoff_proxy_v2(NULL, &out);
	assert_int_equal(proxy_header_read(buf_str(&out), &ends, &used, &e), PROXY_HEADER_LOCAL);
	assert_int_equal(used, out.n);
	assert_false(out.over);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xclient),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_proxy_v2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
