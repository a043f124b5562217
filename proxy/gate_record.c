#include "proxy/gate_record.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "filters/mime_field.h"
#include "rules/record.h"
#include "rules/record_pseudonyms.h"

/* A record's JSON texts; past it the text is left out, never cut in the middle. */
#define RECORD_TEXT_MAX (256 * 1024)
/* What hashing all of its texts may take. */
#define HASHED_MAX (64 * 1024 * 1024)

/* Octets of a subject that are kept: longer ones are not meant to be read. */
#define SUBJECT_MAX 400

/* The texts of a record while it is being made. */
struct draft {
	struct journal_record r;
	const struct pseudonym *pseudonym; /* addresses are hashed; NULL: they stay */
	struct buf recipients, facts, trace, answers;
};

static void
draft_init(struct draft *d)
{
	d->r = (struct journal_record){ 0 };
	d->pseudonym = NULL;
	buf_init(&d->recipients, RECORD_TEXT_MAX);
	buf_init(&d->facts, RECORD_TEXT_MAX);
	buf_init(&d->trace, RECORD_TEXT_MAX);
	buf_init(&d->answers, RECORD_TEXT_MAX);
}

static struct journal_record *
hashed(struct draft *d)
{
	struct arena *arena = arena_new(HASHED_MAX);
	struct journal_record *record;

	record_pseudonyms(d->pseudonym, arena, &d->r);
	record = journal_record_copy(&d->r);
	arena_free(&arena);
	return record;
}

/* The finished record, which owns its texts. */
static struct journal_record *
draft_finish(struct draft *d)
{
	struct journal_record *record;

	d->r.recipients = d->recipients.over ? STR("[]") : buf_str(&d->recipients);
	d->r.facts = d->facts.over ? STR("{}") : buf_str(&d->facts);
	d->r.trace = d->trace.over ? STR("[]") : buf_str(&d->trace);
	d->r.answers = d->answers.over ? STR("[]") : buf_str(&d->answers);
	record = d->pseudonym ? hashed(d) : journal_record_copy(&d->r);
	buf_free(&d->recipients);
	buf_free(&d->facts);
	buf_free(&d->trace);
	buf_free(&d->answers);
	return record;
}

/* The lists are put together for this one record, and are as they were afterwards. */
static void
write_trace(struct buf *b, struct session *s, enum step step, const struct decision *d,
    struct gate_story *story)
{
	struct record_told last = { .step = step, .recipient = s->txn.current };
	struct record_told connection[2] = { story->connect.told, story->helo.told };
	const struct record_told **end = story->first ? story->end : &story->first;
	struct buf own;

	buf_init(&own, RECORD_TEXT_MAX);
	if (d) {
		struct ask ask = session_ask(s, step, story->now);

		record_step(story->config, &ask, d, true, &own);
		last.text = buf_str(&own);
		*end = &last;
	}
	connection[0].next = step > STEP_HELO || d == NULL ? &connection[1] : NULL;
	record_trace(s, step, connection, story->first, b);
	*end = NULL;
	buf_free(&own);
}

/* At rcpt: the one that is decided. Elsewhere: those that were let in. */
static void
write_recipients(struct buf *b, const struct session *s)
{
	bool first = true;

	buf_addc(b, '[');
	if (s->txn.current)
		escape_json(b, s->txn.current->mailbox.address);
	for (const struct recipient *r = s->txn.recipients; r && !s->txn.current; r = r->next) {
		if (r->state != RECIPIENT_ACCEPTED)
			continue;
		if (!first)
			buf_addc(b, ',');
		first = false;
		escape_json(b, r->mailbox.address);
	}
	buf_addc(b, ']');
}

/* What header("Subject") gives, once the header has been read; cut between characters. */
static struct str
subject_of(struct session *s)
{
	const struct field *field = header_find(&s->txn.message.header, "Subject", 0);
	struct str text = field ? mime_field_text(s->txn.arena, field->value) : STR("");
	size_t n = SUBJECT_MAX;

	if (text.n <= n)
		return text;
	while (((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	return str_sub(text, 0, n);
}

static void
draft_session(struct draft *d, struct session *s, enum step step, struct gate_story *story)
{
	d->pseudonym = s->pseudonym;
	d->r.time_ms = clock_wall_ms();
	d->r.front = front_name(s->front);
	d->r.step = step_name(step);
	d->r.took_us = (int)(clock_mono_us() - story->began_us);
	d->r.config = str_of(story->config->revision);
	d->r.session = str_of(s->id);
	d->r.client_ip = arena_dup(s->conn, str_of(IP_TEXT(&s->client_ip)));
	d->r.client_name = s->client_name;
	d->r.helo = s->helo;
	d->r.account = s->account;
	if (s->txn.open || step >= STEP_MAIL) {
		d->r.sender = s->txn.sender.address;
		d->r.size = (int64_t)s->txn.message.size;
		d->r.queue_id = s->txn.queue_id;
		if (story->config->core.journal_subject)
			d->r.subject = subject_of(s);
	}
	write_recipients(&d->recipients, s);
	record_facts(s, step, &d->facts);
	record_answers(s, &d->answers);
}

static void
draft_verdict(struct draft *d, const struct verdict *v)
{
	d->r.verdict = verdict_word(v);
	d->r.code = v->code;
	d->r.enhanced = str_of(v->enhanced);
	d->r.text = v->text;
	d->r.rule = v->rule;
}

static struct str
observed_name(const struct verdict *v)
{
	return v->kind == VERDICT_REJECT || v->kind == VERDICT_TEMPFAIL ? str_of(verdict_word(v))
									: STR("");
}

struct journal_record *
gate_record_refusal(struct session *s, enum step step, const struct verdict *v,
    const struct decision *d, struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft_verdict(&draft, v);
	write_trace(&draft.trace, s, step, d, story);
	if (d)
		draft.r.observed = observed_name(&d->observed);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_observed(
    struct session *s, enum step step, const struct decision *d, struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft_verdict(&draft, &d->observed);
	draft.r.verdict = verdict_name(VERDICT_ACCEPT);
	draft.r.observed = observed_name(&d->observed);
	/* The story has this step's rules already. */
	write_trace(&draft.trace, s, step, NULL, story);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_accepted(struct session *s, struct str reply, struct str rule, struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, STEP_MESSAGE, story);
	draft.r.verdict = verdict_name(VERDICT_ACCEPT);
	draft.r.code = 250;
	draft.r.text = reply;
	draft.r.rule = rule;
	write_trace(&draft.trace, s, STEP_MESSAGE, NULL, story);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_backend(
    struct session *s, enum step step, int code, struct str reply, struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft.r.verdict = verdict_name(code >= 500 ? VERDICT_REJECT : VERDICT_TEMPFAIL);
	draft.r.code = code;
	draft.r.text = reply;
	draft.r.rule = STR("backend");
	write_trace(&draft.trace, s, step, NULL, story);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_away(
    struct session *s, enum step step, const struct verdict *v, struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft_verdict(&draft, v);
	write_trace(&draft.trace, s, step, NULL, story);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_left(struct session *s, enum step step, struct str text, struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft.r.verdict = "left";
	draft.r.text = text;
	draft.r.rule = STR("delay");
	write_trace(&draft.trace, s, step, NULL, story);
	return draft_finish(&draft);
}

/* Kept in the place of what was told before, if there is room for it. */
static void
replace(struct gate_told *t, enum step step, struct arena *arena, struct str text)
{
	char *p;

	if (text.n > t->room) {
		t->room = text.n + text.n / 2;
		p = arena_alloc(arena, t->room);
	} else {
		p = (char *)(uintptr_t)t->told.text.p;
	}
	memcpy(p, text.p, text.n);
	t->told = (struct record_told){ .step = step, .text = { p, text.n } };
}

static void
append(struct gate_story *story, struct session *s, enum step step, struct str text)
{
	struct record_told *t = ARENA_NEW(s->txn.arena, struct record_told);

	*t = (struct record_told){
		.step = step, .recipient = s->txn.current, .text = arena_dup(s->txn.arena, text)
	};
	if (story->first == NULL)
		story->end = &story->first;
	*story->end = t;
	story->end = &t->next;
}

void
gate_story_add(
    struct gate_story *story, struct session *s, enum step step, const struct decision *d)
{
	struct ask ask = session_ask(s, step, story->now);
	struct buf b;

	buf_init(&b, RECORD_TEXT_MAX);
	record_step(story->config, &ask, d, step == STEP_MESSAGE, &b);
	if (b.n > 0 && step < STEP_MAIL) {
		replace(step == STEP_CONNECT ? &story->connect : &story->helo, step, s->conn,
		    buf_str(&b));
		story->helo.told.helo = s->helo;
		story->helo.told.esmtp = s->esmtp;
		story->helo.told.tls = s->tls.on;
	} else if (step >= STEP_MAIL && (b.n > 0 || s->txn.current))
		append(story, s, step, buf_str(&b));
	buf_free(&b);
}

void
gate_story_reset(struct gate_story *story)
{
	story->first = NULL;
	story->end = NULL;
}

struct journal_record *
gate_record_command(
    struct session *s, const struct verdict *v, struct str account, struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, STEP_HELO, story);
	draft_verdict(&draft, v);
	draft.r.account = account;
	write_trace(&draft.trace, s, STEP_HELO, NULL, story);
	return draft_finish(&draft);
}
