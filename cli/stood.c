#include "cli/stood.h"

#include "base/escape.h"
#include "db/journal_config.h"
#include "db/json.h"

#define TEXT_LIMIT (64 * 1024 * 1024)
#define OBSERVE STR("observe ")

struct search {
	const struct stood_question *q;
	struct arena *arena; /* of one configuration */
	struct str step, text;
	size_t n, before; /* so many have its text, and so many of them stand before it */
	struct buf *out;
};

struct str
stood_text(struct str source)
{
	return str_starts(source, OBSERVE) ? str_sub(source, OBSERVE.n, source.n) : source;
}

/* In the order in which the journal has them. */
static void
count(struct search *s)
{
	const struct rule *rule = s->q->rule;
	const struct ruleset *rules = s->q->rules;

	for (size_t i = 0, behind = 0; i < rules->n[rule->step]; i++) {
		const struct rule *r = rules->rule[rule->step][i];

		behind |= r == rule;
		if (!str_eq(stood_text(r->shown.source), s->text))
			continue;
		s->n++;
		s->before += !behind;
	}
}

static bool
is_it(const struct search *s, const struct json *rule)
{
	return str_eq(json_text(rule, "at"), s->step) &&
	    str_eq(stood_text(json_text(rule, "source")), s->text);
}

static const struct json *
find(const struct search *s, const struct json *rules)
{
	const struct json *same = NULL, *kth = NULL;
	size_t n = 0;

	for (const struct json *r = rules ? rules->first : NULL; r; r = r->next) {
		if (!is_it(s, r))
			continue;
		if (n++ == s->before)
			kth = r;
		if (str_eq(json_text(r, "rule"), s->q->rule->shown.id))
			same = r;
	}
	return n == s->n ? kth : same;
}

/* Whatever such entries say of that place, this rule said it. */
static bool
speaks_alone(const struct search *s, const struct json *rules, const struct json *it)
{
	bool itself = false;

	for (const struct json *r = rules->first; r; r = r->next) {
		if (!str_eq(json_text(r, "rule"), json_text(it, "rule")) ||
		    json_get(r, "digest") == NULL || json_yes(r, "observed") != s->q->observed)
			continue;
		if (r != it)
			return false;
		itself = true;
	}
	return itself;
}

static void
look(void *owner, struct str revision, struct str text)
{
	struct search *s = owner;
	const struct json *rules = json_get(json_parse(s->arena, text, NULL), "rules");
	const struct json *it = find(s, rules);

	if (it && speaks_alone(s, rules, it)) {
		buf_add(s->out, s->out->n > 1 ? STR(",") : STR(""));
		escape_json(s->out, revision);
		buf_addc(s->out, ':');
		escape_json(s->out, json_text(it, "rule"));
	}
	arena_reset(s->arena);
}

bool
stood_find(struct journal *journal, const struct stood_question *q, struct buf *out, struct err *e)
{
	struct search s = { .q = q, .arena = arena_new(TEXT_LIMIT), .out = out };
	bool ok;

	s.step = str_of(step_name(q->rule->step));
	s.text = stood_text(q->rule->shown.source);
	count(&s);
	buf_addc(out, '{');
	ok = journal_configurations(journal, look, &s, e);
	buf_addc(out, '}');
	arena_free(&s.arena);
	return ok;
}
