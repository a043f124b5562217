#include "rules/past.h"

#include <stdlib.h>

#include "rules/eval.h"
#include "rules/record.h"

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
know(struct past *p, size_t slot, const struct json *json)
{
	const struct fact_call *call = p->config->ruleset->call[slot];
	struct fact *fact = ARENA_NEW(p->arena, struct fact);

	fact->call = *call;
	fact->step = p->step;
	if (record_value(p->arena, call->entry->def->type, json, &fact->value))
		p->known[slot] = fact;
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
index_of(const struct past *p, const struct json *entry)
{
	size_t i = 0;

	while (i < p->n && !is_rule(entry, p->rule[i]))
		i++;
	return i;
}

/*
 * Where the last step begins among the entries: at rcpt there is one of each recipient. Older records say
 * of no entry which step it is of.
 */
static const struct json *
last_step(const struct past *p, const struct json *trace)
{
	const struct json *begin = NULL;
	size_t last = p->n;

	for (const struct json *e = trace ? trace->first : NULL; e; e = e->next) {
		struct str step = json_text(e, "step");
		size_t i =
		    step.n == 0 || str_eq(step, str_of(step_name(p->step))) ? index_of(p, e) : p->n;

		if (i == p->n) {
			/* What is no rule stands behind the rules of its step. */
			if (step.n > 0 && !str_eq(step, str_of(step_name(p->step))))
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
add_effect(struct past *p, const struct rule *rule)
{
	struct transaction *txn = &p->session.txn;
	struct mark *mark;

	if (rule->action == ACTION_SCORE)
		txn->score += rule->score;
	if (rule->action != ACTION_MARK || marks_have(txn->marks, rule->name))
		return;
	mark = ARENA_NEW(p->arena, struct mark);
	*mark = (struct mark){ rule->name, txn->marks };
	txn->marks = mark;
}

/* Score and marks of the steps before. */
static void
read_effects(struct past *p, const struct json *trace, const struct json *until)
{
	const struct ruleset *rules = p->config->ruleset;

	for (const struct json *e = trace ? trace->first : NULL; e && e != until; e = e->next) {
		if (!json_yes(e, "hit"))
			continue;
		for (size_t step = 0; step < STEP_COUNT; step++)
			for (size_t i = 0; i < rules->n[step]; i++)
				if (is_rule(e, rules->rule[step][i]) &&
				    !rules->rule[step][i]->observe)
					add_effect(p, rules->rule[step][i]);
	}
}

/* --- what stands in the columns ----------------------------------------------------------------- */

static bool
path(struct arena *arena, struct str address, struct mailbox *out)
{
	struct str text = arena_printf(arena, "<%.*s>", STR_ARG(address));
	struct err e;

	return mailbox_take(&text, true, true, out, &e) && text.n == 0;
}

static void
fill_session(struct session *s, struct arena *arena, const struct past_record *record)
{
	struct mailbox mailbox;

	ip_parse(record->client_ip, &s->client_ip);
	session_helo(s, record->helo, true);
	if (record->step >= STEP_MAIL && path(arena, record->sender, &mailbox))
		session_mail(s, &mailbox);
	if (record->step >= STEP_MAIL && record->recipient.n > 0 &&
	    path(arena, record->recipient, &mailbox))
		session_rcpt(s, &mailbox);
	s->txn.message.size = (uint64_t)record->size;
}

/* Whether these facts rest on nothing but columns, and on one that is there. */
static bool
is_of_columns(const char *name, const struct past_record *r)
{
	static const char *const of_sender[] = { "sender", "sender.domain", "sender.local",
		"sender.null" };

	if (strcmp(name, "client.ip") == 0)
		return r->client_ip.n > 0;
	if (strcmp(name, "helo") == 0)
		return r->helo.n > 0;
	if (strcmp(name, "message.size") == 0)
		return r->size > 0;
	for (size_t i = 0; i < sizeof(of_sender) / sizeof(of_sender[0]); i++)
		if (strcmp(name, of_sender[i]) == 0)
			return r->step >= STEP_MAIL;
	return (strcmp(name, "recipient") == 0 || strcmp(name, "recipient.domain") == 0) &&
	    r->step == STEP_RCPT && r->recipient.n > 0;
}

static void
know_columns(struct past *p, const struct past_record *record)
{
	const struct config *c = p->config;
	struct session s;
	struct ask ask;
	struct value value;

	session_init(&s, FRONT_PROXY, &c->facts, c->n_parts);
	fill_session(&s, p->arena, record);
	ask = session_ask(&s, p->step, 0);
	for (size_t slot = 0; slot < c->ruleset->n_calls; slot++) {
		const struct fact_call *call = c->ruleset->call[slot];
		const struct fact_def *def = call->entry->def;
		struct fact *fact;

		if (p->known[slot] || def->cost != COST_FREE || def->from > p->step ||
		    def->to < p->step || !is_of_columns(def->name, record) ||
		    fact_get(&ask, call, &value) != DONE)
			continue;
		fact = ARENA_NEW(p->arena, struct fact);
		*fact = (struct fact){ .call = *call, .step = p->step, .value = value };
		if (value.type == VALUE_TEXT || value.type == VALUE_SYMBOL)
			fact->value.text = arena_dup(p->arena, value.text);
		p->known[slot] = fact;
	}
	session_free(&s);
}

/* --- all of it ------------------------------------------------------------------------------------ */

struct past *
past_read(struct arena *arena, const struct config *config, const struct past_record *record)
{
	const struct json *facts = json_parse(arena, record->facts, NULL);
	const struct json *trace = json_parse(arena, record->trace, NULL), *last;
	const struct ruleset *rules = config->ruleset;
	struct past *p;

	if (facts == NULL || facts->type != JSON_OBJECT)
		return NULL;
	p = ARENA_NEW(arena, struct past);
	*p = (struct past){ .config = config, .step = record->step, .arena = arena };
	p->n = rules->n[record->step];
	p->rule = ARENA_ARRAY(arena, struct rule *, p->n + 1);
	for (size_t i = 0; i < p->n; i++)
		p->rule[i] = rules->rule[record->step][i];
	p->known = ARENA_ARRAY(arena, const struct fact *, rules->n_calls + 1);
	last = last_step(p, trace);
	read_effects(p, trace, last);
	for (size_t slot = 0; slot < rules->n_calls; slot++) {
		struct str name = past_name(p, slot);
		const struct json *value = member(facts, name);

		if (value)
			know(p, slot, value);
		/* What a rule was told counts most. */
		for (const struct json *e = last; e; e = e->next) {
			const struct json *told = json_get(e, "facts");

			for (const struct json *f = told ? told->first : NULL; f; f = f->next)
				if (str_eq(json_text(f, "fact"), name) && json_get(f, "value"))
					know(p, slot, json_get(f, "value"));
		}
	}
	know_columns(p, record);
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

struct past_result
past_decide(const struct past *p)
{
	struct arena *scratch = arena_new(SCRATCH_LIMIT);
	const struct ruleset *rules = p->config->ruleset;
	struct session session = p->session;
	struct ask ask = { .session = &session, .step = p->step, .arena = scratch };
	struct decision d = { 0 };
	struct evaluation ev = {
		.rules = rules, .ask = &ask, .arena = scratch, .out = &d, .closed = true
	};
	struct past_result result;

	ev.entry = ARENA_ARRAY(scratch, struct trace_entry, p->n + 1);
	ev.known = ARENA_ARRAY(scratch, const struct fact *, rules->n_calls + 1);
	memcpy(ev.known, p->known, rules->n_calls * sizeof(*ev.known));
	ev.fact = ARENA_ARRAY(scratch, const struct fact *, rules->n_asked[p->step] + 1);
	result = result_of(p, &ev, evaluation_rules(&ev, p->rule, p->n));
	arena_free(&scratch);
	return result;
}
