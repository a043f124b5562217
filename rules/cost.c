#include "rules/cost.h"

#include "mail/cost.h"
#include "rules/cost_ways.h"
#include "rules/intern.h"
#include "rules/rule.h"

/* What asking for a fact at some step can cost. */
struct slot_cost {
	size_t group[COST_GROUPS_MAX];
	size_t n;
	bool unknown;
};

struct analysis {
	struct cost_sets sets;
	const struct config *config;
	const struct ruleset *rules;
	struct intern names;
	struct cost_group *group; /* by number: the bounds of all who note it */
	size_t cap;
	struct slot_cost *slot[STEP_COUNT]; /* by slot */
	enum step step;
	struct cost_front over, open; /* of the step: it ended for good; the next one may follow */
	struct cost_report *report;
	struct cost_rule *rule; /* NULL: rules are not to be told of */
	size_t n_rules;
	bool unknown; /* of the step */
};

/* --- groups ----------------------------------------------------------------------------------------- */

static size_t
group_number(struct analysis *a, const struct cost_group *group)
{
	size_t number = intern_add(&a->names, group->name);
	struct cost_group *known;

	if (number >= a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 64;
		struct cost_group *all = ARENA_ARRAY(a->sets.arena, struct cost_group, cap);

		if (a->cap > 0)
			memcpy(all, a->group, a->cap * sizeof(*all));
		a->group = all;
		a->cap = cap;
	}
	known = &a->group[number];
	if (known->name.n == 0)
		*known = *group;
	known->least = group->least < known->least ? group->least : known->least;
	known->most = group->most > known->most ? group->most : known->most;
	return number;
}

static void
take_costs(struct analysis *a, const struct costs *costs, struct slot_cost *out)
{
	for (size_t i = 0; i < costs->n; i++)
		out->group[out->n++] = group_number(a, &costs->group[i]);
	out->unknown = costs->unknown;
}

static struct costs
costs_begin(const struct analysis *a, enum step step)
{
	return (struct costs){ .arena = a->sets.arena,
		.table = &a->config->facts,
		.plans = &a->config->plans,
		.step = step };
}

static void
look_up_facts(struct analysis *a)
{
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++) {
		a->slot[step] = ARENA_ARRAY(a->sets.arena, struct slot_cost, a->rules->n_calls + 1);
		for (size_t i = 0; i < a->rules->n_calls; i++) {
			const struct fact_call *call = a->rules->call[i];
			struct costs costs = costs_begin(a, step);

			if (step < call->entry->def->from || step > call->entry->def->to)
				continue;
			cost_call(&costs, call);
			take_costs(a, &costs, &a->slot[step][i]);
		}
	}
}

/* What stages note once the header is there. */
static struct slot_cost
look_up_early(struct analysis *a)
{
	struct slot_cost out = { 0 };
	struct costs costs = costs_begin(a, STEP_MESSAGE);

	for (size_t i = 0; i < a->config->n_parts; i++)
		if (a->config->part_used[i] && a->config->part[i].early)
			a->config->part[i].early(&costs, a->config->part_conf[i]);
	take_costs(a, &costs, &out);
	return out;
}

/* --- sums ------------------------------------------------------------------------------------------- */

static void
sum_add(struct cost_sum *dns, struct cost_sum *store, const struct cost_group *group, bool least)
{
	struct cost_sum *sum = group->store ? store : dns;
	struct cost_range *range = group->each ? &sum->each : &sum->once;

	if (least)
		range->least += group->least;
	else
		range->most += group->most;
}

static unsigned
at_most(const struct cost_sum *sum)
{
	return sum->once.most + sum->each.most;
}

/* What is asked beyond `before`: the least of what is sure, the most of the way that costs most of each. */
static void
sum_front(const struct analysis *a, const struct cost_front *front, const uint64_t *before,
    struct cost_step *out)
{
	for (size_t k = 0; k < front->n; k++) {
		struct cost_sum dns = { 0 }, store = { 0 };

		for (size_t i = 0; i < a->names.n; i++)
			if (set_has(front->way[k], i) && !set_has(before, i))
				sum_add(&dns, &store, &a->group[i], false);
		if (at_most(&dns) > at_most(&out->dns))
			out->dns = dns;
		if (at_most(&store) > at_most(&out->store))
			out->store = store;
	}
	for (size_t i = 0; front->sure && i < a->names.n; i++)
		if (set_has(front->sure, i) && !set_has(before, i))
			sum_add(&out->dns, &out->store, &a->group[i], true);
}

/* --- conditions ------------------------------------------------------------------------------------- */

static void
ask_operand(struct analysis *a, const struct operand *o, cost_set into)
{
	const struct operand *fact[TEST_FACTS_MAX];

	for (size_t i = 0, n = operand_facts(o, fact, 0); i < n; i++) {
		const struct slot_cost *slot = &a->slot[a->step][fact[i]->slot];

		a->unknown = a->unknown || slot->unknown;
		for (size_t k = 0; k < slot->n; k++)
			set_add(into, slot->group[k]);
	}
}

/* All that its tests can ask: there is always a way to each of them. */
static void
ask_all(struct analysis *a, const struct expr *e, cost_set into)
{
	if (e->kind == EXPR_TEST) {
		ask_operand(a, &e->left, into);
		if (relation_has_right(e->relation))
			ask_operand(a, &e->right, into);
	} else if (e->kind != EXPR_MARKED) {
		for (const struct expr *child = e->child; child != NULL; child = child->next)
			ask_all(a, child, into);
	}
}

static void
ask_text(struct analysis *a, const struct piece *text, cost_set into)
{
	for (; text != NULL; text = text->next)
		if (text->expands)
			ask_operand(a, &text->operand, into);
}

/* What is asked for sure before it is true, and before it is not. */
struct outcome {
	cost_set yes, no;
};

/* A right side is asked for only if the left one is known. */
static struct outcome
sure_of_test(struct analysis *a, const struct expr *e, cost_set before)
{
	struct outcome out = { set_join(&a->sets, before, before), NULL };

	ask_operand(a, &e->left, out.yes);
	out.no = set_join(&a->sets, out.yes, out.yes);
	if (relation_has_right(e->relation))
		ask_operand(a, &e->right, out.yes);
	return out;
}

static struct outcome
sure_of(struct analysis *a, const struct expr *e, cost_set before)
{
	struct outcome out = { before, before }, one;

	if (e->kind == EXPR_TEST)
		return sure_of_test(a, e, before);
	if (e->kind == EXPR_MARKED)
		return out;
	if (e->kind == EXPR_NOT) {
		one = sure_of(a, e->child, before);
		return (struct outcome){ one.no, one.yes };
	}
	out = (struct outcome){ 0 };
	for (const struct expr *child = e->child; child != NULL; child = child->next) {
		one = sure_of(a, child, before);
		if (e->kind == EXPR_AND)
			out.no = set_meet(&a->sets, out.no, one.no);
		else
			out.yes = set_meet(&a->sets, out.yes, one.yes);
		before = e->kind == EXPR_AND ? one.yes : one.no;
	}
	return e->kind == EXPR_AND ? (struct outcome){ before, out.no }
				   : (struct outcome){ out.yes, before };
}

/* --- what each rule is the first to ask ------------------------------------------------------------- */

struct telling {
	struct analysis *a;
	struct cost_rule *rule;
	cost_set known;
	struct cost_fact **end;
};

static void
tell_operand(struct telling *t, const struct operand *o)
{
	const struct operand *fact[TEST_FACTS_MAX];
	struct analysis *a = t->a;

	for (size_t i = 0, n = operand_facts(o, fact, 0); i < n; i++) {
		const struct slot_cost *slot = &a->slot[a->step][fact[i]->slot];
		struct cost_fact one = { .call = a->rules->call[fact[i]->slot],
			.unknown = slot->unknown };
		bool tells = slot->unknown;

		for (size_t k = 0; k < slot->n; k++) {
			const struct cost_group *group = &a->group[slot->group[k]];

			if (set_has(t->known, slot->group[k]))
				continue;
			set_add(t->known, slot->group[k]);
			for (int least = 0; least < 2; least++) {
				sum_add(&one.dns, &one.store, group, least);
				sum_add(&t->rule->dns, &t->rule->store, group, least);
			}
			tells = true;
		}
		if (!tells)
			continue;
		t->rule->unknown = t->rule->unknown || one.unknown;
		*t->end = ARENA_NEW(a->sets.arena, struct cost_fact);
		**t->end = one;
		t->end = &(*t->end)->next;
	}
}

static void
tell_condition(struct telling *t, const struct expr *e)
{
	if (e->kind == EXPR_TEST) {
		tell_operand(t, &e->left);
		if (relation_has_right(e->relation))
			tell_operand(t, &e->right);
	} else if (e->kind != EXPR_MARKED) {
		for (const struct expr *child = e->child; child != NULL; child = child->next)
			tell_condition(t, child);
	}
}

static void
tell_rule(struct analysis *a, const struct rule *r, const uint64_t *sure)
{
	struct cost_rule rule = { .shown = &r->shown, .step = a->step };
	struct telling t = { .a = a, .rule = &rule, .known = set_join(&a->sets, sure, sure) };
	struct cost_fact *first = NULL;

	if (a->rule == NULL)
		return;
	t.end = &first;
	if (r->condition)
		tell_condition(&t, r->condition);
	for (const struct piece *text = r->text; text != NULL; text = text->next)
		if (text->expands)
			tell_operand(&t, &text->operand);
	rule.facts = first;
	if (first != NULL)
		a->rule[a->n_rules++] = rule;
}

/* --- rules ------------------------------------------------------------------------------------------ */

/* Those who find its condition true go on in *yes, the others stay. */
static void
split(struct analysis *a, const struct rule *r, struct cost_front *front, struct cost_front *yes)
{
	struct outcome outcome = { front->sure, NULL };
	cost_set all = set_new(&a->sets);

	tell_rule(a, r, front->sure);
	if (r->condition) {
		ask_all(a, r->condition, all);
		outcome = sure_of(a, r->condition, front->sure);
	}
	front_ask(&a->sets, front, all);
	*yes = *front;
	yes->sure = outcome.yes;
	front->sure = outcome.no;
	if (r->condition == NULL)
		*front = (struct cost_front){ 0 };
}

/* Is the next step still to come, for whom this rule ends the step? */
static bool
goes_on(const struct ruleset *rules, enum action action)
{
	return action == ACTION_ACCEPT || (rules->observe && action != ACTION_ACCEPT_SESSION);
}

static void
walk_rule(struct analysis *a, const struct rule *r, struct cost_front *front)
{
	cost_set text = set_new(&a->sets);
	struct cost_front hit;

	split(a, r, front, &hit);
	ask_text(a, r->text, text);
	front_ask(&a->sets, &hit, text);
	/* Of what is only observed, a text that nobody hears is not always made. */
	if (!r->observe && !a->rules->observe)
		hit.sure = set_join(&a->sets, hit.sure, text);
	if (!action_ends(r->action) || r->observe)
		front_join(&a->sets, front, &hit);
	else
		front_join(&a->sets, goes_on(a->rules, r->action) ? &a->open : &a->over, &hit);
}

static void walk(struct analysis *a, size_t from, size_t to, struct cost_front *front);

/* An `if` with the branches behind it, from rule i on. Returns the last of its rules. */
static size_t
walk_branches(struct analysis *a, size_t i, size_t to, struct cost_front *front)
{
	struct rule *const *rule = a->rules->rule[a->step];
	struct cost_front out = { 0 };
	const struct rule *head;

	for (;;) {
		struct cost_front inner;

		head = rule[i];
		split(a, head, front, &inner);
		walk(a, i + 1, i + 1 + head->skip, &inner);
		front_join(&a->sets, &out, &inner);
		i += head->skip;
		if (i + 1 >= to || rule[i + 1]->before != head)
			break;
		i++;
	}
	front_join(&a->sets, front, &out);
	return i;
}

static void
walk(struct analysis *a, size_t from, size_t to, struct cost_front *front)
{
	struct rule *const *rule = a->rules->rule[a->step];

	for (size_t i = from; i < to && front->n > 0; i++)
		if (rule[i]->head)
			i = walk_branches(a, i, to, front);
		else
			walk_rule(a, rule[i], front);
}

/* Whom the rules of rcpt let pass is put to the tests of message rules. */
static void
walk_policy(struct analysis *a, struct cost_front *front)
{
	cost_set all = set_new(&a->sets);
	size_t slot[TEST_FACTS_MAX];

	for (size_t i = 0; i < a->rules->n_policy; i++)
		for (size_t k = 0, n = policy_slots(a->rules, i, slot); k < n; k++)
			for (size_t g = 0; g < a->slot[STEP_RCPT][slot[k]].n; g++)
				set_add(all, a->slot[STEP_RCPT][slot[k]].group[g]);
	front_ask(&a->sets, front, all);
}

/* --- steps ------------------------------------------------------------------------------------------ */

/* Runs the present step from `front`: then *front is who goes on to the next, a->over who does not. */
static void
run_step(struct analysis *a, struct cost_front *front, bool tells)
{
	struct cost_rule *rule = a->rule;

	a->over = a->open = (struct cost_front){ 0 };
	if (!tells)
		a->rule = NULL;
	walk(a, 0, a->rules->n[a->step], front);
	a->rule = rule;
	front_join(&a->sets, front, &a->open);
	if (a->step == STEP_RCPT)
		walk_policy(a, front);
}

static void
run_steps(struct analysis *a, const struct slot_cost *early)
{
	struct cost_front whole, here, all;
	cost_set nothing = set_new(&a->sets), sure = nothing, noted = set_new(&a->sets);

	for (size_t i = 0; i < early->n; i++)
		set_add(noted, early->group[i]);
	a->report->header.unknown = early->unknown;
	front_begin(&whole, nothing);
	for (a->step = STEP_CONNECT; a->step < STEP_COUNT; a->step++) {
		struct cost_step *out = &a->report->step[a->step];

		a->unknown = a->step == STEP_MESSAGE && early->unknown;
		front_begin(&here, sure);
		if (a->step == STEP_MESSAGE) {
			front_begin(&here, set_join(&a->sets, sure, noted));
			sum_front(a, &here, sure, &a->report->header);
			front_ask(&a->sets, &whole, noted);
		}
		run_step(a, &here, true);
		all = here;
		front_join(&a->sets, &all, &a->over);
		sum_front(a, &all, sure, out);
		out->unknown = a->unknown;
		a->report->message.unknown = a->report->message.unknown || a->unknown;
		run_step(a, &whole, false);
		if (a->step < STEP_MESSAGE && here.sure == NULL)
			return;
		sure = here.sure;
	}
	front_join(&a->sets, &whole, &a->over);
	whole.sure = all.sure;
	sum_front(a, &whole, nothing, &a->report->message);
}

void
cost_report(struct arena *arena, const struct config *config, struct cost_report *out)
{
	struct analysis a = { .sets = { .arena = arena }, .config = config, .report = out };
	struct slot_cost early;
	size_t n = 0;

	*out = (struct cost_report){ 0 };
	a.rules = config->ruleset;
	intern_init(&a.names, arena);
	look_up_facts(&a);
	early = look_up_early(&a);
	a.sets.words = a.names.n / 64 + 1;
	for (size_t i = 0; i < STEP_COUNT; i++)
		n += a.rules->n[i];
	a.rule = ARENA_ARRAY(arena, struct cost_rule, n + 1);
	run_steps(&a, &early);
	out->rule = a.rule;
	out->n_rules = a.n_rules;
	intern_free(&a.names);
}
