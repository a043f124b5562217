#include "proxy/smtp_server.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "mail/sasl.h"
#include "proxy/xclient.h"

#define OUTPUT_MAX (32 * 1024) /* unread replies: no more commands are run */
#define CLOSING_MS 5000        /* for the last reply to leave */
#define LINGER_MS 1000         /* for the client to close after it */

bool
verdict_refuses(const struct verdict *v)
{
	return v->kind == VERDICT_TEMPFAIL || v->kind == VERDICT_REJECT;
}

/* ---- state ---- */

#define IN(state) (1u << (state))
#define TAKES_COMMANDS \
	(IN(CLIENT_GREETED) | IN(CLIENT_READY) | IN(CLIENT_MAIL) | IN(CLIENT_RCPT) | \
	    IN(CLIENT_CHUNKS) | IN(CLIENT_REFUSED))

/* From where each state can be reached. */
static const unsigned came_from[CLIENT_STATES] = {
	[CLIENT_CONNECT] = IN(CLIENT_TLS) | IN(CLIENT_GREETED) | IN(CLIENT_READY),
	[CLIENT_TLS] = IN(CLIENT_CONNECT) | IN(CLIENT_GREETED) | IN(CLIENT_READY),
	[CLIENT_GREETED] =
	    IN(CLIENT_CONNECT) | IN(CLIENT_TLS) | IN(CLIENT_GREETED) | IN(CLIENT_READY),
	[CLIENT_AUTH] = IN(CLIENT_READY),
	[CLIENT_READY] = IN(CLIENT_GREETED) | IN(CLIENT_AUTH) | IN(CLIENT_READY) | IN(CLIENT_MAIL) |
	    IN(CLIENT_RCPT) | IN(CLIENT_CHUNKS) | IN(CLIENT_DATA) | IN(CLIENT_MESSAGE),
	[CLIENT_MAIL] = IN(CLIENT_READY),
	[CLIENT_RCPT] = IN(CLIENT_MAIL) | IN(CLIENT_RCPT),
	[CLIENT_CHUNKS] = IN(CLIENT_DATA),
	[CLIENT_DATA] = IN(CLIENT_RCPT) | IN(CLIENT_CHUNKS),
	[CLIENT_MESSAGE] = IN(CLIENT_DATA),
	[CLIENT_REFUSED] = IN(CLIENT_CONNECT),
	[CLIENT_CLOSING] = ~(IN(CLIENT_CLOSING) | IN(CLIENT_GONE)),
	[CLIENT_GONE] = ~0u,
};

void
client_set_state(struct client *c, enum client_state state)
{
	require(came_from[state] & IN(c->state));
	c->state = state;
}

/* Waits for somebody else than the client. */
static bool
waits(const struct client *c)
{
	return c->gate_next || c->mta_next || c->once_look || c->guess_look;
}

/* Commands of it that could be run are left where they are. */
static bool
held_back(const struct client *c)
{
	return (IN(c->state) & TAKES_COMMANDS) && front_slowed(c->front);
}

/* It is not the client's turn. */
static bool
stays(const struct client *c)
{
	return waits(c) || held_back(c);
}

/* ---- replies ---- */

static void
send_out(struct client *c)
{
	io_write(c->io, buf_str(&c->front->out));
	buf_clear(&c->front->out);
}

/* As far as it has come. */
static enum step
step_of(const struct client *c)
{
	static const enum step steps[CLIENT_STATES] = {
		[CLIENT_CONNECT] = STEP_CONNECT,
		[CLIENT_REFUSED] = STEP_CONNECT,
		[CLIENT_TLS] = STEP_HELO,
		[CLIENT_GREETED] = STEP_HELO,
		[CLIENT_AUTH] = STEP_HELO,
		[CLIENT_READY] = STEP_MAIL,
		[CLIENT_MAIL] = STEP_RCPT,
		[CLIENT_RCPT] = STEP_RCPT,
		[CLIENT_CHUNKS] = STEP_MESSAGE,
		[CLIENT_DATA] = STEP_MESSAGE,
		[CLIENT_MESSAGE] = STEP_MESSAGE,
		[CLIENT_CLOSING] = STEP_HELO,
		[CLIENT_GONE] = STEP_HELO,
	};

	return steps[c->state];
}

void
client_limit(struct client *c, enum said said)
{
	gate_limit(c->front->gate, &(struct tally_kind){ step_of(c), said });
	c->journalled = true;
}

void
client_relayed(struct client *c, enum said said)
{
	gate_said(c->front->gate, step_of(c), said);
}

/* Each no is in the journal: by itself, or counted with others. */
void
client_reply_with(struct client *c, enum said said, const char *fill)
{
	if (!c->journalled && said_row(said)->code >= 400)
		gate_said(c->front->gate, step_of(c), said);
	c->journalled = false;
	said_reply(said, fill, &c->front->out);
	send_out(c);
}

void
client_reply(struct client *c, enum said said)
{
	client_reply_with(c, said, NULL);
}

void
client_reply_verdict(struct client *c, const struct verdict *v)
{
	gate_reply(v, &c->front->out);
	send_out(c);
}

static void
refuse(struct client *c)
{
	struct verdict v;

	c->gate_next = NULL;
	if (gate_refuse(c->gs, c->refusal->step, c->refusal->said, &v) != DONE) {
		c->gate_next = refuse;
		return;
	}
	client_reply_verdict(c, &v);
	c->refused(c);
}

void
client_refuse(struct client *c, const struct refusal *refusal, void (*refused)(struct client *c))
{
	c->journalled = false;
	c->refusal = refusal;
	c->refused = refused;
	refuse(c);
}

static void
close_for_errors(struct client *c)
{
	client_close(c, "errors");
}

void
client_error_with(struct client *c, enum said said, const char *fill)
{
	static const struct refusal too_many = { STEP_HELO, SAID_ERRORS };

	c->s->n_errors++;
	if (!limit_error(c))
		return;
	if (c->s->n_errors >= limit_errors(c))
		client_refuse(c, &too_many, close_for_errors);
	else
		client_reply_with(c, said, fill);
}

void
client_error(struct client *c, enum said said)
{
	client_error_with(c, said, NULL);
}

bool
client_mta_error(struct client *c)
{
	if (c->s->n_errors + 1 >= limit_errors(c)) {
		/* What is said is that it was one too many. */
		client_error(c, SAID_ERRORS);
		return false;
	}
	c->s->n_errors++;
	return limit_error(c);
}

/* ---- the end of things ---- */

void
client_reset(struct client *c)
{
	data_free(&c->data);
	gate_reset(c->gs);
	if (c->mta_mail) {
		c->mta_dirty = true;
		c->mta_mail = false;
		if (c->mta)
			backend_hold(c->mta, c->bound);
	}
	c->mta_lost = false;
	client_set_state(c, CLIENT_READY);
}

void
client_close(struct client *c, const char *why)
{
	c->why = why;
	c->gate_next = NULL;
	c->mta_next = NULL;
	once_cancel(c);
	guess_cancel(c);
	auth_free(&c->auth);
	mta_drop(c, NULL);
	client_set_state(c, CLIENT_CLOSING);
	io_deadline(c->io, CLOSING_MS);
}

void
client_free(struct client *c)
{
	const struct session *s = c->s;

	log_info(s->id,
	    "event=disconnect ip=%s helo=\"%s\" accepted=%u refused=%u errors=%u ms=%lld why=\"%s\"",
	    IP_TEXT(&s->client_ip), ESC(s->helo), s->n_messages, s->n_refused, s->n_errors,
	    (long long)((clock_mono_us() - c->began_us) / 1000), c->why);
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	front_leave(c->front);
	peers_leave(limits_peers(c->front->limits), &c->counted);
	once_leave(c);
	guess_cancel(c);
	auth_free(&c->auth);
	data_free(&c->data);
	mta_drop(c, NULL);
	buf_free(&c->asked);
	io_free(&c->io);
	gate_close(&c->gs);
	free(c);
}

/* Between transactions, when the daemon is to stop. */
static bool
may_be_sent_away(const struct client *c)
{
	return c->front->draining && !waits(c) &&
	    (c->state == CLIENT_GREETED || c->state == CLIENT_READY);
}

/* Between commands: on any other link it would be a stranger. */
static bool
must_be_sent_away(const struct client *c)
{
	return c->auth_lost && !waits(c) && c->state >= CLIENT_GREETED &&
	    c->state <= CLIENT_CHUNKS && c->state != CLIENT_AUTH;
}

/* ---- turns ---- */

/* What has no lines to wait for, or lines that would be taken for commands. */
static bool
foreign(struct client *c)
{
	struct str input = io_available(c->io) > 0 ? io_peek(c->io) : STR("");

	if (input.n > 0 && input.p[0] == 0x16) {
		command_foreign(c, "a TLS handshake");
		return true;
	}
	if (str_starts(input, PROXY_HEADER_SIGNATURE)) {
		command_foreign(c, "a PROXY header, but its listener is not `from proxies`");
		return true;
	}
	return false;
}

/* Runs one command or one piece of a message; false: there is none to run. */
static bool
run_once(struct client *c)
{
	enum io_line kind;

	switch (c->state) {
	case CLIENT_GREETED:
	case CLIENT_READY:
	case CLIENT_MAIL:
	case CLIENT_RCPT:
	case CLIENT_CHUNKS:
	case CLIENT_REFUSED:
		if (c->unwanted.open)
			return bdat_swallow(c);
		if (foreign(c))
			return true;
		kind = io_take_line(c->io, SASL_LINE_MAX, &c->front->line);
		if (kind == IO_LINE_NONE)
			return false;
		c->timed = false;
		command_line(c, kind, buf_str(&c->front->line));
		buf_wipe(&c->front->line);
		return true;
	case CLIENT_AUTH:
		kind = io_take_line(c->io, SASL_LINE_MAX, &c->front->line);
		if (kind == IO_LINE_NONE)
			return false;
		c->timed = false;
		auth_line(c, kind, buf_str(&c->front->line));
		buf_wipe(&c->front->line);
		return true;
	case CLIENT_DATA:
		return data_take(c);
	case CLIENT_CLOSING:
		io_drop(c->io, io_available(c->io));
		return false;
	default:
		return false;
	}
}

static void
run(struct client *c)
{
	while (!stays(c) && io_unsent(c->io) <= OUTPUT_MAX && run_once(c))
		;
}

static void
closing(struct client *c)
{
	/* Closing at once could make the kernel withdraw the last reply. */
	if (!c->finished && !c->ended) {
		c->finished = true;
		io_finish(c->io);
	}
	if (io_unsent(c->io) > 0 && !c->broken)
		return;
	if (c->ended) {
		client_set_state(c, CLIENT_GONE);
	} else if (!c->lingers) {
		c->lingers = true;
		io_deadline(c->io, LINGER_MS);
	}
}

static bool
within_message(const struct client *c)
{
	return c->state == CLIENT_DATA || c->state == CLIENT_CHUNKS;
}

bool
client_idles(const struct client *c, int64_t ms)
{
	return c->timed && !waits(c) && c->state < CLIENT_CLOSING && c->state != CLIENT_DATA &&
	    c->state != CLIENT_TLS && clock_mono_us() - c->idle_us > ms * 1000;
}

void
client_turn(struct client *c)
{
	once_sent(c);
	run(c);
	delay_turn(c);
	if (c->state == CLIENT_TLS && !c->shaking)
		tls_turn(c);
	if (must_be_sent_away(c)) {
		client_reply(c, SAID_MTA_LOGIN);
		client_close(c, "mail server lost after AUTH");
	}
	if (may_be_sent_away(c)) {
		client_reply(c, SAID_SHUTDOWN);
		client_close(c, "shutdown");
	}
	if (c->ended && !stays(c) && c->state < CLIENT_CLOSING) {
		if (within_message(c))
			gate_gone(c->front->gate, STEP_MESSAGE);
		client_close(c, within_message(c) ? "left within a message" : "left");
	}
	if (c->state == CLIENT_CLOSING)
		closing(c);
	if (c->state == CLIENT_GONE) {
		client_free(c);
		return;
	}
	if (stays(c) && c->state != CLIENT_CLOSING)
		time_stop(c);
	else if (c->state < CLIENT_CLOSING && c->state != CLIENT_DATA)
		time_command(c);
	/* What comes in the clear while the handshake is due is left where it is. */
	io_read(c->io,
	    !stays(c) && io_unsent(c->io) <= OUTPUT_MAX && (c->state != CLIENT_TLS || c->shaking));
}

/* ---- entries from the loop ---- */

static void
on_timeout(struct client *c)
{
	if (c->state == CLIENT_CLOSING) {
		client_set_state(c, CLIENT_GONE);
		return;
	}
	if (c->state == CLIENT_TLS) {
		tls_failed(c, "it took too long");
		return;
	}
	time_over(c);
}

static void
on_io(void *owner, enum io_event event)
{
	struct client *c = owner;

	if (event == IO_TIMEOUT)
		on_timeout(c);
	if (event == IO_SECURED)
		tls_secured(c);
	if (event == IO_CLOSED && c->state == CLIENT_TLS)
		tls_failed(c, io_why(c->io));
	if (event == IO_ENDED || event == IO_CLOSED)
		c->ended = true;
	if (event == IO_ENDED)
		once_ended(c);
	if (event == IO_CLOSED)
		c->broken = true;
	if (c->broken)
		delay_turn(c);
	/* What is being handed on is carried through, for the MTA may have taken it already. */
	if (c->broken && !(c->data && c->data->writing)) {
		if (within_message(c))
			gate_gone(c->front->gate, STEP_MESSAGE);
		client_set_state(c, CLIENT_GONE);
	}
	client_turn(c);
}

static void
on_gate(void *owner)
{
	struct client *c = owner;

	if (c->gate_next)
		c->gate_next(c);
	client_turn(c);
}

/* Copies what XCLIENT may leave unsaid. */
static void
copy_client(struct session *to, const struct session *from)
{
	to->client_ip = from->client_ip;
	to->client_port = from->client_port;
	to->server_ip = from->server_ip;
	to->server_port = from->server_port;
	to->client_name = arena_dup(to->conn, from->client_name);
	to->reverse_name = arena_dup(to->conn, from->reverse_name);
	/* What it has proven is not of whom it speaks for. */
	if (from->auth_mechanism.n == 0)
		to->account = arena_dup(to->conn, from->account);
	to->stressed = from->stressed;
	/* Whomever it speaks for, it does so in here. */
	if (from->tls.on)
		session_secure(to, &from->tls);
}

bool
client_become(struct client *c, struct str attributes, struct err *e)
{
	struct gate_session *gs = gate_open(c->front->gate, FRONT_PROXY, on_gate, c);
	const struct config *config = gate_session_config(gs);
	struct session *s = gate_session(gs);

	copy_client(s, c->s);
	if (!xclient_read(s, attributes, e)) {
		gate_close(&gs);
		return false;
	}
	log_info(s->id, "event=xclient before=%s peer=%s ip=%s", c->s->id, IP_TEXT(&c->peer),
	    IP_TEXT(&s->client_ip));
	s->trusted =
	    list_has(config->trusted, &(struct value){ .type = VALUE_IP, .ip = s->client_ip });
	auth_forget(c);
	mta_drop(c, NULL);
	gate_close(&c->gs);
	c->gs = gs;
	c->s = s;
	c->core = &config->core;
	client_set_state(c, CLIENT_CONNECT);
	return true;
}

void
client_new(struct proxy_front *front, const struct arrival *arrival)
{
	struct client *c = xcalloc(1, sizeof(*c));
	const struct endpoints *ends = arrival->ends;
	const struct config *config;
	struct value ip = { .type = VALUE_IP, .ip = ends->client_ip };

	c->front = front;
	c->began_us = clock_mono_us();
	c->why = "left";
	c->gs = gate_open(front->gate, FRONT_PROXY, on_gate, c);
	c->s = gate_session(c->gs);
	config = gate_session_config(c->gs);
	c->core = &config->core;
	c->peer = ip.ip;
	c->counted = arrival->counted;
	c->s->client_ip = ends->client_ip;
	c->s->client_port = ends->client_port;
	c->s->server_ip = ends->server_ip;
	c->s->server_port = ends->server_port;
	c->s->trusted = c->peer_trusted = list_has(config->trusted, &ip);
	c->s->stressed = front_stressed(front);
	c->io = io_new(gate_base(front->gate), arrival->fd, on_io, c);
	c->next = front->clients;
	c->at = &front->clients;
	if (c->next)
		c->next->at = &c->next;
	front->clients = c;
	if (arrival->how->tls)
		tls_at_once(c);
	else
		command_greet(c);
	client_turn(c);
}
