/*
 * smtp_once: a message that the MTA took is delivered once, even if its client went away before it could
 * hear so and sends it again. As soon as the MTA has said 250, its reply is remembered under the digest
 * of the message (once.h), before the client is told; when the client is known to have heard, it is
 * forgotten again. So the store holds those only of whom that is not known, and whoever sends the same message
 * on purpose has it delivered as often.
 *
 * Known to have heard is whose system acknowledged our octets, and who then went on to say something, or closed in
 * order: a system that has unread octets for a program that closes says so by a reset. Who is cut off may have
 * heard or not.
 */
#include "base/escape.h"
#include "base/log.h"
#include "proxy/smtp_server.h"

/* ---- the client has come again ---- */

/* The text of its first line. */
static struct str
words(struct str raw)
{
	return str_trim(str_sub(raw, 4, str_find(raw, '\n')));
}

static void
answer_again(struct client *c, const struct delivered *d)
{
	struct str raw = { d->reply, d->n };

	io_write(c->io, raw);
	gate_accepted_before(c->gs, words(raw));
	client_reset(c);
}

static void
looked(struct db_request *request)
{
	struct client *c = request->owner;

	if (c) {
		void (*go_on)(struct client * c) = c->once_next;

		c->once_look = NULL;
		c->once_next = NULL;
		/* If the store is away: twice is better than not at all. */
		if (!request->failed && request->delivered->found)
			answer_again(c, request->delivered);
		else
			go_on(c);
		client_turn(c);
	}
	db_request_free(&request);
}

void
once_check(struct client *c, void (*go_on)(struct client *c))
{
	struct data *d = c->data;

	if (d->once == NULL) {
		go_on(c);
		return;
	}
	once_finish(d->once, &c->s->txn, d->key);
	c->once_look = db_request_delivered(DELIVERED_LOOK, d->key);
	c->once_look->done = looked;
	c->once_look->owner = c;
	c->once_next = go_on;
	db_send(gate_link(c->front->gate), c->once_look);
}

void
once_cancel(struct client *c)
{
	if (c->once_look)
		c->once_look->owner = NULL;
	c->once_look = NULL;
	c->once_next = NULL;
}

/* ---- has it heard? ---- */

/* What is to be acknowledged is known when all of it has gone out to the system. */
void
once_sent(struct client *c)
{
	uint64_t acked;

	if (c->told.n > 0 && c->told.mark == 0 && !c->broken && io_unsent(c->io) == 0)
		io_position(c->io, &c->told.mark, &acked);
}

static bool
heard(const struct client *c)
{
	uint64_t sent, acked;

	return c->told.spoke && c->told.mark > 0 && io_position(c->io, &sent, &acked) &&
	    acked >= c->told.mark;
}

/* What is remembered of each is forgotten, or looked for from now on. */
static void
settle_as(struct client *c, enum delivered_what what)
{
	for (size_t i = 0; i < c->told.n; i++) {
		struct db_request *request = db_request_delivered(what, c->told.key[i]);

		request->no_hurry = what == DELIVERED_FORGET;
		db_send(gate_link(c->front->gate), request);
	}
	c->told.n = 0;
}

static void
settle(struct client *c)
{
	if (c->told.n > 0 && heard(c))
		settle_as(c, DELIVERED_FORGET);
}

/* ---- the MTA took it ---- */

void
once_remember(struct client *c, struct str raw)
{
	struct db_request *request;
	struct delivered *d;
	struct buf ok;

	if (c->data->once == NULL)
		return;
	settle(c);
	/* BUGS: of a client that never waits, the oldest is looked for after a while though it may have been heard. */
	if (c->told.n == TOLD_MOST)
		memmove(c->told.key, c->told.key + 1, --c->told.n * DELIVERED_KEY);
	memcpy(c->told.key[c->told.n++], c->data->key, DELIVERED_KEY);
	c->told.ended = c->ended || io_peer_ended(c->io);
	c->told.spoke = false;
	c->told.mark = 0;
	request = db_request_delivered(DELIVERED_PUT, c->data->key);
	d = request->delivered;
	/* A longer one is cut to its last line: the code is the same on all. */
	while (raw.n > DELIVERED_REPLY_MAX && str_find(raw, '\n') + 1 < raw.n)
		raw = str_sub(raw, str_find(raw, '\n') + 1, raw.n);
	buf_init(&ok, DELIVERED_REPLY_MAX);
	if (raw.n > DELIVERED_REPLY_MAX) {
		said_reply(SAID_OK, NULL, &ok);
		raw = buf_str(&ok);
	}
	memcpy(d->reply, raw.p, raw.n);
	d->n = raw.n;
	buf_free(&ok);
	db_send(gate_link(c->front->gate), request);
}

void
once_said(struct client *c)
{
	c->told.spoke = true;
	settle(c);
}

void
once_ended(struct client *c)
{
	if (c->told.n > 0 && !c->told.ended)
		once_said(c);
}

void
once_leave(struct client *c)
{
	once_cancel(c);
	settle(c);
	if (c->told.n == 0)
		return;
	settle_as(c, DELIVERED_UNHEARD);
	log_info(c->s->id,
	    "event=untold ip=%s what=\"the client may not have heard that "
	    "its message was taken; it is remembered\"",
	    IP_TEXT(&c->s->client_ip));
}
