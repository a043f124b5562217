#include "rules/cases.h"

#include <stdlib.h>

#include "base/die.h"
#include "rules/case.h"
#include "rules/check.h"
#include "rules/literal.h"

/* One file being read. */
struct reading {
	struct load load; /* with the lists and facts of the configuration */
	struct check check;
	struct ruleset rules; /* nobody's: what the checker notes goes here */
	struct rule rule;     /* likewise */
	struct cases *cases;
	struct cursor cursor;
	struct rule_case *into;
};

#define AT(r) ((r)->cursor.t)
#define SAY(r, ...) COMPLAIN(&(r)->load, AT(r), __VA_ARGS__)

/* --- given -------------------------------------------------------------------------------------- */

static bool
take_text(struct reading *r, const char *what, struct str *out)
{
	if (AT(r)->kind != TOKEN_TEXT) {
		SAY(r, "`%s` wants a text in quotes behind it, not %s", what, SHOW(AT(r)));
		return false;
	}
	*out = token_value(r->cursor.t++, r->cases->arena);
	return true;
}

static bool
take_mailbox(struct reading *r, bool sender, struct mailbox *out)
{
	const struct token *at = AT(r);
	struct str path;
	struct err e;

	if (!take_text(r, sender ? "sender" : "recipient", &path))
		return false;
	if (path.n == 0 || path.p[0] != '<')
		path = arena_printf(r->cases->arena, "<%.*s>", STR_ARG(path));
	if (mailbox_take(&path, sender, !sender, out, &e) && path.n == 0)
		return true;
	COMPLAIN(&r->load, at, "%s is no mailbox: %s", SHOW(at),
	    path.n == 0 ? e.text : "there is more behind it");
	return false;
}

static bool
given_recipient(struct reading *r)
{
	if (r->into->n_recipients == CASE_RECIPIENTS) {
		SAY(r, "a case has %d recipients at most", CASE_RECIPIENTS);
		return false;
	}
	return take_mailbox(r, false, &r->into->recipient[r->into->n_recipients++]);
}

static bool
given_client(struct reading *r)
{
	if (AT(r)->kind == TOKEN_WORD && ip_parse(AT(r)->text, &r->into->client)) {
		r->cursor.t++;
		return true;
	}
	SAY(r, "`client` wants an address such as 192.0.2.1 behind it, not %s", SHOW(AT(r)));
	return false;
}

static bool
given_front(struct reading *r)
{
	bool milter = cursor_word(&r->cursor, "milter");

	r->into->front = milter ? FRONT_MILTER : FRONT_PROXY;
	if (milter || cursor_word(&r->cursor, "proxy"))
		return true;
	SAY(r, "`front` is proxy or milter, not %s", SHOW(AT(r)));
	return false;
}

/* { "a", "b" } */
static bool
take_items(struct reading *r, struct value *out)
{
	const struct token *t = AT(r);
	struct str *item;
	size_t n = 0;

	while (t[n].kind != TOKEN_CLOSE && t[n].kind != TOKEN_END)
		n++;
	item = ARENA_ARRAY(r->cases->arena, struct str, n + 1);
	*out = (struct value){ .type = VALUE_LIST, .list.item = item };
	while (!cursor_kind(&r->cursor, TOKEN_CLOSE)) {
		if (AT(r)->kind != TOKEN_TEXT) {
			SAY(r, "a text in quotes belongs here, not %s", SHOW(AT(r)));
			return false;
		}
		item[out->list.n++] = token_value(r->cursor.t++, r->cases->arena);
		if (AT(r)->kind != TOKEN_CLOSE && !cursor_kind(&r->cursor, TOKEN_COMMA)) {
			SAY(r, "`,` or `}` belongs here, not %s", SHOW(AT(r)));
			return false;
		}
	}
	return true;
}

static bool
take_list(struct reading *r, struct expr *test, struct value *out)
{
	const struct token *open = AT(r) - 1;

	if (!operand_check(&r->check, &test->left) || !take_items(r, out))
		return false;
	if (test->left.kind == OPERAND_FACT && test->left.type == VALUE_LIST)
		return true;
	COMPLAIN(&r->load, open, "`%.*s` is %s: give it without braces",
	    STR_ARG(test->left.at.text), type_shown(test->left.type));
	return false;
}

static bool
is_list(const struct reading *r, const struct operand *o)
{
	const struct fact_entry *entry = fact_find(&r->cases->config->facts, o->at.text);

	return entry && entry->def->type == VALUE_LIST && !token_is(AT(r) - 1, "unknown");
}

/* What is written behind the fact, as if the two were compared. */
static bool
take_value(struct reading *r, struct expr *test, struct value *out)
{
	const struct operand *right = &test->right;

	if (test->relation == RELATION_IS && is_list(r, &test->left)) {
		COMPLAIN(&r->load, &right->at, "`%.*s` is a list: write `{ \"...\" }`, not %s",
		    STR_ARG(test->left.at.text), SHOW(&right->at));
		return false;
	}
	if (!test_check(&r->check, test))
		return false;
	if (test->relation == RELATION_TRUTH)
		*out = value_bool(!test->negated);
	else if (test->relation == RELATION_UNKNOWN)
		*out = (struct value){ .type = VALUE_NONE };
	else if (test->relation == RELATION_IS && right->kind == OPERAND_VALUE)
		*out = right->value;
	else {
		COMPLAIN(&r->load, &right->at, "a value belongs here, not %s", SHOW(&right->at));
		return false;
	}
	if (test->left.type == VALUE_REAL && out->type == VALUE_NUMBER)
		*out = (struct value){ .type = VALUE_REAL, .real = (double)out->number };
	if (test->left.kind == OPERAND_FACT)
		return true;
	COMPLAIN(&r->load, &test->left.at, "%s cannot be given: the rules make it",
	    SHOW(&test->left.at));
	return false;
}

/* What is given twice would be one of the two, and nobody could see which. */
static bool
is_new(struct reading *r, const struct given_fact *given)
{
	for (const struct given_fact *old = r->into->facts; old; old = old->next)
		if (fact_call_eq(&old->call, &given->call)) {
			COMPLAIN(&r->load, &given->at, "`%.*s` is given already, on line %u",
			    STR_ARG(given->at.text), old->at.line);
			return false;
		}
	return true;
}

/* As it would be said in a rule: `spf is fail`. */
static bool
says_is(struct reading *r, const struct token *fact)
{
	if (!token_is(AT(r), "is") && AT(r)->kind != TOKEN_EQ)
		return false;
	SAY(r, "what is given has no %s: write `%.*s VALUE`", SHOW(AT(r)), STR_ARG(fact->text));
	return true;
}

static bool
given_fact(struct reading *r)
{
	struct expr test = { .kind = EXPR_TEST };
	const struct fact_entry *entry;
	struct given_fact *given = ARENA_NEW(r->cases->arena, struct given_fact);
	bool ok;

	test.negated = cursor_word(&r->cursor, "not");
	if (!operand_parse(&r->cursor, &test.left) || says_is(r, &test.left.at))
		return false;
	entry = fact_find(&r->cases->config->facts, test.left.at.text);
	/* Where it is first known: a case gives it for the whole session. */
	r->rule.step = entry ? entry->def->from : STEP_MESSAGE;
	test.relation_at = *AT(r);
	if (cursor_kind(&r->cursor, TOKEN_OPEN)) {
		ok = take_list(r, &test, &given->value);
	} else if (AT(r)->kind == TOKEN_END || AT(r)->kind == TOKEN_COMMA) {
		test.relation = RELATION_TRUTH;
		ok = take_value(r, &test, &given->value);
	} else {
		test.relation = RELATION_IS;
		ok = operand_parse(&r->cursor, &test.right) && take_value(r, &test, &given->value);
	}
	if (!ok)
		return false;
	given->at = test.left.at;
	given->call = r->check.call[test.left.slot];
	if (!is_new(r, given))
		return false;
	given->next = r->into->facts;
	r->into->facts = given;
	return true;
}

static bool
given_helo(struct reading *r)
{
	return take_text(r, "helo", &r->into->helo);
}

static bool
given_account(struct reading *r)
{
	return take_text(r, "account", &r->into->account);
}

static bool
given_sender(struct reading *r)
{
	return take_mailbox(r, true, &r->into->sender);
}

/* What the session itself is made of; everything else is a fact. */
static const struct {
	const char *word;
	bool (*read)(struct reading *r);
	bool often;
} items[] = {
	{ "client", given_client, false },
	{ "helo", given_helo, false },
	{ "account", given_account, false },
	{ "sender", given_sender, false },
	{ "recipient", given_recipient, true },
	{ "front", given_front, false },
};

static bool
given_item(struct reading *r)
{
	for (unsigned i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (!token_is(AT(r), items[i].word))
			continue;
		if (!items[i].often && (r->into->given & 1U << i)) {
			SAY(r, "%s is given already in this case", SHOW(AT(r)));
			return false;
		}
		r->into->given |= 1U << i;
		r->cursor.t++;
		return items[i].read(r);
	}
	return given_fact(r);
}

static void
read_given(struct reading *r)
{
	do {
		if (!given_item(r))
			return;
	} while (cursor_kind(&r->cursor, TOKEN_COMMA));
	cursor_end(&r->cursor);
}

/* --- expect ------------------------------------------------------------------------------------- */

static bool
expect_step(struct reading *r, struct expected *e)
{
	for (size_t step = 0; step < STEP_COUNT; step++)
		if (cursor_word(&r->cursor, step_name(step))) {
			e->has_step = true;
			e->step = step;
			return true;
		}
	SAY(r, "a step belongs here (connect, helo, mail, rcpt or message), not %s", SHOW(AT(r)));
	return false;
}

/* A code that the verdict cannot have would never come. */
static bool
expect_codes(struct reading *r, struct expected *e)
{
	char class = e->kind == VERDICT_TEMPFAIL ? '4' : '5';

	if (AT(r)->kind != TOKEN_WORD || !literal_number(AT(r)->text, &e->code))
		return true;
	if (AT(r)->text.n != 3 || AT(r)->text.p[0] != class) {
		SAY(r, "the code of `%s` is %cyz, never %s", verdict_name(e->kind), class,
		    SHOW(AT(r)));
		return false;
	}
	r->cursor.t++;
	if (AT(r)->kind == TOKEN_WORD && literal_enhanced(AT(r)->text))
		e->enhanced = (r->cursor.t++)->text;
	return true;
}

static bool
no_expectation(struct reading *r)
{
	static const char *const words[] = { "accept", "tempfail", "reject", "observed", "score",
		"marked", "text", "header", "delay" };
	struct suggestion near;

	suggest_begin(&near, AT(r)->text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		suggest(&near, str_of(words[i]));
	SAY(r, "accept, tempfail or reject belongs here, not %s%s", SHOW(AT(r)),
	    suggest_end(&near));
	return false;
}

static bool
expect_verdict(struct reading *r, struct expected *e)
{
	struct cursor *c = &r->cursor;

	if (cursor_word(c, "accept"))
		e->kind = VERDICT_ACCEPT;
	else if (cursor_word(c, "tempfail"))
		e->kind = VERDICT_TEMPFAIL;
	else if (cursor_word(c, "reject"))
		e->kind = VERDICT_REJECT;
	else
		return no_expectation(r);
	if (e->kind != VERDICT_ACCEPT && !expect_codes(r, e))
		return false;
	if (cursor_word(c, "at") && !expect_step(r, e))
		return false;
	return !cursor_word(c, "by") || take_text(r, "by", &e->rule);
}

static bool
expect_score(struct reading *r, struct expected *e)
{
	if (AT(r)->kind == TOKEN_WORD && literal_number(AT(r)->text, &e->number)) {
		r->cursor.t++;
		return true;
	}
	SAY(r, "`score` wants a whole number behind it, not %s", SHOW(AT(r)));
	return false;
}

/* Of a mark that no rule sets, `not marked` would hold for ever. */
static bool
expect_marked(struct reading *r, struct expected *e)
{
	const struct ruleset *rules = r->cases->config->ruleset;
	struct suggestion near;

	if (AT(r)->kind != TOKEN_WORD) {
		SAY(r, "`marked` wants the name of a mark behind it, not %s", SHOW(AT(r)));
		return false;
	}
	e->name = AT(r)->text;
	suggest_begin(&near, e->name);
	for (size_t step = 0; step < STEP_COUNT; step++)
		for (size_t i = 0; i < rules->n[step]; i++) {
			const struct rule *rule = rules->rule[step][i];

			if (rule->action != ACTION_MARK)
				continue;
			if (str_eq(rule->name, e->name)) {
				r->cursor.t++;
				return true;
			}
			suggest(&near, rule->name);
		}
	SAY(r, "no rule sets the mark %s%s", SHOW(AT(r)), suggest_end(&near));
	return false;
}

static bool
expect_delay(struct reading *r, struct expected *e)
{
	if (AT(r)->kind == TOKEN_WORD && literal_duration(AT(r)->text, &e->number)) {
		r->cursor.t++;
		return true;
	}
	SAY(r, "`delay` wants a duration such as 5s behind it, not %s", SHOW(AT(r)));
	return false;
}

static bool
expect_header(struct reading *r, struct expected *e)
{
	return take_text(r, "header", &e->name) &&
	    (AT(r)->kind == TOKEN_END || take_text(r, "header", &e->text));
}

static bool
expect_text(struct reading *r, struct expected *e)
{
	return take_text(r, "text", &e->text);
}

static const struct {
	const char *word;
	enum expectation what;
	bool (*read)(struct reading *r, struct expected *e);
} expectations[] = {
	{ "observed", EXPECT_OBSERVED, expect_verdict },
	{ "score", EXPECT_SCORE, expect_score },
	{ "marked", EXPECT_MARKED, expect_marked },
	{ "text", EXPECT_TEXT, expect_text },
	{ "header", EXPECT_HEADER, expect_header },
	{ "delay", EXPECT_DELAY, expect_delay },
};

static void
read_expected(struct reading *r)
{
	struct expected *e = ARENA_NEW(r->cases->arena, struct expected), **end;
	const struct token *first = AT(r);
	bool (*read)(struct reading *, struct expected *) = expect_verdict;
	bool no;

	*e = (struct expected){ .what = EXPECT_VERDICT, .at = *AT(r) };
	no = token_is(AT(r), "not") && token_is(AT(r) + 1, "marked");
	e->negated = no && cursor_word(&r->cursor, "not");
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
		if (cursor_word(&r->cursor, expectations[i].word)) {
			e->what = expectations[i].what;
			read = expectations[i].read;
			break;
		}
	if (!read(r, e) || !cursor_end(&r->cursor))
		return;
	if (AT(r) > first) {
		struct str last = token_raw(AT(r) - 1), begin = token_raw(first);

		e->shown = arena_dup(
		    r->cases->arena, (struct str){ begin.p, (size_t)(last.p + last.n - begin.p) });
	}
	for (end = &r->into->expected; *end; end = &(*end)->next)
		;
	*end = e;
}

/* --- files -------------------------------------------------------------------------------------- */

static void
read_line(struct reading *r, const struct statement *s)
{
	r->cursor = (struct cursor){ &r->load, s->token };
	if (s->bad)
		return;
	if (cursor_word(&r->cursor, "given"))
		read_given(r);
	else if (cursor_word(&r->cursor, "expect"))
		read_expected(r);
	else
		SAY(r, "a line of a case begins with `given` or `expect`, not %s", SHOW(s->token));
}

static bool
read_name(struct reading *r, const struct statement *s)
{
	const struct token *t = s->token;

	if (token_is(t, "case") && s->block && t[1].kind == TOKEN_TEXT && t[2].kind == TOKEN_END) {
		r->into->name = token_value(&t[1], r->cases->arena);
		return true;
	}
	if (token_is(t, "case"))
		t += 1 + (t[1].kind == TOKEN_TEXT);
	COMPLAIN(&r->load, t,
	    "a case is written `case \"WHAT IT SHOWS\" { ... }`, not with %s here",
	    t->kind == TOKEN_END && s->block ? "braces" : SHOW(t));
	return false;
}

static void
read_case(struct reading *r, const struct statement *s)
{
	struct rule_case *c = ARENA_NEW(r->cases->arena, struct rule_case), **end;
	size_t errors = r->load.complaints->errors;

	*c = (struct rule_case){ .at = *s->token, .helo = STR("client.example") };
	require(ip_parse(STR("192.0.2.1"), &c->client));
	r->into = c;
	if (s->bad || !read_name(r, s))
		return;
	for (const struct statement *line = s->body; line; line = line->next)
		read_line(r, line);
	if (!c->expected && r->load.complaints->errors == errors)
		COMPLAIN(&r->load, s->token, "this case expects nothing: add a line `expect ...`");
	for (end = &r->cases->first; *end; end = &(*end)->next)
		;
	*end = c;
	r->cases->n++;
}

static void
read_cases(struct reading *r, const struct source *source)
{
	const struct config *config = r->cases->config;
	struct arena *arena = r->cases->arena;
	const struct statement *first;

	r->load.source = source;
	r->check = (struct check){ .load = &r->load, .rules = &r->rules, .rule = &r->rule };
	for (size_t step = 0; step < STEP_COUNT; step++)
		r->rules.asked[step] = ARENA_ARRAY(arena, bool, config->n_parts);
	intern_init(&r->check.calls, arena);
	first = tree_read(source, r->load.complaints, arena);
	for (const struct statement *s = first; s; s = s->next)
		read_case(r, s);
	if (!first && r->load.complaints->errors == 0)
		complain(r->load.complaints, source, NULL, "there is no case in it");
	intern_free(&r->check.calls);
	free(r->check.call);
}

struct cases *
cases_read(const char *path, const struct config *config, struct complaints *complaints)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct cases *cases = ARENA_NEW(arena, struct cases);
	struct source source = { .file = arena_dup(arena, str_of(path)).p };
	/* WHY a cast: it is only read; a load is made to fill one. */
	struct reading r = { .cases = cases,
		.load = { .config = (struct config *)(uintptr_t)config,
		    .arena = arena,
		    .complaints = complaints } };
	struct err e;

	*cases = (struct cases){ .arena = arena, .config = config };
	source.name = str_of(source.file);
	if (source_take(path, CONFIG_FILE_MAX, arena, &source.text, &e))
		read_cases(&r, &source);
	else
		complain(complaints, &source, NULL, "%s", e.text);
	complaints_sort(complaints);
	if (complaints->errors > 0)
		cases_free(&cases);
	return cases;
}

void
cases_free(struct cases **cases)
{
	struct arena *arena = *cases ? (*cases)->arena : NULL;

	*cases = NULL;
	arena_free(&arena);
}

size_t
cases_count(const struct cases *cases)
{
	return cases->n;
}
