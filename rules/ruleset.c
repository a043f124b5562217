#include "rules/ruleset.h"

#include <stdlib.h>

#include "base/die.h"
#include "rules/eval.h"

/* Asks for a fact for the first time in this evaluation. */
static enum progress
ask_fact(struct evaluation *ev, size_t slot)
{
	const struct fact_call *call = ev->rules->call[slot];
	struct value value;

	if (fact_get(ev->ask, call, &value) != DONE)
		return PENDING;
	ev->known[slot] = fact_known(ev->ask->session, call);
	require(ev->known[slot] != NULL);
	return DONE;
}

enum progress
evaluation_value(struct evaluation *ev, const struct operand *o, const struct value **out)
{
	switch (o->kind) {
	case OPERAND_VALUE:
		*out = &o->value;
		return DONE;
	case OPERAND_SCORE:
		ev->score = value_number(ev->ask->session->txn.score + ev->out->score);
		*out = &ev->score;
		return DONE;
	case OPERAND_FACT:
		break;
	}
	if (ev->known[o->slot] == NULL && ask_fact(ev, o->slot) != DONE)
		return PENDING;
	*out = &ev->known[o->slot]->value;
	return DONE;
}

/* The facts of the present rule stand behind those of the rules before; each once. */
static void
note_asked(struct evaluation *ev, const struct operand *o)
{
	struct trace_entry *entry = &ev->entry[ev->n_entries];
	const struct fact *fact;

	if (o->kind != OPERAND_FACT)
		return;
	fact = ev->known[o->slot];
	/* only the latest few are looked through: a range such as `a > 1 and a < 9` */
	for (size_t i = 1; i <= entry->n_facts && i <= 4; i++)
		if (ev->value[ev->n_asked - i] == fact)
			return;
	ev->asked[ev->n_asked] = ev->rules->call[o->slot];
	ev->value[ev->n_asked++] = fact;
	entry->n_facts++;
}

/* An operand of a condition: its fact goes into the trace. */
static enum progress
operand_value(struct evaluation *ev, const struct operand *o, const struct value **out)
{
	enum progress progress = evaluation_value(ev, o, out);

	if (progress == DONE)
		note_asked(ev, o);
	return progress;
}

static bool
is_whole(const struct value *v)
{
	return v->type == VALUE_NUMBER || v->type == VALUE_DURATION || v->type == VALUE_BOOL;
}

static bool
is_text(const struct value *v)
{
	return v->type == VALUE_TEXT || v->type == VALUE_SYMBOL;
}

/* <0, 0, >0; false when one of them is no number, which a stage's mistake can cause. */
static bool
compare_numbers(const struct value *a, const struct value *b, int *out)
{
	double x, y;

	if (is_whole(a) && is_whole(b)) {
		*out = (a->number > b->number) - (a->number < b->number);
		return true;
	}
	if ((!is_whole(a) && a->type != VALUE_REAL) || (!is_whole(b) && b->type != VALUE_REAL))
		return false;
	x = a->type == VALUE_REAL ? a->real : (double)a->number;
	y = b->type == VALUE_REAL ? b->real : (double)b->number;
	*out = (x > y) - (x < y);
	return x == x && y == y;
}

static bool
is_equal(const struct value *a, const struct value *b)
{
	int order;

	if (is_text(a) && is_text(b))
		return str_eqcase(a->text, b->text);
	if (a->type == VALUE_IP && b->type == VALUE_IP)
		return ip_eq(&a->ip, &b->ip);
	return compare_numbers(a, b, &order) && order == 0;
}

static bool
contains(struct str s, struct str part)
{
	for (size_t i = 0; i + part.n <= s.n; i++)
		if (str_eqcase(str_sub(s, i, i + part.n), part))
			return true;
	return false;
}

static bool
has_part(enum relation relation, const struct value *left, const struct value *right)
{
	if (!is_text(right))
		return false;
	if (left->type == VALUE_LIST) {
		for (size_t i = 0; i < left->list.n; i++)
			if (str_eqcase(left->list.item[i], right->text))
				return true;
		return false;
	}
	if (!is_text(left))
		return false;
	switch (relation) {
	case RELATION_STARTS:
		return str_startscase(left->text, right->text);
	case RELATION_ENDS:
		return str_endscase(left->text, right->text);
	default:
		return contains(left->text, right->text);
	}
}

static bool
is_in(const struct expr *e, const struct value *left)
{
	if (e->list != NULL)
		return list_has(e->list, left);
	for (size_t i = 0; is_text(left) && i < e->n_words; i++)
		if (str_eq(left->text, e->word[i]))
			return true;
	return false;
}

static bool
is_ordered(enum relation relation, const struct value *left, const struct value *right)
{
	int order;

	if (!compare_numbers(left, right, &order))
		return false;
	switch (relation) {
	case RELATION_LESS:
		return order < 0;
	case RELATION_LESS_EQUAL:
		return order <= 0;
	case RELATION_MORE:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool
has_right(enum relation relation)
{
	return relation != RELATION_TRUTH && relation != RELATION_IN &&
	    relation != RELATION_KNOWN && relation != RELATION_UNKNOWN;
}

static bool
relation_holds(const struct expr *e, const struct value *left, const struct value *right)
{
	switch (e->relation) {
	case RELATION_TRUTH:
		return is_whole(left) && left->number != 0;
	case RELATION_IS:
		return is_equal(left, right) != e->negated;
	case RELATION_IN:
		return is_in(e, left) != e->negated;
	case RELATION_CONTAINS:
	case RELATION_STARTS:
	case RELATION_ENDS:
		return has_part(e->relation, left, right);
	default:
		return is_ordered(e->relation, left, right);
	}
}

/* What is not known compares with nothing: every test of it is false, but for the one that asks. */
static enum progress
eval_test(struct evaluation *ev, const struct expr *e, bool *out)
{
	const struct value *left, *right = NULL;
	enum progress progress = operand_value(ev, &e->left, &left);

	if (progress != DONE)
		return progress;
	if (e->relation == RELATION_KNOWN || e->relation == RELATION_UNKNOWN) {
		*out =
		    ((left->type == VALUE_NONE) == (e->relation == RELATION_UNKNOWN)) != e->negated;
		return DONE;
	}
	*out = false;
	if (left->type == VALUE_NONE)
		return DONE;
	if (has_right(e->relation)) {
		progress = operand_value(ev, &e->right, &right);
		if (progress != DONE || right->type == VALUE_NONE)
			return progress;
	}
	*out = relation_holds(e, left, right);
	return DONE;
}

static bool
has_mark(const struct mark *marks, struct str name)
{
	for (; marks != NULL; marks = marks->next)
		if (str_eq(marks->name, name))
			return true;
	return false;
}

static enum progress
eval(struct evaluation *ev, const struct expr *e, bool *out)
{
	enum progress progress = DONE;

	switch (e->kind) {
	case EXPR_TEST:
		return eval_test(ev, e, out);
	case EXPR_MARKED:
		*out = has_mark(ev->out->marks, e->mark) ||
		    has_mark(ev->ask->session->txn.marks, e->mark);
		return DONE;
	case EXPR_NOT:
		progress = eval(ev, e->child, out);
		*out = !*out;
		return progress;
	case EXPR_AND:
	case EXPR_OR:
		break;
	}
	*out = e->kind == EXPR_AND;
	for (const struct expr *child = e->child; child != NULL && progress == DONE;
	     child = child->next) {
		progress = eval(ev, child, out);
		if (*out != (e->kind == EXPR_AND))
			break;
	}
	return progress;
}

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

	if (has_mark(ev->out->marks, name))
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
 * marks; only the refusal and the header fields are kept back. So a rehearsal asks, counts and
 * traces what the real thing would. Being let through is no refusal: `accept session` holds.
 */
static enum progress
rehearse(struct evaluation *ev, const struct rule *rule, bool *over)
{
	if (rule->action == ACTION_ADD_HEADER)
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
	if (rule->condition != NULL && eval(ev, rule->condition, &hit) != DONE)
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
decision_apply(struct session *s, const struct decision *d)
{
	struct transaction *txn = &s->txn;
	struct added_field **end = &txn->added;

	if (d->verdict.kind == VERDICT_ACCEPT_SESSION)
		s->rules_over = true;
	txn->score += d->score;
	for (const struct mark *m = d->marks; m != NULL; m = m->next) {
		struct mark *mark;

		if (has_mark(txn->marks, m->name))
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
