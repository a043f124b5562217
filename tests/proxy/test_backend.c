/*
 * The link to the MTA against a scripted one on the same loop. A script is what the MTA says, one
 * entry for the greeting and one for each line that it gets. What happens is written down as text
 * and compared.
 */
#include "proxy/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "tests/base/port.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HANG ""
#define SCRIPT 12

struct mta {
	struct event_base *base;
	struct evconnlistener *listener;
	struct bufferevent *bev;
	const char *const *script; /* NULL: closes */
	size_t at;
	struct buf heard; /* its input, lines joined by '|' */
	/* our side */
	struct backend_target target;
	struct backend_link *link;
	const char *const *commands; /* sent one after the other; NULL-terminated */
	size_t n_sent;
	struct buf story; /* events */
	bool data;        /* in a message, as the MTA sees it */
};

static void
mta_say(struct mta *m)
{
	const char *text = m->at < SCRIPT ? m->script[m->at] : NULL;

	m->at++;
	if (text == NULL) {
		bufferevent_free(m->bev);
		m->bev = NULL;
		return;
	}
	if (strncmp(text, "354", 3) == 0)
		m->data = true;
	bufferevent_write(m->bev, text, strlen(text));
}

static void
mta_read(struct bufferevent *bev, void *arg)
{
	struct mta *m = arg;
	char *line;
	size_t n;

	while (m->bev &&
	    (line = evbuffer_readln(bufferevent_get_input(bev), &n, EVBUFFER_EOL_CRLF_STRICT))) {
		bool dot = strcmp(line, ".") == 0, proxy = strncmp(line, "PROXY", 5) == 0;

		buf_printf(&m->heard, "%s|", line);
		free(line);
		if (m->data && !dot)
			continue;
		m->data = false;
		if (!proxy)
			mta_say(m);
	}
}

static void
mta_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int n, void *arg)
{
	struct mta *m = arg;

	m->bev = bufferevent_socket_new(m->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(m->bev, mta_read, NULL, NULL, m);
	bufferevent_enable(m->bev, EV_READ | EV_WRITE);
	mta_say(m);
}

static void
mta_init(struct mta *m, const char *const *script)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(in);

	*m = (struct mta){ .script = script };
	m->base = event_base_new();
	m->listener = evconnlistener_new_bind(
	    m->base, mta_accept, m, LEV_OPT_CLOSE_ON_FREE, -1, (struct sockaddr *)&in, sizeof(in));
	assert_non_null(m->listener);
	getsockname(evconnlistener_get_fd(m->listener), (struct sockaddr *)&in, &length);
	m->target.n = 1;
	m->target.address[0].in = in;
	buf_init(&m->heard, 1 << 20);
	buf_init(&m->story, 1 << 16);
	buf_add(&m->heard, STR(""));
}

static void
mta_end(struct mta *m)
{
	backend_free(&m->link);
	if (m->bev)
		bufferevent_free(m->bev);
	evconnlistener_free(m->listener);
	event_base_free(m->base);
	buf_free(&m->heard);
	buf_free(&m->story);
}

static void
next_command(struct mta *m)
{
	const char *command = m->commands[m->n_sent];

	if (command == NULL || !backend_usable(m->link)) {
		if (!backend_usable(m->link))
			buf_add(&m->story, STR("unusable "));
		event_base_loopbreak(m->base);
		return;
	}
	m->n_sent++;
	if (strcmp(command, "chunk") == 0) {
		assert_true(backend_chunk(m->link, 7));
		backend_write(m->link, STR("hello\r\n"));
		backend_end(m->link);
	} else {
		backend_command(m->link, str_of(command));
	}
}

static void
on_event(void *owner, enum backend_event event)
{
	struct mta *m = owner;
	const struct reply *reply = backend_reply(m->link);

	switch (event) {
	case BACKEND_READY:
		buf_add(&m->story, STR("ready "));
		next_command(m);
		return;
	case BACKEND_REPLY:
		buf_printf(&m->story, "%d ", reply->code);
		if (reply->code == 354) {
			backend_stream(m->link);
			backend_write(m->link, STR("hello\r\n.\r\n"));
			backend_end(m->link);
		} else {
			next_command(m);
		}
		return;
	case BACKEND_DRAINED:
		return;
	case BACKEND_LOST:
		buf_printf(&m->story, "lost: %s", backend_why(m->link));
		event_base_loopbreak(m->base);
		return;
	}
}

static const struct config_core core = {
	.hostname = (char[]){ "mx.example.org" },
	/* Whoever is not silent on purpose may be held up by what else the machine does. */
	.backend_timeout_connect = 2000,
	.backend_timeout_command = 1500,
	.backend_timeout_data = 1500,
	.backend_timeout_end = 1500,
};

static void
play(struct mta *m, enum handoff handoff, const char *const *commands)
{
	struct session s;
	struct backend_order order = {
		.base = m->base,
		.target = &m->target,
		.core = &core,
		.session = &s,
		.on = on_event,
		.owner = m,
	};

	session_init(&s, FRONT_PROXY, NULL, 0);
	assert_true(ip_parse(STR("192.0.2.1"), &s.client_ip));
	assert_true(ip_parse(STR("192.0.2.9"), &s.server_ip));
	s.server_port = 25;
	s.client_port = 99;
	s.helo = STR("client.example");
	s.esmtp = true;
	m->target.handoff = handoff;
	m->commands = commands;
	m->link = backend_open(&order);
	event_base_dispatch(m->base);
	session_free(&s);
}

struct play_case {
	const char *name;
	enum handoff handoff;
	const char *script[SCRIPT];
	const char *commands[6];
	const char *story, *heard;
};

#define GREET "220 mta\r\n"
#define EHLO_OK "250-mta\r\n250 SIZE 100\r\n"
#define US "EHLO mx.example.org|"

static const struct play_case cases[] = {
	{ "plain", HANDOFF_NONE, { GREET, EHLO_OK, "250 ok\r\n" }, { "NOOP" }, "ready 250 ",
	    US "NOOP|" },
	{ "in many lines", HANDOFF_NONE,
	    { "220-a\r\n220 b\r\n", EHLO_OK, "250-1\r\n250-2\r\n250 3\r\n" }, { "NOOP" },
	    "ready 250 ", US "NOOP|" },
	{ "message", HANDOFF_NONE, { GREET, EHLO_OK, "354 go\r\n", "250 queued\r\n" }, { "DATA" },
	    "ready 354 250 ", US "DATA|hello|.|" },
	{ "chunk", HANDOFF_NONE, { GREET, EHLO_OK, HANG, "250 queued\r\n", "250 ok\r\n" },
	    { "chunk", "NOOP" }, "ready 250 250 ", US "BDAT 7 LAST|hello|NOOP|" },
	{ "chunk refused", HANDOFF_NONE, { GREET, EHLO_OK, HANG, "552 no\r\n", "250 ok\r\n" },
	    { "chunk", "NOOP" }, "ready 552 250 ", US "BDAT 7 LAST|hello|NOOP|" },
	{ "dies in a chunk", HANDOFF_NONE, { GREET, EHLO_OK, HANG, NULL }, { "chunk" },
	    "ready lost: it closed the connection: end of input", US "BDAT 7 LAST|hello|" },
	{ "without EHLO", HANDOFF_NONE, { GREET, "502 no\r\n", "250 mta\r\n" }, { NULL }, "ready ",
	    US "HELO mx.example.org|" },
	{ "without both", HANDOFF_NONE, { GREET, "502 no\r\n", "502 no\r\n" }, { NULL },
	    "lost: EHLO was answered by 502 no", US "HELO mx.example.org|" },
	{ "EHLO later", HANDOFF_NONE, { GREET, "421 busy\r\n" }, { NULL },
	    "lost: EHLO was answered by 421 busy", US },
	{ "greeting refuses", HANDOFF_NONE, { "554 go away\r\n" }, { NULL },
	    "lost: our connection was answered by 554 go away", "" },
	{ "greeting is garbage", HANDOFF_NONE, { "hello\r\n" }, { NULL },
	    "lost: it sent what is no reply: not a line of an SMTP reply", "" },
	{ "greeting twice", HANDOFF_NONE, { GREET GREET }, { NULL },
	    "lost: it sent more than one reply to a command", "" },
	{ "greeting never", HANDOFF_NONE, { HANG }, { NULL }, "lost: it did not answer in time",
	    "" },
	{ "greeting by half", HANDOFF_NONE, { "220 mt" }, { NULL },
	    "lost: it did not answer in time", "" },
	{ "closes at once", HANDOFF_NONE, { NULL }, { NULL },
	    "lost: it closed the connection: end of input", "" },
	{ "closes at EHLO", HANDOFF_NONE, { GREET, NULL }, { NULL },
	    "lost: it closed the connection: end of input", US },
	{ "bare LF", HANDOFF_NONE, { GREET, "250 mta\n" }, { NULL },
	    "lost: its reply has a line that does not end in CR LF", US },
	{ "CR inside", HANDOFF_NONE, { GREET, "250 a\rb\r\n" }, { NULL },
	    "lost: its reply has a line that does not end in CR LF", US },
	{ "two codes", HANDOFF_NONE, { GREET, EHLO_OK, "250-a\r\n550 b\r\n" }, { "NOOP" },
	    "ready lost: it sent what is no reply: a reply whose lines have different codes: 250, "
	    "550",
	    US "NOOP|" },
	{ "doubled", HANDOFF_NONE, { GREET, EHLO_OK, "250 a\r\n250 a\r\n" }, { "NOOP" },
	    "ready lost: it sent more than one reply to a command", US "NOOP|" },
	{ "hangs", HANDOFF_NONE, { GREET, EHLO_OK, HANG }, { "NOOP" },
	    "ready lost: it did not answer in time", US "NOOP|" },
	{ "421", HANDOFF_NONE, { GREET, EHLO_OK, "421 bye\r\n" }, { "NOOP", "NOOP" },
	    "ready 421 unusable ", US "NOOP|" },
	{ "early reply to the message", HANDOFF_NONE,
	    { GREET, EHLO_OK, "354 go\r\n250 queued\r\n" }, { "DATA" },
	    "ready lost: it sent more than one reply to a command", US "DATA|" },
	{ "doubled reply to the message", HANDOFF_NONE,
	    { GREET, EHLO_OK, "354 go\r\n", "250 queued\r\n250 queued\r\n" }, { "DATA", "NOOP" },
	    "ready 354 250 unusable ", US "DATA|hello|.|" },
	{ "silence after the dot", HANDOFF_NONE, { GREET, EHLO_OK, "354 go\r\n", HANG }, { "DATA" },
	    "ready 354 lost: it did not answer in time", US "DATA|hello|.|" },
	{ "dies after the dot", HANDOFF_NONE, { GREET, EHLO_OK, "354 go\r\n", NULL }, { "DATA" },
	    "ready 354 lost: it closed the connection: end of input", US "DATA|hello|.|" },
	{ "half a reply after the dot", HANDOFF_NONE, { GREET, EHLO_OK, "354 go\r\n", "250 queu" },
	    { "DATA" }, "ready 354 lost: it did not answer in time", US "DATA|hello|.|" },
	{ "XCLIENT", HANDOFF_XCLIENT,
	    { GREET, "250-mta\r\n250 XCLIENT ADDR HELO\r\n", GREET, EHLO_OK, "250 ok\r\n" },
	    { "NOOP" }, "ready 250 ",
	    US "XCLIENT ADDR=192.0.2.1 HELO=client.example|EHLO client.example|NOOP|" },
	{ "XCLIENT refused", HANDOFF_XCLIENT,
	    { GREET, "250-mta\r\n250 XCLIENT ADDR\r\n", "550 no\r\n" }, { NULL },
	    "lost: XCLIENT was answered by 550 no", US "XCLIENT ADDR=192.0.2.1|" },
	{ "XCLIENT not offered", HANDOFF_XCLIENT, { GREET, EHLO_OK }, { NULL },
	    "lost: it does not offer XCLIENT to us: add our address to the hosts that may use it "
	    "(Postfix: smtpd_authorized_xclient_hosts)",
	    US },
	{ "PROXY", HANDOFF_PROXY_PROTOCOL, { GREET, EHLO_OK }, { NULL }, "ready ",
	    "PROXY TCP4 192.0.2.1 192.0.2.9 99 25|EHLO client.example|" },
};

static void
test_plays(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mta m;

		mta_init(&m, cases[i].script);
		play(&m, cases[i].handoff, cases[i].commands);
		if (strcmp(m.story.p, cases[i].story) != 0 ||
		    strcmp(m.heard.p, cases[i].heard) != 0)
			fail_msg("%s: \"%s\" \"%s\"", cases[i].name, m.story.p, m.heard.p);
		mta_end(&m);
	}
}

struct change {
	const char *name;
	const char *script[SCRIPT];
	const char *first; /* the first client's command, NULL: none */
	bool reusable;
	const char *story, *heard;
};

#define OFFER "250-mta\r\n250 XCLIENT ADDR HELO LOGIN\r\n"
#define AS(ip, name, login) "XCLIENT ADDR=" ip " HELO=" name " LOGIN=" login "|EHLO " name "|"
#define FIRST AS("192.0.2.1", "client.example", "[UNAVAILABLE]")
#define SECOND AS("192.0.2.2", "other.example", "joe")

/* Whether a link can be another client's, and what the mail server hears then. */
static void
test_changes(void **state)
{
	static const struct change changes[] = {
		{ "at once", { GREET, OFFER, GREET, OFFER, GREET, OFFER }, NULL, true,
		    "ready ready ", US FIRST SECOND },
		{ "after a yes", { GREET, OFFER, GREET, OFFER, "250 ok\r\n", GREET, OFFER }, "NOOP",
		    true, "ready 250 ready ", US FIRST "NOOP|" SECOND },
		{ "after a no", { GREET, OFFER, GREET, OFFER, "550 no\r\n" }, "VRFY x", false,
		    "ready 550 ", US FIRST "VRFY x|" },
		{ "XCLIENT once only", { GREET, OFFER, GREET, EHLO_OK }, NULL, false, "ready ",
		    US FIRST },
		{ "less of it", { GREET, OFFER, GREET, "250-mta\r\n250 XCLIENT ADDR\r\n" }, NULL,
		    false, "ready ", US FIRST },
		{ "refuses then", { GREET, OFFER, GREET, OFFER, "550 no\r\n" }, NULL, true,
		    "ready lost: XCLIENT was answered by 550 no",
		    US FIRST "XCLIENT ADDR=192.0.2.2 HELO=other.example LOGIN=joe|" },
		{ "ends then", { GREET, OFFER, GREET, OFFER, NULL }, NULL, true,
		    "ready lost: it closed the connection: end of input",
		    US FIRST "XCLIENT ADDR=192.0.2.2 HELO=other.example LOGIN=joe|" },
	};

	for (size_t i = 0; i < COUNT(changes); i++) {
		const char *const commands[] = { changes[i].first, NULL }, *const none[] = { NULL };
		struct backend_order order = { .core = &core, .on = on_event };
		struct session s;
		struct mta m;

		mta_init(&m, changes[i].script);
		play(&m, HANDOFF_XCLIENT, commands);
		assert_int_equal(backend_reusable(m.link), changes[i].reusable);
		session_init(&s, FRONT_PROXY, NULL, 0);
		if (changes[i].reusable) {
			order.owner = &m;
			backend_park(m.link, &order, 1000);
			assert_true(ip_parse(STR("192.0.2.2"), &s.client_ip));
			s.helo = STR("other.example");
			s.account = STR("joe");
			s.esmtp = true;
			order.session = &s;
			m.commands = none;
			m.n_sent = 0;
			backend_resume(m.link, &order);
			event_base_dispatch(m.base);
		}
		if (strcmp(m.story.p, changes[i].story) != 0 ||
		    strcmp(m.heard.p, changes[i].heard) != 0)
			fail_msg("%s: \"%s\" \"%s\"", changes[i].name, m.story.p, m.heard.p);
		mta_end(&m);
		session_free(&s);
	}
}

/* Octets that nobody asked for, and its end, while nothing is under way. */
static void
test_idle(void **state)
{
	static const char *const script[SCRIPT] = { GREET, EHLO_OK };
	static const char *const commands[] = { NULL };
	static const struct {
		const char *says, *story;
	} idle[] = {
		{ "421 timeout\r\n", "ready lost: it spoke without being asked" },
		{ "x", "ready lost: it spoke without being asked" },
		{ NULL, "ready lost: it closed the connection: end of input" },
	};

	for (size_t i = 0; i < COUNT(idle); i++) {
		struct mta m;

		mta_init(&m, script);
		play(&m, HANDOFF_NONE, commands);
		assert_string_equal(m.story.p, "ready ");
		if (idle[i].says)
			bufferevent_write(m.bev, idle[i].says, strlen(idle[i].says));
		else {
			bufferevent_free(m.bev);
			m.bev = NULL;
		}
		event_base_dispatch(m.base);
		assert_string_equal(m.story.p, idle[i].story);
		mta_end(&m);
	}
}

static void
test_nobody_there(void **state)
{
	static const char *const script[SCRIPT] = { GREET };
	static const char *const commands[] = { NULL };
	struct mta m;

	mta_init(&m, script);
	m.target.address[0].in.sin_port = htons(port_claim());
	play(&m, HANDOFF_NONE, commands);
	assert_string_equal(m.story.p, "lost: cannot connect: Connection refused");
	mta_end(&m);
}

/* The second address is tried when the first does not answer. */
static void
test_second_address(void **state)
{
	static const char *const script[SCRIPT] = { GREET, EHLO_OK };
	static const char *const commands[] = { NULL };
	struct mta m;

	mta_init(&m, script);
	m.target.address[1] = m.target.address[0];
	m.target.address[0].in.sin_addr.s_addr = htonl(0x7f000002);
	m.target.n = 2;
	play(&m, HANDOFF_NONE, commands);
	assert_string_equal(m.story.p, "ready ");
	mta_end(&m);
}

static void
test_find(void **state)
{
	struct backend conf = { .host = "127.0.0.1", .port = 10025, .handoff = HANDOFF_XCLIENT };
	struct backend_target target;
	struct err e;

	assert_true(backend_target_find(&target, &conf, &e));
	assert_int_equal(target.n, 1);
	assert_int_equal(target.handoff, HANDOFF_XCLIENT);
	assert_int_equal(target.address[0].in.sin_port, htons(10025));
	conf.host = "no such host\x1b";
	assert_false(backend_target_find(&target, &conf, &e));
	assert_non_null(strstr(e.text, "cannot find the backend's host \"no such host\\x1b\": "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plays),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_second_address),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
