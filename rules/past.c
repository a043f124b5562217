#include "rules/past.h"

#include <stdlib.h>

#include "rules/eval.h"
#include "rules/replay_session.h"

#define SCRATCH_LIMIT (1024 * 1024)

/* --- reading ------------------------------------------------------------------------------------ */

struct str
past_name(const struct past *p, size_t slot)
{
	struct buf name;
	struct str text;

	buf_init(&name, 1024);
	fact_call_print(p->config->ruleset->call[slot], &name);
	text = arena_dup(p->arena, buf_str(&name));
	buf_free(&name);
	return text;
}

static void
free_replay(void *replay)
{
	struct replay *r = replay;

	replay_free(&r);
}

static void
know(struct past *p, struct replay *r)
{
	const struct ruleset *rules = p->config->ruleset;

	p->known = ARENA_ARRAY(p->arena, const struct fact *, rules->n_calls + 1);
	for (size_t slot = 0; slot < rules->n_calls; slot++) {
		const struct fact_def *def = rules->call[slot]->entry->def;

		if (def->from <= p->step && p->step <= def->to &&
		    (def->life < LIFE_TRANSACTION || p->step >= STEP_MAIL))
			p->known[slot] = replay_fact(r, rules->call[slot]);
	}
}

static struct past *
past_of(struct arena *arena, const struct config *config, struct replay *r)
{
	struct past *p = ARENA_NEW(arena, struct past);

	*p = (struct past){ .config = config, .step = r->ask.step, .arena = arena };
	p->session.rules_over = r->session.rules_over;
	p->session.hashed = r->session.hashed;
	p->session.txn.sender = r->session.txn.sender;
	p->session.txn.score = r->score;
	p->session.txn.marks = r->marks;
	p->n = config->ruleset->n[p->step];
	p->rule = ARENA_ARRAY(arena, struct rule *, p->n + 1);
	for (size_t i = 0; i < p->n; i++)
		p->rule[i] = config->ruleset->rule[p->step][i];
	know(p, r);
	return p;
}

struct past *
past_read(struct arena *arena, const struct config *config, const struct journal_record *record,
    struct str configuration)
{
	struct replay *r = replay_new(config, NULL);
	struct replay_result result;
	struct past *p;

	arena_cleanup(arena, free_replay, r);
	replay_configuration(r, record->config, configuration);
	if (!replay_halt(r, record, &result) ||
	    (r->ask.step == STEP_RCPT && r->session.txn.current == NULL))
		return NULL;
	p = past_of(arena, config, r);
	/* What is not rules' own, such as how recipients are told apart, is not what is thought over here. */
	if (result.state == REPLAY_UNKNOWN && past_decide(p).outcome != PAST_UNKNOWN)
		return NULL;
	return p;
}

/* --- deciding ----------------------------------------------------------------------------------- */

static bool
refuses(const struct verdict *v)
{
	return v->kind == VERDICT_TEMPFAIL || v->kind == VERDICT_REJECT;
}

static struct past_result
result_of(const struct past *p, const struct evaluation *ev, enum progress progress)
{
	const struct verdict *v =
	    p->config->ruleset->observe ? &ev->out->observed : &ev->out->verdict;
	struct past_result r = { .score = p->session.txn.score + ev->out->score };

	if (progress == DONE && !refuses(v))
		return r;
	r.outcome = progress == DONE ? PAST_REFUSED : PAST_UNKNOWN;
	r.slot = ev->missing;
	/* Rules of blocks that were passed over have no entry. */
	while (&p->rule[r.rule]->shown != ev->entry[-1].rule)
		r.rule++;
	return r;
}

static void
note_looked(const struct past *p, const struct trace_entry *e, bool *looked)
{
	for (size_t slot = 0; slot < p->config->ruleset->n_calls; slot++)
		for (unsigned i = 0; i < e->n_facts; i++)
			looked[slot] = looked[slot] || e->fact[i] == p->known[slot];
}

struct past_result
past_look(const struct past *p, bool *looked)
{
	struct arena *scratch = arena_new(SCRATCH_LIMIT);
	const struct ruleset *rules = p->config->ruleset;
	struct session session = p->session;
	struct ask ask = { .session = &session, .step = p->step, .arena = scratch };
	struct decision d = { 0 };
	struct evaluation ev = {
		.rules = rules, .ask = &ask, .arena = scratch, .out = &d, .closed = true
	};
	struct past_result result = { .outcome = PAST_PASSES, .score = session.txn.score };
	const struct trace_entry *first;

	first = ev.entry = ARENA_ARRAY(scratch, struct trace_entry, p->n + 1);
	ev.known = ARENA_ARRAY(scratch, const struct fact *, rules->n_calls + 1);
	memcpy(ev.known, p->known, rules->n_calls * sizeof(*ev.known));
	ev.fact = ARENA_ARRAY(scratch, const struct fact *, rules->n_asked[p->step] + 1);
	if (!session.rules_over)
		result = result_of(p, &ev, evaluation_rules(&ev, p->rule, p->n));
	for (const struct trace_entry *e = first; looked && e < ev.entry; e++)
		note_looked(p, e, looked);
	arena_free(&scratch);
	return result;
}

struct past_result
past_decide(const struct past *p)
{
	return past_look(p, NULL);
}

bool
past_holds(const struct past *p, const struct node *test)
{
	struct arena *scratch = arena_new(SCRATCH_LIMIT);
	struct session session = p->session;
	struct ask ask = { .session = &session, .step = p->step, .arena = scratch };
	const struct fact *fact[TEST_FACTS_MAX];
	struct trace_entry entry = { .fact = fact };
	struct decision d = { 0 };
	struct evaluation ev = { .rules = p->config->ruleset,
		.ask = &ask,
		.arena = scratch,
		.out = &d,
		.known = p->known,
		.entry = &entry,
		.closed = true };
	bool yes = evaluation_condition(&ev, test) == TRUTH_YES;

	regex_memory_free(&ev.regex);
	arena_free(&scratch);
	return yes;
}
