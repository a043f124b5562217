/*
 * parse: a statement inside of `at STEP { }` becomes a rule. Knows the grammar (docs/language.md)
 * and no fact; the first mistake ends its statement.
 */
#include "rules/literal.h"
#include "rules/rule.h"

static struct expr *parse_or(struct cursor *c, unsigned depth);

bool
cursor_word(struct cursor *c, const char *word)
{
	if (!token_is(c->t, word))
		return false;
	c->t++;
	return true;
}

bool
cursor_kind(struct cursor *c, enum token_kind kind)
{
	if (c->t->kind != kind)
		return false;
	c->t++;
	return true;
}

bool
cursor_end(struct cursor *c)
{
	if (c->t->kind == TOKEN_END)
		return true;
	COMPLAIN(
	    c->load, c->t, "%s is too much here: the statement is complete before it", SHOW(c->t));
	return false;
}

bool
action_ends(enum action action)
{
	return action <= ACTION_REJECT;
}

const char *
action_name(enum action action)
{
	static const char *const names[] = { "accept", "accept", "tempfail", "reject", "score",
		"mark", "add header", "delay", "if", "else if", "else", "for" };

	return names[action];
}

static const char *const reserved[] = { "and", "or", "not", "if", "is", "in", "contains", "starts",
	"ends", "marked", "with", "matches" };

bool
is_reserved(const struct token *t)
{
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
		if (token_is(t, reserved[i]))
			return true;
	return false;
}

/* Up to the `)`; each argument is one word or one text. */
static bool
parse_args(struct cursor *c, struct operand *out)
{
	struct token *arg = ARENA_ARRAY(c->load->arena, struct token, FACT_PARAMS);

	out->arg = arg;
	if (cursor_kind(c, TOKEN_RIGHT))
		return true;
	for (;;) {
		if (c->t->kind != TOKEN_WORD && c->t->kind != TOKEN_TEXT) {
			COMPLAIN(c->load, c->t, "an argument of `%.*s` belongs here, not %s",
			    STR_ARG(out->at.text), SHOW(c->t));
			return false;
		}
		if (out->n_args == FACT_PARAMS) {
			COMPLAIN(
			    c->load, c->t, "no fact takes more than %d arguments", FACT_PARAMS);
			return false;
		}
		arg[out->n_args++] = *c->t++;
		if (cursor_kind(c, TOKEN_RIGHT))
			return true;
		if (!cursor_kind(c, TOKEN_COMMA)) {
			COMPLAIN(c->load, c->t, "`,` or `)` belongs here, not %s", SHOW(c->t));
			return false;
		}
	}
}

bool
operand_parse(struct cursor *c, struct operand *out)
{
	*out = (struct operand){ .at = *c->t };
	if (c->t->kind != TOKEN_WORD && c->t->kind != TOKEN_TEXT) {
		COMPLAIN(c->load, c->t, "a fact or a value belongs here, not %s", SHOW(c->t));
		return false;
	}
	if (is_reserved(c->t)) {
		COMPLAIN(c->load, c->t,
		    "a fact or a value belongs here; `%.*s` is a word of the"
		    " language",
		    STR_ARG(c->t->text));
		return false;
	}
	c->t++;
	if (out->at.kind == TOKEN_WORD && cursor_kind(c, TOKEN_LEFT))
		return parse_args(c, out);
	return true;
}

/* A name, or { ... }, which is kept as it is: the checker knows what may stand in it. */
static bool
parse_set(struct cursor *c, struct expr *test)
{
	test->set = c->t;
	if (cursor_kind(c, TOKEN_WORD))
		return true;
	if (!cursor_kind(c, TOKEN_OPEN)) {
		COMPLAIN(c->load, c->t,
		    "`in` wants the name of a list or a list in braces, such as { \"example.net\" }, not %s",
		    SHOW(c->t));
		return false;
	}
	while (c->t->kind != TOKEN_CLOSE && c->t->kind != TOKEN_END)
		c->t++;
	if (cursor_kind(c, TOKEN_CLOSE))
		return true;
	COMPLAIN(c->load, test->set, "the `}` of this list is missing");
	return false;
}

static bool
parse_regex(struct cursor *c, struct expr *test)
{
	test->relation = RELATION_MATCHES;
	test->set = c->t;
	if (cursor_kind(c, TOKEN_REGEX))
		return true;
	COMPLAIN(c->load, c->t,
	    "`matches` wants a regular expression between slashes, such as /^dyn-/i, not %s",
	    SHOW(c->t));
	return false;
}

/* Of two words: `starts with`. */
static bool
parse_with(struct cursor *c)
{
	if (cursor_word(c, "with"))
		return true;
	COMPLAIN(c->load, c->t, "`with` belongs here, not %s", SHOW(c->t));
	return false;
}

static bool
parse_is(struct cursor *c, struct expr *test)
{
	test->negated = cursor_word(c, "not");
	if (cursor_word(c, "in")) {
		test->relation = RELATION_IN;
		return parse_set(c, test);
	}
	test->relation = RELATION_IS;
	return arith_parse(c, &test->right);
}

static bool
parse_symbol(struct cursor *c, struct expr *test)
{
	static const struct {
		enum token_kind kind;
		enum relation relation;
		bool negated;
	} table[] = {
		{ TOKEN_EQ, RELATION_IS, false },
		{ TOKEN_NE, RELATION_IS, true },
		{ TOKEN_LT, RELATION_LESS, false },
		{ TOKEN_LE, RELATION_LESS_EQUAL, false },
		{ TOKEN_GT, RELATION_MORE, false },
		{ TOKEN_GE, RELATION_MORE_EQUAL, false },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (cursor_kind(c, table[i].kind)) {
			test->relation = table[i].relation;
			test->negated = table[i].negated;
			return arith_parse(c, &test->right);
		}
	test->relation = RELATION_TRUTH;
	return true;
}

static bool
parse_relation(struct cursor *c, struct expr *test)
{
	test->relation_at = *c->t;
	if (cursor_word(c, "is"))
		return parse_is(c, test);
	if (token_is(c->t, "not") || token_is(c->t, "in") || token_is(c->t, "matches")) {
		test->negated = cursor_word(c, "not");
		if (cursor_word(c, "matches"))
			return parse_regex(c, test);
		test->relation = RELATION_IN;
		if (cursor_word(c, "in"))
			return parse_set(c, test);
		COMPLAIN(c->load, c->t, "`in` or `matches` belongs behind `not` here, not %s",
		    SHOW(c->t));
		return false;
	}
	if (cursor_word(c, "contains")) {
		test->relation = RELATION_CONTAINS;
		return arith_parse(c, &test->right);
	}
	if (cursor_word(c, "starts")) {
		test->relation = RELATION_STARTS;
		return parse_with(c) && arith_parse(c, &test->right);
	}
	if (cursor_word(c, "ends")) {
		test->relation = RELATION_ENDS;
		return parse_with(c) && arith_parse(c, &test->right);
	}
	return parse_symbol(c, test);
}

static struct expr *
expr_new(struct cursor *c, enum expr_kind kind)
{
	struct expr *e = ARENA_NEW(c->load->arena, struct expr);

	e->kind = kind;
	return e;
}

static struct expr *
parse_marked(struct cursor *c)
{
	struct expr *e = expr_new(c, EXPR_MARKED);

	e->mark_at = *c->t;
	e->mark = c->t->text;
	if (cursor_kind(c, TOKEN_WORD))
		return e;
	COMPLAIN(c->load, c->t, "the name of a mark belongs here, not %s", SHOW(c->t));
	return NULL;
}

static struct expr *
parse_parens(struct cursor *c, unsigned depth)
{
	const struct token *open = c->t++;
	struct expr *e = parse_or(c, depth + 1);

	if (e == NULL || cursor_kind(c, TOKEN_RIGHT))
		return e;
	if (c->t->kind == TOKEN_END)
		COMPLAIN(c->load, open, "the `)` of this `(` is missing");
	else
		COMPLAIN(c->load, c->t, "`and`, `or` or `)` belongs here, not %s", SHOW(c->t));
	return NULL;
}

/* Whether the parentheses that open here hold a part of a sum, and no condition: seen by what is behind them. */
static bool
is_sum(const struct token *t)
{
	static const char *const relations[] = { "is", "in", "not", "matches", "contains", "starts",
		"ends" };
	size_t depth = 0;

	do {
		if (t->kind == TOKEN_END)
			return false;
		depth += t->kind == TOKEN_LEFT;
		depth -= t->kind == TOKEN_RIGHT;
		t++;
	} while (depth > 0);
	for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++)
		if (token_is(t, relations[i]))
			return true;
	return arith_is_op(t) || (t->kind >= TOKEN_EQ && t->kind <= TOKEN_GE);
}

static struct expr *
parse_term(struct cursor *c, unsigned depth)
{
	struct expr *e;

	if (depth > NESTING_MAX) {
		COMPLAIN(c->load, c->t, "nested too deeply: %d levels are allowed", NESTING_MAX);
		return NULL;
	}
	if (cursor_word(c, "not")) {
		e = expr_new(c, EXPR_NOT);
		e->child = parse_term(c, depth + 1);
		return e->child ? e : NULL;
	}
	if (c->t->kind == TOKEN_LEFT && !is_sum(c->t))
		return parse_parens(c, depth);
	if (cursor_word(c, "marked"))
		return parse_marked(c);
	e = expr_new(c, EXPR_TEST);
	return arith_parse(c, &e->left) && parse_relation(c, e) ? e : NULL;
}

/* One or more of what `part` reads, joined by a word; a single one stands for itself. */
static struct expr *
parse_joined(struct cursor *c, unsigned depth, enum expr_kind kind,
    struct expr *(*part)(struct cursor *c, unsigned depth))
{
	struct expr *first = part(c, depth), *all, **end;

	if (first == NULL || !token_is(c->t, kind == EXPR_AND ? "and" : "or"))
		return first;
	all = expr_new(c, kind);
	all->child = first;
	end = &first->next;
	while (cursor_word(c, kind == EXPR_AND ? "and" : "or")) {
		*end = part(c, depth);
		if (*end == NULL)
			return NULL;
		end = &(*end)->next;
	}
	return all;
}

static struct expr *
parse_and(struct cursor *c, unsigned depth)
{
	return parse_joined(c, depth, EXPR_AND, parse_term);
}

static struct expr *
parse_or(struct cursor *c, unsigned depth)
{
	return parse_joined(c, depth, EXPR_OR, parse_and);
}

static bool
parse_text(struct cursor *c, struct rule *rule, const char *whose)
{
	const struct token *t = c->t;

	if (!cursor_kind(c, TOKEN_TEXT)) {
		COMPLAIN(
		    c->load, t, "the text of `%s` belongs here, in quotes, not %s", whose, SHOW(t));
		return false;
	}
	rule->text = text_parse(c->load, t);
	return rule->text != NULL;
}

/* The code has the class of the verb, the enhanced code that of the code (RFC 3463 2). */
static bool
parse_codes(struct cursor *c, struct rule *rule)
{
	const char *verb = action_name(rule->action);
	char class = rule->action == ACTION_TEMPFAIL ? '4' : '5';
	struct str s = c->t->text;
	int64_t code;

	if (c->t->kind != TOKEN_WORD || s.n != 3 || !literal_number(s, &code) || s.p[0] != class ||
	    s.p[1] > '5') {
		COMPLAIN(c->load, c->t,
		    "`%s` wants a code from %c00 to %c59 here, such as %s, not %s", verb, class,
		    class, class == '4' ? "451" : "550", SHOW(c->t));
		return false;
	}
	c->t++;
	rule->code = (int)code;
	s = c->t->text;
	if (c->t->kind != TOKEN_WORD || !literal_enhanced(s) || s.p[0] != class) {
		COMPLAIN(c->load, c->t, "an enhanced code such as %c.7.1 belongs behind %d, not %s",
		    class, rule->code, SHOW(c->t));
		return false;
	}
	str_copy(s, rule->enhanced, sizeof rule->enhanced);
	c->t++;
	return parse_text(c, rule, verb);
}

static bool
parse_score(struct cursor *c, struct rule *rule)
{
	if (c->t->kind == TOKEN_WORD && literal_number(c->t->text, &rule->score) &&
	    rule->score >= -1000000 && rule->score <= 1000000) {
		c->t++;
		return true;
	}
	COMPLAIN(c->load, c->t, "`score` wants a whole number such as 2 or -1, not %s", SHOW(c->t));
	return false;
}

static bool
parse_delay(struct cursor *c, struct rule *rule)
{
	if (c->t->kind == TOKEN_WORD && literal_duration(c->t->text, &rule->delay) &&
	    rule->delay > 0 && rule->delay <= DELAY_MAX) {
		c->t++;
		return true;
	}
	COMPLAIN(
	    c->load, c->t, "`delay` wants a duration such as 5s, up to 5m, not %s", SHOW(c->t));
	return false;
}

static bool
parse_mark(struct cursor *c, struct rule *rule)
{
	rule->name_at = *c->t;
	rule->name = c->t->text;
	if (c->t->kind == TOKEN_WORD && !is_reserved(c->t)) {
		c->t++;
		return true;
	}
	COMPLAIN(c->load, c->t, "`mark` wants a name, not %s", SHOW(c->t));
	return false;
}

/* A field name (RFC 5322 2.2): printable, no colon. */
static bool
field_name_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ':')
			return false;
	return name.n > 0 && name.n <= 76;
}

static bool
parse_header(struct cursor *c, struct rule *rule)
{
	const struct token *t = c->t;

	if (!cursor_kind(c, TOKEN_TEXT)) {
		COMPLAIN(c->load, t, "the name of the header field belongs here, in quotes, not %s",
		    SHOW(t));
		return false;
	}
	rule->name_at = *t;
	rule->name = token_value(t, c->load->arena);
	if (!field_name_ok(rule->name)) {
		COMPLAIN(c->load, t,
		    "%s is no name of a header field: write it without blanks and colon", SHOW(t));
		return false;
	}
	return parse_text(c, rule, "add header");
}

static bool
parse_action(struct cursor *c, struct rule *rule)
{
	static const char *const words[] = { "observe", "accept", "tempfail", "reject", "score",
		"mark", "add", "delay" };
	/* as it is called elsewhere */
	static const struct {
		const char *word, *ours;
	} elsewhere[] = { { "allow", "accept" }, { "block", "reject" }, { "defer", "tempfail" },
		{ "deny", "reject" }, { "elif", "else if" }, { "elseif", "else if" },
		{ "elsif", "else if" }, { "header", "add header" }, { "pass", "accept" },
		{ "permit", "accept" }, { "refuse", "reject" }, { "set", "mark" } };
	struct suggestion near;

	if (cursor_word(c, "accept")) {
		rule->action = cursor_word(c, "session") ? ACTION_ACCEPT_SESSION : ACTION_ACCEPT;
		return true;
	}
	if (cursor_word(c, "tempfail")) {
		rule->action = ACTION_TEMPFAIL;
		return parse_codes(c, rule);
	}
	if (cursor_word(c, "reject")) {
		rule->action = ACTION_REJECT;
		return parse_codes(c, rule);
	}
	if (cursor_word(c, "score")) {
		rule->action = ACTION_SCORE;
		return parse_score(c, rule);
	}
	if (cursor_word(c, "mark")) {
		rule->action = ACTION_MARK;
		return parse_mark(c, rule);
	}
	if (cursor_word(c, "delay")) {
		rule->action = ACTION_DELAY;
		return parse_delay(c, rule);
	}
	if (token_is(c->t, "add") && token_is(c->t + 1, "header")) {
		c->t += 2;
		rule->action = ACTION_ADD_HEADER;
		return parse_header(c, rule);
	}
	suggest_begin(&near, c->t->text);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		suggest(&near, str_of(words[i]));
	for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
		if (token_is(c->t, elsewhere[i].word))
			near.best = str_of(elsewhere[i].ours);
	COMPLAIN(c->load, c->t,
	    "a rule begins with accept, tempfail, reject, score, mark, delay or add header, not "
	    "%s%s",
	    SHOW(c->t), suggest_end(&near));
	return false;
}

/* The statement as written, on one line: what stands between tokens becomes one blank, or nothing. */
static struct str
one_line(struct load *load, const struct statement *s)
{
	const char *end = NULL;
	struct buf b;
	struct str out;

	buf_init(&b, CONFIG_FILE_MAX);
	for (size_t i = 0; i < s->n; i++) {
		struct str raw = token_raw(&s->token[i]);

		if (end != NULL && end < raw.p)
			buf_addc(&b, ' ');
		buf_add(&b, raw);
		end = raw.p + raw.n;
	}
	out = arena_dup(load->arena, buf_str(&b));
	buf_free(&b);
	return out;
}

/* Something stands where the rule could have ended. */
static void
rule_goes_on(struct cursor *c, const struct rule *rule)
{
	struct suggestion near;

	suggest_begin(&near, c->t->text);
	if (rule->condition != NULL) {
		COMPLAIN(c->load, c->t, "`and`, `or` or the end of the rule belongs here, not %s%s",
		    SHOW(c->t),
		    c->t->kind == TOKEN_WORD && strchr("+-*/", c->t->text.p[0])
			? ": to compute, write blanks around `+`, `-`, `*` and `/`"
			: "");
		return;
	}
	if (rule->action == ACTION_ACCEPT)
		suggest(&near, STR("session"));
	COMPLAIN(c->load, c->t, "`if` or the end of the rule belongs here, not %s%s", SHOW(c->t),
	    suggest_end(&near));
}

void
rule_begin(struct load *load, struct rule *rule, const struct statement *s, enum step step)
{
	rule->at = s->token[0];
	rule->step = step;
	rule->shown.id =
	    arena_printf(load->arena, "%.*s:%u", STR_ARG(rule->at.source->name), rule->at.line);
	rule->shown.source = one_line(load, s);
}

struct expr *
condition_parse(struct cursor *c)
{
	return parse_or(c, 0);
}

struct rule *
rule_parse(struct load *load, const struct statement *s, enum step step)
{
	struct cursor c = { load, s->token };
	struct rule *rule = ARENA_NEW(load->arena, struct rule);

	rule_begin(load, rule, s, step);
	rule->observe = cursor_word(&c, "observe");
	if (!parse_action(&c, rule))
		return NULL;
	rule->shown.action = action_name(rule->action);
	if (cursor_word(&c, "if")) {
		rule->condition = condition_parse(&c);
		if (rule->condition == NULL)
			return NULL;
	}
	if (c.t->kind == TOKEN_END)
		return rule;
	rule_goes_on(&c, rule);
	return NULL;
}
