#include "proxy/milter_session.h"

#include <event2/bufferevent.h>
#include <stdio.h>

#include "base/log.h"
#include "mail/authres.h"

#define AUTHRES_FIELD "Authentication-Results"

static void
send_frame(struct milter_session *ms, const struct link_frame *frame)
{
	struct buf out;

	buf_init(&out, LINK_FRAME_MAX + 64);
	if (link_write(&out, frame))
		bufferevent_write(ms->io, out.p, out.n);
	else
		log_error(gate_session(ms->gs)->id, "event=milter problem=\"frame too long\"");
	buf_free(&out);
}

void
milter_verdict_tell(struct milter_session *ms, const struct verdict *v)
{
	char code[8];
	struct buf text;

	if (v->kind != VERDICT_TEMPFAIL && v->kind != VERDICT_REJECT) {
		send_frame(ms, &(struct link_frame){ LINK_VERDICT, 1, { STR("c") } });
		return;
	}
	snprintf(code, sizeof(code), "%d", v->code);
	buf_init(&text, 1024);
	buf_add(&text, str_sub(v->text, 0, 900));
	if (v->id[0])
		buf_printf(&text, " [%s]", v->id);
	send_frame(ms,
	    &(struct link_frame){
		LINK_VERDICT, 4, { STR("r"), str_of(code), str_of(v->enhanced), buf_str(&text) } });
	buf_free(&text);
}

/* Fields of the message that claim to be our results, last first: an index must not move another. */
static void
delete_forged(struct milter_session *ms)
{
	const struct session *s = gate_session(ms->gs);
	const struct header *h = &s->txn.message.header;
	char index[24];

	for (size_t i = header_count(h, AUTHRES_FIELD); i-- > 0;) {
		const struct field *field = header_find(h, AUTHRES_FIELD, i);

		if (!authres_claims(field->value, gate_session_config(ms->gs)->core.hostname))
			continue;
		snprintf(index, sizeof(index), "%zu", i + 1);
		send_frame(
		    ms, &(struct link_frame){ LINK_DELETE, 2, { field->name, str_of(index) } });
	}
}

/* A value as libmilter wants it: LF for line ends, no blank in front. */
static void
insert_field(struct milter_session *ms, struct str name, struct str value)
{
	struct buf lf;

	buf_init(&lf, LINK_FRAME_MAX);
	value = str_trim(value);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r')
			buf_addc(&lf, value.p[i]);
	send_frame(ms, &(struct link_frame){ LINK_INSERT, 2, { name, buf_str(&lf) } });
	buf_free(&lf);
}

/* Each goes on top of the one before: so the one that is to stand highest comes last. */
static void
insert_added(struct milter_session *ms, const struct added_field *added)
{
	if (!added)
		return;
	insert_added(ms, added->next);
	insert_field(ms, added->name, added->value);
}

static void
accept_message(struct milter_session *ms)
{
	struct session *s = gate_session(ms->gs);
	struct str authres = gate_authres(ms->gs);
	size_t colon = str_find(authres, ':');

	delete_forged(ms);
	insert_added(ms, s->txn.added);
	if (colon != STR_NPOS)
		insert_field(
		    ms, str_sub(authres, 0, colon), str_sub(authres, colon + 1, authres.n));
	gate_accepted(ms->gs, STR("accepted, handed back to the MTA"));
}

static void
decided_rcpt(struct milter_session *ms, bool accepted)
{
	struct session *s = gate_session(ms->gs);

	if (accepted) {
		s->txn.current->state = RECIPIENT_ACCEPTED;
		s->txn.n_accepted++;
		gate_event(ms->gs, EVENT_RCPT_TAKEN);
	} else {
		s->txn.current->state = RECIPIENT_REFUSED;
	}
	s->txn.current = NULL;
}

static void
decided(struct milter_session *ms, const struct verdict *v)
{
	struct session *s = gate_session(ms->gs);
	bool accepted = v->kind != VERDICT_TEMPFAIL && v->kind != VERDICT_REJECT;

	ms->deciding = ms->refusing = false;
	switch (ms->step) {
	case STEP_CONNECT:
	case STEP_HELO:
		if (!accepted) {
			ms->refused = *v;
			ms->refused.text = arena_dup(s->conn, v->text);
			ms->refused_helo = ms->step == STEP_HELO;
		}
		return;
	case STEP_MAIL:
		s->txn.open = accepted;
		milter_verdict_tell(ms, v);
		if (!accepted)
			milter_session_reset(ms);
		return;
	case STEP_RCPT:
		milter_verdict_tell(ms, v);
		decided_rcpt(ms, accepted);
		return;
	default:
		if (accepted)
			accept_message(ms);
		milter_verdict_tell(ms, v);
		milter_session_reset(ms);
	}
}

/* By `when memory short`. */
static const enum said too_little[] = { SAID_MILTER_ROOM, SAID_MILTER_ROOM_EVER };

void
milter_verdict_resume(struct milter_session *ms)
{
	const struct config_core *core = &gate_session_config(ms->gs)->core;
	struct verdict v;
	enum progress progress;

	if (ms->refusing)
		progress = gate_refuse(ms->gs, ms->step,
		    arena_over(gate_session(ms->gs)->txn.arena) ? too_little[core->when_memory]
								: SAID_HEADER_TOO_LARGE,
		    &v);
	else
		progress = gate_decide(ms->gs, ms->step, &v);
	if (progress == DONE)
		decided(ms, &v);
	else if (ms->hurry)
		gate_hurry(ms->gs);
}

void
milter_verdict_begin(struct milter_session *ms, enum step step)
{
	ms->deciding = true;
	ms->step = step;
	milter_verdict_resume(ms);
}
