#include "proxy/xclient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
begin(struct session *s)
{
	session_init(s, FRONT_PROXY, NULL, 0);
	ip_parse(STR("127.0.0.1"), &s->client_ip);
	s->client_port = 4711;
	s->client_name = STR("here.test");
	s->account = STR("someone");
}

static void
test_reads_what_is_named(void **state)
{
	static const struct {
		const char *text, *ip, *name, *account;
		unsigned port;
	} cases[] = {
		{ "ADDR=192.0.2.7", "192.0.2.7", "here.test", "someone", 4711 },
		{ "addr=IPV6:2001:db8::1 PORT=25", "2001:db8::1", "here.test", "someone", 25 },
		{ "ADDR=IPV6:::ffff:192.0.2.7", "192.0.2.7", "here.test", "someone", 4711 },
		{ "NAME=[UNAVAILABLE] LOGIN=[unavailable]", "127.0.0.1", "", "", 4711 },
		{ "NAME=mail.test LOGIN=al+3Dice", "127.0.0.1", "mail.test", "al=ice", 4711 },
		{ "ADDR=[UNAVAILABLE] PROTO=ESMTP HELO=x", "unknown", "here.test", "someone",
		    4711 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session s;
		struct err e;

		begin(&s);
		if (!xclient_read(&s, str_of(cases[i].text), &e))
			fail_msg("%s: %s", cases[i].text, e.text);
		assert_string_equal(IP_TEXT(&s.client_ip), cases[i].ip);
		assert_true(str_eq(s.client_name, str_of(cases[i].name)));
		assert_true(str_eq(s.account, str_of(cases[i].account)));
		assert_int_equal(s.client_port, cases[i].port);
		session_free(&s);
	}
}

static void
test_reads_the_rest(void **state)
{
	struct session s;
	struct err e;

	begin(&s);
	assert_true(xclient_read(&s,
	    STR("DESTADDR=IPV6:2001:db8::2 DESTPORT=587 REVERSE_NAME=liar.test PROTO=ESMTP "
		"HELO=client.test"),
	    &e));
	assert_string_equal(IP_TEXT(&s.server_ip), "2001:db8::2");
	assert_int_equal(s.server_port, 587);
	assert_true(str_eq(s.reverse_name, STR("liar.test")));
	assert_true(str_eq(s.client_name, STR("here.test")));
	assert_true(str_eq(s.helo, STR("client.test")));
	assert_true(s.esmtp);
	assert_true(
	    xclient_read(&s, STR("PROTO=SMTP DESTADDR=[UNAVAILABLE] DESTPORT=[unavailable]"), &e));
	assert_false(s.esmtp);
	assert_int_equal(s.server_ip.version, 0);
	assert_int_equal(s.server_port, 0);
	session_free(&s);
}

static void
test_refuses_what_is_not_well_formed(void **state)
{
	static const char *const texts[] = { "", "ADDR", "ADDR=here", "PORT=65536", "PORT=-1",
		"NAME=a+0Db", "NAME=a+ZZ", "LOGIN=a+20b", "SHOE=42", "ADDR=1.2.3.4 =x",
		"PROTO=LMTP", "HELO=a+20b", "DESTADDR=here", "DESTPORT=x", "REVERSE_NAME=a+20b",
		"NAME=a+7Fb" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct session s;
		struct err e;

		begin(&s);
		if (xclient_read(&s, str_of(texts[i]), &e))
			fail_msg("\"%s\" was taken", texts[i]);
		session_free(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_is_named),
		cmocka_unit_test(test_reads_the_rest),
		cmocka_unit_test(test_refuses_what_is_not_well_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
