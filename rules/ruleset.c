#include "rules/ruleset.h"

#include <stdlib.h>

#include "base/die.h"
#include "rules/eval.h"
#include "rules/exception.h"

static enum progress
fill_verdict(struct evaluation *ev, const struct rule *rule, struct verdict *out)
{
	static const enum verdict_kind kinds[] = { VERDICT_ACCEPT, VERDICT_ACCEPT_SESSION,
		VERDICT_TEMPFAIL, VERDICT_REJECT };
	struct verdict v = {
		.kind = kinds[rule->action], .code = rule->code, .rule = rule->shown.id
	};
	enum progress progress = DONE;

	/* What is decided again is told to nobody, and its text may ask for what nobody asked for then. */
	if (rule->text != NULL && ev->ask->session->replayed == NULL)
		progress = text_expand(ev, rule->text, &v.text);
	memcpy(v.enhanced, rule->enhanced, sizeof v.enhanced);
	if (progress == DONE)
		*out = ev->unsure ? exception_unsure(v.rule) : v;
	return progress;
}

static enum progress
add_field(struct evaluation *ev, const struct rule *rule)
{
	struct added_field **end = &ev->out->added;
	struct str value;

	if (ev->ask->session->replayed != NULL)
		return DONE;
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

/* Its words are filled in now: they may tell facts of this step. */
static enum progress
hold_refusal(struct evaluation *ev, const struct rule *rule)
{
	struct verdict v;

	if (fill_verdict(ev, rule, &v) != DONE)
		return PENDING;
	exception_hold(ev, rule, &v);
	return DONE;
}

static enum progress
hit_rule(struct evaluation *ev, const struct rule *rule, bool *over)
{
	struct undone undone = { 0 };

	if (rule->action == ACTION_TEMPFAIL || rule->action == ACTION_REJECT) {
		if (exception_undoes(ev, rule, &undone) != DONE)
			return PENDING;
		if (undone.yes)
			return DONE;
		if (undone.later)
			return hold_refusal(ev, rule);
	}
	ev->unsure = undone.unsure;
	if (rule->observe)
		return watch(ev, rule);
	return ev->rules->observe ? rehearse(ev, rule, over) : act(ev, rule, over);
}

/* The facts that were looked at to get to this rule: those of the blocks around it, and of branches before. */
static void
take_around(struct evaluation *ev, const struct rule *r)
{
	const struct trace_entry *around = ev->head[r->before ? r->depth : r->depth - 1];

	ev->entry->n_facts = around->n_facts < AROUND_MAX ? around->n_facts : AROUND_MAX;
	memcpy(ev->entry->fact, around->fact, ev->entry->n_facts * sizeof(struct fact *));
}

/*
 * The rules from the top, with an entry of the trace each; heads of blocks are rules that have one, too. One
 * that is not hit is followed by what is behind its block; an `else` that is come to in any other way stands
 * behind a block that was gone through.
 */
enum progress
evaluation_rules(struct evaluation *ev, struct rule *const *rule, size_t n)
{
	const struct fact **fact = ev->fact;
	enum progress progress = DONE;
	const struct rule *passed = NULL;
	bool over = false;

	for (size_t i = 0; i < n && progress == DONE && !over; i++) {
		const struct rule *r = rule[i];
		struct trace_entry *entry = ev->entry;
		enum truth truth = TRUTH_YES;

		if (r->head && r->before != NULL && r->before != passed) {
			i += r->skip;
			continue;
		}
		*entry = (struct trace_entry){ .rule = &r->shown,
			.fact = fact,
			.observed = r->observe ||
			    (ev->rules->observe && r->action != ACTION_ACCEPT_SESSION) };
		if (r->around)
			take_around(ev, r);
		if (r->node != NULL)
			truth = evaluation_condition(ev, r->node);
		fact += entry->n_facts;
		entry->hit = truth == TRUTH_YES;
		ev->entry++;
		if (truth == TRUTH_PENDING) {
			progress = PENDING;
		} else if (r->head) {
			ev->head[r->depth] = entry;
			passed = entry->hit ? NULL : r;
			i += entry->hit ? 0 : r->skip;
		} else if (entry->hit) {
			progress = hit_rule(ev, r, &over);
		}
	}
	regex_memory_free(&ev->regex);
	return progress;
}

/* How far it came, for who has nobody to wait for. */
static void
show_lacking(struct evaluation *ev, struct trace_entry *first, struct decision *out)
{
	out->trace = (struct trace){ first, (size_t)(ev->entry - first) };
	if (out->trace.n > 0)
		out->lacks = first[out->trace.n - 1].rule;
	arena_cleanup(ev->arena, free, first);
}

/*
 * The trace lies in memory of the heap, which is the arena's once it is wanted: a pass that ends
 * PENDING costs the arena nothing, and one that ends DONE no copy.
 */
enum progress
ruleset_decide(
    const struct ruleset *rules, struct ask *ask, struct arena *arena, struct decision *out)
{
	struct evaluation ev = { .rules = rules, .ask = ask, .arena = arena, .out = out };
	size_t n = rules->n[ask->step], facts = rules->n_asked[ask->step];
	struct trace_entry *first;
	enum progress progress;

	require(ask->step < STEP_COUNT);
	*out = (struct decision){ 0 };
	if (exception_before(&ev) != DONE) {
		*out = (struct decision){ 0 };
		return PENDING;
	}
	if (out->verdict.kind != VERDICT_ACCEPT || ask->session->rules_over || n == 0) {
		exception_after(&ev);
		return DONE;
	}
	first = xmalloc(n * sizeof *first + (rules->n_calls + facts) * sizeof *ev.known);
	ev.entry = first;
	ev.known = (const struct fact **)(first + n);
	ev.fact = ev.known + rules->n_calls;
	memset(ev.known, 0, rules->n_calls * sizeof *ev.known);
	progress = evaluation_rules(&ev, rules->rule[ask->step], n);
	if (progress == DONE) {
		out->trace = (struct trace){ first, (size_t)(ev.entry - first) };
		out->failures = ask->failures;
		arena_cleanup(arena, free, first);
		exception_after(&ev);
	} else {
		*out = (struct decision){ 0 };
		if (ask->session->replayed != NULL)
			show_lacking(&ev, first, out);
		else
			free(first);
	}
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
	for (size_t i = 0; i < entry->n_facts; i++)
		d->failures |= entry->fact[i]->failures;
}

static struct held *
held_dup(struct arena *arena, const struct held *from)
{
	struct held *held = ARENA_NEW(arena, struct held);

	*held = *from;
	held->verdict.text = arena_dup(arena, from->verdict.text);
	return held;
}

static void
apply_held(struct session *s, const struct decision *d)
{
	for (const struct held *h = d->held; h != NULL; h = h->next) {
		bool of_connection = h->step < STEP_MAIL;
		struct held **first = of_connection ? &s->held : &s->txn.held;
		struct held *held = held_dup(of_connection ? s->conn : s->txn.arena, h);

		held->next = *first;
		*first = held;
	}
	for (const struct exception_use *u = d->used; u != NULL; u = u->next)
		if (u->held != NULL)
			u->held->counted = true;
}

void
decision_apply(struct session *s, const struct decision *d)
{
	struct transaction *txn = &s->txn;
	struct added_field **end = &txn->added;

	if (d->verdict.kind == VERDICT_ACCEPT_SESSION)
		s->rules_over = true;
	apply_held(s, d);
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
		for (size_t i = 0; i < rules->n[step]; i++)
			n += !rules->rule[step][i]->head;
	return n;
}
