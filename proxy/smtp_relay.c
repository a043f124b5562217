#include "base/clock.h"
#include "base/log.h"
#include "proxy/smtp_server.h"

#define FIELDS_MAX (256 * 1024) /* what is put in front of a message */

/* The message could not be handed on, or nobody knows whether it was: the client keeps it. */
static void
give_back(struct client *c)
{
	gate_backend_away(c->gs, STEP_MESSAGE, SAID_MTA_LOST, NULL);
	c->journalled = true;
	client_reply(c, SAID_MTA_LOST);
	client_reset(c);
}

/* Whatever the MTA said that is not the expected yes. */
static void
refused(struct client *c)
{
	int code = backend_reply(c->mta)->code;

	if (code < 400 || code > 599) {
		mta_drop(c, "it gave a reply that is none to a message");
		give_back(c);
		return;
	}
	gate_backend_refused(c->gs, STEP_MESSAGE, code, mta_text(c));
	mta_relay_reply(c);
	client_reset(c);
}

/* "queued as ABC" of Postfix, "id=ABC" of Exim. */
static struct str
queue_id(struct client *c, struct str text)
{
	static const char *const marks[] = { "queued as ", "id=" };

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		const char *p = memmem(text.p, text.n, marks[i], strlen(marks[i]));
		size_t n = 0;

		if (p == NULL)
			continue;
		p += strlen(marks[i]);
		while (p + n < text.p + text.n && (ascii_isalnum(p[n]) || p[n] == '-'))
			n++;
		return arena_dup(c->s->txn.arena, (struct str){ p, n });
	}
	return STR("");
}

static void
message_answered(struct client *c)
{
	if (c->mta == NULL) {
		give_back(c);
	} else if (backend_reply(c->mta)->code != 250) {
		/* The transaction there is over, whatever the reply. */
		c->mta_mail = false;
		backend_hold(c->mta, false);
		refused(c);
	} else {
		c->mta_mail = false;
		backend_hold(c->mta, false);
		c->s->txn.queue_id = queue_id(c, mta_text(c));
		pool_delivered(c->member);
		once_remember(c, buf_str(&backend_reply(c->mta)->raw));
		mta_relay_reply(c);
		gate_accepted(c->gs, mta_text(c));
		client_reset(c);
	}
}

static void
put(void *owner, struct str run)
{
	struct client *c = owner;

	backend_write(c->mta, run);
}

/* As one chunk, which is the only way for octets that are no lines; all else goes as DATA. */
static bool
as_chunk(const struct client *c)
{
	return c->s->txn.needs & EXTENSION_BINARYMIME;
}

static void
write_piece(struct client *c, struct str piece)
{
	if (as_chunk(c))
		backend_write(c->mta, piece);
	else
		eod_write(&c->data->writer, piece, put, c);
}

/* What comes next of the message: a piece that does not reach into a hole. */
static struct str
next_piece(struct client *c)
{
	struct data *d = c->data;
	struct str piece;

	while (d->next_hole < d->holes.n && d->offset == d->holes.hole[d->next_hole].from)
		d->offset = d->holes.hole[d->next_hole++].to;
	piece = spool_at(d->spool, d->offset);
	if (d->next_hole < d->holes.n)
		piece = str_sub(piece, 0, (size_t)(d->holes.hole[d->next_hole].from - d->offset));
	return str_sub(piece, 0, BACKEND_OUTPUT_MAX);
}

static void
begin_writing(struct client *c)
{
	c->data->writing = true;
	eod_writer_init(&c->data->writer);
	write_piece(c, buf_str(&c->data->front_fields));
}

void
relay_more(struct client *c)
{
	struct data *d = c->data;

	if (d == NULL || d->sent || c->mta_next != message_answered)
		return;
	if (!d->writing)
		begin_writing(c);
	while (backend_unsent(c->mta) < BACKEND_OUTPUT_MAX) {
		struct str piece = next_piece(c);

		if (piece.n > 0) {
			write_piece(c, piece);
			d->offset += piece.n;
		} else if (spool_failed(d->spool)) {
			/* Half a message must not look like a whole one. */
			c->mta_next = NULL;
			mta_drop(c, "the spool file could not be read back");
			give_back(c);
			return;
		} else {
			if (!as_chunk(c))
				eod_write_end(&d->writer, put, c);
			backend_end(c->mta);
			d->sent = true;
			return;
		}
	}
}

static void
data_answered(struct client *c)
{
	if (c->mta == NULL) {
		give_back(c);
		return;
	}
	if (backend_reply(c->mta)->code != 354) {
		refused(c);
		return;
	}
	backend_stream(c->mta);
	c->mta_next = message_answered;
	relay_more(c);
}

/* Octets of the message with our fields in front, and without what stays behind. */
static uint64_t
size_on(const struct data *d)
{
	/* What of the message has gone into the fields already is not counted twice. */
	uint64_t size = d->front_fields.n + spool_size(d->spool) - d->offset;

	for (size_t i = 0; i < d->holes.n; i++)
		size -= d->holes.hole[i].to - d->holes.hole[i].from;
	return size;
}

/* No reply is waited for before the octets, as their number was said. */
static void
send_chunk(struct client *c)
{
	c->mta_next = message_answered;
	/* Else it waits for the reply to a keepalive, and BACKEND_DRAINED tells. */
	if (backend_chunk(c->mta, size_on(c->data)))
		relay_more(c);
}

/*
 * Behind what stands before the first field, if there is such a thing: there it would end the
 * header, and all fields of the message would become body.
 */
static void
write_front_fields(struct client *c)
{
	const struct header *h = &c->s->txn.message.header;
	struct buf *out = &c->data->front_fields;

	buf_init(out, FIELDS_MAX);
	buf_add(out, str_sub(h->block, 0, h->mbox));
	c->data->offset = h->mbox;
	received_write(c->s, clock_wall_ms() / 1000, out);
	buf_add(out, gate_authres(c->gs));
	for (const struct added_field *f = c->s->txn.added; f; f = f->next)
		received_added(f, out);
}

void
relay_begin(struct client *c)
{
	if (c->mta == NULL || c->mta_lost) {
		give_back(c);
		return;
	}
	gate_event(c->gs, EVENT_OFFERED);
	write_front_fields(c);
	c->data->holes = received_forged(c->s, c->core->hostname);
	if (as_chunk(c))
		send_chunk(c);
	else
		mta_command(c, STR("DATA"), data_answered);
}
