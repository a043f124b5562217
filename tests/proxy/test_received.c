#include "proxy/received.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/extension.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HOST "mx.example.org"

static void
make_session(struct session *s)
{
	session_init(s, FRONT_PROXY, NULL, 0);
	memcpy(s->id, "abcdefghjkm", 12);
	s->hostname = STR(HOST);
	s->helo = STR("mail.example.net");
	s->esmtp = true;
	assert_true(ip_parse(STR("192.0.2.1"), &s->client_ip));
}

static void
add_recipient(struct session *s, const char *address, enum recipient_state state)
{
	struct str rest = str_of(address);
	struct mailbox m;
	struct err e;

	assert_true(mailbox_take(&rest, false, true, &m, &e));
	session_rcpt(s, &m)->state = state;
	if (state == RECIPIENT_ACCEPTED)
		s->txn.n_accepted++;
}

static void
assert_received(const struct session *s, int64_t now, const char *expected)
{
	struct buf out;

	buf_init(&out, 4096);
	received_write(s, now, &out);
	assert_false(out.over);
	assert_string_equal(out.p, expected);
	buf_free(&out);
}

static void
test_received(void **state)
{
	struct session s;

	make_session(&s);
	session_mail(&s, &(struct mailbox){ .null = true });
	add_recipient(&s, "<no@example.org>", RECIPIENT_UNKNOWN);
	add_recipient(&s, "<a@example.org>", RECIPIENT_ACCEPTED);
	assert_received(&s, 0,
	    "Received: from mail.example.net ([192.0.2.1])\r\n"
	    "\tby mx.example.org with ESMTP id abcdefghjkm.1\r\n"
	    "\tfor <a@example.org>;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n");
	add_recipient(&s, "<b@example.org>", RECIPIENT_ACCEPTED);
	s.esmtp = false;
	s.client_name = STR("real.example.net");
	assert_true(ip_parse(STR("2001:db8::1"), &s.client_ip));
	assert_received(&s, 1772323199,
	    "Received: from mail.example.net (real.example.net [IPv6:2001:db8::1])\r\n"
	    "\tby mx.example.org with SMTP id abcdefghjkm.1;\r\n"
	    "\tSat, 28 Feb 2026 23:59:59 +0000\r\n");
	/* RFC 3848 knows no SMTPS. */
	s.tls = (struct session_tls){ .on = true, .version = STR("TLSv1.3"), .cipher = STR("X_Y") };
	assert_received(&s, 0,
	    "Received: from mail.example.net (real.example.net [IPv6:2001:db8::1])\r\n"
	    "\tby mx.example.org with SMTP id abcdefghjkm.1\r\n"
	    "\t(TLSv1.3 X_Y);\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n");
	s.esmtp = true;
	assert_received(&s, 0,
	    "Received: from mail.example.net (real.example.net [IPv6:2001:db8::1])\r\n"
	    "\tby mx.example.org with ESMTPS id abcdefghjkm.1\r\n"
	    "\t(TLSv1.3 X_Y);\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n");
	session_authenticate(&s, STR(""), STR("GSSAPI"));
	assert_received(&s, 0,
	    "Received: from mail.example.net (real.example.net [IPv6:2001:db8::1])\r\n"
	    "\tby mx.example.org with ESMTPSA id abcdefghjkm.1\r\n"
	    "\t(TLSv1.3 X_Y);\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n");
	s.tls.on = false;
	session_authenticate(&s, STR("alice"), STR(""));
	assert_received(&s, 0,
	    "Received: from mail.example.net (real.example.net [IPv6:2001:db8::1])\r\n"
	    "\tby mx.example.org with ESMTPA id abcdefghjkm.1;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n");
	session_authenticate(&s, STR(""), STR("ANONYMOUS"));
	s.esmtp = false;
	/* Nothing that a client says leaves its line. */
	s.helo = STR("a\r\nb\x1b\x80");
	assert_received(&s, 1772323200,
	    "Received: from a??b?? (real.example.net [IPv6:2001:db8::1])\r\n"
	    "\tby mx.example.org with SMTP id abcdefghjkm.1;\r\n"
	    "\tSun, 1 Mar 2026 00:00:00 +0000\r\n");
	session_free(&s);
}

static void
test_utf8(void **state)
{
	struct session s;

	make_session(&s);
	session_mail(&s, &(struct mailbox){ .null = true });
	s.txn.needs = EXTENSION_SMTPUTF8;
	add_recipient(&s, "<\xc3\xa4@\xc3\xb6.example.org>", RECIPIENT_ACCEPTED);
	assert_received(&s, 0,
	    "Received: from mail.example.net ([192.0.2.1])\r\n"
	    "\tby mx.example.org with UTF8SMTP id abcdefghjkm.1\r\n"
	    "\tfor <\xc3\xa4@\xc3\xb6.example.org>;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n");
	session_free(&s);
}

static void
test_added(void **state)
{
	char longest[2000];
	struct buf out;
	struct added_field f = { .name = STR("X-Spam"), .value = STR(" yes\r\nInjected: 1") };

	buf_init(&out, 4096);
	received_added(&f, &out);
	assert_string_equal(out.p, "X-Spam: yes??Injected: 1\r\n");
	buf_clear(&out);
	memset(longest, 'x', sizeof(longest));
	f.value = (struct str){ longest, sizeof(longest) };
	received_added(&f, &out);
	assert_true(out.n > 900 && out.n <= 1000);
	assert_int_equal(str_find(buf_str(&out), '\n'), out.n - 1);
	buf_free(&out);
}

/* Each line of the header that must stay behind begins with "Authentication-Results" in some way. */
static void
test_forged(void **state)
{
	static const struct {
		const char *header, *kept;
	} cases[] = {
		{ "From: a\r\nTo: b\r\n\r\n", "From: a\r\nTo: b\r\n" },
		{ "Authentication-Results: mx.example.org; spf=pass\r\nTo: b\r\n\r\n",
		    "To: b\r\n" },
		{ "To: b\r\nAuthentication-Results: mx.example.org; spf=pass\r\n\r\n",
		    "To: b\r\n" },
		{ "A: 1\r\nauthentication-RESULTS:\r\n\tMX.Example.ORG 1;\r\n spf=pass\r\nB: 2\r\n\r\n",
		    "A: 1\r\nB: 2\r\n" },
		{ "Authentication-Results: mx.example.org; none\r\n"
		  "Authentication-Results: mx.example.org; none\r\nB: 2\r\n"
		  "Authentication-Results: (x) mx.example.org; none\r\n\r\n",
		    "B: 2\r\n" },
		{ "Authentication-Results: other.example; spf=pass\r\n\r\n",
		    "Authentication-Results: other.example; spf=pass\r\n" },
		{ "X-Authentication-Results: mx.example.org; spf=pass\r\n\r\n",
		    "X-Authentication-Results: mx.example.org; spf=pass\r\n" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct session s;
		struct holes holes;
		struct buf kept;
		struct str text = str_of(cases[i].header);
		size_t body;
		uint64_t at = 0;
		bool many;

		make_session(&s);
		assert_true(
		    header_split(s.txn.arena, text, true, &s.txn.message.header, &body, &many));
		holes = received_forged(&s, HOST);
		buf_init(&kept, 4096);
		for (size_t j = 0; j < holes.n; j++) {
			buf_add(&kept, str_sub(text, at, holes.hole[j].from));
			at = holes.hole[j].to;
		}
		buf_add(&kept, str_sub(text, at, text.n - 2));
		assert_string_equal(kept.p, cases[i].kept);
		buf_free(&kept);
		session_free(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_added),
		cmocka_unit_test(test_forged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
