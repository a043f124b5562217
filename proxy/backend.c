#include "proxy/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/tls.h"
#include "mail/command.h"
#include "mail/sasl.h"
#include "mail/utf8.h"
#include "proxy/backend_link.h"

#define IDLE_MS 30000      /* between transactions */
#define KEEPALIVE_MS 60000 /* inside one: under any MTA's own timeout */
#define REPLY_LINE_LONGEST 4096
#define CHALLENGE_LONGEST (SASL_LINE_MAX + 4) /* with its "334 " */

void
link_lose(struct backend_link *link, const char *format, ...)
{
	va_list args;

	if (link->state == LINK_LOST)
		return;
	va_start(args, format);
	vsnprintf(link->why, sizeof(link->why), format, args);
	va_end(args);
	/* With tproxy, it can be the client's address that leads nowhere. */
	link->unreachable =
	    link->state == LINK_CONNECTING && link->target.handoff != HANDOFF_TPROXY;
	link->state = LINK_LOST;
	io_read(link->io, false);
	io_deadline(link->io, 0);
	link->order.on(link->order.owner, BACKEND_LOST);
}

static bool
awaits_reply(const struct backend_link *link)
{
	switch (link->state) {
	case LINK_GREETING:
	case LINK_EHLO:
	case LINK_HELO:
	case LINK_STARTTLS:
	case LINK_XCLIENT:
	case LINK_EHLO_AS_CLIENT:
	case LINK_COMMAND:
	case LINK_AUTH:
	case LINK_NOOP:
	case LINK_END:
		return true;
	default:
		return false;
	}
}

void
link_send(struct backend_link *link, struct str line, enum link_state state)
{
	reply_clear(&link->reply);
	io_write(link->io, line);
	io_write(link->io, STR("\r\n"));
	io_deadline(link->io, link->order.core->backend_timeout_command);
	link->state = state;
}

/* The MTA waits for what the client says to its challenge: any line would be taken for that. */
static bool
in_dialogue(const struct backend_link *link)
{
	return link->bound && link->reply.code == 334;
}

struct backend_link *
backend_open(const struct backend_order *order)
{
	struct backend_link *link = xcalloc(1, sizeof(*link));

	require(order->target->n > 0);
	link->order = *order;
	link->target = *order->target;
	link->order.target = NULL;
	link->order.tls = tls_client_use(order->tls);
	reply_init(&link->reply);
	buf_init(&link->queued, LINK_COMMAND_LONGEST);
	buf_init(&link->line, CHALLENGE_LONGEST);
	link_connect(link);
	return link;
}

void
backend_free(struct backend_link **link)
{
	struct backend_link *l = *link;

	if (l == NULL)
		return;
	if ((l->state == LINK_IDLE && !in_dialogue(l)) || l->leave)
		io_farewell(&l->io, STR("QUIT\r\n"));
	else
		io_free(&l->io);
	reply_free(&l->reply);
	buf_free(&l->queued);
	buf_free(&l->line);
	tls_client_release(&l->order.tls);
	free(l);
	*link = NULL;
}

/* ---- what arrives ---- */

static void
become_idle(struct backend_link *link)
{
	link->state = LINK_IDLE;
	io_deadline(link->io,
	    in_dialogue(link)   ? 0
		: link->hold    ? KEEPALIVE_MS
		: link->idle_ms ? link->idle_ms
				: IDLE_MS);
}

void
link_ready(struct backend_link *link)
{
	become_idle(link);
	link->order.on(link->order.owner, BACKEND_READY);
}

void
link_refused(struct backend_link *link, const char *what)
{
	struct str text = reply_line(&link->reply, 0);

	link_lose(link, "%s was answered by %d %s", what, link->reply.code, ESC(text));
}

static void
on_noop_reply(struct backend_link *link)
{
	if (link->reply.code / 100 != 2) {
		link_refused(link, "NOOP");
		return;
	}
	become_idle(link);
	if (link->queued.n == 0)
		return;
	link_send(link, buf_str(&link->queued), link->queued_chunk ? LINK_STREAM : LINK_COMMAND);
	buf_clear(&link->queued);
	if (link->queued_chunk) {
		link->queued_chunk = false;
		io_deadline(link->io, link->order.core->backend_timeout_data);
		link->order.on(link->order.owner, BACKEND_DRAINED);
	}
}

/* To the owner's command, or to the message. */
static void
on_awaited_reply(struct backend_link *link)
{
	bool more = io_available(link->io) > 0;

	/*
	 * More than one reply to a message: the first one counts, for by it the MTA has taken
	 * the message or has not; but nothing more is believed.
	 */
	become_idle(link);
	link->faulty = link->faulty || link->reply.code >= 400;
	if (more || link->reply.code == 421) {
		link->state = LINK_SPOILED;
		io_read(link->io, false);
		io_deadline(link->io, 0);
	}
	link->order.on(link->order.owner, BACKEND_REPLY);
}

static void
on_reply(struct backend_link *link)
{
	switch (link->state) {
	case LINK_GREETING:
	case LINK_EHLO:
	case LINK_HELO:
	case LINK_STARTTLS:
	case LINK_XCLIENT:
	case LINK_EHLO_AS_CLIENT:
		link_introduce(link);
		return;
	case LINK_NOOP:
		on_noop_reply(link);
		return;
	default:
		on_awaited_reply(link);
		return;
	}
}

/* True: one reply is complete. */
static bool
read_reply(struct backend_link *link)
{
	size_t longest = link->state == LINK_AUTH ? CHALLENGE_LONGEST : REPLY_LINE_LONGEST;
	struct err e;
	bool taken;

	for (;;) {
		switch (io_take_line(link->io, longest, &link->line)) {
		case IO_LINE_NONE:
			return false;
		case IO_LINE:
			break;
		case IO_LINE_BARE:
			link_lose(link, "its reply has a line that does not end in CR LF");
			return false;
		case IO_LINE_LONG:
			link_lose(link, "its reply has a line of more than %zu octets", longest);
			return false;
		}
		taken = reply_take(&link->reply, buf_str(&link->line), &e);
		buf_wipe(&link->line);
		if (!taken) {
			link_lose(link, "it sent what is no reply: %s", e.text);
			return false;
		}
		if (link->reply.complete)
			return true;
	}
}

static void
on_readable(struct backend_link *link)
{
	if (io_available(link->io) == 0)
		return;
	if (!awaits_reply(link)) {
		link_lose(link, "it spoke without being asked");
		return;
	}
	/* What comes while our command is not even sent cannot be its answer. */
	if (io_unsent(link->io) > 0 && link->state != LINK_GREETING) {
		link_lose(link, "it answered before it had been asked");
		return;
	}
	if (!read_reply(link))
		return;
	if (io_available(link->io) > 0 && link->state != LINK_END)
		link_lose(link, "it sent more than one reply to a command");
	else
		on_reply(link);
}

static void
on_closed(struct backend_link *link)
{
	if (link->state == LINK_CONNECTING && link->next_address < link->target.n)
		link_connect(link);
	else if (link->state == LINK_CONNECTING)
		link_lose(link, "cannot connect: %s", io_why(link->io));
	else if (link->state == LINK_HANDSHAKE)
		link_insecure(link, io_why(link->io));
	else
		link_lose(link, "it closed the connection: %s", io_why(link->io));
}

static void
on_timeout(struct backend_link *link)
{
	if (link->state == LINK_CONNECTING && link->next_address < link->target.n)
		link_connect(link);
	else if (link->state == LINK_CONNECTING && link->cannot)
		link_lose(link, "cannot connect: %s", link->cannot);
	else if (link->state == LINK_IDLE && link->hold)
		link_send(link, STR("NOOP"), LINK_NOOP);
	else if (link->state == LINK_IDLE) {
		link->leave = true;
		link_lose(link, "nothing was left to do");
	} else if (link->state == LINK_HANDSHAKE)
		link_insecure(link, "it did not answer in time");
	else
		link_lose(link, "it did not answer in time");
}

void
link_on_io(void *owner, enum io_event event)
{
	struct backend_link *link = owner;

	if (link->state == LINK_LOST || link->state == LINK_SPOILED)
		return;
	switch (event) {
	case IO_CONNECTED:
		link_connected(link);
		return;
	case IO_SECURED:
		link_secured(link);
		return;
	case IO_READABLE:
		on_readable(link);
		return;
	case IO_DRAINED:
		if (link->state != LINK_STREAM)
			return;
		io_deadline(link->io, link->order.core->backend_timeout_data);
		link->order.on(link->order.owner, BACKEND_DRAINED);
		return;
	case IO_ENDED:
	case IO_CLOSED:
		on_closed(link);
		return;
	case IO_TIMEOUT:
		on_timeout(link);
		return;
	}
}

/* ---- what the owner does ---- */

bool
backend_usable(const struct backend_link *link)
{
	return link->state != LINK_LOST && link->state != LINK_SPOILED;
}

bool
backend_reusable(const struct backend_link *link)
{
	return link->state == LINK_IDLE && link->target.handoff == HANDOFF_XCLIENT &&
	    (link->secured || link->target.starttls == STARTTLS_OFF) && !link->bound &&
	    !link->faulty && link->transactions < BACKEND_TRANSACTIONS &&
	    (link->xclient & XCLIENT_ADDR) && link->abilities.xclient == link->xclient;
}

void
backend_park(struct backend_link *link, const struct backend_order *order, int64_t idle_ms)
{
	require(link->state == LINK_IDLE);
	link->order.session = NULL;
	link->order.core = order->core;
	link->order.on = order->on;
	link->order.owner = order->owner;
	link->hold = false;
	link->idle_ms = idle_ms;
	become_idle(link);
}

void
backend_resume(struct backend_link *link, const struct backend_order *order)
{
	require(link->state == LINK_IDLE && link->idle_ms > 0 && order->session);
	link->order.session = order->session;
	link->order.core = order->core;
	link->order.on = order->on;
	link->order.owner = order->owner;
	link->idle_ms = 0;
	link_hand_over(link);
}

bool
backend_bound(const struct backend_link *link)
{
	return link->bound;
}

const struct abilities *
backend_abilities(const struct backend_link *link)
{
	return &link->abilities;
}

bool
backend_lmtp(const struct backend_link *link)
{
	return link->target.lmtp;
}

const struct reply *
backend_reply(const struct backend_link *link)
{
	return &link->reply;
}

bool
backend_unreachable(const struct backend_link *link)
{
	return link->unreachable;
}

const char *
backend_why(const struct backend_link *link)
{
	return link->why;
}

void
backend_command(struct backend_link *link, struct str command)
{
	require(link->state == LINK_IDLE || link->state == LINK_NOOP);
	/* The last door before the MTA: nothing that could become two commands passes. */
	for (size_t i = 0; i < command.n; i++)
		require((unsigned char)command.p[i] >= 0x20 && command.p[i] != 0x7f);
	require(link->abilities.extensions & EXTENSION_SMTPUTF8 ? utf8_ok(command)
								: !utf8_beyond_ascii(command));
	if (link->state == LINK_NOOP) {
		require(link->queued.n == 0);
		require(buf_add(&link->queued, command));
		return;
	}
	link_send(link, command, LINK_COMMAND);
}

void
backend_auth(struct backend_link *link, struct str line)
{
	struct buf whole;

	require(link->state == LINK_IDLE);
	for (size_t i = 0; i < line.n; i++)
		require((unsigned char)line.p[i] >= 0x20 && (unsigned char)line.p[i] < 0x7f);
	buf_init(&whole, SASL_LINE_MAX);
	require(buf_reserve(&whole, line.n + 2));
	buf_add(&whole, line);
	buf_add(&whole, STR("\r\n"));
	reply_clear(&link->reply);
	io_write_secret(link->io, buf_str(&whole));
	buf_wipe(&whole);
	buf_free(&whole);
	io_deadline(link->io, link->order.core->backend_timeout_command);
	link->bound = true;
	link->state = LINK_AUTH;
}

bool
backend_idle(const struct backend_link *link)
{
	return link->state == LINK_IDLE;
}

bool
backend_login_offered(const struct backend_link *link)
{
	return link->login_offered;
}

bool
backend_login_told(const struct backend_link *link)
{
	return link->login_told;
}

void
backend_hold(struct backend_link *link, bool hold)
{
	link->transactions += hold && !link->hold;
	link->hold = hold;
	if (link->state == LINK_IDLE)
		become_idle(link);
}

void
backend_stream(struct backend_link *link)
{
	require(link->state == LINK_IDLE && link->reply.code == 354);
	link->state = LINK_STREAM;
	io_deadline(link->io, link->order.core->backend_timeout_data);
}

bool
backend_chunk(struct backend_link *link, uint64_t n)
{
	struct buf line;

	require(link->state == LINK_IDLE || link->state == LINK_NOOP);
	if (link->state == LINK_NOOP) {
		require(link->queued.n == 0);
		buf_printf(&link->queued, "BDAT %llu LAST", (unsigned long long)n);
		link->queued_chunk = true;
		return false;
	}
	buf_init(&line, LINK_COMMAND_LONGEST);
	buf_printf(&line, "BDAT %llu LAST", (unsigned long long)n);
	link_send(link, buf_str(&line), LINK_STREAM);
	buf_free(&line);
	io_deadline(link->io, link->order.core->backend_timeout_data);
	return true;
}

void
backend_write(struct backend_link *link, struct str octets)
{
	require(link->state == LINK_STREAM);
	io_write(link->io, octets);
}

size_t
backend_unsent(const struct backend_link *link)
{
	return io_unsent(link->io);
}

void
backend_end(struct backend_link *link)
{
	require(link->state == LINK_STREAM);
	reply_clear(&link->reply);
	link->state = LINK_END;
	io_deadline(link->io, link->order.core->backend_timeout_end);
}
