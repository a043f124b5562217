#include "rules/past.h"

#include <stdlib.h>

#include "db/json.h"
#include "rules/eval.h"

#define SCRATCH_LIMIT (1024 * 1024)

/* --- values ------------------------------------------------------------------------------------- */

static bool
read_list(struct arena *arena, const struct json *json, struct value *out)
{
	struct str *item;
	size_t n = 0;

	if (json->type != JSON_ARRAY)
		return false;
	for (const struct json *i = json->first; i; i = i->next)
		n++;
	item = ARENA_ARRAY(arena, struct str, n + 1);
	n = 0;
	for (const struct json *i = json->first; i; i = i->next)
		item[n++] = i->text;
	*out = (struct value){ .type = VALUE_LIST, .list = { item, n } };
	return true;
}

static bool
read_number(enum value_type type, const struct json *json, struct value *out)
{
	char text[64];

	if (json->type != JSON_NUMBER || !str_copy(json->text, text, sizeof(text)))
		return false;
	if (type == VALUE_REAL)
		*out = (struct value){ .type = type, .real = strtod(text, NULL) };
	else
		*out = (struct value){ .type = type, .number = strtoll(text, NULL, 10) };
	return true;
}

/* Of the type that the fact has now; false: it is none. */
static bool
read_value(struct arena *arena, enum value_type type, const struct json *json, struct value *out)
{
	*out = (struct value){ .type = VALUE_NONE };
	if (json->type == JSON_NULL)
		return true;
	switch (type) {
	case VALUE_BOOL:
		*out = value_bool(json->yes);
		return json->type == JSON_BOOL;
	case VALUE_NUMBER:
	case VALUE_REAL:
	case VALUE_DURATION:
		return read_number(type, json, out);
	case VALUE_LIST:
		return read_list(arena, json, out);
	case VALUE_IP:
		out->type = VALUE_IP;
		return json->type == JSON_STRING && ip_parse(json->text, &out->ip);
	case VALUE_TEXT:
	case VALUE_SYMBOL:
		*out = (struct value){ .type = type, .text = json->text };
		return json->type == JSON_STRING;
	case VALUE_NONE:
		break;
	}
	return false;
}

/* --- reading ------------------------------------------------------------------------------------ */

struct str
past_name(const struct past *g, size_t slot)
{
	struct buf name;
	struct str text;

	buf_init(&name, 1024);
	fact_call_print(g->config->ruleset->call[slot], &name);
	text = arena_dup(g->arena, buf_str(&name));
	buf_free(&name);
	return text;
}

static void
know(struct past *g, size_t slot, const struct json *json)
{
	const struct fact_call *call = g->config->ruleset->call[slot];
	struct fact *fact = ARENA_NEW(g->arena, struct fact);

	fact->call = *call;
	fact->step = g->step;
	if (read_value(g->arena, call->entry->def->type, json, &fact->value))
		g->known[slot] = fact;
}

static const struct json *
member(const struct json *object, struct str name)
{
	for (const struct json *m = object ? object->first : NULL; m; m = m->next)
		if (str_eq(m->name, name))
			return m;
	return NULL;
}

/* Whether the entry of a trace is of this rule. */
static bool
is_rule(const struct json *entry, const struct rule *rule)
{
	return str_eq(json_text(entry, "rule"), rule->shown.id) &&
	    str_eq(json_text(entry, "source"), rule->shown.source);
}

static size_t
index_of(const struct past *g, const struct json *entry)
{
	size_t i = 0;

	while (i < g->n && !is_rule(entry, g->rule[i]))
		i++;
	return i;
}

/*
 * Where the last step begins among the entries: at rcpt there is one of each recipient. Older records say
 * of no entry which step it is of.
 */
static const struct json *
last_step(const struct past *g, const struct json *trace)
{
	const struct json *begin = NULL;
	size_t last = g->n;

	for (const struct json *e = trace ? trace->first : NULL; e; e = e->next) {
		struct str step = json_text(e, "step");
		size_t i =
		    step.n == 0 || str_eq(step, str_of(step_name(g->step))) ? index_of(g, e) : g->n;

		if (i == g->n) {
			/* What is no rule stands behind the rules of its step. */
			if (step.n > 0 && !str_eq(step, str_of(step_name(g->step))))
				begin = NULL;
			continue;
		}
		if (begin == NULL || i <= last)
			begin = e;
		last = i;
	}
	return begin;
}

static void
add_effect(struct past *g, const struct rule *rule)
{
	struct transaction *txn = &g->session.txn;
	struct mark *mark;

	if (rule->action == ACTION_SCORE)
		txn->score += rule->score;
	if (rule->action != ACTION_MARK || marks_have(txn->marks, rule->name))
		return;
	mark = ARENA_NEW(g->arena, struct mark);
	*mark = (struct mark){ rule->name, txn->marks };
	txn->marks = mark;
}

/* Score and marks of the steps before. */
static void
read_effects(struct past *g, const struct json *trace, const struct json *until)
{
	const struct ruleset *rules = g->config->ruleset;

	for (const struct json *e = trace ? trace->first : NULL; e && e != until; e = e->next) {
		if (!json_yes(e, "hit"))
			continue;
		for (size_t step = 0; step < STEP_COUNT; step++)
			for (size_t i = 0; i < rules->n[step]; i++)
				if (is_rule(e, rules->rule[step][i]) &&
				    !rules->rule[step][i]->observe)
					add_effect(g, rules->rule[step][i]);
	}
}

struct past *
past_read(struct arena *arena, const struct config *config, const struct past_record *record)
{
	const struct json *facts = json_parse(arena, record->facts, NULL);
	const struct json *trace = json_parse(arena, record->trace, NULL), *last;
	const struct ruleset *rules = config->ruleset;
	struct past *g;

	if (facts == NULL || facts->type != JSON_OBJECT)
		return NULL;
	g = ARENA_NEW(arena, struct past);
	*g = (struct past){ .config = config, .step = record->step, .arena = arena };
	g->n = rules->n[record->step];
	g->rule = ARENA_ARRAY(arena, struct rule *, g->n + 1);
	for (size_t i = 0; i < g->n; i++)
		g->rule[i] = rules->rule[record->step][i];
	g->known = ARENA_ARRAY(arena, const struct fact *, rules->n_calls + 1);
	last = last_step(g, trace);
	read_effects(g, trace, last);
	for (size_t slot = 0; slot < rules->n_calls; slot++) {
		struct str name = past_name(g, slot);
		const struct json *value = member(facts, name);

		if (value)
			know(g, slot, value);
		/* What a rule was told counts most. */
		for (const struct json *e = last; e; e = e->next) {
			const struct json *told = json_get(e, "facts");

			for (const struct json *f = told ? told->first : NULL; f; f = f->next)
				if (str_eq(json_text(f, "fact"), name) && json_get(f, "value"))
					know(g, slot, json_get(f, "value"));
		}
	}
	return g;
}

/* --- deciding ----------------------------------------------------------------------------------- */

static bool
refuses(const struct verdict *v)
{
	return v->kind == VERDICT_TEMPFAIL || v->kind == VERDICT_REJECT;
}

static struct past_result
result_of(const struct past *g, const struct evaluation *ev, enum progress progress)
{
	const struct verdict *v =
	    g->config->ruleset->observe ? &ev->out->observed : &ev->out->verdict;
	struct past_result r = { .score = g->session.txn.score + ev->out->score };
	if (progress == DONE && !refuses(v))
		return r;
	r.outcome = progress == DONE ? PAST_REFUSED : PAST_UNKNOWN;
	r.slot = ev->missing;
	/* Rules of blocks that were passed over have no entry. */
	while (&g->rule[r.rule]->shown != ev->entry[-1].rule)
		r.rule++;
	return r;
}

struct past_result
past_decide(const struct past *g)
{
	struct arena *scratch = arena_new(SCRATCH_LIMIT);
	const struct ruleset *rules = g->config->ruleset;
	struct session session = g->session;
	struct ask ask = { .session = &session, .step = g->step, .arena = scratch };
	struct decision d = { 0 };
	struct evaluation ev = {
		.rules = rules, .ask = &ask, .arena = scratch, .out = &d, .closed = true
	};
	struct past_result result;

	ev.entry = ARENA_ARRAY(scratch, struct trace_entry, g->n + 1);
	ev.known = ARENA_ARRAY(scratch, const struct fact *, rules->n_calls + 1);
	memcpy(ev.known, g->known, rules->n_calls * sizeof(*ev.known));
	ev.fact = ARENA_ARRAY(scratch, const struct fact *, rules->n_asked[g->step] + 1);
	result = result_of(g, &ev, evaluation_rules(&ev, g->rule, g->n));
	arena_free(&scratch);
	return result;
}
