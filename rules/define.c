/*
 * define: `define NAME = condition`. Each is checked once, where it stands, whether or not it is used; what it
 * asks says at which steps it can be. A use is a copy of the condition in the rule's own, so that nothing of
 * the name is left when rules are evaluated.
 */
#include <stdio.h>

#include "rules/check.h"
#include "rules/literal.h"

enum state { STATE_NEW, STATE_BEGUN, STATE_RIGHT, STATE_WRONG };

struct definition {
	struct str name;
	struct token at;
	const struct token *said; /* the condition, up to TOKEN_END */
	struct expr *condition;
	struct definition *next;
	/* checked */
	enum state state;
	bool used;
	enum step from, to;
	struct token from_at, to_at; /* the facts that say so */
	size_t n_nodes, n_calls;
	unsigned depth;
	struct config_definition *kept; /* NULL: not yet */
};

static struct definition *
find(const struct load *load, struct str name)
{
	struct definition *d = load->definitions;

	while (d != NULL && !str_eq(d->name, name))
		d = d->next;
	return d;
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool
name_ok(struct load *load, const struct token *t)
{
	const struct definition *old = find(load, t->text);

	if (t->kind != TOKEN_WORD || is_reserved(t) || !ascii_isalpha(t->text.p[0]) ||
	    str_find(t->text, '/') != STR_NPOS) {
		COMPLAIN(load, t, "`define` wants a name behind it, not %s", SHOW(t));
		return false;
	}
	if (fact_find(&load->config->facts, t->text) != NULL || token_is(t, "client") ||
	    token_is(t, "score") || token_is(t, "hostname")) {
		COMPLAIN(load, t, "%s is a fact: give the condition another name", SHOW(t));
		return false;
	}
	if (old == NULL)
		return true;
	COMPLAIN(load, t, "%s is defined already, on %s", SHOW(t), PLACE(&old->at, t));
	return false;
}

void
define_read(struct load *load, const struct statement *s)
{
	struct cursor c = { load, s->token + 1 };
	struct definition *new;

	if (!name_ok(load, c.t))
		return;
	new = ARENA_NEW(load->arena, struct definition);
	new->at = *c.t++;
	new->name = new->at.text;
	new->next = load->definitions;
	load->definitions = new;
	/* with a mistake in it the name is there all the same, so that its uses are no mistakes */
	new->state = STATE_WRONG;
	if (!cursor_kind(&c, TOKEN_EQ)) {
		COMPLAIN(load, c.t,
		    "`=` belongs behind the name, not %s: `define NAME = condition`", SHOW(c.t));
		return;
	}
	new->said = c.t;
	new->condition = condition_parse(&c);
	if (new->condition != NULL && c.t->kind != TOKEN_END)
		COMPLAIN(load, c.t, "`and`, `or` or the end of the line belongs here, not %s",
		    SHOW(c.t));
	else if (new->condition != NULL)
		new->state = STATE_NEW;
}

/* --- checking ----------------------------------------------------------------------------------- */

static unsigned
depth_of(const struct expr *e)
{
	unsigned most = 0;

	if (e->kind == EXPR_AND || e->kind == EXPR_OR || e->kind == EXPR_NOT)
		for (const struct expr *child = e->child; child != NULL; child = child->next) {
			unsigned depth = depth_of(child) + 1;

			most = depth > most ? depth : most;
		}
	return most;
}

static bool
narrow(struct check *check, const struct token *at, enum step from, enum step to)
{
	struct definition *d = check->defining;

	if (from > d->from) {
		d->from = from;
		d->from_at = *at;
	}
	if (to < d->to) {
		d->to = to;
		d->to_at = *at;
	}
	if (d->from <= d->to)
		return true;
	COMPLAIN(
	    check->load, at, "no step knows both %s and %s", SHOW(&d->from_at), SHOW(&d->to_at));
	return false;
}

bool
define_narrow(struct check *check, const struct token *at, const struct fact_def *def)
{
	return narrow(check, at, def->from, def->to);
}

/* Once each; what it uses is checked before it. */
static void
check_one(struct check *check, struct definition *d)
{
	struct definition *outer = check->defining;
	struct rule *rule = check->rule, whole = { .step = STEP_MESSAGE };
	size_t n_nodes = check->n_nodes;
	bool ok;

	d->state = STATE_BEGUN;
	d->from = STEP_CONNECT;
	d->to = STEP_MESSAGE;
	check->defining = d;
	check->rule = &whole;
	check->n_nodes = 0;
	ok = expr_check(check, d->condition);
	d->n_nodes = check->n_nodes;
	d->n_calls = whole.n_calls;
	d->depth = ok ? depth_of(d->condition) : 0;
	d->state = ok ? STATE_RIGHT : STATE_WRONG;
	check->n_nodes = n_nodes;
	check->rule = rule;
	check->defining = outer;
}

void
define_check(struct check *check)
{
	for (struct definition *d = check->load->definitions; d != NULL; d = d->next)
		if (d->state == STATE_NEW)
			check_one(check, d);
}

static void
keep_token(struct config_definition *kept, const struct token *t)
{
	const char kind = (char)t->kind;

	kept->hash = str_hash(kept->hash, (struct str){ &kind, 1 });
	kept->hash = str_hash(kept->hash, t->text);
	kept->texts |= t->kind == TOKEN_TEXT || t->kind == TOKEN_REGEX || t->kind == TOKEN_OPEN ||
	    str_find(t->text, '@') != STR_NPOS;
}

/* Blanks and comments are no part of it. In the order in which they were checked, which says how deep they are. */
static const struct config_definition *
keep(struct load *load, struct definition *d, unsigned depth)
{
	if (d->kept != NULL)
		return d->kept;
	d->kept = ARENA_NEW(load->arena, struct config_definition);
	*d->kept = (struct config_definition){ .name = d->name, .hash = STR_HASH };
	for (const struct token *t = d->said; t->kind != TOKEN_END; t++) {
		struct definition *used = t->kind == TOKEN_WORD ? find(load, t->text) : NULL;

		if (t->kind != TOKEN_NEWLINE)
			keep_token(d->kept, t);
		/* A word that only reads like the name of one does no harm. */
		if (used != NULL && used != d && depth < NESTING_MAX) {
			const struct config_definition *inner = keep(load, used, depth + 1);

			d->kept->hash = str_hash(d->kept->hash ^ inner->hash, STR("="));
			d->kept->texts |= inner->texts;
		}
	}
	return d->kept;
}

void
define_finish(struct load *load)
{
	for (struct definition *d = load->definitions; d != NULL; d = d->next) {
		keep(load, d, 0);
		d->kept->next = load->config->definitions;
		load->config->definitions = d->kept;
	}
}

bool
define_has(const struct load *load, struct str name)
{
	return find(load, name) != NULL;
}

void
define_unused(const struct load *load)
{
	for (const struct definition *d = load->definitions; d != NULL; d = d->next)
		if (!d->used)
			REMARK(load, &d->at, LINT_UNUSED_NAME,
			    "nothing uses %s: " MEND "remove it, or write its name in a condition",
			    SHOW(&d->at));
}

void
define_suggest(const struct load *load, struct suggestion *near)
{
	for (const struct definition *d = load->definitions; d != NULL; d = d->next)
		suggest(near, d->name);
}

static struct expr *
copy_of(struct check *check, const struct expr *e)
{
	struct expr *copy = ARENA_NEW(check->load->arena, struct expr), **end;

	*copy = *e;
	copy->next = NULL;
	if (e->kind != EXPR_AND && e->kind != EXPR_OR && e->kind != EXPR_NOT)
		return copy;
	end = &copy->child;
	for (const struct expr *child = e->child; child != NULL; child = child->next) {
		*end = copy_of(check, child);
		end = &(*end)->next;
	}
	return copy;
}

/* What a copy asks, its rule asks; false: a mark that is not known there. */
static bool
take_over(struct check *check, const struct expr *e, const struct token *at)
{
	bool ok = true;

	if (e->kind == EXPR_TEST) {
		operand_used(check, &e->left);
		if (relation_has_right(e->relation))
			operand_used(check, &e->right);
	} else if (e->kind == EXPR_MARKED) {
		ok = mark_check(check, e, at);
	} else {
		for (const struct expr *child = e->child; child != NULL; child = child->next)
			ok = take_over(check, child, at) && ok;
	}
	return ok;
}

static bool
step_check(struct check *check, const struct definition *d, const struct token *at)
{
	enum step step = check->rule->step;
	bool early = step < d->from;
	const struct token *fact = early ? &d->from_at : &d->to_at;

	if (check->defining != NULL)
		return narrow(check, at, d->from, d->to);
	if (step >= d->from && step <= d->to)
		return true;
	COMPLAIN(check->load, at, "%s asks %s (%s), which is known only %s %s%s, not at %s",
	    SHOW(at), SHOW(fact), PLACE(fact, at), early ? "from" : "up to",
	    step_name(early ? d->from : d->to), early ? " on" : "", step_name(step));
	return false;
}

/* Said once of a condition. */
static bool
fits(struct check *check, const struct definition *d, const struct token *at)
{
	size_t before = check->n_nodes;

	check->n_nodes += d->n_nodes;
	if (d->depth < NESTING_MAX && check->n_nodes <= CONDITION_MAX)
		return true;
	if (before <= CONDITION_MAX)
		COMPLAIN(check->load, at,
		    "with %s the condition becomes too large: %d tests, and %d levels, are allowed",
		    SHOW(at), CONDITION_MAX, NESTING_MAX);
	return false;
}

static bool
use_check(struct check *check, struct definition *d, const struct token *at)
{
	if (d->state == STATE_BEGUN) {
		COMPLAIN(check->load, at, "%s is defined by itself", SHOW(at));
		return false;
	}
	if (d->state == STATE_NEW && check->n_defining == NESTING_MAX) {
		COMPLAIN(check->load, at, "nested too deeply: %d names within names are allowed",
		    NESTING_MAX);
		return false;
	}
	if (d->state == STATE_NEW) {
		check->n_defining++;
		check_one(check, d);
		check->n_defining--;
	}
	if (d->state == STATE_WRONG || !step_check(check, d, at))
		return false;
	return fits(check, d, at);
}

/* What is evaluated has no names left in it. */
static void
remember(struct check *check, struct str name)
{
	struct rule *rule = check->rule;
	struct defined *new;

	for (const struct defined *d = rule->defined; d; d = d->next)
		if (str_eq(d->name, name))
			return;
	new = ARENA_NEW(check->load->arena, struct defined);
	*new = (struct defined){ name, rule->defined };
	rule->defined = new;
}

bool
define_use(struct check *check, struct expr *e, bool *ok)
{
	const struct token at = e->left.at;
	struct expr *next = e->next;
	struct definition *d;

	if (e->relation != RELATION_TRUTH || at.kind != TOKEN_WORD || e->left.arg != NULL)
		return false;
	d = find(check->load, at.text);
	if (d == NULL)
		return false;
	d->used = true;
	*ok = use_check(check, d, &at);
	if (!*ok)
		return true;
	*e = *copy_of(check, d->condition);
	e->next = next;
	check->rule->n_calls += d->n_calls;
	if (check->defining == NULL) {
		*ok = take_over(check, e, &at);
		remember(check, d->name);
	}
	return true;
}
