/*
 * What a verdict that changes means for the mail behind it: what the message counted then is taken back, what it counts now
 * is added. Which that is, the stages say themselves: they are told of the message as it went then, and as it goes now.
 */
#include "rules/replay_session.h"

#include <string.h>

#include "rules/rule.h"

/* It reached the mail server then, and was counted. */
static bool
was_in(const struct journal_record *record)
{
	return strcmp(record->verdict, "accept") == 0;
}

bool
replay_is_in(const struct replay_result *now)
{
	return strcmp(now->verdict, "accept") == 0 ||
	    (now->step == STEP_RCPT && now->refused > 0 && now->refused < now->recipients);
}

/* The stages are told of the session as it stands. */
static void
tell(struct replay *r, bool in)
{
	int64_t now = r->entry.record->time_ms / 1000;
	struct session *s = &r->session;

	for (struct recipient *to = s->txn.recipients; to; to = to->next) {
		if (to->state != RECIPIENT_ACCEPTED)
			continue;
		s->txn.current = to;
		r->tell(r->config, s, REPLAY_RCPT_TAKEN, now);
	}
	s->txn.current = NULL;
	if (in)
		r->tell(r->config, s, REPLAY_ACCEPTED, now);
}

static bool
rests_on_store(const struct replay *r, const struct fact_call *call)
{
	const struct fact_def *def = call->entry->def;

	return def->cost == COST_STORE && def->to >= STEP_MESSAGE &&
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
		known[i] =
		    rests_on_store(r, rules->call[i]) && replay_fact(r, rules->call[i]) != NULL;
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
tell_as_then(struct replay *r, bool in)
{
	r->as_then = true;
	play_as_then(r);
	tell(r, in);
	r->as_then = false;
}

/*
 * Nothing changes, but it may be that it writes a row that another message wrote then. If it rests on such a row, the session
 * has asked anew; and whoever is one of ours tells stages more than others.
 */
static void
renew(struct replay *r)
{
	if (!replay_has_remembered(r))
		return;
	if (!r->entry.touched && !r->session.trusted && !session_authenticated(&r->session))
		return;
	tell(r, true);
	replay_renew(r);
}

void
replay_follow(struct replay *r, const struct replay_result *now)
{
	const struct journal_record *record = r->entry.record;
	bool before = str_eq(record->rule, STR("delivered before"));
	bool then_in = was_in(record) && !before, now_in = replay_is_in(now) && !before;
	struct replay_result again = { .state = REPLAY_DECIDED };

	if (then_in == now_in && !r->entry.differs && now->step == r->entry.step) {
		if (then_in)
			renew(r);
		return;
	}
	/* Which questions are asked now shows when the facts that rest on them are asked for anew. */
	r->entry.forced = true;
	r->entry.differs = false;
	replay_begin(r);
	(void)replay_run(r, &again);
	replay_undo(r);
	if (r->entry.step != STEP_MESSAGE)
		return;
	if (again.state == REPLAY_DECIDED) {
		tell(r, now_in);
		replay_note(r, 1);
	} else if (now_in) {
		tell_as_then(r, true);
		replay_note(r, 1);
	}
	tell_as_then(r, then_in);
	replay_note(r, -1);
	replay_settle(r);
}
