#include "proxy/gate_record.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "rules/record.h"

/* A record's JSON texts; past it the text is left out, never cut in the middle. */
#define RECORD_TEXT_MAX (256 * 1024)

/* The texts of a record while it is being made. */
struct draft {
	struct journal_record r;
	struct buf recipients, facts, trace, answers;
};

static void
draft_init(struct draft *d)
{
	d->r = (struct journal_record){ 0 };
	buf_init(&d->recipients, RECORD_TEXT_MAX);
	buf_init(&d->facts, RECORD_TEXT_MAX);
	buf_init(&d->trace, RECORD_TEXT_MAX);
	buf_init(&d->answers, RECORD_TEXT_MAX);
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
	record = journal_record_copy(&d->r);
	buf_free(&d->recipients);
	buf_free(&d->facts);
	buf_free(&d->trace);
	buf_free(&d->answers);
	return record;
}

/* Adds the items of the JSON array `items` to the one that is open in b. */
static void
add_items(struct buf *b, struct str items)
{
	struct str inside = str_trim(str_sub(items, 1, items.n ? items.n - 1 : 0));

	if (!inside.n)
		return;
	if (b->n > 1)
		buf_addc(b, ',');
	buf_add(b, inside);
}

static void
write_trace(struct buf *b, const struct decision *d, const struct gate_story *story)
{
	struct buf own;

	buf_addc(b, '[');
	add_items(b, story->connection);
	add_items(b, story->transaction);
	if (d) {
		buf_init(&own, RECORD_TEXT_MAX);
		record_trace(d, &own);
		add_items(b, buf_str(&own));
		buf_free(&own);
	}
	buf_addc(b, ']');
}

/* At rcpt: the one that is decided. Elsewhere: those that were let in. */
static void
write_recipients(struct buf *b, const struct session *s)
{
	bool first = true;

	buf_addc(b, '[');
	for (const struct recipient *r = s->txn.recipients; r; r = r->next) {
		if (s->txn.current ? r != s->txn.current : r->state != RECIPIENT_ACCEPTED)
			continue;
		if (!first)
			buf_addc(b, ',');
		first = false;
		escape_json(b, r->mailbox.address);
	}
	buf_addc(b, ']');
}

static void
draft_session(struct draft *d, struct session *s, enum step step, const struct gate_story *story)
{
	d->r.time_ms = clock_wall_ms();
	d->r.front = front_name(s->front);
	d->r.step = step_name(step);
	d->r.took_us = (int)(clock_mono_us() - story->began_us);
	d->r.config = str_of(story->revision);
	d->r.session = str_of(s->id);
	d->r.client_ip = arena_dup(s->conn, str_of(IP_TEXT(&s->client_ip)));
	d->r.client_name = s->client_name;
	d->r.helo = s->helo;
	d->r.account = s->account;
	if (s->txn.open || step >= STEP_MAIL) {
		d->r.sender = s->txn.sender.address;
		d->r.size = (int64_t)s->txn.message.size;
		d->r.queue_id = s->txn.queue_id;
	}
	write_recipients(&d->recipients, s);
	record_facts(s, &d->facts);
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
    const struct decision *d, const struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft_verdict(&draft, v);
	write_trace(&draft.trace, d, story);
	if (d)
		draft.r.observed = observed_name(&d->observed);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_observed(
    struct session *s, enum step step, const struct decision *d, const struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft_verdict(&draft, &d->observed);
	draft.r.verdict = verdict_name(VERDICT_ACCEPT);
	draft.r.observed = observed_name(&d->observed);
	/* The story has this step's rules already. */
	write_trace(&draft.trace, NULL, story);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_accepted(
    struct session *s, struct str reply, struct str rule, const struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, STEP_MESSAGE, story);
	draft.r.verdict = verdict_name(VERDICT_ACCEPT);
	draft.r.code = 250;
	draft.r.text = reply;
	draft.r.rule = rule;
	write_trace(&draft.trace, NULL, story);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_backend(
    struct session *s, enum step step, int code, struct str reply, const struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft.r.verdict = verdict_name(code >= 500 ? VERDICT_REJECT : VERDICT_TEMPFAIL);
	draft.r.code = code;
	draft.r.text = reply;
	draft.r.rule = STR("backend");
	write_trace(&draft.trace, NULL, story);
	return draft_finish(&draft);
}

struct journal_record *
gate_record_left(struct session *s, enum step step, struct str text, const struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, step, story);
	draft.r.verdict = "left";
	draft.r.text = text;
	draft.r.rule = STR("delay");
	write_trace(&draft.trace, NULL, story);
	return draft_finish(&draft);
}

/* Of a step that was passed, only what had an effect; of `message`, all that was looked at. */
void
gate_story_add(
    struct gate_story *story, struct session *s, enum step step, const struct decision *d)
{
	bool whole = step == STEP_MESSAGE;
	struct arena *arena = step >= STEP_MAIL ? s->txn.arena : s->conn;
	struct str *told = step >= STEP_MAIL ? &story->transaction : &story->connection;
	struct decision did = { 0 };
	struct buf b;

	did.trace.entry = xmalloc((d->trace.n + 1) * sizeof(*did.trace.entry));
	for (size_t i = 0; i < d->trace.n; i++)
		if (whole || d->trace.entry[i].hit)
			did.trace.entry[did.trace.n++] = d->trace.entry[i];
	if (!did.trace.n) {
		free(did.trace.entry);
		return;
	}
	buf_init(&b, RECORD_TEXT_MAX);
	record_trace(&did, &b);
	free(did.trace.entry);
	if (told->n) {
		struct buf both;

		buf_init(&both, RECORD_TEXT_MAX);
		buf_addc(&both, '[');
		add_items(&both, *told);
		add_items(&both, buf_str(&b));
		buf_addc(&both, ']');
		*told = arena_dup(arena, buf_str(&both));
		buf_free(&both);
	} else {
		*told = arena_dup(arena, buf_str(&b));
	}
	buf_free(&b);
}

struct journal_record *
gate_record_auth(
    struct session *s, const struct verdict *v, struct str account, const struct gate_story *story)
{
	struct draft draft;

	draft_init(&draft);
	draft_session(&draft, s, STEP_HELO, story);
	draft_verdict(&draft, v);
	draft.r.account = account;
	write_trace(&draft.trace, NULL, story);
	return draft_finish(&draft);
}
