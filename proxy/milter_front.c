#include "proxy/milter_front.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "mail/authres.h"
#include "proxy/limits.h"
#include "proxy/milter_link.h"

#define SLOWED_MS 20

#define AUTHRES_FIELD "Authentication-Results"

struct link {
	struct milter_front *front;
	struct bufferevent *io;
	struct gate_session *gs;
	struct verdict refused; /* at connect or HELO: told at every MAIL */
	bool refused_helo;      /* at HELO: another one may be let in */
	struct buf header;      /* the header as it arrives */
	struct spool *spool;    /* the message, header included */
	bool header_over;       /* its header is longer than allowed, or the disk is full */
	bool deciding;          /* a frame waits for its verdict */
	enum step step;         /* of that decision */
	bool refusing;          /* it is one of ours, no rule's */
	struct link *next, **link;
};

struct milter_front {
	struct gate *gate;
	struct limits *limits;
	struct event *accept;
	struct event *slowed; /* runs while too much waits for the db thread */
	int fd;
	struct link *links;
	size_t n;
	bool draining;
};

static void handle_frames(struct link *link);

/* ---- one link ---- */

static void
link_free(struct link *link)
{
	*link->link = link->next;
	if (link->next)
		link->next->link = link->link;
	link->front->n--;
	gate_close(&link->gs);
	spool_free(&link->spool);
	buf_free(&link->header);
	bufferevent_free(link->io);
	free(link);
}

static void
send_frame(struct link *link, const struct link_frame *frame)
{
	struct buf out;

	buf_init(&out, LINK_FRAME_MAX + 64);
	if (link_write(&out, frame))
		bufferevent_write(link->io, out.p, out.n);
	else
		log_error(gate_session(link->gs)->id, "event=milter problem=\"frame too long\"");
	buf_free(&out);
}

static void
answer(struct link *link, const struct verdict *v)
{
	char code[8];
	struct buf text;

	if (v->kind != VERDICT_TEMPFAIL && v->kind != VERDICT_REJECT) {
		send_frame(link, &(struct link_frame){ LINK_VERDICT, 1, { STR("c") } });
		return;
	}
	snprintf(code, sizeof(code), "%d", v->code);
	buf_init(&text, 1024);
	buf_add(&text, str_sub(v->text, 0, 900));
	if (v->id[0])
		buf_printf(&text, " [%s]", v->id);
	send_frame(link,
	    &(struct link_frame){
		LINK_VERDICT, 4, { STR("r"), str_of(code), str_of(v->enhanced), buf_str(&text) } });
	buf_free(&text);
}

static void
end_message(struct link *link)
{
	spool_free(&link->spool);
	buf_clear(&link->header);
	link->header_over = false;
	gate_reset(link->gs);
}

/* ---- verdicts ---- */

/* Fields of the message that claim to be our results, last first: an index must not move another. */
static void
delete_forged(struct link *link)
{
	const struct session *s = gate_session(link->gs);
	const struct header *h = &s->txn.message.header;
	char index[24];

	for (size_t i = header_count(h, AUTHRES_FIELD); i-- > 0;) {
		const struct field *field = header_find(h, AUTHRES_FIELD, i);

		if (!authres_claims(field->value, gate_session_config(link->gs)->core.hostname))
			continue;
		snprintf(index, sizeof(index), "%zu", i + 1);
		send_frame(
		    link, &(struct link_frame){ LINK_DELETE, 2, { field->name, str_of(index) } });
	}
}

/* A value as libmilter wants it: LF for line ends, no blank in front. */
static void
insert_field(struct link *link, struct str name, struct str value)
{
	struct buf lf;

	buf_init(&lf, LINK_FRAME_MAX);
	value = str_trim(value);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r')
			buf_addc(&lf, value.p[i]);
	send_frame(link, &(struct link_frame){ LINK_INSERT, 2, { name, buf_str(&lf) } });
	buf_free(&lf);
}

/* Each goes on top of the one before: so the one that is to stand highest comes last. */
static void
insert_added(struct link *link, const struct added_field *added)
{
	if (!added)
		return;
	insert_added(link, added->next);
	insert_field(link, added->name, added->value);
}

static void
accept_message(struct link *link)
{
	struct session *s = gate_session(link->gs);
	struct str authres = gate_authres(link->gs);
	size_t colon = str_find(authres, ':');

	delete_forged(link);
	insert_added(link, s->txn.added);
	if (colon != STR_NPOS)
		insert_field(
		    link, str_sub(authres, 0, colon), str_sub(authres, colon + 1, authres.n));
	gate_accepted(link->gs, STR("accepted, handed back to the MTA"));
}

static void
decided_rcpt(struct link *link, bool accepted)
{
	struct session *s = gate_session(link->gs);

	if (accepted) {
		s->txn.current->state = RECIPIENT_ACCEPTED;
		s->txn.n_accepted++;
		gate_event(link->gs, EVENT_RCPT_TAKEN);
	} else {
		s->txn.current->state = RECIPIENT_REFUSED;
	}
	s->txn.current = NULL;
}

static void
decided(struct link *link, const struct verdict *v)
{
	struct session *s = gate_session(link->gs);
	bool accepted = v->kind != VERDICT_TEMPFAIL && v->kind != VERDICT_REJECT;

	link->deciding = link->refusing = false;
	switch (link->step) {
	case STEP_CONNECT:
	case STEP_HELO:
		if (!accepted) {
			link->refused = *v;
			link->refused.text = arena_dup(s->conn, v->text);
			link->refused_helo = link->step == STEP_HELO;
		}
		return;
	case STEP_MAIL:
		s->txn.open = accepted;
		answer(link, v);
		if (!accepted)
			end_message(link);
		return;
	case STEP_RCPT:
		answer(link, v);
		decided_rcpt(link, accepted);
		return;
	default:
		if (accepted)
			accept_message(link);
		answer(link, v);
		end_message(link);
	}
}

/* By `when memory short`. */
static const enum said too_little[] = { SAID_MILTER_ROOM, SAID_MILTER_ROOM_EVER };

static void
decide(struct link *link)
{
	const struct config_core *core = &gate_session_config(link->gs)->core;
	struct verdict v;
	enum progress progress;

	if (link->refusing)
		progress = gate_refuse(link->gs, link->step,
		    arena_over(gate_session(link->gs)->txn.arena) ? too_little[core->when_memory]
								  : SAID_HEADER_TOO_LARGE,
		    &v);
	else
		progress = gate_decide(link->gs, link->step, &v);
	if (progress == DONE)
		decided(link, &v);
	else if (link->front->draining)
		gate_hurry(link->gs);
}

static void
begin_step(struct link *link, enum step step)
{
	link->deciding = true;
	link->step = step;
	decide(link);
}

static void
resume(void *owner)
{
	struct link *link = owner;

	decide(link);
	if (!link->deciding)
		handle_frames(link);
}

/* ---- frames ---- */

static uint64_t
number(struct str s)
{
	uint64_t n;

	return str_to_u64(s, UINT64_MAX, &n) ? n : 0;
}

static void
take_connect(struct link *link, const struct link_frame *f)
{
	struct session *s = gate_session(link->gs);

	s->client_name = arena_dup(s->conn, f->field[0]);
	ip_parse(f->field[1], &s->client_ip);
	s->client_port = (uint16_t)number(f->field[2]);
	ip_parse(f->field[3], &s->server_ip);
	s->trusted = list_has(gate_session_config(link->gs)->trusted,
	    &(struct value){ .type = VALUE_IP, .ip = s->client_ip });
	begin_step(link, STEP_CONNECT);
}

/* The MTA tells it with every HELO. */
static void
take_tls(struct link *link, const struct link_frame *f)
{
	struct session *s = gate_session(link->gs);
	const struct session_tls tls = { .on = true,
		.version = f->field[0],
		.cipher = f->field[1],
		.client_cert = f->field[2] };

	if (s->tls.on && str_eq(s->tls.version, tls.version) && str_eq(s->tls.cipher, tls.cipher) &&
	    str_eq(s->tls.client_cert, tls.client_cert))
		return;
	end_message(link);
	session_secure(s, &tls);
}

static void
take_helo(struct link *link, const struct link_frame *f)
{
	end_message(link);
	session_helo(gate_session(link->gs), f->field[0], true);
	if (link->refused_helo)
		link->refused = (struct verdict){ 0 };
	link->refused_helo = false;
	if (!link->refused.code)
		begin_step(link, STEP_HELO);
}

/*
 * The MTA has taken this path already, so one that our stricter reading refuses (user without a
 * domain, say) is kept as it stands.
 */
static struct mailbox
path_of(struct session *s, struct str text, bool null_ok)
{
	struct str rest = text;
	struct mailbox mailbox;
	struct err e;

	if (mailbox_take(&rest, null_ok, true, &mailbox, &e) && !rest.n)
		return mailbox;
	if (text.n >= 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
		text = str_sub(text, 1, text.n - 1);
	mailbox = (struct mailbox){ .address = arena_dup(s->conn, text) };
	mailbox.local = mailbox.address;
	return mailbox;
}

static void
take_mail(struct link *link, const struct link_frame *f)
{
	struct session *s = gate_session(link->gs);
	struct mailbox sender;

	end_message(link);
	if (link->refused.code) {
		answer(link, &link->refused);
		return;
	}
	if (!str_eq(s->account, f->field[1]) || !str_eq(s->auth_mechanism, f->field[3]))
		session_authenticate(s, f->field[1], f->field[3]);
	sender = path_of(s, f->field[0], true);
	session_mail(s, &sender);
	s->txn.size_declared = number(f->field[2]);
	begin_step(link, STEP_MAIL);
}

static bool
take_recipient(struct link *link, const struct link_frame *f)
{
	struct session *s = gate_session(link->gs);
	struct mailbox mailbox = path_of(s, f->field[0], false);

	if (!s->txn.open)
		return false;
	session_rcpt(s, &mailbox);
	return true;
}

static bool
take_rcpt(struct link *link, const struct link_frame *f)
{
	struct session *s = gate_session(link->gs);

	if (!take_recipient(link, f))
		return false;
	s->txn.queue_id = arena_dup(s->txn.arena, f->field[1]);
	begin_step(link, STEP_RCPT);
	return true;
}

static bool
take_unknown(struct link *link, const struct link_frame *f)
{
	struct session *s = gate_session(link->gs);

	if (!take_recipient(link, f))
		return false;
	s->txn.current->state = RECIPIENT_UNKNOWN;
	s->txn.n_unknown++;
	gate_event(link->gs, EVENT_RCPT_UNKNOWN);
	s->txn.current = NULL;
	return true;
}

static void
take_field(struct link *link, const struct link_frame *f)
{
	struct buf *h = &link->header;

	buf_add(h, f->field[0]);
	buf_addc(h, ':');
	for (size_t i = 0; i < f->field[1].n; i++) {
		/* The MTA hands folded lines over with LF; on the wire they had CRLF. */
		if (f->field[1].p[i] == '\n' && (!h->n || h->p[h->n - 1] != '\r'))
			buf_addc(h, '\r');
		buf_addc(h, f->field[1].p[i]);
	}
	buf_add(h, STR("\r\n"));
}

static struct str
message_at(void *owner, uint64_t offset)
{
	return spool_at(owner, offset);
}

static void
store(struct link *link, struct str octets)
{
	struct session *s = gate_session(link->gs);
	struct err e;

	if (link->header_over || spool_add(link->spool, octets, &e))
		s->txn.message.size += octets.n;
	else {
		log_error(s->id, "event=spool problem=\"%s\"", e.text);
		link->header_over = true;
	}
}

static void
take_eoh(struct link *link)
{
	const struct config_core *core = &gate_session_config(link->gs)->core;
	const struct spool_limits limits = {
		.total = limits_held(link->front->limits),
		.memory = (uint64_t)core->memory_held,
		.disk = (uint64_t)core->disk_held,
		.own = (size_t)core->message_memory,
		.folder = core->runtime,
	};
	struct session *s = gate_session(link->gs);
	struct message *m = &s->txn.message;
	size_t body;
	bool too_many = false;

	link->spool = spool_new(&limits);
	m->at = message_at;
	m->owner = link->spool;
	link->header_over = link->header.over;
	buf_add(&link->header, STR("\r\n"));
	store(link, buf_str(&link->header));
	header_split(s->txn.arena, arena_dup(s->txn.arena, buf_str(&link->header)), true,
	    &m->header, &body, &too_many);
	m->body = link->header.n;
	link->header_over |= too_many;
	gate_event(link->gs, EVENT_HEADER);
}

static void
take_end(struct link *link, const struct link_frame *f)
{
	struct session *s = gate_session(link->gs);

	if (!link->spool)
		take_eoh(link);
	if (f->field[0].n)
		s->txn.queue_id = arena_dup(s->txn.arena, f->field[0]);
	s->txn.message.complete = true;
	/*
	 * The MTA has the message, and needs no more than our word. What is decided about it comes after this to the store,
	 * so that it is noted there before the MTA is told to go on.
	 */
	gate_event(link->gs, EVENT_OFFERED);
	link->refusing = link->header_over || arena_over(s->txn.arena);
	begin_step(link, STEP_MESSAGE);
}

/* False: the frame has no business here. */
static bool
take_frame(struct link *link, const struct link_frame *f)
{
	struct session *s = gate_session(link->gs);

	switch (f->type) {
	case LINK_CONNECT:
		take_connect(link, f);
		return true;
	case LINK_TLS:
		take_tls(link, f);
		return true;
	case LINK_HELO:
		take_helo(link, f);
		return true;
	case LINK_MAIL:
		take_mail(link, f);
		return true;
	case LINK_RCPT:
		return take_rcpt(link, f);
	case LINK_UNKNOWN:
		return take_unknown(link, f);
	case LINK_FIELD:
		take_field(link, f);
		return s->txn.open && !link->spool;
	case LINK_EOH:
		if (!s->txn.open || link->spool)
			return false;
		take_eoh(link);
		return true;
	case LINK_BODY:
		if (!link->spool)
			return false;
		store(link, f->field[0]);
		gate_event(link->gs, EVENT_BODY);
		return true;
	case LINK_END:
		if (!s->txn.open)
			return false;
		take_end(link, f);
		return true;
	case LINK_ABORT:
		end_message(link);
		return true;
	default:
		return false;
	}
}

/* While draining: between messages, and the last verdict has left. */
static bool
over(const struct link *link)
{
	return link->front->draining && !link->deciding && !gate_session(link->gs)->txn.open &&
	    evbuffer_get_length(bufferevent_get_output(link->io)) == 0;
}

/* Too much waits for the db thread: frames stay where they are until it has caught up. */
static bool
slowed(struct milter_front *front)
{
	const struct timeval look = { 0, SLOWED_MS * 1000 };

	if (!db_full(gate_link(front->gate)))
		return false;
	if (!evtimer_pending(front->slowed, NULL))
		evtimer_add(front->slowed, &look);
	return true;
}

static void
on_slowed(evutil_socket_t fd, short what, void *arg)
{
	struct milter_front *front = arg;
	struct link *next;

	for (struct link *link = front->links; link; link = next) {
		next = link->next;
		handle_frames(link);
	}
}

/* Takes frames until one has to wait, the link is empty, or broken. */
static void
handle_frames(struct link *link)
{
	struct evbuffer *in = bufferevent_get_input(link->io);
	bool held;

	while (!(held = slowed(link->front)) && !link->deciding) {
		size_t have = evbuffer_get_length(in), used;
		struct link_frame frame;
		struct str octets = { (const char *)evbuffer_pullup(in, -1), have };
		enum link_read read = link_read(octets, &frame, &used);
		bool sound = read == LINK_WHOLE && take_frame(link, &frame);

		if (read == LINK_MORE)
			break;
		if (!sound) {
			log_error(gate_session(link->gs)->id,
			    "event=milter problem=\"events out of order\" type=%d", frame.type);
			link_free(link);
			return;
		}
		evbuffer_drain(in, used);
	}
	if (over(link)) {
		link_free(link);
		return;
	}
	if (link->deciding || held)
		bufferevent_disable(link->io, EV_READ);
	else
		bufferevent_enable(link->io, EV_READ);
}

static void
on_read(struct bufferevent *io, void *arg)
{
	(void)io;
	handle_frames(arg);
}

static void
on_written(struct bufferevent *io, void *arg)
{
	struct link *link = arg;

	(void)io;
	if (over(link))
		link_free(link);
}

static void
on_event(struct bufferevent *io, short what, void *arg)
{
	(void)io;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		link_free(arg);
}

/* ---- the front ---- */

static void
open_link(struct milter_front *front, int fd)
{
	const struct config *config = gate_config(front->gate);
	struct link *link = xcalloc(1, sizeof(*link));

	link->front = front;
	link->gs = gate_open(front->gate, FRONT_MILTER, resume, link);
	buf_init(&link->header, (size_t)config->core.header_size);
	link->io = bufferevent_socket_new(gate_base(front->gate), fd, BEV_OPT_CLOSE_ON_FREE);
	require(link->io);
	link->next = front->links;
	link->link = &front->links;
	if (front->links)
		front->links->link = &link->next;
	front->links = link;
	front->n++;
	bufferevent_setcb(link->io, on_read, on_written, on_event, link);
	bufferevent_setwatermark(link->io, EV_READ, 0, LINK_FRAME_MAX + 64);
	bufferevent_enable(link->io, EV_READ | EV_WRITE);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct milter_front *front = arg;
	int link;

	(void)what;
	/* The socket is shared: another loop may have been faster. */
	link = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (link >= 0)
		open_link(front, link);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		log_error(NULL, "event=accept front=milter problem=\"%s\"", strerror(errno));
}

struct milter_front *
milter_front_new(struct gate *gate, struct limits *limits)
{
	struct milter_front *front = xcalloc(1, sizeof(*front));

	front->gate = gate;
	front->limits = limits;
	front->slowed = evtimer_new(gate_base(gate), on_slowed, front);
	require(front->slowed);
	front->fd = -1;
	return front;
}

bool
milter_front_listen(struct milter_front *front, int fd, struct err *e)
{
	front->fd = fd;
	front->accept =
	    event_new(gate_base(front->gate), fd, EV_READ | EV_PERSIST, on_accept, front);
	if (!front->accept || event_add(front->accept, NULL))
		return err_set(e, ERR_LIBRARY, "libevent does not take the engine's socket");
	return true;
}

void
milter_front_stop_accepting(struct milter_front *front)
{
	if (front->accept)
		event_free(front->accept);
	front->accept = NULL;
}

size_t
milter_front_sessions(const struct milter_front *front)
{
	return front->n;
}

void
milter_front_drain(struct milter_front *front)
{
	struct link *next;

	front->draining = true;
	for (struct link *link = front->links; link; link = next) {
		next = link->next;
		gate_hurry(link->gs);
		if (over(link))
			link_free(link);
	}
}

void
milter_front_free(struct milter_front **front)
{
	struct milter_front *f = *front;

	if (!f)
		return;
	milter_front_stop_accepting(f);
	while (f->links)
		link_free(f->links);
	event_free(f->slowed);
	free(f);
	*front = NULL;
}
