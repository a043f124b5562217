/*
 * gate_outcome: what the gate tells others about a transaction: the stages what happened, the message
 * what was found, log and journal what became of it, the client the verdict.
 */
#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "mail/reply.h"
#include "mail/session_results.h"
#include "proxy/gate_private.h"

void
gate_reply(const struct verdict *v, struct buf *out)
{
	struct buf text;

	buf_init(&text, 2048);
	buf_add(&text, str_sub(v->text, 0, 1900));
	if (v->id[0])
		buf_printf(&text, " [%s]", v->id);
	reply_write(out, v->code, v->enhanced, buf_str(&text));
	buf_free(&text);
}

/* ---- stages ---- */

void
gate_event(struct gate_session *gs, enum stage_event event)
{
	struct session *s = &gs->session;
	const struct config *config = gs->config;

	if (s->txn.stage_state == NULL)
		return; /* there is no transaction */
	for (size_t i = 0; i < config->n_parts; i++) {
		const struct stage *stage = config->part[i].stage;

		if (!stage || !stage->event || !config->part_used[i])
			continue;

		struct ask ask = session_ask(s,
		    event == EVENT_RCPT_TAKEN || event == EVENT_RCPT_UNKNOWN ? STEP_RCPT
									     : STEP_MESSAGE,
		    clock_wall_ms() / 1000);

		ask.conf = config->part_conf[i];
		ask.asker = stage->name;
		ask.state = &s->txn.stage_state[i];
		stage->event(&ask, event);
	}
	/* What is counted for a recipient that was taken goes with what the message asks, which comes next. */
	gs->questions.no_hurry = event == EVENT_RCPT_TAKEN;
	gate_send_noted(gs);
	gs->questions.no_hurry = false;
}

struct str
gate_authres(struct gate_session *gs)
{
	struct session *s = &gs->session;
	const struct config *config = gs->config;
	struct authres authres;
	struct str text;

	authres_init(&authres, config->core.hostname);
	session_results(s, &authres);
	for (size_t i = 0; i < config->n_parts; i++) {
		const struct stage *stage = config->part[i].stage;
		struct ask ask = session_ask(s, STEP_MESSAGE, gs->now);

		if (!stage || !stage->results)
			continue;
		ask.conf = config->part_conf[i];
		ask.state = &s->txn.stage_state[i];
		stage->results(&ask, &authres);
	}
	text = arena_dup(s->txn.arena, authres_finish(&authres));
	authres_free(&authres);
	return text;
}

/* ---- what became of the message ---- */

void
gate_accepted(struct gate_session *gs, struct str reply)
{
	struct session *s = &gs->session;

	gate_accepted_event(gs);
	gs->gate->counts.accepted++;
	gs->gate->counts.messages++;
	log_info(s->id, "event=accepted ip=%s from=\"%s\" recipients=%zu size=%llu reply=\"%s\"",
	    IP_TEXT(&s->client_ip), ESC(s->txn.sender.address), s->txn.n_accepted,
	    (unsigned long long)s->txn.message.size, ESC(reply));
	gate_journal(gs, gate_record_accepted(s, reply, STR(""), &gs->story));
	/* Of the transactions that come: the entry has what this one's rules were told. */
	s->n_messages++;
}

void
gate_accepted_before(struct gate_session *gs, struct str reply)
{
	struct session *s = &gs->session;

	log_info(s->id, "event=delivered-before ip=%s from=\"%s\" reply=\"%s\"",
	    IP_TEXT(&s->client_ip), ESC(s->txn.sender.address), ESC(reply));
	gate_journal(gs, gate_record_accepted(s, reply, STR("delivered before"), &gs->story));
}

void
gate_backend_refused(struct gate_session *gs, enum step step, int code, struct str reply)
{
	struct session *s = &gs->session;

	log_info(s->id, "event=backend-refused step=%s code=%d ip=%s from=\"%s\" reply=\"%s\"",
	    step_name(step), code, IP_TEXT(&s->client_ip), ESC(s->txn.sender.address), ESC(reply));
	if (step == STEP_MESSAGE && code >= 500)
		gate_event(gs, EVENT_REFUSED);
	gate_journal(gs, gate_record_backend(s, step, code, reply, &gs->story));
}

void
gate_asked_in_vain(struct gate_session *gs, struct str verb, int code, struct str reply)
{
	const struct verdict v = {
		.kind = VERDICT_REJECT,
		.code = code,
		.text = reply,
		.rule = arena_printf(gs->gate->scratch, "backend: %.*s", STR_ARG(verb)),
	};

	gate_journal(gs, gate_record_command(&gs->session, &v, STR(""), &gs->story));
}

void
gate_backend_away(struct gate_session *gs, enum step step, enum said said, const char *fill)
{
	struct session *s = &gs->session;
	struct verdict v = said_verdict(said);
	struct buf text;

	buf_init(&text, 256);
	said_text(said, fill, &text);
	v.text = buf_str(&text);
	log_info(s->id, "event=backend-away step=%s code=%d ip=%s from=\"%s\" reply=\"%s\"",
	    step_name(step), v.code, IP_TEXT(&s->client_ip), ESC(s->txn.sender.address),
	    ESC(v.text));
	gate_journal(gs, gate_record_away(s, step, &v, &gs->story));
	buf_free(&text);
}

void
gate_auth_failed(struct gate_session *gs, int code, struct str enhanced, struct str mechanism,
    struct str account)
{
	struct verdict v = {
		.kind = VERDICT_REJECT,
		.code = code,
		.text = STR("Authentication failed"),
		.rule = arena_printf(gs->gate->scratch, "backend: AUTH %.*s", STR_ARG(mechanism)),
	};

	str_copy(enhanced, v.enhanced, sizeof(v.enhanced));
	gs->session.n_refused++;
	gate_journal(gs, gate_record_command(&gs->session, &v, account, &gs->story));
}
