/*
 * operand: facts with their arguments as rules name them, looked up and typed.
 */
#include <stdio.h>

#include "base/die.h"
#include "rules/check.h"
#include "rules/literal.h"

const char *
type_shown(enum value_type type)
{
	static const char *const names[] = {
		[VALUE_NONE] = "nothing",
		[VALUE_BOOL] = "yes or no",
		[VALUE_NUMBER] = "a number",
		[VALUE_REAL] = "a number",
		[VALUE_DURATION] = "a duration",
		[VALUE_TEXT] = "a text",
		[VALUE_SYMBOL] = "a word",
		[VALUE_IP] = "an address",
		[VALUE_LIST] = "a list",
		[VALUE_RANGE] = "a range",
	};

	return names[type];
}

const char *
words_shown(const char *const *words, char out[WORDS_SHOWN])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; words[i] != NULL && n < WORDS_SHOWN; i++) {
		const char *joint = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";

		n += (size_t)snprintf(out + n, WORDS_SHOWN - n, "%s%s", joint, words[i]);
	}
	return out;
}

/* "rate(key, what, window)": what is optional stands in brackets. */
static const char *
signature(const struct fact_def *def, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "%s(", def->name);

	for (size_t i = 0; i < FACT_PARAMS && def->params[i].name != NULL && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s%s%s", i ? ", " : "",
		    def->params[i].optional ? "[" : "", def->params[i].name,
		    def->params[i].optional ? "]" : "");
	if (n < size)
		snprintf(out + n, size - n, ")");
	return out;
}

static bool
symbol_arg(struct check *check, const struct fact_def *def, const struct fact_param *param,
    const struct token *t, struct value *out)
{
	struct suggestion near;
	char words[WORDS_SHOWN];

	suggest_begin(&near, t->text);
	for (size_t i = 0; param->symbols[i] != NULL; i++) {
		if (token_is(t, param->symbols[i])) {
			*out = value_symbol(param->symbols[i]);
			return true;
		}
		suggest(&near, str_of(param->symbols[i]));
	}
	COMPLAIN(check->load, t, "`%s` of `%s` is %s, not %s%s", param->name, def->name,
	    words_shown(param->symbols, words), SHOW(t), suggest_end(&near));
	return false;
}

static bool
arg_check(struct check *check, const struct fact_def *def, const struct fact_param *param,
    const struct token *t, struct value *out)
{
	int64_t ms;

	switch (param->type) {
	case VALUE_SYMBOL:
		return symbol_arg(check, def, param, t, out);
	case VALUE_TEXT:
		*out = value_text(token_value(t, check->load->arena));
		/* an address, or several as in 127.0.0.2..11, needs no quotes */
		if (t->kind == TOKEN_TEXT ||
		    (t->kind == TOKEN_WORD && literal_numeric(t->text) &&
			str_find(t->text, '.') != STR_NPOS))
			return true;
		COMPLAIN(check->load, t, "`%s` of `%s` is a text in quotes, not %s", param->name,
		    def->name, SHOW(t));
		return false;
	case VALUE_NUMBER:
		out->type = VALUE_NUMBER;
		if (t->kind == TOKEN_WORD && literal_number(t->text, &out->number))
			return true;
		COMPLAIN(check->load, t, "`%s` of `%s` is a number, not %s", param->name, def->name,
		    SHOW(t));
		return false;
	case VALUE_DURATION:
		out->type = VALUE_DURATION;
		if (t->kind == TOKEN_WORD && literal_duration(t->text, &ms) && ms % 1000 == 0) {
			out->number = ms / 1000;
			return true;
		}
		COMPLAIN(check->load, t,
		    "`%s` of `%s` is a duration in whole seconds, such as 1h, not %s", param->name,
		    def->name, SHOW(t));
		return false;
	default:
		panic("fact %s has a parameter of type %s", def->name, type_shown(param->type));
	}
}

static bool
args_check(struct check *check, const struct operand *o, struct fact_call *call)
{
	const struct fact_def *def = call->entry->def;
	size_t least = 0, most = 0;
	char text[256];

	while (def->params != NULL && most < FACT_PARAMS && def->params[most].name != NULL)
		least += !def->params[most++].optional;
	if (o->n_args > most && most == 0) {
		COMPLAIN(check->load, &o->arg[0], "`%s` takes no arguments", def->name);
		return false;
	}
	if (o->n_args < least || o->n_args > most) {
		COMPLAIN(check->load, &o->at, "`%s` is written %s; it has %zu argument%s here",
		    def->name, signature(def, text, sizeof text), o->n_args,
		    o->n_args == 1 ? "" : "s");
		return false;
	}
	call->n_args = o->n_args;
	for (size_t i = 0; i < o->n_args; i++)
		if (!arg_check(check, def, &def->params[i], &o->arg[i], &call->arg[i]))
			return false;
	return true;
}

static bool
step_check(struct check *check, const struct operand *o, const struct fact_def *def)
{
	enum step step = check->rule->step;
	char span[64];

	if (check->defining != NULL)
		return define_narrow(check, &o->at, def);
	if (step >= def->from && step <= def->to)
		return true;
	if (def->from == def->to)
		snprintf(span, sizeof span, "only at %s", step_name(def->from));
	else if (def->to == STEP_MESSAGE)
		snprintf(span, sizeof span, "only from %s on", step_name(def->from));
	else
		snprintf(span, sizeof span, "only from %s to %s", step_name(def->from),
		    step_name(def->to));
	COMPLAIN(
	    check->load, &o->at, "`%s` is known %s, not at %s", def->name, span, step_name(step));
	return false;
}

/* Another fact's word, as in `spf is fail or softfail`; NULL: of none. */
static const struct fact_def *
fact_of_word(const struct fact_table *table, const struct token *t)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct fact_def *def = table->entry[i].def;

		for (size_t k = 0; def->symbols != NULL && def->symbols[k] != NULL; k++)
			if (token_is(t, def->symbols[k]))
				return def;
	}
	return NULL;
}

/* `country` for `client.country`. */
static void
suggest_tail(struct suggestion *near, const char *name)
{
	const char *dot = strchr(name, '.');

	if (near->best.n == 0 && dot != NULL && str_eq(near->word, str_of(dot + 1)))
		near->best = str_of(name);
}

/* Whether it is what is written otherwise, which is said. */
static bool
unknown_known(struct check *check, const struct token *t)
{
	const struct fact_def *def = fact_of_word(&check->load->config->facts, t);

	if (def != NULL)
		COMPLAIN(check->load, t,
		    "%s is no fact, but what one can be: write it behind one, such as "
		    "`%s is %.*s`",
		    SHOW(t), def->name, STR_ARG(t->text));
	else if (str_starts(t->text, STR("header.")) || token_is(t, "subject"))
		COMPLAIN(check->load, t,
		    "unknown fact %s; write a header field as header(\"Subject\")", SHOW(t));
	else
		return false;
	return true;
}

static void
unknown_fact(struct check *check, const struct token *t)
{
	const struct fact_table *table = &check->load->config->facts;
	struct suggestion near;

	suggest_begin(&near, t->text);
	for (size_t i = 0; i < table->n; i++)
		suggest(&near, str_of(table->entry[i].def->name));
	suggest(&near, STR("score"));
	suggest(&near, STR("hostname"));
	define_suggest(check->load, &near);
	if (strpbrk(arena_dup(check->load->arena, t->text).p, "+*/") != NULL) {
		COMPLAIN(check->load, t,
		    "unknown fact %s; to compute, write blanks around `+`, `-`, `*` and `/`",
		    SHOW(t));
		return;
	}
	if (define_has(check->load, t->text)) {
		COMPLAIN(check->load, t,
		    "%s is a condition: it stands alone, or behind `not`, and is compared with nothing",
		    SHOW(t));
		return;
	}
	for (size_t i = 0; i < table->n; i++)
		suggest_tail(&near, table->entry[i].def->name);
	if (near.best.n == 0 && unknown_known(check, t))
		return;
	COMPLAIN(check->load, t, "unknown fact %s%s", SHOW(t), suggest_end(&near));
}

/* The slot of a call: equal calls share one. */
static size_t
slot_of(struct check *check, const struct fact_call *call)
{
	struct buf b;
	size_t n = check->calls.n, slot;

	buf_init(&b, 64 * 1024);
	fact_call_print(call, &b);
	slot = intern_add(&check->calls, buf_str(&b));
	buf_free(&b);
	if (slot == n) {
		if (n == check->cap_calls) {
			check->cap_calls = n ? n * 2 : 64;
			check->call = xrealloc(check->call, check->cap_calls * sizeof *check->call);
		}
		check->call[slot] = *call;
	}
	return slot;
}

static const struct fact_entry *
entry_of(struct check *check, struct str word)
{
	const struct fact_table *table = &check->load->config->facts;
	const struct fact_entry *entry = fact_find(table, word);

	/* the one abbreviation: a client is its address */
	if (entry == NULL && str_eq(word, STR("client")))
		entry = fact_find(table, STR("client.ip"));
	return entry;
}

bool
operand_exists(struct check *check, struct str word)
{
	return str_eq(word, STR("score")) || str_eq(word, STR("hostname")) ||
	    entry_of(check, word) != NULL;
}

static bool
builtin_check(struct check *check, struct operand *o)
{
	if (token_is(&o->at, "score")) {
		o->kind = OPERAND_SCORE;
		o->type = VALUE_NUMBER;
	} else {
		o->kind = OPERAND_VALUE;
		o->type = VALUE_TEXT;
		o->value = value_text(str_of(check->load->config->core.hostname));
	}
	if (o->n_args == 0)
		return true;
	COMPLAIN(check->load, &o->arg[0], "`%.*s` takes no arguments", STR_ARG(o->at.text));
	return false;
}

void
operand_used(struct check *check, const struct operand *o)
{
	if (o->kind == OPERAND_COMPUTED)
		for (const struct term *t = o->term; t != NULL; t = t->next)
			operand_used(check, &t->operand);
	if (o->kind == OPERAND_FACT && check->defining == NULL)
		check->rules->asked[check->rule->step][check->call[o->slot].entry->stage] = true;
}

bool
operand_check(struct check *check, struct operand *o)
{
	struct fact_call call = { 0 };
	struct err e = { 0 };

	if (o->term != NULL)
		return arith_check(check, o);
	if (o->at.kind != TOKEN_WORD || literal_numeric(o->at.text)) {
		COMPLAIN(
		    check->load, &o->at, "the name of a fact belongs here, not %s", SHOW(&o->at));
		return false;
	}
	if (token_is(&o->at, "score") || token_is(&o->at, "hostname"))
		return builtin_check(check, o);
	call.entry = entry_of(check, o->at.text);
	if (call.entry == NULL) {
		unknown_fact(check, &o->at);
		return false;
	}
	if (!step_check(check, o, call.entry->def) || !args_check(check, o, &call))
		return false;
	if (call.entry->def->check != NULL && !call.entry->def->check(&call, &e)) {
		COMPLAIN(check->load, &o->at, "%s", e.text);
		return false;
	}
	o->kind = OPERAND_FACT;
	o->type = call.entry->def->type;
	o->slot = slot_of(check, &call);
	operand_used(check, o);
	return true;
}
