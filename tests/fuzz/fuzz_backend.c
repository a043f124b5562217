/*
 * The link to the mail server, with everything that the server says being the input. The first octet
 * chooses how the link is set up: how it hands over the client, STARTTLS, LMTP, DATA or BDAT; the second
 * bit of the next octet says that it is only a probe. The rest are pieces, ended by 0xff: each is
 * said when all is still, an empty one closes the connection, and so does the end of the input.
 *
 * The owner does as the proxy does: MAIL, RCPT, a message, RSET. Held to: the link tells its owner one
 * thing for each it was asked, nothing after the loss, words that are fit for a log, and always something.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "base/tls.h"
#include "mail/eod.h"
#include "proxy/backend.h"
#include "tests/fuzz/server.h"

#define QUIET_TURNS 6
#define STEPS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct owner {
	struct backend_link *link;
	unsigned step;
	bool chunk;  /* the message goes as one */
	bool asked;  /* an answer is owed */
	bool ending; /* the message is written */
	bool over;
	unsigned events;
};

static struct {
	struct event_base *base;
	struct server *server;
	struct tls_client *tls;
	struct session session;
	struct config_core core;
} world;

static const char message[] = "Subject: x\r\n\r\n.dot\r\nno line end";

/* ---- the owner ---- */

static void
put(void *arg, struct str run)
{
	struct owner *o = arg;

	backend_write(o->link, run);
}

static void
write_message(struct owner *o)
{
	struct eod_writer w;

	if (o->chunk) {
		backend_write(o->link, STR(message));
	} else {
		eod_writer_init(&w);
		eod_write(&w, STR(message), put, o);
		eod_write_end(&w, put, o);
	}
	o->ending = true;
	backend_end(o->link);
}

static void
next_step(struct owner *o)
{
	static const char *const commands[STEPS] = { "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>",
		"DATA", "RSET" };

	o->asked = true;
	o->ending = false;
	backend_hold(o->link, o->step == 1 || o->step == 2);
	if (o->step == STEPS) {
		o->over = true;
	} else if (o->step == 2 && o->chunk) {
		require(backend_chunk(o->link, strlen(message)));
		write_message(o);
	} else {
		backend_command(o->link, str_of(commands[o->step]));
	}
	o->step++;
}

static void
on_answer(struct owner *o)
{
	const struct reply *reply = backend_reply(o->link);

	require(o->asked && reply->complete && reply->code >= 200 && reply->code < 600);
	require(reply->lines > 0 && reply_line(reply, 0).n < reply->raw.n);
	o->asked = false;
	if (!backend_usable(o->link)) {
		o->over = true;
	} else if (reply->code == 354 && o->step == 3 && !o->ending) {
		o->asked = true;
		backend_stream(o->link);
		write_message(o);
	} else {
		next_step(o);
	}
}

static void
on_event(void *arg, enum backend_event event)
{
	struct owner *o = arg;

	o->events++;
	require(!o->over);
	switch (event) {
	case BACKEND_READY:
		require(o->step == 0 && !o->asked && backend_abilities(o->link)->known);
		next_step(o);
		return;
	case BACKEND_REPLY:
		on_answer(o);
		return;
	case BACKEND_DRAINED:
		return;
	case BACKEND_LOST:
		require(!backend_usable(o->link) && backend_why(o->link)[0] != '\0');
		for (const char *p = backend_why(o->link); *p; p++)
			require((uint8_t)*p >= 0x20 && *p != 0x7f);
		o->over = true;
		return;
	}
}

/* ---- the server ---- */

static void
opened(void *owner)
{
}

static void
heard(void *owner, struct buf *input)
{
	buf_clear(input);
}

/* ---- one input ---- */

static void
world_begin(void)
{
	const struct tls_settings settings = { .ciphers = TLS_CIPHERS };
	struct err e;

	(void)signal(SIGPIPE, SIG_IGN);
	log_open("fuzz", LOG_TO_STDERR, LOG_LEVEL_ERROR);
	world.base = event_base_new();
	world.server = server_new(world.base, opened, heard, NULL);
	world.tls = tls_client_new(&settings, &e);
	require(world.tls);
	session_init(&world.session, FRONT_PROXY, NULL, 0);
	ip_parse(STR("192.0.2.1"), &world.session.client_ip);
	world.session.helo = STR("client.test");
	world.session.client_name = STR("a+b=c.test");
	world.core = (struct config_core){
		.hostname = (char *)(uintptr_t) "mx.fuzz.test",
		.backend_timeout_connect = 60000,
		.backend_timeout_command = 60000,
		.backend_timeout_data = 60000,
		.backend_timeout_end = 60000,
	};
}

static struct backend_target
target(unsigned options)
{
	static const enum handoff handoffs[] = { HANDOFF_NONE, HANDOFF_XCLIENT,
		HANDOFF_PROXY_PROTOCOL, HANDOFF_PROXY_PROTOCOL_V2 };
	struct backend_target t = {
		.n = 1,
		.handoff = handoffs[options & 3],
		.starttls = (enum starttls)(options >> 2 & 3),
		.lmtp = options & 16,
		.name = "mta.test",
		.label = "the server",
	};

	t.address[0].in = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(server_port(world.server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	return t;
}

/* Turns the loop until nothing moves. */
static void
settle(const struct owner *o)
{
	for (int quiet = 0; quiet < QUIET_TURNS; quiet++) {
		unsigned long moves = server_moves(world.server) + o->events;

		event_base_loop(world.base, EVLOOP_NONBLOCK);
		if (moves != server_moves(world.server) + o->events)
			quiet = 0;
	}
}

static void
play(struct owner *o, struct str input)
{
	int64_t limit = clock_mono_us() + 20 * 1000000;
	struct buf piece;

	buf_init(&piece, input.n + 1);
	for (settle(o); !o->over; settle(o)) {
		require(clock_mono_us() < limit);
		if (!piece_take(&input, &piece) || piece.n == 0)
			server_close(world.server);
		else
			server_say(world.server, buf_str(&piece));
	}
	buf_free(&piece);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct owner o = { 0 };
	struct backend_target to;
	struct backend_order order;

	if (size < 2)
		return 0;
	if (world.base == NULL)
		world_begin();
	to = target(data[0]);
	order = (struct backend_order){
		.base = world.base,
		.target = &to,
		.core = &world.core,
		.tls = to.starttls == STARTTLS_OFF ? NULL : world.tls,
		.session = data[1] & 2 ? NULL : &world.session,
		.on = on_event,
		.owner = &o,
	};
	o.chunk = data[1] & 1;
	o.link = backend_open(&order);
	play(&o, (struct str){ (const char *)data + 2, size - 2 });
	backend_free(&o.link);
	settle(&o);
	server_close(world.server);
	return 0;
}
