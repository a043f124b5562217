#include "proxy/backend.h"

#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/tls.h"
#include "mail/command.h"
#include "mail/mailbox.h"
#include "mail/utf8.h"
#include "proxy/handoff.h"
#include "proxy/io.h"
#include "proxy/tproxy.h"

#define IDLE_MS 30000      /* between transactions */
#define KEEPALIVE_MS 60000 /* inside one: under any MTA's own timeout */
#define REPLY_LINE_LONGEST 4096
#define COMMAND_LONGEST 4096

enum link_state {
	LINK_CONNECTING,
	LINK_GREETING, /* waits for 220 */
	LINK_EHLO,     /* waits for the reply to our EHLO */
	LINK_HELO,     /* the same, after a refused EHLO */
	LINK_STARTTLS, /* waits for the reply to STARTTLS */
	LINK_HANDSHAKE,
	LINK_XCLIENT,        /* waits for the new greeting */
	LINK_EHLO_AS_CLIENT, /* waits for the reply to EHLO after XCLIENT */
	LINK_IDLE,
	LINK_COMMAND, /* waits for the reply to the owner's command */
	LINK_NOOP,    /* waits for the reply to a keepalive */
	LINK_STREAM,  /* after 354 */
	LINK_END,     /* after the final dot: waits for the reply */
	LINK_SPOILED, /* after a last reply that was told, not usable any more */
	LINK_LOST,
};

struct backend_link {
	struct backend_order order;
	struct backend_target target;
	size_t next_address;
	enum link_state state;
	struct io *io;
	struct reply reply;
	struct abilities abilities;
	struct buf queued; /* a command that waits for the keepalive's reply */
	bool queued_chunk; /* and it is a BDAT */
	struct buf line;   /* that is being read */
	bool secured;      /* the handshake was made */
	bool clear;        /* it failed before, and that was no condition */
	bool hold;
	const char *cannot; /* why no connection could be tried; NULL: it was */
	bool unreachable;   /* no connection came about */
	bool leave;         /* nothing is wrong: say QUIT */
	char why[256];
};

bool
backend_target_find(struct backend_target *target, const struct backend *conf, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char port[8];
	int error;

	*target = (struct backend_target){
		.handoff = conf->handoff, .starttls = conf->starttls, .lmtp = conf->lmtp
	};
	if (conf->name)
		str_copy(str_of(conf->name), target->name, sizeof(target->name));
	snprintf(port, sizeof(port), "%u", (unsigned)conf->port);
	snprintf(target->label, sizeof(target->label), "%s port %s", ESC(str_of(conf->host)), port);
	error = getaddrinfo(conf->host, port, &hints, &list);
	if (error != 0)
		return err_set(e, ERR_SYSTEM, "cannot find the backend's host \"%s\": %s",
		    ESC(str_of(conf->host)), gai_strerror(error));
	for (struct addrinfo *a = list; a && target->n < BACKEND_ADDRESSES; a = a->ai_next)
		if (a->ai_addrlen <= sizeof(target->address[0]) &&
		    (a->ai_family == AF_INET || a->ai_family == AF_INET6))
			memcpy(&target->address[target->n++], a->ai_addr, a->ai_addrlen);
	freeaddrinfo(list);
	if (target->n == 0)
		return err_set(e, ERR_SYSTEM, "the backend's host \"%s\" has no address",
		    ESC(str_of(conf->host)));
	return true;
}

static void on_io(void *owner, enum io_event event);

static __attribute__((format(printf, 2, 3))) void
lose(struct backend_link *link, const char *format, ...)
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
	case LINK_NOOP:
	case LINK_END:
		return true;
	default:
		return false;
	}
}

static void
send_line(struct backend_link *link, struct str line, enum link_state state)
{
	reply_clear(&link->reply);
	io_write(link->io, line);
	io_write(link->io, STR("\r\n"));
	io_deadline(link->io, link->order.core->backend_timeout_command);
	link->state = state;
}

static void
send_ehlo(struct backend_link *link, const char *verb, struct str name, enum link_state state)
{
	struct buf line;

	buf_init(&line, COMMAND_LONGEST);
	buf_printf(&line, "%s ", verb);
	buf_add(&line, name);
	send_line(link, buf_str(&line), state);
	buf_free(&line);
}

static struct str
our_name(const struct backend_link *link)
{
	return str_of(link->order.core->hostname);
}

static const char *
hello(const struct backend_link *link)
{
	return link->target.lmtp ? "LHLO" : "EHLO";
}

/* Whom the MTA shall see: the client if it stands for the client, else us. */
static struct str
ehlo_name(const struct backend_link *link)
{
	const struct session *s = link->order.session;

	if (s && link->target.handoff != HANDOFF_NONE && mail_domain_ok(s->helo))
		return s->helo;
	return our_name(link);
}

static void
connect_next(struct backend_link *link)
{
	const struct sockaddr *to = &link->target.address[link->next_address++].sa;
	const struct session *s = link->order.session;
	int fd = -1;

	io_free(&link->io);
	link->state = LINK_CONNECTING;
	link->cannot = NULL;
	if (s && link->target.handoff == HANDOFF_TPROXY)
		fd = tproxy_socket(&s->client_ip, to->sa_family, &link->cannot);
	link->io = io_new(link->order.base, fd, on_io, link);
	if (link->cannot) {
		/* Told from the loop like every other failure. */
		io_deadline(link->io, 1);
		return;
	}
	io_deadline(link->io, link->order.core->backend_timeout_connect);
	io_connect(link->io, to);
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
	buf_init(&link->queued, COMMAND_LONGEST);
	buf_init(&link->line, REPLY_LINE_LONGEST);
	connect_next(link);
	return link;
}

void
backend_free(struct backend_link **link)
{
	struct backend_link *l = *link;

	if (l == NULL)
		return;
	if (l->state == LINK_IDLE || l->leave)
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

/* Of the connection that the MTA is to see: the client's, else our own. */
static struct endpoints
ends_to_tell(const struct backend_link *link)
{
	const struct session *s = link->order.session;
	struct endpoints ends = { 0 };

	if (s == NULL)
		return io_ends(link->io);
	ends.client_ip = s->client_ip;
	ends.client_port = s->client_port;
	ends.server_ip = s->server_ip;
	ends.server_port = s->server_port;
	return ends;
}

static void
on_connected(struct backend_link *link)
{
	struct endpoints ends = ends_to_tell(link);
	struct buf header;

	buf_init(&header, HANDOFF_PROXY_MAX);
	if (link->target.handoff == HANDOFF_PROXY_PROTOCOL)
		handoff_proxy(&ends, &header);
	else if (link->target.handoff == HANDOFF_PROXY_PROTOCOL_V2)
		handoff_proxy_v2(link->order.session ? &ends : NULL, &header);
	if (header.n > 0)
		io_write(link->io, buf_str(&header));
	buf_free(&header);
	reply_clear(&link->reply);
	link->state = LINK_GREETING;
	io_read(link->io, true);
}

static void
become_idle(struct backend_link *link)
{
	link->state = LINK_IDLE;
	io_deadline(link->io, link->hold ? KEEPALIVE_MS : IDLE_MS);
}

static void
become_ready(struct backend_link *link)
{
	become_idle(link);
	link->order.on(link->order.owner, BACKEND_READY);
}

static void
refused(struct backend_link *link, const char *what)
{
	struct str text = reply_line(&link->reply, 0);

	lose(link, "%s was answered by %d %s", what, link->reply.code, ESC(text));
}

/* Our EHLO (or HELO) was taken: hand over the client's identity, if that is how it is done. */
static void
introduced(struct backend_link *link)
{
	struct buf line;

	if (link->target.handoff != HANDOFF_XCLIENT) {
		become_ready(link);
		return;
	}
	if (!(link->abilities.xclient & XCLIENT_ADDR)) {
		lose(link,
		    "it does not offer XCLIENT to us: add our address to the hosts that may "
		    "use it (Postfix: smtpd_authorized_xclient_hosts)");
		return;
	}
	if (link->order.session == NULL) {
		become_ready(link);
		return;
	}
	buf_init(&line, COMMAND_LONGEST);
	handoff_xclient(link->order.session, link->abilities.xclient, &line);
	send_line(link, buf_str(&line), LINK_XCLIENT);
	buf_free(&line);
}

/* ---- TLS ---- */

/* The connection stays as it is, in the clear; or it is of no use. */
static void
stay_clear(struct backend_link *link, const char *why)
{
	if (link->target.starttls != STARTTLS_OPPORTUNISTIC) {
		lose(link, "it is to be spoken to in TLS, but %s", why);
		return;
	}
	introduced(link);
}

/* From the start, and in the clear. */
static void
connect_again(struct backend_link *link, const char *why)
{
	const struct session *s = link->order.session;

	log_warn(s ? s->id : NULL, "event=backend-tls result=clear why=\"%s\"", why);
	link->clear = true;
	link->abilities = (struct abilities){ 0 };
	link->next_address--;
	connect_next(link);
}

static void
handshake_failed(struct backend_link *link, const char *why)
{
	if (link->target.starttls == STARTTLS_OPPORTUNISTIC)
		connect_again(link, why);
	else
		lose(link, "no TLS with it: %s", why);
}

static void
on_starttls_reply(struct backend_link *link)
{
	if (link->reply.code != 220) {
		stay_clear(link, "it refused STARTTLS");
		return;
	}
	/* Octets behind the 220 would be somebody's who sits in between: read_reply() saw to it. */
	link->state = LINK_HANDSHAKE;
	io_tls(link->io,
	    tls_client_session(
		link->order.tls, link->target.name, link->target.starttls == STARTTLS_VERIFY));
}

/* What it said of itself before could have been said by anybody. */
static void
on_secured(struct backend_link *link)
{
	link->secured = true;
	link->abilities = (struct abilities){ 0 };
	send_ehlo(link, hello(link),
	    link->target.handoff == HANDOFF_XCLIENT ? our_name(link) : ehlo_name(link), LINK_EHLO);
}

/* Our first EHLO was taken: secure the connection, if that is how it is done, then go on. */
static void
secure(struct backend_link *link)
{
	if (link->secured || link->clear || link->target.starttls == STARTTLS_OFF)
		introduced(link);
	else if (!link->abilities.starttls)
		stay_clear(link, "it does not offer STARTTLS");
	else if (link->order.tls == NULL)
		stay_clear(link, "there is no context for that any more");
	else
		send_line(link, STR("STARTTLS"), LINK_STARTTLS);
}

static void
learn(struct backend_link *link)
{
	link->abilities = abilities_read(&link->reply);
	if (link->target.lmtp)
		link->abilities.rcpt_max = 1;
}

static void
on_ehlo_reply(struct backend_link *link)
{
	int code = link->reply.code;

	if (code / 100 == 5 && link->state == LINK_EHLO && !link->target.lmtp) {
		link->abilities = (struct abilities){ .known = true };
		send_ehlo(link, "HELO", our_name(link), LINK_HELO);
	} else if (code != 250) {
		refused(link, hello(link));
	} else if (link->state == LINK_EHLO) {
		learn(link);
		secure(link);
	} else if (link->state == LINK_EHLO_AS_CLIENT) {
		learn(link);
		become_ready(link);
	} else {
		secure(link);
	}
}

static void
on_noop_reply(struct backend_link *link)
{
	if (link->reply.code / 100 != 2) {
		refused(link, "NOOP");
		return;
	}
	become_idle(link);
	if (link->queued.n == 0)
		return;
	send_line(link, buf_str(&link->queued), link->queued_chunk ? LINK_STREAM : LINK_COMMAND);
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
		if (link->reply.code == 220)
			send_ehlo(link, hello(link),
			    link->target.handoff == HANDOFF_XCLIENT ? our_name(link)
								    : ehlo_name(link),
			    LINK_EHLO);
		else
			refused(link, "our connection");
		return;
	case LINK_XCLIENT:
		if (link->reply.code == 220)
			send_ehlo(link, hello(link), ehlo_name(link), LINK_EHLO_AS_CLIENT);
		else
			refused(link, "XCLIENT");
		return;
	case LINK_EHLO:
	case LINK_HELO:
	case LINK_EHLO_AS_CLIENT:
		on_ehlo_reply(link);
		return;
	case LINK_STARTTLS:
		on_starttls_reply(link);
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
	struct err e;

	for (;;) {
		switch (io_take_line(link->io, REPLY_LINE_LONGEST, &link->line)) {
		case IO_LINE_NONE:
			return false;
		case IO_LINE:
			break;
		case IO_LINE_BARE:
			lose(link, "its reply has a line that does not end in CR LF");
			return false;
		case IO_LINE_LONG:
			lose(link, "its reply has a line of more than %d octets",
			    REPLY_LINE_LONGEST);
			return false;
		}
		if (!reply_take(&link->reply, buf_str(&link->line), &e)) {
			lose(link, "it sent what is no reply: %s", e.text);
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
		lose(link, "it spoke without being asked");
		return;
	}
	/* What comes while our command is not even sent cannot be its answer. */
	if (io_unsent(link->io) > 0 && link->state != LINK_GREETING) {
		lose(link, "it answered before it had been asked");
		return;
	}
	if (!read_reply(link))
		return;
	if (io_available(link->io) > 0 && link->state != LINK_END)
		lose(link, "it sent more than one reply to a command");
	else
		on_reply(link);
}

static void
on_closed(struct backend_link *link)
{
	if (link->state == LINK_CONNECTING && link->next_address < link->target.n)
		connect_next(link);
	else if (link->state == LINK_CONNECTING)
		lose(link, "cannot connect: %s", io_why(link->io));
	else if (link->state == LINK_HANDSHAKE)
		handshake_failed(link, io_why(link->io));
	else
		lose(link, "it closed the connection: %s", io_why(link->io));
}

static void
on_timeout(struct backend_link *link)
{
	if (link->state == LINK_CONNECTING && link->next_address < link->target.n)
		connect_next(link);
	else if (link->state == LINK_CONNECTING && link->cannot)
		lose(link, "cannot connect: %s", link->cannot);
	else if (link->state == LINK_IDLE && link->hold)
		send_line(link, STR("NOOP"), LINK_NOOP);
	else if (link->state == LINK_IDLE) {
		link->leave = true;
		lose(link, "nothing was left to do");
	} else if (link->state == LINK_HANDSHAKE)
		handshake_failed(link, "it did not answer in time");
	else
		lose(link, "it did not answer in time");
}

static void
on_io(void *owner, enum io_event event)
{
	struct backend_link *link = owner;

	if (link->state == LINK_LOST || link->state == LINK_SPOILED)
		return;
	switch (event) {
	case IO_CONNECTED:
		on_connected(link);
		return;
	case IO_SECURED:
		on_secured(link);
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
	send_line(link, command, LINK_COMMAND);
}

void
backend_hold(struct backend_link *link, bool hold)
{
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
	buf_init(&line, COMMAND_LONGEST);
	buf_printf(&line, "BDAT %llu LAST", (unsigned long long)n);
	send_line(link, buf_str(&line), LINK_STREAM);
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
