/*
 * Of generated rules: whatever is said to be never true, always true, shadowed or out of reach, is so whatever the facts are. A warning
 * that is wrong is worse than none. The rules are run with their verdicts made marks, so that those behind a verdict are looked at too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/load.h"
#include "rules/ruleset.h"
#include "tests/rules/fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PROGRAMS 1500
#define TRIES 150 /* facts, for each of them */
#define LINES 1000

struct made {
	uint32_t seed;
	struct buf text, marks; /* the same with marks for verdicts */
	unsigned line;
	bool ends[LINES];  /* a verdict stands there */
	bool is_or[LINES]; /* the whole condition is an `or` */
};

struct tally {
	unsigned never, always, hidden;
};

static unsigned
pick(struct made *m, unsigned n)
{
	m->seed = m->seed * 1664525 + 1013904223;
	return (m->seed >> 16) % n;
}

static void
both(struct made *m, const char *text)
{
	buf_add(&m->text, str_of(text));
	buf_add(&m->marks, str_of(text));
}

/* --- conditions ------------------------------------------------------------------------------------- */

static const char *const tests[] = {
	"spf is fail",
	"spf is not fail",
	"spf is pass",
	"spf in { fail, none }",
	"spf not in { pass, none }",
	"spf is known",
	"spf is unknown",
	"dkim is pass",
	"dkim is not pass",
	"dkim in { fail, none, temperror }",
	"message.size > 2",
	"message.size >= 2",
	"message.size < 2",
	"message.size <= 2",
	"message.size is 2",
	"message.size is not 2",
	"message.size > 1",
	"message.size < 3",
	"message.size > from.count",
	"message.size + 1 > 2",
	"surge(client) > 1.5",
	"surge(client) < 1.5",
	"surge(client) <= 2",
	"greylist.wait > 2s",
	"greylist.wait <= 2s",
	"helo is \"a.example\"",
	"helo is not \"a.example\"",
	"helo in { \"example\" }",
	"helo in l",
	"helo not in l",
	"helo in { 192.0.2.1 }",
	"client.ip in { 192.0.2.0/24, \"a.example\" }",
	"client.ip in { \"a.example\" }",
	"helo matches /^a/",
	"client.trusted",
	"listed(\"a.example\")",
	"listed(\"b.example\")",
	"score > 1",
	"score <= 1",
	"named",
	"other",
};

static void
make_condition(struct made *m, unsigned depth)
{
	unsigned kind = depth == 0 ? 0 : pick(m, 6);

	if (kind <= 1) {
		both(m, tests[pick(m, COUNT(tests))]);
		return;
	}
	if (kind == 2) {
		both(m, "not (");
		make_condition(m, depth - 1);
	} else {
		both(m, "(");
		make_condition(m, depth - 1);
		for (unsigned n = 1 + pick(m, 2); n > 0; n--) {
			both(m, kind == 3 ? " or " : " and ");
			make_condition(m, depth - 1);
		}
	}
	both(m, ")");
}

/* Often an `or` or `and` of plain tests, as people write them. */
static void
make_whole(struct made *m)
{
	unsigned kind = pick(m, 3), n = 1 + pick(m, 3);

	if (kind == 0) {
		make_condition(m, 2);
		return;
	}
	m->is_or[m->line] = kind == 1 && n > 1;
	for (unsigned i = 0; i < n; i++) {
		both(m, i == 0 ? "" : kind == 1 ? " or " : " and ");
		both(m, pick(m, 4) == 0 ? "not " : "");
		both(m, tests[pick(m, COUNT(tests))]);
	}
}

/* --- rules ------------------------------------------------------------------------------------------ */

static void
next_line(struct made *m)
{
	both(m, "\n");
	m->line++;
	assert_true(m->line < LINES);
}

static void
make_rule(struct made *m)
{
	if (pick(m, 3) == 0) {
		both(m, "score 1");
	} else if (pick(m, 6) == 0) {
		both(m, "observe accept");
	} else {
		m->ends[m->line] = true;
		buf_add(&m->text, pick(m, 2) ? STR("accept") : STR("reject 550 5.7.1 \"x\""));
		buf_add(&m->marks, STR("mark m"));
	}
	if (pick(m, 12) > 0) {
		both(m, " if ");
		make_whole(m);
	}
	next_line(m);
}

static void
make_block(struct made *m, unsigned depth)
{
	for (unsigned n = 1 + pick(m, 4); n > 0; n--) {
		unsigned branches = pick(m, 3);

		if (depth == 3 || pick(m, 3) > 0) {
			make_rule(m);
			continue;
		}
		for (unsigned i = 0; i <= branches; i++) {
			bool last = i > 0 && i == branches && pick(m, 2) == 0;

			both(m, i == 0 ? "if " : last ? "else" : "else if ");
			if (!last)
				make_whole(m);
			both(m, " {");
			next_line(m);
			make_block(m, depth + 1);
			both(m, "}");
			next_line(m);
		}
	}
}

/* --- facts ------------------------------------------------------------------------------------------ */

static bool
add_fact(struct made *m, struct buf *out, const char *name, const char *const *values, size_t n)
{
	unsigned i = pick(m, (unsigned)n + 1);

	if (i < n)
		buf_printf(out, "%s=%s;", name, values[i]);
	return i < n;
}

/* False: one of them is not known. */
static bool
make_facts(struct made *m, struct buf *out)
{
	static const char *const spf[] = { "pass", "fail", "softfail", "neutral", "none",
		"temperror", "permerror" };
	static const char *const dkim[] = { "pass", "fail", "none", "temperror" };
	static const char *const numbers[] = { "0", "1", "2", "3", "4" };
	static const char *const reals[] = { "1", "1.5", "1.7", "2", "2.5" };
	static const char *const names[] = { "a.example", "b.example", "a.test", "c.l.example" };
	static const char *const addresses[] = { "192.0.2.1", "198.51.100.1" };
	static const char *const truths[] = { "0", "1" };
	bool known = true;

	buf_clear(out);
#define ADD(name, values) known = add_fact(m, out, name, values, COUNT(values)) && known
	ADD("spf", spf);
	ADD("dkim", dkim);
	ADD("message.size", numbers);
	ADD("from.count", numbers);
	ADD("surge(client)", reals);
	ADD("greylist.wait", numbers);
	ADD("helo", names);
	ADD("client.ip", addresses);
	ADD("client.trusted", truths);
	ADD("listed(\"a.example\")", truths);
	ADD("listed(\"b.example\")", truths);
#undef ADD
	return known;
}

/* --- what is said, and what is so ------------------------------------------------------------------- */

/* What was found of a line, whatever the facts. */
struct found {
	bool hit;    /* by some */
	bool first;  /* with no verdict before it */
	bool missed; /* looked at with all facts known, and not true */
};

static void
run_one(struct made *m, const struct config *config, bool known, struct found *found)
{
	struct arena *arena = arena_new(1 << 20);
	struct session s;
	struct decision d;
	struct ask ask;
	bool over = false;

	session_init(&s, FRONT_PROXY, &config->facts, config->n_parts);
	session_helo(&s, STR("c.example"), true);
	session_mail(&s, &(struct mailbox){ .null = true });
	ask = session_ask(&s, STEP_MESSAGE, 1700000000);
	assert_int_equal(ruleset_decide(config->ruleset, &ask, arena, &d), DONE);
	for (size_t i = 0; i < d.trace.n; i++) {
		const struct trace_entry *e = &d.trace.entry[i];
		unsigned line = (unsigned)atoi(strchr(e->rule->id.p, ':') + 1);

		found[line].hit |= e->hit;
		found[line].first |= e->hit && !over;
		found[line].missed |= known && !e->hit;
		over |= e->hit && m->ends[line];
	}
	session_free(&s);
	arena_free(&arena);
}

static void
try_all(struct made *m, struct found *found)
{
	struct complaints c = { 0 };
	struct config *config =
	    config_load_text("t.conf", buf_str(&m->marks), &fake_vocabulary, &c);
	struct buf facts;

	if (config == NULL)
		fail_msg("%s\n%s", m->marks.p, c.item[0].text);
	complaints_free(&c);
	buf_init(&facts, 1000);
	for (unsigned i = 0; i < TRIES; i++) {
		bool known = make_facts(m, &facts);

		fake_facts(facts.p);
		run_one(m, config, known, found);
	}
	buf_free(&facts);
	config_release(&config);
}

static bool
is_lint(const struct complaint *c, enum lint_kind lint)
{
	return c->lint != NULL && strcmp(c->lint, lint_name(lint)) == 0;
}

/* The rule that it is about may be another one than where it stands. */
static unsigned
line_of(const struct complaint *c)
{
	static const char in_rule[] = "(in the rule of line ";
	const char *at = strstr(c->text, in_rule);

	return at != NULL ? (unsigned)atoi(at + strlen(in_rule)) : c->line;
}

static void
check_claim(
    const struct made *m, const struct complaint *c, const struct found *found, struct tally *t)
{
	const struct found *f = &found[line_of(c)];
	bool wrong = false;

	if (is_lint(c, LINT_NEVER_TRUE)) {
		wrong = f->hit;
		t->never++;
	} else if (is_lint(c, LINT_ALWAYS_TRUE) && m->is_or[c->line]) {
		wrong = f->missed;
		t->always++;
	} else if (is_lint(c, LINT_SHADOWED) || strstr(c->text, "can never be reached") != NULL) {
		wrong = f->first;
		t->hidden++;
	} else if (!c->warning) {
		fail_msg("%u: %s\nof:\n%s", c->line, c->text, m->text.p);
	}
	if (wrong)
		fail_msg("wrong: %u:%u: %s\nof:\n%s", c->line, c->column, c->text, m->text.p);
}

static void
check_program(uint32_t seed, struct tally *tally)
{
	static const char head[] = "list l { \"l.example\" }\n"
				   "define named = spf is fail or dkim is pass\n"
				   "define other = not named and helo in l\n"
				   "at message {\n";
	struct made m = { .seed = seed, .line = 5 };
	struct config_vocabulary vocabulary = fake_vocabulary;
	struct found found[LINES] = { { 0 } };
	struct complaints c = { 0 };
	struct config *config;

	buf_init(&m.text, 100000);
	buf_init(&m.marks, 100000);
	both(&m, head);
	make_block(&m, 0);
	both(&m, "}\n");
	vocabulary.lint = true;
	config = config_load_text("t.conf", buf_str(&m.text), &vocabulary, &c);
	if (c.n > 0)
		try_all(&m, found);
	for (size_t i = 0; i < c.n; i++)
		check_claim(&m, &c.item[i], found, tally);
	config_release(&config);
	complaints_free(&c);
	buf_free(&m.text);
	buf_free(&m.marks);
}

static void
test_any(void **state)
{
	struct tally t = { 0 };

	for (uint32_t seed = 0; seed < PROGRAMS; seed++)
		check_program(seed, &t);
	if (t.never < 100 || t.always < 50 || t.hidden < 100)
		fail_msg("of too few: %u never, %u always, %u hidden", t.never, t.always, t.hidden);
}

int
main(void)
{
	const struct CMUnitTest all[] = { cmocka_unit_test(test_any) };

	return cmocka_run_group_tests_name("lint_any", all, NULL, NULL);
}
