/*
 * One step of an entry, decided by the evaluator that posternd has; what it asks for is answered from the entry, and what cannot be is
 * what makes it unknown.
 */
#include "base/die.h"
#include "rules/failure.h"
#include "rules/policy.h"
#include "rules/record.h"
#include "rules/replay_session.h"
#include "rules/rule.h"

static bool
refuses(const struct verdict *v)
{
	return v->kind == VERDICT_TEMPFAIL || v->kind == VERDICT_REJECT;
}

/* Something that was asked for has its answer now. */
static bool
answered(struct replay *r)
{
	bool any;

	replay_answers(r);
	any = replay_resolve(r, &r->session.answers);
	return replay_resolve(r, &r->session.txn.answers) || any;
}

/* DONE, or PENDING: for want of r->replayed.missing. */
static enum progress
decide(struct replay *r, struct decision *d)
{
	const struct ruleset *rules = r->config->ruleset;

	for (;;) {
		struct ask ask = r->ask;

		arena_reset(r->scratch);
		r->replayed.missing.entry = NULL;
		if (r->session.hashed)
			hashed_clear(r->session.hashed);
		if (ruleset_decide(rules, &ask, r->scratch, d) == DONE &&
		    policy_decide(rules, &ask, r->scratch, d) == DONE)
			break;
		if (!answered(r))
			return PENDING;
	}
	failure_judge(&r->config->core, r->scratch, d);
	return DONE;
}

const struct fact *
replay_fact(struct replay *r, const struct fact_call *call)
{
	struct ask ask = r->ask;
	struct value value;

	while (fact_get(&ask, call, &value) != DONE)
		if (!answered(r))
			return NULL;
	return fact_known(&r->session, call);
}

static void
not_known(struct replay_result *out, enum step step, const char *what)
{
	out->state = REPLAY_UNKNOWN;
	out->step = step;
	out->needs = str_of(what);
}

static void
unknown(struct replay *r, enum step step, struct replay_result *out)
{
	const struct fact_call *call = &r->replayed.missing;
	bool hashed = call->entry == NULL && r->session.hashed;

	if (hashed)
		call = hashed_stuck(r->session.hashed);
	not_known(out, step, "a stage's own");
	r->entry.unreadable = hashed && call;
	if (call == NULL || call->entry == NULL)
		return;
	buf_clear(&r->needs);
	fact_call_print(call, &r->needs);
	if (hashed)
		buf_add(&r->needs, STR(", hashed"));
	out->needs = buf_str(&r->needs);
}

/* The seconds at which a step was decided; without one, those of the entry. */
static int64_t
now_of(const struct replay *r, const struct json *step)
{
	if (step == NULL)
		return r->entry.record->time_ms / 1000;
	return r->session.began_ms / 1000 + replay_number(step, "after");
}

/* Where it is not told, there were as many as before the step at least, and as many as in the end at most. */
static void
count_errors(struct replay *r, const struct json *t)
{
	unsigned n = (unsigned)replay_number(t ? t : r->entry.head, "errors");

	r->errors_known = t != NULL || n == r->session.n_errors;
	r->session.n_errors = n;
}

/* No rule was asked then: somebody else had spoken, or `accept session` in an earlier transaction. */
static bool
is_undecided(const struct replay *r, enum step step, const struct json *t)
{
	struct str rule = r->entry.record->rule;

	if (t != NULL)
		return false;
	if (step == r->entry.step &&
	    (str_starts(rule, STR("limit:")) || str_eq(rule, STR("failure: spool")) ||
		str_eq(rule, STR("delivered before"))))
		return true;
	if (!r->entry.era->same)
		return false;
	return r->config->ruleset->n[step] > 0 ||
	    (step == STEP_RCPT && r->config->ruleset->n_policy > 0);
}

/* It is one of those for which the entry had no room: steps are told in their order. */
static bool
is_cut(const struct replay *r, enum step step, const struct json *t)
{
	if (!r->entry.cut || t != NULL)
		return false;
	for (const struct json *s = r->entry.steps; s; s = s->next)
		for (enum step later = step + 1; later < STEP_COUNT; later++)
			if (str_eq(json_text(s, "at"), str_of(step_name(later))))
				return false;
	return true;
}

bool
replay_decide(struct replay *r, enum step step, const struct json *t, struct decision *d,
    struct replay_result *out)
{
	enum progress progress;

	if (!r->as_then && is_cut(r, step, t)) {
		not_known(out, step, REPLAY_NO_ROOM);
		return false;
	}
	/* When no rule was asked, nothing is told but what became of a recipient. */
	t = json_get(t, "tried") || json_get(t, "alike") || json_get(t, "also") ? t : NULL;
	*d = (struct decision){ 0 };
	count_errors(r, t);
	r->ask = session_ask(&r->session, step, now_of(r, t));
	r->score = r->session.txn.score;
	r->marks = r->session.txn.marks;
	if (r->as_then || is_undecided(r, step, t))
		return true;
	progress = decide(r, d);
	if (r->watch && !r->entry.forced)
		replay_tell(r, step, t, d);
	if (progress == PENDING) {
		unknown(r, step, out);
		return false;
	}
	if (step >= STEP_RCPT && replay_tells_others(r)) {
		not_known(out, step,
		    r->joined ? "a recipient that was refused" : "the order of recipients");
		return false;
	}
	out->observed = out->observed || d->observed.kind >= VERDICT_TEMPFAIL;
	if (!refuses(&d->verdict)) {
		decision_apply(&r->session, d);
		return true;
	}
	out->step = step;
	if (r->over_unknown && step >= STEP_MAIL) {
		not_known(out, step, "accept session of an earlier message");
		return false;
	}
	out->verdict = verdict_word(&d->verdict);
	out->rule = d->verdict.rule;
	return false;
}
