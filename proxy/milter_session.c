#include "proxy/milter_session.h"

#include "base/log.h"
#include "proxy/limits.h"
#include "proxy/spool.h"

void
milter_session_reset(struct milter_session *ms)
{
	spool_free(&ms->spool);
	buf_clear(&ms->header);
	ms->header_over = false;
	gate_reset(ms->gs);
}

static uint64_t
number(struct str s)
{
	uint64_t n;

	return str_to_u64(s, UINT64_MAX, &n) ? n : 0;
}

static void
take_connect(struct milter_session *ms, const struct link_frame *f)
{
	struct session *s = gate_session(ms->gs);

	s->client_name = arena_dup(s->conn, f->field[0]);
	ip_parse(f->field[1], &s->client_ip);
	s->client_port = (uint16_t)number(f->field[2]);
	ip_parse(f->field[3], &s->server_ip);
	s->trusted = list_has(gate_session_config(ms->gs)->trusted,
	    &(struct value){ .type = VALUE_IP, .ip = s->client_ip });
	milter_verdict_begin(ms, STEP_CONNECT);
}

/* The MTA tells it with every HELO. */
static void
take_tls(struct milter_session *ms, const struct link_frame *f)
{
	struct session *s = gate_session(ms->gs);
	const struct session_tls tls = { .on = true,
		.version = f->field[0],
		.cipher = f->field[1],
		.client_cert = f->field[2] };

	if (s->tls.on && str_eq(s->tls.version, tls.version) && str_eq(s->tls.cipher, tls.cipher) &&
	    str_eq(s->tls.client_cert, tls.client_cert))
		return;
	milter_session_reset(ms);
	session_secure(s, &tls);
}

static void
take_helo(struct milter_session *ms, const struct link_frame *f)
{
	milter_session_reset(ms);
	session_helo(gate_session(ms->gs), f->field[0], true);
	if (ms->refused_helo)
		ms->refused = (struct verdict){ 0 };
	ms->refused_helo = false;
	if (!ms->refused.code)
		milter_verdict_begin(ms, STEP_HELO);
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
take_mail(struct milter_session *ms, const struct link_frame *f)
{
	struct session *s = gate_session(ms->gs);
	struct mailbox sender;

	milter_session_reset(ms);
	if (ms->refused.code) {
		milter_verdict_tell(ms, &ms->refused);
		return;
	}
	if (!str_eq(s->account, f->field[1]) || !str_eq(s->auth_mechanism, f->field[3]))
		session_authenticate(s, f->field[1], f->field[3]);
	sender = path_of(s, f->field[0], true);
	session_mail(s, &sender);
	s->txn.size_declared = number(f->field[2]);
	milter_verdict_begin(ms, STEP_MAIL);
}

static bool
take_recipient(struct milter_session *ms, const struct link_frame *f)
{
	struct session *s = gate_session(ms->gs);
	struct mailbox mailbox = path_of(s, f->field[0], false);

	if (!s->txn.open)
		return false;
	session_rcpt(s, &mailbox);
	return true;
}

static bool
take_rcpt(struct milter_session *ms, const struct link_frame *f)
{
	struct session *s = gate_session(ms->gs);

	if (!take_recipient(ms, f))
		return false;
	s->txn.queue_id = arena_dup(s->txn.arena, f->field[1]);
	milter_verdict_begin(ms, STEP_RCPT);
	return true;
}

static bool
take_unknown(struct milter_session *ms, const struct link_frame *f)
{
	struct session *s = gate_session(ms->gs);

	if (!take_recipient(ms, f))
		return false;
	s->txn.current->state = RECIPIENT_UNKNOWN;
	s->txn.n_unknown++;
	gate_event(ms->gs, EVENT_RCPT_UNKNOWN);
	s->txn.current = NULL;
	return true;
}

static void
take_field(struct milter_session *ms, const struct link_frame *f)
{
	struct buf *h = &ms->header;

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
store(struct milter_session *ms, struct str octets)
{
	struct session *s = gate_session(ms->gs);
	struct err e;

	if (ms->header_over || spool_add(ms->spool, octets, &e))
		s->txn.message.size += octets.n;
	else {
		log_error(s->id, "event=spool problem=\"%s\"", e.text);
		ms->header_over = true;
	}
}

static void
take_eoh(struct milter_session *ms)
{
	const struct config_core *core = &gate_session_config(ms->gs)->core;
	const struct spool_limits limits = {
		.total = limits_held(ms->limits),
		.memory = (uint64_t)core->memory_held,
		.disk = (uint64_t)core->disk_held,
		.own = (size_t)core->message_memory,
		.folder = core->runtime,
	};
	struct session *s = gate_session(ms->gs);
	struct message *m = &s->txn.message;
	size_t body;
	bool too_many = false;

	ms->spool = spool_new(&limits);
	m->at = message_at;
	m->owner = ms->spool;
	ms->header_over = ms->header.over;
	buf_add(&ms->header, STR("\r\n"));
	store(ms, buf_str(&ms->header));
	header_split(s->txn.arena, arena_dup(s->txn.arena, buf_str(&ms->header)), true, &m->header,
	    &body, &too_many);
	m->body = ms->header.n;
	ms->header_over |= too_many;
	gate_event(ms->gs, EVENT_HEADER);
}

static void
take_end(struct milter_session *ms, const struct link_frame *f)
{
	struct session *s = gate_session(ms->gs);

	if (!ms->spool)
		take_eoh(ms);
	if (f->field[0].n)
		s->txn.queue_id = arena_dup(s->txn.arena, f->field[0]);
	s->txn.message.complete = true;
	/*
	 * The MTA has the message, and needs no more than our word. What is decided about it comes after this to the store,
	 * so that it is noted there before the MTA is told to go on.
	 */
	gate_event(ms->gs, EVENT_OFFERED);
	ms->refusing = ms->header_over || arena_over(s->txn.arena);
	milter_verdict_begin(ms, STEP_MESSAGE);
}

bool
milter_session_take(struct milter_session *ms, const struct link_frame *f)
{
	struct session *s = gate_session(ms->gs);

	switch (f->type) {
	case LINK_CONNECT:
		take_connect(ms, f);
		return true;
	case LINK_TLS:
		take_tls(ms, f);
		return true;
	case LINK_HELO:
		take_helo(ms, f);
		return true;
	case LINK_MAIL:
		take_mail(ms, f);
		return true;
	case LINK_RCPT:
		return take_rcpt(ms, f);
	case LINK_UNKNOWN:
		return take_unknown(ms, f);
	case LINK_FIELD:
		take_field(ms, f);
		return s->txn.open && !ms->spool;
	case LINK_EOH:
		if (!s->txn.open || ms->spool)
			return false;
		take_eoh(ms);
		return true;
	case LINK_BODY:
		if (!ms->spool)
			return false;
		store(ms, f->field[0]);
		gate_event(ms->gs, EVENT_BODY);
		return true;
	case LINK_END:
		if (!s->txn.open)
			return false;
		take_end(ms, f);
		return true;
	case LINK_ABORT:
		milter_session_reset(ms);
		return true;
	default:
		return false;
	}
}
