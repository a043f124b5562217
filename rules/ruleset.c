#include "rules/ruleset.h"

#include <stdlib.h>

#include "base/die.h"
#include "rules/eval.h"

static enum progress
fill_verdict(struct evaluation *ev, const struct rule *rule, struct verdict *out)
{
	static const enum verdict_kind kinds[] = { VERDICT_ACCEPT, VERDICT_ACCEPT_SESSION,
		VERDICT_TEMPFAIL, VERDICT_REJECT };
	struct verdict v = { .kind = kinds[rule->action], .code = rule->code, .rule = rule->id };
	enum progress progress = DONE;

	if (rule->text != NULL)
		progress = text_expand(ev, rule->text, &v.text);
	memcpy(v.enhanced, rule->enhanced, sizeof v.enhanced);
	if (progress == DONE)
		*out = v;
	return progress;
}

static enum progress
add_field(struct evaluation *ev, const struct rule *rule)
{
	struct added_field **end = &ev->out->added;
	struct str value;

	if (text_expand(ev, rule->text, &value) != DONE)
		return PENDING;
	while (*end != NULL)
		end = &(*end)->next;
	*end = ARENA_NEW(ev->arena, struct added_field);
	(*end)->name = rule->name;
	(*end)->value = value;
	return DONE;
}

static void
add_mark(struct evaluation *ev, struct str name)
{
	struct mark *mark;

	if (marks_have(ev->out->marks, name))
		return;
	mark = ARENA_NEW(ev->arena, struct mark);
	mark->name = name;
	mark->next = ev->out->marks;
	ev->out->marks = mark;
}

/* What a hit does. *over: the step ends with it. */
static enum progress
act(struct evaluation *ev, const struct rule *rule, bool *over)
{
	switch (rule->action) {
	case ACTION_SCORE:
		ev->out->score += rule->score;
		return DONE;
	case ACTION_MARK:
		add_mark(ev, rule->name);
		return DONE;
	case ACTION_ADD_HEADER:
		return add_field(ev, rule);
	case ACTION_DELAY:
		ev->out->delay += rule->delay;
		return DONE;
	default:
		*over = true;
		return fill_verdict(ev, rule, &ev->out->verdict);
	}
}

/*
 * A hit of a rule that is only observed: the first that would have ended the step is what would
 * have been said; if that is an accept, nothing.
 */
static enum progress
watch(struct evaluation *ev, const struct rule *rule)
{
	if (!action_ends(rule->action) || ev->watched)
		return DONE;
	if (fill_verdict(ev, rule, &ev->out->observed) != DONE)
		return PENDING;
	ev->watched = true;
	return DONE;
}

/*
 * In mode observe the rules run as they would, to the first that ends the step, with score and
 * marks; only the refusal, delays and the header fields are kept back. So a rehearsal asks, counts and
 * traces what the real thing would. Being let through is no refusal: `accept session` holds.
 */
static enum progress
rehearse(struct evaluation *ev, const struct rule *rule, bool *over)
{
	if (rule->action == ACTION_ADD_HEADER || rule->action == ACTION_DELAY)
		return DONE;
	if (!action_ends(rule->action) || rule->action == ACTION_ACCEPT_SESSION)
		return act(ev, rule, over);
	*over = true;
	return watch(ev, rule);
}

static enum progress
run_rule(struct evaluation *ev, const struct rule *rule, bool *over)
{
	struct trace_entry *entry = &ev->entry[ev->n_entries];
	bool hit = true;

	*entry = (struct trace_entry){ .rule = rule->id,
		.source = rule->source,
		.action = action_name(rule->action),
		.observed =
		    rule->observe || (ev->rules->observe && rule->action != ACTION_ACCEPT_SESSION),
		.fact = ev->asked + ev->n_asked,
		.value = ev->value + ev->n_asked };
	if (rule->condition != NULL && evaluation_condition(ev, rule->condition, &hit) != DONE)
		return PENDING;
	entry->hit = hit;
	ev->n_entries++;
	if (!hit)
		return DONE;
	if (rule->observe)
		return watch(ev, rule);
	return ev->rules->observe ? rehearse(ev, rule, over) : act(ev, rule, over);
}

/* From the scratch memory into the caller's, one piece each. */
static void
keep_trace(struct evaluation *ev)
{
	struct trace *trace = &ev->out->trace;
	const struct fact_call **asked;
	const struct fact **value;

	if (ev->n_entries == 0)
		return;
	trace->n = ev->n_entries;
	trace->entry = ARENA_ARRAY(ev->arena, struct trace_entry, ev->n_entries);
	asked = ARENA_ARRAY(ev->arena, const struct fact_call *, ev->n_asked + 1);
	value = ARENA_ARRAY(ev->arena, const struct fact *, ev->n_asked + 1);
	memcpy(trace->entry, ev->entry, ev->n_entries * sizeof *ev->entry);
	memcpy(asked, ev->asked, ev->n_asked * sizeof *asked);
	memcpy(value, ev->value, ev->n_asked * sizeof *value);
	for (size_t i = 0; i < trace->n; i++) {
		trace->entry[i].fact = asked + (trace->entry[i].fact - ev->asked);
		trace->entry[i].value = value + (trace->entry[i].value - ev->value);
	}
}

enum progress
ruleset_decide(
    const struct ruleset *rules, struct ask *ask, struct arena *arena, struct decision *out)
{
	struct evaluation ev = { .rules = rules, .ask = ask, .arena = arena, .out = out };
	enum progress progress = DONE;
	bool over = false;
	size_t n;
	void *scratch;

	require(ask->step < STEP_COUNT);
	*out = (struct decision){ 0 };
	n = rules->n[ask->step];
	if (ask->session->rules_over || n == 0)
		return DONE;
	scratch = xmalloc(n * sizeof *ev.entry + rules->n_calls * sizeof *ev.known +
	    rules->n_asked[ask->step] * (sizeof *ev.asked + sizeof *ev.value));
	ev.entry = scratch;
	ev.known = (const struct fact **)(ev.entry + n);
	ev.asked = (const struct fact_call **)(ev.known + rules->n_calls);
	ev.value = (const struct fact **)(ev.asked + rules->n_asked[ask->step]);
	memset(ev.known, 0, rules->n_calls * sizeof *ev.known);
	for (size_t i = 0; i < n && progress == DONE && !over; i++)
		progress = run_rule(&ev, rules->rule[ask->step][i], &over);
	if (progress == DONE)
		keep_trace(&ev);
	else
		*out = (struct decision){ 0 };
	free(scratch);
	return progress;
}

void
decision_trace(struct decision *d, struct arena *arena, const struct trace_entry *entry)
{
	struct trace_entry *all = ARENA_ARRAY(arena, struct trace_entry, d->trace.n + 1);

	if (d->trace.n > 0)
		memcpy(all, d->trace.entry, d->trace.n * sizeof(*all));
	all[d->trace.n++] = *entry;
	d->trace.entry = all;
}

void
decision_apply(struct session *s, const struct decision *d)
{
	struct transaction *txn = &s->txn;
	struct added_field **end = &txn->added;

	if (d->verdict.kind == VERDICT_ACCEPT_SESSION)
		s->rules_over = true;
	txn->score += d->score;
	for (const struct mark *m = d->marks; m != NULL; m = m->next) {
		struct mark *mark;

		if (marks_have(txn->marks, m->name))
			continue;
		mark = ARENA_NEW(txn->arena, struct mark);
		mark->name = arena_dup(txn->arena, m->name);
		mark->next = txn->marks;
		txn->marks = mark;
	}
	while (*end != NULL)
		end = &(*end)->next;
	for (const struct added_field *f = d->added; f != NULL; f = f->next) {
		*end = ARENA_NEW(txn->arena, struct added_field);
		(*end)->name = arena_dup(txn->arena, f->name);
		(*end)->value = arena_dup(txn->arena, f->value);
		end = &(*end)->next;
	}
}

bool
ruleset_asks(const struct ruleset *rules, enum step from, size_t part)
{
	for (size_t step = from; step < STEP_COUNT; step++)
		if (part < rules->n_parts && rules->asked[step][part])
			return true;
	return false;
}

size_t
ruleset_length(const struct ruleset *rules)
{
	size_t n = 0;

	for (size_t step = 0; step < STEP_COUNT; step++)
		n += rules->n[step];
	return n;
}
