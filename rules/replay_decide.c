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
		r->replayed.missing = NULL;
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
unknown(struct replay *r, enum step step, struct replay_result *out)
{
	const struct fact_call *call = r->replayed.missing, *hashed = NULL;

	if (r->session.hashed)
		hashed = hashed_stuck(r->session.hashed);
	buf_clear(&r->needs);
	if (call || hashed)
		fact_call_print(call ? call : hashed, &r->needs);
	if (hashed && !call)
		buf_add(&r->needs, STR(", hashed"));
	r->entry.unreadable = hashed && !call;
	call = call ? call : hashed;
	out->state = REPLAY_UNKNOWN;
	out->step = step;
	out->needs = call ? buf_str(&r->needs) : STR("a stage's own");
}

/* The seconds at which a step was decided; without one, those of the entry. */
static int64_t
now_of(const struct replay *r, const struct json *step)
{
	if (step == NULL)
		return r->entry.record->time_ms / 1000;
	return r->session.began_ms / 1000 + replay_number(step, "after");
}

bool
replay_decide(struct replay *r, enum step step, const struct json *t, struct decision *d,
    struct replay_result *out)
{
	enum progress progress;

	*d = (struct decision){ 0 };
	r->session.n_errors = (unsigned)replay_number(t ? t : r->entry.head, "errors");
	r->ask = session_ask(&r->session, step, now_of(r, t));
	r->score = r->session.txn.score;
	r->marks = r->session.txn.marks;
	if (r->as_then)
		return true;
	progress = decide(r, d);
	if (r->watch && !r->entry.forced)
		replay_tell(r, step, t, d);
	if (progress == PENDING) {
		unknown(r, step, out);
		return false;
	}
	out->observed = out->observed || d->observed.kind >= VERDICT_TEMPFAIL;
	if (!refuses(&d->verdict)) {
		decision_apply(&r->session, d);
		return true;
	}
	out->verdict = verdict_word(&d->verdict);
	out->step = step;
	out->rule = d->verdict.rule;
	return false;
}
