#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "proxy/smtp_server.h"

#define BODY_STEP (64 * 1024) /* an EVENT_BODY for so much more */
#define HOPS_MAX 100          /* RFC 5321 6.3 */
#define SPLIT_LIMIT (1024 * 1024)

static const struct refusal too_big = { STEP_MESSAGE, SAID_TOO_BIG };
static const struct refusal header_too_big = { STEP_MESSAGE, SAID_HEADER_TOO_BIG };
static const struct refusal too_many_fields = { STEP_MESSAGE, SAID_TOO_MANY_FIELDS };
static const struct refusal bare_line_end = { STEP_MESSAGE, SAID_BARE_LINE_END };
static const struct refusal headless = { STEP_MESSAGE, SAID_HEADLESS };
static const struct refusal loops = { STEP_MESSAGE, SAID_HOPS };
static const struct refusal no_spool = { STEP_MESSAGE, SAID_NO_SPOOL };
/* By `when memory short`. */
static const struct refusal no_memory[] = { { STEP_MESSAGE, SAID_NO_MEMORY },
	{ STEP_MESSAGE, SAID_NO_MEMORY_EVER } };

void
data_free(struct data **data)
{
	struct data *d = *data;

	if (d == NULL)
		return;
	once_free(&d->once);
	spool_free(&d->spool);
	buf_free(&d->head);
	buf_free(&d->front_fields);
	free(d);
	*data = NULL;
}

static struct str
message_at(void *owner, uint64_t offset)
{
	struct data *d = owner;

	return d->spool ? spool_at(d->spool, offset) : STR("");
}

static void
open_data(struct client *c, bool chunks)
{
	const struct config_core *core = c->core;
	struct data *d = xcalloc(1, sizeof(*d));
	struct spool_limits limits = limit_spool(c);
	enum eod_bare bare = core->bare_newline_normalise ? EOD_NORMALISE : EOD_REFUSE;

	if (c->s->txn.needs & EXTENSION_BINARYMIME)
		bare = EOD_KEEP;
	if (chunks)
		eod_reader_init_chunks(&d->reader, bare);
	else
		eod_reader_init(&d->reader, bare);
	d->spool = spool_new(&limits);
	d->once = core->deliver_once ? once_new() : NULL;
	buf_init(&d->head, (size_t)core->header_size);
	d->head_next = 512;
	d->began_us = clock_mono_us();
	c->data = d;
	c->s->txn.message = (struct message){ .at = message_at, .owner = d };
}

void
data_begin(struct client *c)
{
	open_data(c, false);
	client_set_state(c, CLIENT_DATA);
	time_data_begin(c);
	client_reply(c, SAID_SEND_MESSAGE);
}

/* ---- the header ---- */

/*
 * Tries on memory of its own, as nothing of an unfinished header is to be kept; then once more for
 * good on a copy that lives as long as the transaction.
 */
static void
split_header(struct client *c, bool complete)
{
	struct data *d = c->data;
	struct message *m = &c->s->txn.message;
	struct arena *scratch = arena_new(SPLIT_LIMIT);
	struct header tried = { 0 };
	size_t body;
	bool many = false, found;

	found = header_split(scratch, buf_str(&d->head), complete, &tried, &body, &many);
	arena_free(&scratch);
	if (!found && !complete)
		return;
	d->header_done = true;
	d->too_many_fields = many;
	if (!many) {
		struct str kept = arena_dup(c->s->txn.arena, str_sub(buf_str(&d->head), 0, body));

		header_split(c->s->txn.arena, kept, true, &m->header, &body, &many);
		m->header.malformed = tried.malformed;
		m->body = kept.n;
	}
	buf_free(&d->head);
}

/* Keeps the message's beginning, and looks at it each time that it has doubled or may be complete. */
static void
take_head(struct client *c, struct str run)
{
	struct data *d = c->data;
	struct str head;
	size_t from;

	if (d->header_done || d->header_too_big)
		return;
	from = d->head.n > 3 ? d->head.n - 3 : 0;
	/* More of the last run than fits may be body, so what fits is looked at. */
	buf_add(&d->head, str_sub(run, 0, d->head.max - d->head.n));
	head = buf_str(&d->head);
	if (head.n >= d->head_next || from == 0 ||
	    memmem(head.p + from, head.n - from, "\r\n\r\n", 4)) {
		d->head_next = head.n * 2;
		split_header(c, false);
	}
	if (!d->header_done && d->head.n == d->head.max) {
		split_header(c, false);
		d->header_too_big = !d->header_done;
	}
}

/* ---- what comes in ---- */

static void
take_run(void *owner, struct str run)
{
	struct client *c = owner;
	struct data *d = c->data;
	struct message *m = &c->s->txn.message;

	if (d->too_big || d->spool_failed)
		return;
	if (m->size + run.n > (uint64_t)c->core->message_size) {
		d->too_big = true;
		return;
	}
	if (!spool_add(d->spool, run, &d->err)) {
		d->no_room = d->err.code == ERR_LIMIT;
		if (!d->no_room)
			log_error(c->s->id, "event=spool why=\"%s\"", d->err.text);
		d->spool_failed = true;
		/* What is lost anyway leaves its room to others. */
		spool_free(&d->spool);
		return;
	}
	m->size += run.n;
	if (d->once)
		once_add(d->once, run);
	take_head(c, run);
}

static bool
dropped(const struct data *d)
{
	return d->too_big || d->spool_failed || d->header_too_big || d->too_many_fields;
}

static void
tell_stages(struct client *c, bool had_header)
{
	struct data *d = c->data;
	uint64_t size = c->s->txn.message.size;

	if (dropped(d) || !d->header_done)
		return;
	if (!had_header)
		gate_event(c->gs, EVENT_HEADER);
	if (size > c->s->txn.message.body &&
	    (size - d->told >= BODY_STEP || (c->s->txn.message.complete && size > d->told))) {
		d->told = size;
		gate_event(c->gs, EVENT_BODY);
	}
}

/* ---- the end of the message ---- */

static const struct refusal *
judge(const struct client *c)
{
	const struct data *d = c->data;
	const struct header *h = &c->s->txn.message.header;
	struct str first = message_at(c->data, h->mbox);

	if (d->spool_failed)
		return &no_spool;
	if (d->too_big)
		return &too_big;
	if (d->reader.bare == EOD_REFUSE && (d->reader.bare_cr || d->reader.bare_lf))
		return &bare_line_end;
	if (d->header_too_big)
		return &header_too_big;
	if (d->too_many_fields)
		return &too_many_fields;
	/* It would become part of the last field that we put in front. */
	if (first.n > 0 && (first.p[0] == ' ' || first.p[0] == '\t'))
		return &headless;
	if (header_count(h, "Received") > HOPS_MAX)
		return &loops;
	if (arena_over(c->s->txn.arena))
		return &no_memory[c->core->when_memory];
	return NULL;
}

static void
refuse_message(struct client *c, const struct refusal *refusal)
{
	if (!c->data->no_room) {
		client_refuse(c, refusal, client_reset);
		return;
	}
	client_reply(c, limit_no_room(c));
	client_reset(c);
}

static void
message_decide(struct client *c)
{
	struct verdict v;

	c->gate_next = NULL;
	if (gate_decide(c->gs, STEP_MESSAGE, &v) != DONE) {
		c->gate_next = message_decide;
		return;
	}
	if (verdict_refuses(&v)) {
		client_reply_verdict(c, &v);
		client_reset(c);
	} else if (arena_over(c->s->txn.arena)) {
		client_refuse(c, &no_memory[c->core->when_memory], client_reset);
	} else {
		relay_begin(c);
	}
}

static void
message_new(struct client *c)
{
	/* Without an MTA, which went away meanwhile, there is nothing to decide. */
	if (c->mta == NULL)
		relay_begin(c);
	else
		message_decide(c);
}

static void
message_complete(struct client *c, bool had_header)
{
	struct data *d = c->data;
	const struct refusal *refusal;

	c->timed = false;
	client_set_state(c, CLIENT_MESSAGE);
	if (!d->header_done && !d->header_too_big)
		split_header(c, true);
	c->s->txn.message.complete = true;
	refusal = judge(c);
	if (refusal) {
		refuse_message(c, refusal);
		return;
	}
	if (c->mta)
		tell_stages(c, had_header);
	once_check(c, message_new);
}

static void
close_too_big(struct client *c)
{
	client_close(c, "message without end");
}

/* ---- chunks ---- */

/* Each is answered on its own; what is wrong with the message is said at once. */
static void
chunk_complete(struct client *c, bool had_header)
{
	struct data *d = c->data;
	const struct refusal *refusal;

	if (d->chunk_last) {
		eod_read_last(&d->reader, take_run, c);
		message_complete(c, had_header);
		return;
	}
	refusal = judge(c);
	c->timed = false;
	if (refusal) {
		c->unwanted.excused = true;
		client_set_state(c, CLIENT_MESSAGE);
		refuse_message(c, refusal);
		return;
	}
	tell_stages(c, had_header);
	client_set_state(c, CLIENT_CHUNKS);
	client_reply(c, SAID_CHUNK_TAKEN);
}

void
data_chunk(struct client *c, uint64_t n, bool last)
{
	struct data *d;

	if (c->data == NULL)
		open_data(c, true);
	d = c->data;
	d->chunk_left = n;
	d->chunk_last = last;
	client_set_state(c, CLIENT_DATA);
	time_data_begin(c);
	/* Who says that so much is to come need not send it. */
	if (n > 2 * (uint64_t)c->core->message_size - d->octets) {
		client_set_state(c, CLIENT_MESSAGE);
		client_refuse(c, &too_big, close_too_big);
	} else if (n == 0) {
		chunk_complete(c, d->header_done);
	}
}

/* ---- both ---- */

bool
data_take(struct client *c)
{
	struct data *d = c->data;
	bool had_header = d->header_done;
	struct str in = io_peek(c->io);
	size_t taken;

	if (d->reader.chunks && in.n > d->chunk_left)
		in.n = (size_t)d->chunk_left;
	if (in.n == 0)
		return false;
	taken = eod_read(&d->reader, in, take_run, c);
	io_drop(c->io, taken);
	d->octets += taken;
	if (d->reader.chunks) {
		d->chunk_left -= taken;
		if (d->chunk_left == 0) {
			chunk_complete(c, had_header);
			return true;
		}
	} else if (d->reader.ended) {
		message_complete(c, had_header);
		return true;
	}
	/* Who goes on beyond twice the limit never meant to end. */
	if (d->octets > 2 * (uint64_t)c->core->message_size) {
		client_set_state(c, CLIENT_MESSAGE);
		client_refuse(c, &too_big, close_too_big);
		return true;
	}
	tell_stages(c, had_header);
	time_data(c);
	return true;
}
