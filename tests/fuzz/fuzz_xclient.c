/*
 * XCLIENT's attributes. What is read of them is fit for a session, and handed on to the next server
 * it is read there as the same.
 */
#include "base/die.h"
#include "mail/mailbox.h"
#include "proxy/handoff.h"
#include "proxy/xclient.h"

#define ALL ~0u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		require((uint8_t)s.p[i] > 0x20 && (uint8_t)s.p[i] < 0x7f);
	require(s.n <= 255);
}

static void
check_same(const struct session *s)
{
	struct session next;
	struct buf line;
	struct err e;

	buf_init(&line, 8192);
	handoff_xclient(s, ALL, &line);
	require(!line.over && str_starts(buf_str(&line), STR("XCLIENT ")));
	session_init(&next, FRONT_PROXY, NULL, 0);
	require(xclient_read(&next, str_sub(buf_str(&line), 8, line.n), &e));
	require(str_eq(next.client_name, s->client_name) && str_eq(next.account, s->account) &&
	    str_eq(next.helo, s->helo) && next.esmtp == s->esmtp);
	require(memcmp(&next.client_ip, &s->client_ip, sizeof(next.client_ip)) == 0 &&
	    memcmp(&next.server_ip, &s->server_ip, sizeof(next.server_ip)) == 0 &&
	    next.client_port == s->client_port && next.server_port == s->server_port);
	session_free(&next);
	buf_free(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session s;
	struct err e = { 0 };

	session_init(&s, FRONT_PROXY, NULL, 0);
	if (xclient_read(&s, (struct str){ (const char *)data, size }, &e)) {
		check_text(s.client_name);
		check_text(s.reverse_name);
		check_text(s.account);
		require(s.helo.n == 0 || mail_domain_ok(s.helo));
		check_same(&s);
	} else {
		require(e.text[0] != '\0');
	}
	session_free(&s);
	return 0;
}
