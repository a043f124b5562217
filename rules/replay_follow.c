/*
 * What a verdict means for the mail behind it, when it is not the one of then: what the transaction counted then is taken back, what it
 * counts now is added. Which that is, the stages say themselves: they are told of it as it went then, and as it goes now. Of a
 * verdict that is not known, and of mail that was turned away before its end and gets through now, they are told what may have
 * come: counters are known between bounds from then on, as far as it had told whom it concerns.
 */
#include "rules/replay_session.h"

#include <string.h>

#include "rules/rule.h"

/* What becomes of a transaction, as far as this entry is about it. */
struct course {
	bool taken;       /* recipients that are accepted, by the mail server */
	unsigned unknown; /* so many that it did not know */
	unsigned refused; /* attempts, for good */
	bool in;          /* the message, by the mail server */
};

bool
replay_rests_on_tries(const char *fact)
{
	static const char *const names[] = { "refused_share", "unknown_share",
		"account.suspicious" };

	for (size_t i = 0; fact && i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(fact, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

bool
replay_is_in(const struct replay_result *now)
{
	return strcmp(now->verdict, "accept") == 0 ||
	    (now->step == STEP_RCPT && now->refused > 0 && now->refused < now->recipients);
}

static bool
is_backend(struct str rule)
{
	return str_starts(rule, STR("backend"));
}

/* ---- how it went, and how it goes ---- */

/* A recipient that is refused has an entry of its own, and the message's is about the others. */
static struct course
course_then(const struct replay *r)
{
	const struct journal_record *record = r->entry.record;
	enum step step = r->entry.step;
	struct course c = { .taken = step == STEP_MESSAGE };
	bool rejected = strcmp(record->verdict, "reject") == 0;

	if (step == STEP_RCPT && is_backend(record->rule))
		c.unknown = rejected;
	else if (step >= STEP_RCPT || (step == STEP_MAIL && !is_backend(record->rule)))
		c.refused = rejected;
	c.in = step == STEP_MESSAGE && strcmp(record->verdict, "accept") == 0 &&
	    !str_eq(record->rule, STR("delivered before"));
	return c;
}

/* What is known of it: it ends where it is refused. */
static struct course
course_now(struct replay *r, const struct replay_result *now)
{
	const struct journal_record *record = r->entry.record;
	enum step step = r->entry.step;
	bool rejected = strcmp(now->verdict, "reject") == 0, in = replay_is_in(now);
	struct course c = { 0 };

	if (now->step < STEP_MAIL)
		return c;
	if (now->step == STEP_MAIL) {
		c.refused = rejected && replay_refuses_mail(r);
		return c;
	}
	if (step == STEP_RCPT) {
		/* What the mail server said of it stays. */
		c.unknown = rejected && is_backend(now->rule);
		c.refused = rejected && !is_backend(now->rule);
		return c;
	}
	c.taken = now->step == STEP_MESSAGE || in;
	c.refused = r->entry.rejected + (now->step == STEP_MESSAGE && rejected);
	c.in = in && !str_eq(record->rule, STR("delivered before"));
	return c;
}

/* The stages are told of the session as it stands. */
static void
tell(struct replay *r, struct session *s, const struct course *c)
{
	int64_t now = r->entry.record->time_ms / 1000;

	for (struct recipient *to = c->taken ? s->txn.recipients : NULL; to; to = to->next) {
		if (to->state != RECIPIENT_ACCEPTED)
			continue;
		s->txn.current = to;
		r->tell(r->config, s, REPLAY_RCPT_TAKEN, now);
	}
	s->txn.current = NULL;
	for (unsigned i = 0; i < c->unknown; i++)
		r->tell(r->config, s, REPLAY_RCPT_UNKNOWN, now);
	for (unsigned i = 0; i < c->refused; i++)
		r->tell(r->config, s, REPLAY_REFUSED, now);
	if (c->in)
		r->tell(r->config, s, REPLAY_ACCEPTED, now);
	r->tell(r->config, s, REPLAY_OVER, now);
}

static void
tell_and_note(struct replay *r, const struct course *c, int64_t times, bool sure)
{
	if (r->session.txn.stage_state == NULL)
		return; /* there was no transaction */
	tell(r, &r->session, c);
	replay_note(r, &r->session.txn.answers, times, sure);
}

static bool
rests_on_store(const struct replay *r, const struct fact_call *call, enum step step)
{
	const struct fact_def *def = call->entry->def;

	return def->cost == COST_STORE && def->from <= step && def->to >= STEP_MESSAGE &&
	    r->config->part[call->entry->stage].stage != NULL;
}

static void
begin_as_then(struct replay *r)
{
	struct replay_result ignored = { .state = REPLAY_DECIDED };

	replay_begin(r);
	(void)replay_run(r, &ignored);
}

/*
 * The session as it went then. What costs a question of its own a stage counts only if it was asked for it: it is asked for what was
 * asked for then, which shows in that there is an answer. Asking in vain would count as asked for, so that it is found out first.
 */
static void
play_as_then(struct replay *r)
{
	const struct ruleset *rules = r->config->ruleset;
	bool *known = ARENA_ARRAY(r->text, bool, rules->n_calls + 1), any = false;

	begin_as_then(r);
	for (size_t i = 0; i < rules->n_calls; i++) {
		known[i] = rests_on_store(r, rules->call[i], r->ask.step) &&
		    replay_fact(r, rules->call[i]) != NULL;
		any = any || known[i];
	}
	if (!any)
		return;
	begin_as_then(r);
	for (size_t i = 0; i < rules->n_calls; i++)
		if (known[i])
			(void)replay_fact(r, rules->call[i]);
}

static void
note_as_then(struct replay *r, const struct course *c, int64_t times, bool sure)
{
	r->as_then = true;
	if (r->entry.step >= STEP_MAIL) {
		play_as_then(r);
		tell_and_note(r, c, times, sure);
	}
	r->as_then = false;
}

/* ---- what may have come ---- */

/* What costs a question of its own a stage counts only if it was asked for it. */
static void
ask_for_all(const struct replay *r, struct session *s, int64_t now)
{
	const struct ruleset *rules = r->config->ruleset;
	struct ask ask = session_ask(s, STEP_MESSAGE, now);
	struct value ignored;

	for (size_t i = 0; i < rules->n_calls; i++)
		if (rests_on_store(r, rules->call[i], STEP_MESSAGE))
			(void)fact_get(&ask, rules->call[i], &ignored);
}

/* Facts that others rest on; those of the store would have stages ask for nothing. */
static void
copy_facts(const struct session *from, struct session *to)
{
	struct ask ask = session_ask(to, STEP_MESSAGE, 0);

	for (const struct fact *f = from->txn.facts.first; f; f = f->next)
		if (f->call.entry->def->cost != COST_STORE)
			fact_put(&ask, &f->call, &f->value, f->failures);
}

/* Of a message that nobody has. */
static bool
lies_in_message(const struct replayed *replayed, const struct fact_call *call)
{
	(void)replayed;
	return call->entry->def->from == STEP_MESSAGE || call->entry->def->cost == COST_BODY;
}

/* A message of that sender to one recipient: the current one, or nobody knows to whom. */
static struct session *
imagine(struct replay *r, const struct mailbox *sender)
{
	const struct session *from = &r->session;
	struct session *s = ARENA_NEW(r->text, struct session);
	struct replayed *replayed = ARENA_NEW(r->text, struct replayed);
	struct recipient *to = NULL;

	if (r->entry.step == STEP_RCPT && from->txn.last_recipient) {
		to = ARENA_NEW(r->text, struct recipient);
		*to = *from->txn.last_recipient;
		to->state = RECIPIENT_ACCEPTED;
		to->facts = (struct facts){ 0 };
		to->next = NULL;
	}
	*s = *from;
	replayed->lacks = lies_in_message;
	s->replayed = replayed;
	s->txn.sender = *sender;
	s->txn.recipients = s->txn.last_recipient = to;
	s->txn.current = NULL;
	s->txn.facts = (struct facts){ 0 };
	answers_clear(&s->txn.answers);
	s->txn.stage_state = ARENA_ARRAY(s->txn.arena, void *, s->n_stages + 1);
	copy_facts(from, s);
	ask_for_all(r, s, r->entry.record->time_ms / 1000);
	return s;
}

/* So many messages; and so much that is tried. */
static void
may_come(struct replay *r, const struct mailbox *sender, int64_t messages, int64_t tries)
{
	static const struct course in = { .in = true };
	static const struct course tried = { .taken = true, .unknown = 1, .refused = 2 };
	struct session *s = imagine(r, sender);
	bool known = s->txn.recipients != NULL;

	s->txn.n_accepted = messages < tries ? REPLAY_ANY_NUMBER : 1;
	tell(r, s, &in);
	replay_note(r, &s->txn.answers, messages, false);
	s = imagine(r, sender);
	tell(r, s, &tried);
	if (!known)
		r->tell(r->config, s, REPLAY_RCPT_TAKEN, r->entry.record->time_ms / 1000);
	replay_note(r, &s->txn.answers, tries, false);
}

/* It was turned away before its message, and may not be now. Before MAIL senders of all kinds may come. */
static void
anything_may_come(struct replay *r)
{
	struct str ours = r->session.hostname;
	const struct mailbox senders[] = {
		{ .address = STR("") },
		{ .address = STR("x@x.invalid"), .local = STR("x"), .domain = STR("x.invalid") },
		{ .address = ours, .local = STR("x"), .domain = ours },
	};

	if (r->entry.step >= STEP_MAIL) {
		may_come(r, &r->session.txn.sender, 1,
		    r->entry.step == STEP_MAIL ? REPLAY_ANY_NUMBER : 1);
		return;
	}
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
		may_come(r, &senders[i], REPLAY_ANY_NUMBER, REPLAY_ANY_NUMBER);
}

/* Nobody knows what became of it. */
static void
lose(struct replay *r)
{
	const struct course then = course_then(r);
	struct course may = { .refused = (unsigned)replay_n_recipients(r) + 1 };

	replay_lose(r);
	if (r->entry.step == STEP_MESSAGE) {
		may.taken = may.in = !then.in;
		note_as_then(r, &may, 1, false);
		/* What stages may have asked for besides. */
		replay_note(r, &imagine(r, &r->session.txn.sender)->txn.answers, 1, false);
	} else {
		r->as_then = true;
		begin_as_then(r);
		r->as_then = false;
		anything_may_come(r);
	}
	note_as_then(r, &then, -1, false);
}

/* ---- what changes ---- */

/*
 * Nothing changes, but it may be that it writes a row that another message wrote then. If it rests on such a row, the session
 * has asked anew; and whoever is one of ours tells stages more than others.
 */
static void
renew(struct replay *r)
{
	static const struct course in = { .taken = true, .in = true };

	if (!replay_has_remembered(r))
		return;
	if (!r->entry.touched && !r->session.trusted && !session_authenticated(&r->session))
		return;
	tell(r, &r->session, &in);
	replay_renew(r);
}

/* All of it goes as it went. */
static bool
is_as_then(const struct replay *r, const struct replay_result *now)
{
	const struct journal_record *record = r->entry.record;

	return !r->entry.differs && now->step == r->entry.step &&
	    strcmp(now->verdict, record->verdict) == 0 &&
	    is_backend(now->rule) == is_backend(record->rule);
}

static void
change(struct replay *r, const struct replay_result *now)
{
	const struct course then = course_then(r), goes = course_now(r, now);
	bool counted = !str_starts(r->entry.record->rule, STR("limit:"));
	bool came = r->entry.step == STEP_MESSAGE || strcmp(now->verdict, "accept") != 0;
	struct replay_result again = { .state = REPLAY_DECIDED };

	/* Which questions are asked now shows when the facts that rest on them are asked for anew. */
	r->entry.forced = true;
	r->entry.differs = false;
	replay_begin(r);
	(void)replay_run(r, &again);
	replay_undo(r);
	if (!came)
		anything_may_come(r);
	else if (again.state == REPLAY_DECIDED)
		tell_and_note(r, &goes, 1, true);
	else
		note_as_then(r, &goes, 1, true);
	note_as_then(r, &then, -1, counted);
}

void
replay_follow(struct replay *r, const struct replay_result *now)
{
	if (now->state == REPLAY_UNKNOWN) {
		lose(r);
	} else if (is_as_then(r, now)) {
		if (replay_is_in(now) && r->entry.step == STEP_MESSAGE &&
		    !str_eq(r->entry.record->rule, STR("delivered before")))
			renew(r);
		return;
	} else {
		change(r, now);
	}
	replay_settle(r);
}
