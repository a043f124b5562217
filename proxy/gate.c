#include "proxy/gate.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "proxy/gate_private.h"
#include "rules/failure.h"
#include "rules/policy.h"

/* What one pass of the rules takes; the pass is run again from the top, so nothing of it is kept. */
#define SCRATCH_LIMIT (4 * 1024 * 1024)

/* ---- the gate ---- */

static void
resume_due(evutil_socket_t fd, short what, void *arg)
{
	struct gate *gate = arg;

	(void)fd;
	(void)what;
	while (gate->due) {
		struct gate_session *gs = gate->due;

		gate->due = gs->due_next;
		gs->due = false;
		/* The front may close the session, or others, in here. */
		if (gs->state != GATE_IDLE)
			gs->resume(gs->owner);
	}
}

/* Entries name rules and facts by their numbers in it. */
static void
tell_configuration(struct gate *gate)
{
	struct buf text;

	buf_init(&text, RECORD_CONFIGURATION_MAX);
	record_configuration(gate->config, &text);
	if (!text.over)
		db_send(gate->link,
		    db_request_configuration(str_of(gate->config->revision), buf_str(&text)));
	buf_free(&text);
}

struct gate *
gate_new(struct event_base *base, struct db *db, struct config *config, struct err *e)
{
	struct shared_resolver *resolver = shared_resolver_new(base, config, e);

	if (!resolver)
		return NULL;

	struct gate *gate = xcalloc(1, sizeof(*gate));

	gate->base = base;
	gate->db = db;
	gate->link = db_link_new(db, base);
	db_link_local(gate->link, config->core.when_store == WHEN_PASS);
	gate->tally = tally_new(base, gate->link);
	gate->exceptions = gate_exceptions_new(base, gate->link);
	gate->config = config_use(config);
	gate_exceptions_key(gate->exceptions, config->pseudonym);
	gate->resolver = resolver;
	gate->scratch = arena_new(SCRATCH_LIMIT);
	gate->due_event = event_new(base, -1, 0, resume_due, gate);
	require(gate->due_event);
	tell_configuration(gate);
	return gate;
}

void
gate_free(struct gate **gate)
{
	struct gate *g = *gate;

	if (!g)
		return;
	require(g->sessions == 0);
	event_free(g->due_event);
	tally_free(&g->tally);
	gate_exceptions_free(&g->exceptions);
	db_link_free(&g->link);
	gate_watches_free(g);
	shared_resolver_release(&g->resolver);
	arena_free(&g->scratch);
	config_release(&g->config);
	free(g);
	*gate = NULL;
}

void
gate_tell_by(struct gate *gate, const struct notices *notices)
{
	gate->notices = notices;
}

void
gate_reload(struct gate *gate, struct config *config)
{
	struct err e;

	if (!shared_resolver_suits(gate->resolver, config)) {
		struct shared_resolver *resolver = shared_resolver_new(gate->base, config, &e);

		if (resolver) {
			shared_resolver_release(&gate->resolver);
			gate->resolver = resolver;
		} else {
			log_error(
			    NULL, "event=reload problem=resolver kept=old why=\"%s\"", e.text);
		}
	}
	db_link_local(gate->link, config->core.when_store == WHEN_PASS);
	config_release(&gate->config);
	gate->config = config_use(config);
	gate_exceptions_key(gate->exceptions, config->pseudonym);
	tell_configuration(gate);
}

const struct config *
gate_config(const struct gate *gate)
{
	return gate->config;
}

struct gate_counts *
gate_counts(struct gate *gate)
{
	return &gate->counts;
}

struct resolver_counts
gate_resolver_counts(const struct gate *gate)
{
	return resolver_counts(gate->resolver->resolver);
}

struct event_base *
gate_base(const struct gate *gate)
{
	return gate->base;
}

struct db_link *
gate_link(struct gate *gate)
{
	return gate->link;
}

void
gate_limit(struct gate *gate, const struct tally_kind *kind)
{
	gate->counts.limits++;
	tally_count(gate->tally, kind);
}

void
gate_said(struct gate *gate, enum step step, enum said said)
{
	tally_reply(gate->tally, step, said);
}

void
gate_gone(struct gate *gate, enum step step)
{
	tally_left(gate->tally, step);
}

/* ---- sessions ---- */

void
gate_due(struct gate_session *gs)
{
	struct gate *gate = gs->gate;

	if (gs->due || gs->state == GATE_IDLE)
		return;
	gs->due = true;
	gs->due_next = gate->due;
	gate->due = gs;
	event_active(gate->due_event, 0, 0);
}

static void
answer_arrived(void *owner)
{
	struct gate_session *gs = owner;

	if (gs->state == GATE_DECIDING)
		gate_due(gs);
}

/* No look-alikes: an id is read out on the telephone. */
static void
make_session_id(char *out, size_t size)
{
	static const char letters[32] = "abcdefghjkmnpqrstuvwxyz123456789";
	uint8_t raw[16];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		die("getrandom gave no random octets");
	for (size_t i = 0; i + 1 < size && i < sizeof(raw); i++)
		out[i] = letters[raw[i] % sizeof(letters)];
	out[size - 1] = '\0';
}

struct gate_session *
gate_open(struct gate *gate, enum front front, void (*resume)(void *owner), void *owner)
{
	struct gate_session *gs = xcalloc(1, sizeof(*gs));
	struct session *s = &gs->session;

	gs->gate = gate;
	gs->config = config_use(gate->config);
	gs->resolver = shared_resolver_use(gate->resolver);
	gs->story.config = gs->config;
	gs->resume = resume;
	gs->owner = owner;
	questions_init(&gs->questions, gs->resolver->resolver, gate->link);
	gs->questions.arrived = answer_arrived;
	gs->questions.owner = gs;
	session_init(s, front, &gs->config->facts, gs->config->n_parts);
	make_session_id(s->id, sizeof(s->id));
	s->began_ms = clock_wall_ms();
	s->hostname = str_of(gs->config->core.hostname);
	s->plans = &gs->config->plans;
	s->pseudonym = gs->config->pseudonym;
	gate->sessions++;
	gate->counts.sessions++;
	return gs;
}

/* The entry is written all the same; only nobody waits for it any more. */
static void
abandon_journalling(struct gate_session *gs)
{
	if (gs->journalling)
		gs->journalling->owner = NULL;
	gs->journalling = NULL;
	gate_delay_end(gs);
	gs->state = GATE_IDLE;
}

void
gate_close(struct gate_session **pgs)
{
	struct gate_session *gs = *pgs;

	if (!gs)
		return;
	gate_event(gs, EVENT_OVER);
	questions_cancel(&gs->questions, NULL);
	abandon_journalling(gs);
	if (gs->budget)
		event_free(gs->budget);
	gate_delay_free(gs);
	if (gs->due) {
		struct gate_session **p = &gs->gate->due;

		while (*p != gs)
			p = &(*p)->due_next;
		*p = gs->due_next;
	}
	session_free(&gs->session);
	shared_resolver_release(&gs->resolver);
	config_release(&gs->config);
	gs->gate->sessions--;
	free(gs);
	*pgs = NULL;
}

struct session *
gate_session(struct gate_session *gs)
{
	return &gs->session;
}

const struct config *
gate_session_config(const struct gate_session *gs)
{
	return gs->config;
}

void
gate_reset(struct gate_session *gs)
{
	gate_event(gs, EVENT_OVER);
	questions_cancel(&gs->questions, &gs->session.txn.answers);
	abandon_journalling(gs);
	gate_story_reset(&gs->story);
	session_reset(&gs->session);
}

/* ---- verdicts ---- */

static bool
in_transaction(enum step step)
{
	return step >= STEP_MAIL;
}

static struct arena *
arena_of(struct gate_session *gs, enum step step)
{
	return in_transaction(step) ? gs->session.txn.arena : gs->session.conn;
}

size_t
gate_send_noted(struct gate_session *gs)
{
	struct session *s = &gs->session;
	size_t at_once = questions_send(&gs->questions, &s->answers, s->conn);

	return at_once + questions_send(&gs->questions, &s->txn.answers, s->txn.arena);
}

static size_t
give_up(struct gate_session *gs)
{
	struct session *s = &gs->session;

	return questions_give_up(&gs->questions, &s->answers, "budget") +
	    questions_give_up(&gs->questions, &s->txn.answers, "budget");
}

static void
count_and_log(struct gate_session *gs, const struct verdict *v)
{
	const struct session *s = &gs->session;
	struct gate_counts *counts = &gs->gate->counts;
	const struct recipient *rcpt = s->txn.current;
	char text[256];

	if (v->defers)
		counts->deferred++;
	else if (v->kind == VERDICT_REJECT)
		counts->rejected++;
	else
		counts->tempfailed++;
	gs->session.n_refused += !v->defers;
	if (v->kind == VERDICT_REJECT && gs->step >= STEP_MAIL)
		gate_event(gs, EVENT_REFUSED);
	log_info(s->id,
	    "event=decision verdict=%s code=%d step=%s ip=%s helo=\"%s\" from=\"%s\" "
	    "to=\"%s\" rule=\"%s\" entry=%s text=\"%s\"",
	    verdict_word(v), v->code, step_name(gs->step), IP_TEXT(&s->client_ip), ESC(s->helo),
	    ESC(s->txn.sender.address), rcpt ? ESC(rcpt->mailbox.address) : "", ESC(v->rule),
	    v->id[0] ? v->id : "-", escape_text(v->text, text, sizeof(text)));
}

/* What was decided is told, unless it is to be held back. */
static enum progress
finish(struct gate_session *gs, struct verdict *out)
{
	if (gate_delay_waits(gs)) {
		gs->state = GATE_DELAYING;
		return PENDING;
	}
	gate_delay_end(gs);
	gs->state = GATE_IDLE;
	*out = gs->verdict;
	if (out->kind == VERDICT_TEMPFAIL || out->kind == VERDICT_REJECT)
		count_and_log(gs, out);
	return DONE;
}

static void
journalled(struct db_request *request)
{
	struct gate_session *gs = request->owner;

	if (gs) {
		gs->journalling = NULL;
		gs->state = GATE_JOURNALLED;
		if (request->failed) {
			/* Whoever is turned away must be in the journal first: so come again. */
			gs->verdict = said_verdict(SAID_JOURNAL);
		} else {
			memcpy(gs->verdict.id, request->record->id, sizeof(gs->verdict.id));
		}
		gate_due(gs);
	}
	db_request_free(&request);
}

/* Puts the verdict on its way to the disk. Texts are moved out of the scratch memory. */
static enum progress
journal_refusal(struct gate_session *gs, const struct verdict *v, const struct decision *d)
{
	struct arena *arena = arena_of(gs, gs->step);
	struct journal_record *record;

	gs->verdict = *v;
	gs->verdict.text = arena_dup(arena, v->text);
	gs->verdict.rule = arena_dup(arena, v->rule);
	record = gate_record_refusal(&gs->session, gs->step, &gs->verdict, d, &gs->story);
	gs->journalling = db_request_journal(record);
	gs->journalling->done = journalled;
	gs->journalling->owner = gs;
	gs->state = GATE_JOURNALLING;
	db_send(gs->gate->link, gs->journalling);
	return PENDING;
}

void
gate_journal(struct gate_session *gs, struct journal_record *record)
{
	db_send(gs->gate->link, db_request_journal(record));
}

/* The rules have spoken. */
static enum progress
settle(struct gate_session *gs, struct decision *d, struct verdict *out)
{
	struct session *s = &gs->session;
	struct verdict v;

	failure_judge(&gs->config->core, gs->gate->scratch, d);
	gate_exceptions_used(gs->gate->exceptions, d->used);
	v = d->verdict;
	gate_delay_begin(gs, d->delay);
	/* RFC 5321 3.1: in place of a greeting 421 it is that sends a client away for now. */
	if (v.kind == VERDICT_TEMPFAIL && gs->step == STEP_CONNECT && s->front == FRONT_PROXY)
		v.code = 421;
	if (v.kind == VERDICT_TEMPFAIL || v.kind == VERDICT_REJECT)
		return journal_refusal(gs, &v, d);
	gate_story_add(&gs->story, s, gs->step, d);
	if (d->observed.kind == VERDICT_TEMPFAIL || d->observed.kind == VERDICT_REJECT)
		gate_journal(gs, gate_record_observed(s, gs->step, d, &gs->story));
	decision_apply(s, d);
	gs->verdict = v;
	gs->verdict.text = arena_dup(arena_of(gs, gs->step), v.text);
	gs->verdict.rule = arena_dup(arena_of(gs, gs->step), v.rule);
	return finish(gs, out);
}

static void
begin(struct gate_session *gs, enum step step)
{
	require(gs->state == GATE_IDLE);
	gs->step = step;
	gs->now = gs->story.now = clock_wall_ms() / 1000;
	if (gs->budget)
		evtimer_del(gs->budget);
	gs->story.began_us = clock_mono_us();
	gs->verdict = (struct verdict){ 0 };
}

static void
on_budget(evutil_socket_t fd, short what, void *arg)
{
	struct gate_session *gs = arg;

	if (gs->state == GATE_DECIDING && give_up(gs) > 0)
		gate_due(gs);
}

/* Once a decision: from its first waiting on. */
static void
start_budget(struct gate_session *gs)
{
	int64_t left_us =
	    gs->config->core.dns_budget * 1000 - (clock_mono_us() - gs->story.began_us);
	const struct timeval left = { left_us / 1000000, left_us % 1000000 };

	if (!gs->budget)
		gs->budget = evtimer_new(gs->gate->base, on_budget, gs);
	require(gs->budget);
	if (!evtimer_pending(gs->budget, NULL) && left_us > 0)
		evtimer_add(gs->budget, &left);
}

static bool
over_budget(const struct gate_session *gs)
{
	return clock_mono_us() - gs->story.began_us > gs->config->core.dns_budget * 1000;
}

static enum progress
decide_now(struct gate_session *gs, struct verdict *out)
{
	const struct ruleset *rules = gs->config->ruleset;
	struct session *s = &gs->session;
	struct decision d;

	for (;;) {
		struct ask ask = session_ask(s, gs->step, gs->now);

		arena_reset(gs->gate->scratch);
		d = (struct decision){ 0 };
		if (ruleset_decide(rules, &ask, gs->gate->scratch, &d) == DONE &&
		    policy_decide(rules, &ask, gs->gate->scratch, &d) == DONE)
			return settle(gs, &d, out);
		if (over_budget(gs) && give_up(gs) > 0)
			continue;
		if (gate_send_noted(gs) > 0)
			continue;
		if (gs->questions.n_dns > 0)
			start_budget(gs);
		if (gs->questions.n_dns + gs->questions.n_store > 0)
			return PENDING;
		/* A stage (perhaps one we did not write) waits for nothing. */
		log_error(s->id,
		    "event=fault step=%s what=\"a stage is pending without a question\"",
		    step_name(gs->step));
		failure_of_stage(&gs->config->core, gs->gate->scratch, &d);
		return settle(gs, &d, out);
	}
}

/* The exceptions are the session's to look at only as long as nothing can change them. */
static enum progress
decide(struct gate_session *gs, struct verdict *out)
{
	enum progress progress;

	gs->session.exceptions = gate_exceptions_now(gs->gate->exceptions);
	progress = decide_now(gs, out);
	gs->session.exceptions = NULL;
	return progress;
}

enum progress
gate_decide(struct gate_session *gs, enum step step, struct verdict *out)
{
	if (gs->state == GATE_IDLE) {
		begin(gs, step);
		gs->state = GATE_DECIDING;
	}
	require(gs->step == step);
	switch (gs->state) {
	case GATE_JOURNALLING:
		return PENDING;
	case GATE_JOURNALLED:
	case GATE_DELAYING:
		return finish(gs, out);
	default:
		return decide(gs, out);
	}
}

enum progress
gate_refuse(struct gate_session *gs, enum step step, enum said said, struct verdict *out)
{
	const struct verdict v = said_verdict(said);

	if (gs->state == GATE_JOURNALLED)
		return finish(gs, out);
	if (gs->state == GATE_JOURNALLING)
		return PENDING;
	begin(gs, step);
	gs->gate->counts.limits++;
	return journal_refusal(gs, &v, NULL);
}
