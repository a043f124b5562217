/* A trace as it is kept, told in full: the numbers become rules and facts again. */
#include <stdlib.h>

#include "base/escape.h"
#include "db/json.h"
#include "rules/policy.h"
#include "rules/record.h"

/* What an expanded trace may come to. */
#define EXPANDED_MAX (8 * 1024 * 1024)

struct expansion {
	const struct json *rules, *calls; /* of the configuration */
	const struct json *facts, *us;    /* of the entry */
	const struct json *step;
	struct buf out;
	size_t n;
};

static const struct json *
nth(const struct json *list, size_t n)
{
	const struct json *item = list ? list->first : NULL;

	while (item && n-- > 0)
		item = item->next;
	return item;
}

static const struct json *
named(const struct json *object, struct str name)
{
	const struct json *m = object && object->type == JSON_OBJECT ? object->first : NULL;

	while (m && !str_eq(m->name, name))
		m = m->next;
	return m;
}

static void
fact(struct expansion *x, size_t slot, bool first)
{
	const struct json *call = nth(x->calls, slot), *value, *us;

	if (call == NULL)
		return;
	value = named(json_get(x->step, "own"), call->text);
	if (value == NULL)
		value = named(x->facts, call->text);
	us = named(x->us, call->text);
	buf_add(&x->out, first ? STR("{\"fact\":") : STR(",{\"fact\":"));
	escape_json(&x->out, call->text);
	buf_add(&x->out, STR(",\"value\":"));
	if (value)
		json_write(value, &x->out);
	else
		buf_add(&x->out, STR("null"));
	if (us && us->type == JSON_NUMBER) {
		buf_add(&x->out, STR(",\"us\":"));
		buf_add(&x->out, us->text);
	}
	buf_addc(&x->out, '}');
}

/* How the rule reads, up to its facts; the caller closes it. */
static void
rule(struct expansion *x, const struct json *of, bool hit)
{
	if (x->n++ > 0)
		buf_addc(&x->out, ',');
	buf_add(&x->out, STR("{\"step\":"));
	escape_json(&x->out, json_text(x->step, "at"));
	/* One that is not among the entry's. */
	if (json_text(x->step, "to").n > 0) {
		buf_add(&x->out, STR(",\"recipient\":"));
		escape_json(&x->out, json_text(x->step, "to"));
	}
	buf_add(&x->out, STR(",\"rule\":"));
	escape_json(&x->out, json_text(of, "rule"));
	buf_add(&x->out, STR(",\"source\":"));
	escape_json(&x->out, json_text(of, "source"));
	buf_add(&x->out, STR(",\"action\":"));
	escape_json(&x->out, json_text(of, "action"));
	buf_add(&x->out, hit ? STR(",\"hit\":true") : STR(",\"hit\":false"));
	buf_add(&x->out,
	    json_yes(of, "observed") ? STR(",\"observed\":true,\"facts\":[")
				     : STR(",\"observed\":false,\"facts\":["));
}

/* Closes what rule() began. */
static void
rule_end(struct expansion *x, bool gave_up)
{
	buf_add(&x->out, gave_up ? STR("],\"gave_up\":true}") : STR("]}"));
}

/* "0 3*" */
static void
tried_rule(struct expansion *x, const struct json *of, struct str tried)
{
	bool gave_up = str_ends(tried, STR("!")), hit;
	struct str slot;
	size_t n = 0;

	tried = str_sub(tried, 0, tried.n - gave_up);
	hit = str_ends(tried, STR("*"));
	rule(x, of, hit);
	tried = str_sub(tried, 0, tried.n - hit);
	while (tried.n > 0 && str_pop(&tried, ' ', &slot)) {
		uint64_t number;

		if (str_to_u64(slot, 100000, &number))
			fact(x, (size_t)number, n++ == 0);
	}
	rule_end(x, gave_up);
}

/* The next of the configuration's rules that is of this step. */
static const struct json *
of_step(const struct json *rule, struct str step)
{
	while (rule && !str_eq(json_text(rule, "at"), step))
		rule = rule->next;
	return rule;
}

static void
tried(struct expansion *x)
{
	struct str step = json_text(x->step, "at"), rest = json_text(x->step, "tried"), one;
	const struct json *of = of_step(x->rules ? x->rules->first : NULL, step);

	if (json_get(x->step, "tried") == NULL)
		return;
	while (str_pop(&rest, '|', &one)) {
		/* in a block that was passed over */
		if (!str_eq(one, STR("-")))
			tried_rule(x, of, one);
		of = of ? of_step(of->next, step) : NULL;
	}
}

static void
slots(struct expansion *x, const struct json *list)
{
	for (const struct json *s = list ? list->first : NULL; s; s = s->next) {
		uint64_t number;

		if (str_to_u64(s->text, 100000, &number))
			fact(x, (size_t)number, s == list->first);
	}
}

static void
alike(struct expansion *x)
{
	static struct json action = {
		.type = JSON_STRING, .name = STR("action"), .text = STR("defer")
	};
	static struct json source = { .type = JSON_STRING,
		.name = STR("source"),
		.text = STR(POLICY_ALIKE),
		.next = &action };
	static struct json name = {
		.type = JSON_STRING, .name = STR("rule"), .text = STR(POLICY_RULE), .next = &source
	};
	static const struct json policy = { .type = JSON_OBJECT, .first = &name };

	if (json_get(x->step, "alike") == NULL)
		return;
	rule(x, &policy, false);
	slots(x, json_get(x->step, "alike"));
	rule_end(x, false);
}

static void
also(struct expansion *x)
{
	const struct json *list = json_get(x->step, "also");

	for (const struct json *e = list ? list->first : NULL; e; e = e->next) {
		rule(x, e, json_yes(e, "hit"));
		slots(x, json_get(e, "facts"));
		rule_end(x, json_yes(e, "gave_up"));
	}
}

static void
cut(struct expansion *x)
{
	buf_printf(&x->out, x->n++ > 0 ? ",{\"cut\":%lld}" : "{\"cut\":%lld}",
	    (long long)json_number(x->step, "cut"));
}

struct str
record_expand(struct arena *arena, struct str configuration, struct str facts, struct str trace)
{
	const struct json *steps = json_parse(arena, trace, NULL), *conf;
	struct expansion x = { 0 };
	struct str out;

	if (steps == NULL || json_get(steps->first, "format") == NULL)
		return trace;
	conf = json_parse(arena, configuration, NULL);
	x.rules = json_get(conf, "rules");
	x.calls = json_get(conf, "facts");
	x.facts = json_parse(arena, facts, NULL);
	x.us = json_get(steps->first, "us");
	buf_init(&x.out, EXPANDED_MAX);
	buf_addc(&x.out, '[');
	for (x.step = steps->first->next; x.step; x.step = x.step->next) {
		if (json_get(x.step, "cut"))
			cut(&x);
		tried(&x);
		alike(&x);
		also(&x);
	}
	buf_addc(&x.out, ']');
	out = x.out.over ? trace : arena_dup(arena, buf_str(&x.out));
	buf_free(&x.out);
	return out;
}
