/* Blocks of rules and conditions with names: what is hit, and what the trace shows of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/load.h"
#include "rules/ruleset.h"
#include "tests/rules/fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "r.conf:1 accept hit spf=fail", one a line. */
static void
print_trace(const struct trace *trace, struct buf *out)
{
	for (size_t i = 0; i < trace->n; i++) {
		const struct trace_entry *e = &trace->entry[i];

		buf_printf(out, "%s%.*s %s%s%s%s", i ? "\n" : "", STR_ARG(e->rule->id),
		    e->rule->action, e->hit ? " hit" : "", e->observed ? " observed" : "",
		    e->gave_up ? " gave up" : "");
		for (size_t j = 0; j < e->n_facts; j++) {
			buf_addc(out, ' ');
			fact_call_print(&e->fact[j]->call, out);
			buf_addc(out, '=');
			value_print(&e->fact[j]->value, out);
		}
	}
}

/* The rule that speaks, "+" and each mark, the latest first. */
static void
print_said(const struct decision *d, struct buf *out)
{
	buf_add(out, d->verdict.rule.n > 0 ? d->verdict.rule : STR("-"));
	for (const struct mark *m = d->marks; m != NULL; m = m->next)
		buf_printf(out, "+%.*s", STR_ARG(m->name));
	if (d->score != 0)
		buf_printf(out, " %lld", (long long)d->score);
}

static void
check(enum step step, const char *text, const char *facts, const char *said, const char *trace)
{
	struct config *config = fake_load(text);
	struct arena *arena = arena_new(1 << 20);
	struct mailbox sender = { .null = true };
	struct buf found, traced;
	struct session s;
	struct decision d;
	struct ask ask;

	session_init(&s, FRONT_PROXY, &config->facts, config->n_parts);
	session_helo(&s, STR("c.example"), true);
	session_mail(&s, &sender);
	if (step >= STEP_RCPT)
		session_rcpt(&s, &sender);
	if (step == STEP_MESSAGE)
		s.txn.current = NULL;
	ask = session_ask(&s, step, 1700000000);
	fake_facts(facts);
	buf_init(&found, 100000);
	buf_init(&traced, 100000);
	if (ruleset_decide(config->ruleset, &ask, arena, &d) == PENDING)
		buf_add(&found, STR("pending"));
	else
		print_said(&d, &found);
	print_trace(&d.trace, &traced);
	if (!str_eq(buf_str(&found), str_of(said)) ||
	    (trace != NULL && !str_eq(buf_str(&traced), str_of(trace))))
		fail_msg("%s\nwith %s\nexpected: %s\n%s\nfound: %.*s\n%.*s", text, facts, said,
		    trace ? trace : "", STR_ARG(buf_str(&found)), STR_ARG(buf_str(&traced)));
	buf_free(&found);
	buf_free(&traced);
	session_free(&s);
	arena_free(&arena);
	config_release(&config);
}

#define BRANCHES \
	"at mail {\n" \
	"if spf is fail {\nmark a\nmark b if helo is \"x\"\n}\n" \
	"else if helo is \"y\" {\nmark c\n}\n" \
	"else {\nmark d\n}\n" \
	"accept\n}\n"

static void
test_branches(void **state)
{
	static const struct {
		const char *text, *facts, *said, *trace;
	} cases[] = {
		{ BRANCHES, "spf=fail; helo=x", "r.conf:12+b+a",
		    "r.conf:2 if hit spf=fail\nr.conf:3 mark hit spf=fail\n"
		    "r.conf:4 mark hit spf=fail helo=x\nr.conf:12 accept hit" },
		{ BRANCHES, "spf=fail; helo=y", "r.conf:12+a", NULL },
		{ BRANCHES, "spf=pass; helo=y", "r.conf:12+c",
		    "r.conf:2 if spf=pass\nr.conf:6 else if hit spf=pass helo=y\n"
		    "r.conf:7 mark hit spf=pass helo=y\nr.conf:12 accept hit" },
		{ BRANCHES, "spf=pass; helo=z", "r.conf:12+d",
		    "r.conf:2 if spf=pass\nr.conf:6 else if spf=pass helo=z\n"
		    "r.conf:9 else hit spf=pass helo=z\nr.conf:10 mark hit spf=pass helo=z\n"
		    "r.conf:12 accept hit" },
		/* what is not known is not true, so it is the else that is for it */
		{ BRANCHES, "", "r.conf:12+d", NULL },
		{ BRANCHES, "spf=PENDING", "pending", "" },
		/* the fact of a branch that is not come to is not asked for */
		{ BRANCHES, "spf=fail; helo=PENDING", "pending", "" },
		{ "at mail { if spf is fail { mark a } else if helo is \"x\" { mark b } }",
		    "spf=fail; helo=PENDING", "-+a", NULL },
		/* an inner `if` that is passed over does not open the outer `else` */
		{ "at mail { if spf is fail { mark a; if helo is \"x\" { mark b } } else { mark c } }",
		    "spf=fail", "-+a", NULL },
		{ "at mail { if spf is fail { if helo is \"x\" { mark b } else { mark d } } "
		  "else { mark c } }",
		    "spf=fail", "-+d", NULL },
		{ "at mail { if spf is fail { if helo is \"x\" { mark b } else { mark d } } "
		  "else { mark c } }",
		    "spf=pass", "-+c", NULL },
		/* a condition is asked once, whatever its block does to it */
		{ "at mail { if score < 5 { score 5; score 1 } else { reject 550 5.7.1 \"x\" } }",
		    "", "- 6", NULL },
		{ "at mail { mark a; if marked a { mark b } else { mark c } }", "", "-+b+a", NULL },
		/* a step ends within a block as without */
		{ "at mail { if spf is fail { accept } mark b }", "spf=fail", "r.conf:1",
		    "r.conf:1 if hit spf=fail\nr.conf:1 accept hit spf=fail" },
		/* a line of its own before `if` is a part of the rule, unless it has a block */
		{ "at mail { mark a\nif spf is fail\nmark b\nif spf is fail { mark c }\n}",
		    "spf=pass", "-+b", NULL },
		{ "at mail { mark a\nif spf is fail\nand helo in { \"x\" }\n}", "spf=fail; helo=y",
		    "-", NULL },
		{ "at mail { if helo in { \"x\" } { mark a } }", "helo=x", "-+a", NULL },
		{ "at mail { if (spf is fail or\nhelo is \"x\") and\nspf is fail\n{ mark a } }",
		    "spf=fail", "-+a", NULL },
		/* only observed: the head decides about nothing else */
		{ "at mail { if spf is fail { observe accept } else { observe accept } }",
		    "spf=fail", "-",
		    "r.conf:1 if hit observed spf=fail\nr.conf:1 accept hit observed spf=fail" },
		{ "at mail { if spf is fail { observe accept } else { accept } }", "spf=fail", "-",
		    "r.conf:1 if hit spf=fail\nr.conf:1 accept hit observed spf=fail" },
		{ "mode observe\nat mail { if spf is fail { accept session } }", "spf=fail",
		    "r.conf:2", "r.conf:2 if hit observed spf=fail\nr.conf:2 accept hit spf=fail" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check(STEP_MAIL, cases[i].text, cases[i].facts, cases[i].said, cases[i].trace);
}

static void
test_recipients(void **state)
{
	static const char *text =
	    "list strict { \"example.org\" }\n"
	    "at rcpt { for recipients in strict {\nmark a\nmark b if spf is fail\n}\nmark c\n}\n"
	    "at message { for recipients in { \"x@example.org\" } { mark d } }";

	check(STEP_RCPT, text, "recipient=x@example.org; spf=pass", "-+c+a",
	    "r.conf:2 for hit recipient=x@example.org\n"
	    "r.conf:3 mark hit recipient=x@example.org\n"
	    "r.conf:4 mark recipient=x@example.org spf=pass\nr.conf:6 mark hit");
	check(STEP_RCPT, text, "recipient=x@example.net", "-+c",
	    "r.conf:2 for recipient=x@example.net\nr.conf:6 mark hit");
	check(STEP_MESSAGE, text, "recipient=x@example.org", "-+d", NULL);
	check(STEP_MESSAGE, text, "recipient=y@example.org", "-", NULL);
}

static void
test_names(void **state)
{
	static const struct {
		const char *text, *facts, *said;
	} cases[] = {
		{ "define p = spf is fail\nat mail { mark a if p }", "spf=fail", "-+a" },
		{ "define p = spf is fail\nat mail { mark a if p }", "spf=pass", "-" },
		{ "at mail { mark a if not p and helo is \"x\" }\ndefine p = spf is fail or\n spf is pass",
		    "spf=none; helo=x", "-+a" },
		/* an `or` within stays together */
		{ "define p = spf is fail or helo is \"x\"\nat mail { mark a if p and helo is \"y\" }",
		    "spf=fail; helo=x", "-" },
		{ "define p = spf is fail or helo is \"x\"\nat mail { mark a if p and helo is \"y\" }",
		    "spf=fail; helo=y", "-+a" },
		/* names within names, in any order; one used twice */
		{ "define a = b and not c\ndefine b = spf is fail\ndefine c = b and helo is \"x\"\n"
		  "at mail { if a { mark a } if c { mark c } mark both if a or c }",
		    "spf=fail; helo=x", "-+both+c" },
		{ "define a = marked x\nat mail { mark x; mark y if a }", "", "-+y+x" },
		{ "define a = client in { 192.0.2.0/24 } and score >= 2\n"
		  "at mail { score 2; mark y if a }",
		    "client.ip=192.0.2.1", "-+y 2" },
		/* a list and a condition can have one name: they stand in different places */
		{ "list p { \"example.org\" }\ndefine p = helo in p\nat mail { mark a if p }",
		    "helo=mx.example.org", "-+a" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check(STEP_MAIL, cases[i].text, cases[i].facts, cases[i].said, NULL);
}

static void
test_regexes(void **state)
{
	static const char slow[] =
	    "at mail { if helo matches /^(a+)+$/ { mark a } else { mark b } }";
	static const char aaa[] = "helo=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
	static const struct {
		const char *text, *facts, *said;
	} cases[] = {
		{ "at mail { mark a if helo matches /^dyn-[0-9]/ }", "helo=dyn-1.example", "-+a" },
		{ "at mail { mark a if helo matches /^dyn-[0-9]/ }", "helo=DYN-1.example", "-" },
		{ "at mail { mark a if helo matches /^dyn-[0-9]/i }", "helo=DYN-1.example", "-+a" },
		{ "at mail { mark a if helo matches /\\/x # y/ }", "helo=a/x # y", "-+a" },
		{ "at mail { mark a if helo matches /^..$/ }", "helo=\xc3\xbc\xc3\xa4", "-+a" },
		{ "at mail { mark a if helo matches /x/ }", "helo=\xff\xfex", "-+a" },
		{ "at mail { mark a if helo not matches /x/ }", "helo=y", "-+a" },
		/* what is not known matches nothing, and nothing else */
		{ "at mail { mark a if helo not matches /x/ or helo matches /x/ }", "", "-" },
		{ "list l { \"example.org\", /^dyn/i }\nat mail { mark a if helo in l }",
		    "helo=Dynamo", "-+a" },
		{ "list l { \"example.org\"\n /^dyn/i, /y$/ }\nat mail { mark a if helo in l }",
		    "helo=mx.example.org", "-+a" },
		{ "at mail { mark a if helo in { /^a/, /b$/ }; mark c if helo not in { /^a/ } }",
		    "helo=xb", "-+c+a" },
		{ "define dynamic = helo matches /[0-9]{1,3}-[0-9]{1,3}/\n"
		  "at mail { mark a if dynamic }",
		    "helo=pc-12-34", "-+a" },
		{ slow, "helo=aaaaaaaaaa", "-+a" },
		{ slow, aaa, "-+b" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check(STEP_MAIL, cases[i].text, cases[i].facts, cases[i].said, NULL);
	/* given up is no match, and is seen */
	check(STEP_MAIL, "at mail { mark a if helo in { /^(a+)+$/ } or spf is fail; mark b }", aaa,
	    "-+b",
	    "r.conf:1 mark gave up helo=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa! spf="
	    "\nr.conf:1 mark hit");
	check(STEP_MESSAGE, "at message { mark a if dkim.domains matches /^b\\./ }",
	    "dkim.domains=a.example, b.example", "-+a", NULL);
}

/* What all of a step's may take together: behind that, those alone are given up that need much. */
static void
test_regexes_of_a_step(void **state)
{
#define MANY \
	"mark m if helo matches /^(?:a|b|c)+d$/\n" \
	"mark n if dkim.domains matches /^last\\./\n}\n"
	static const char slow[] = "at message {\nmark a if dkim.domains matches /^(x+)+$/\n" MANY;
	static const char quick[] = "at message {\nmark a if dkim.domains matches /^x+$/\n" MANY;
	static const char last[] = "at message {\nmark a if dkim.domains matches /^(x+)+$/\n"
				   "mark b if dkim.domains matches /^.(?:a|s)(?:s|t)t\\.$/\n}\n";
	struct buf facts;

	buf_init(&facts, 100000);
	buf_add(&facts, STR("helo="));
	for (size_t i = 0; i < 60; i++)
		buf_add(&facts, STR("abc"));
	buf_add(&facts, STR("d; dkim.domains="));
	for (size_t i = 0; i < 100; i++)
		buf_add(&facts, STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx!,"));
	buf_add(&facts, STR("last."));
	check(STEP_MESSAGE, quick, facts.p, "-+n+m", NULL);
	/* The same each time: nothing is left of one decision for the next. */
	for (size_t i = 0; i < 3; i++) {
		check(STEP_MESSAGE, slow, facts.p, "-+n", NULL);
		check(STEP_MESSAGE, last, facts.p, "-+b", NULL);
	}
	buf_free(&facts);
	(void)state;
}

static void
test_arithmetic(void **state)
{
	static const struct {
		const char *condition, *facts;
		bool yes;
	} cases[] = {
		{ "message.size + 1 > 5", "message.size=5", true },
		{ "message.size - 1 > 5", "message.size=6", false },
		{ "message.size > 2 * from.count + 1", "message.size=8; from.count=3", true },
		{ "message.size > 2 * (from.count + 1)", "message.size=8; from.count=3", false },
		{ "(message.size + from.count) * 2 = 10", "message.size=2; from.count=3", true },
		{ "((message.size)) + 1 = 3 and (from.count = 1)", "message.size=2; from.count=1",
		    true },
		{ "2 * message.size = 10M", "message.size=5242880", true },
		{ "10 - message.size - 3 = 5", "message.size=2", true },
		{ "100 / message.size / 5 = 2", "message.size=10", true },
		{ "message.size / 2 = 2.5", "message.size=5", true },
		{ "surge(client) * 2 >= 5", "surge(client)=2.5", true },
		{ "surge(client) * 2 is message.size", "surge(client)=2.5; message.size=5", true },
		{ "score * 2 = 0", "", true },
		/* durations */
		{ "greylist.wait + 5m > 10m", "greylist.wait=301", true },
		{ "greylist.wait * 2 = 10m", "greylist.wait=300", true },
		{ "2 * greylist.wait = 10m", "greylist.wait=300", true },
		{ "greylist.wait / 2 = 2m", "greylist.wait=241", true },
		{ "greylist.wait / quota.free > 0.5", "greylist.wait=4; quota.free=7", true },
		{ "greylist.wait * 1.5 = 3m", "greylist.wait=120", true },
		/* nothing comes of it, and nothing compares with that */
		{ "message.size / from.count > 0", "message.size=5; from.count=0", false },
		{ "message.size / from.count is not 7", "message.size=5; from.count=0", false },
		{ "message.size / from.count is unknown", "message.size=5; from.count=0", true },
		{ "message.size / from.count * 0 is unknown", "message.size=5; from.count=0",
		    true },
		{ "message.size + from.count is unknown", "message.size=5", true },
		{ "message.size + 1 is unknown", "message.size=9223372036854775807", true },
		{ "0 - message.size - 2 is unknown", "message.size=9223372036854775807", true },
		{ "message.size * 2 is unknown", "message.size=4611686018427387904", true },
		{ "message.size - 1 is known", "message.size=-9223372036854775807", true },
		{ "greylist.wait / surge(client) is unknown", "greylist.wait=5; surge(client)=0",
		    true },
		{ "greylist.wait * surge(client) is unknown",
		    "greylist.wait=9000000000000000000; surge(client)=9", true },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[300];

		snprintf(text, sizeof text, "at message { mark a if %s }", cases[i].condition);
		check(STEP_MESSAGE, text, cases[i].facts, cases[i].yes ? "-+a" : "-", NULL);
	}
	check(STEP_MESSAGE,
	    "at message { mark a if (message.size + from.count) * 2 > message.size }",
	    "message.size=2; from.count=3", "-+a", "r.conf:1 mark hit message.size=2 from.count=3");
	check(STEP_MESSAGE, "at message { mark a if message.size + from.count > 5 }",
	    "message.size=2; from.count=PENDING", "pending", "");
}

/* --- programs made by chance -------------------------------------------------------------------- */

/* What is made, and what has to come of it. */
struct made {
	uint32_t seed;
	struct buf text, marks;
	unsigned n;
	bool fact[4]; /* listed("0.x"), ... */
};

static uint32_t
pick(struct made *m, uint32_t n)
{
	m->seed = m->seed * 1664525 + 1013904223;
	return (m->seed >> 16) % n;
}

/* Writes a condition; what it says. */
static bool
make_condition(struct made *m)
{
	unsigned fact = pick(m, 4), other = pick(m, 4);

	switch (pick(m, 4)) {
	case 0:
		buf_printf(&m->text, "not listed(\"%u.x\")", fact);
		return !m->fact[fact];
	case 1:
		buf_printf(&m->text, "listed(\"%u.x\") and listed(\"%u.x\")", fact, other);
		return m->fact[fact] && m->fact[other];
	case 2:
		buf_printf(&m->text, "listed(\"%u.x\") or named%u", fact, other);
		return m->fact[fact] || m->fact[other];
	default:
		buf_printf(&m->text, "named%u", fact);
		return m->fact[fact];
	}
}

static void
make_mark(struct made *m, bool live)
{
	char mark[16];

	snprintf(mark, sizeof mark, "m%u", m->n++);
	buf_printf(&m->text, "mark %s", mark);
	if (pick(m, 2) == 0) {
		buf_add(&m->text, STR(" if "));
		live = make_condition(m) && live;
	}
	buf_addc(&m->text, '\n');
	if (live)
		buf_printf(&m->marks, "+%s", mark);
}

static void
make_block(struct made *m, bool live, unsigned depth)
{
	unsigned n = 1 + pick(m, 3);

	while (n-- > 0) {
		bool left = live, yes;

		if (depth == 4 || pick(m, 3) == 0) {
			make_mark(m, live);
			continue;
		}
		for (unsigned branches = pick(m, 3), i = 0; i <= branches; i++) {
			bool last = i > 0 && i == branches && pick(m, 2) == 0;

			buf_add(&m->text,
			    i == 0     ? STR("if ")
				: last ? STR("else ")
				       : STR("else if "));
			yes = last || make_condition(m);
			buf_add(&m->text, STR(" {\n"));
			make_block(m, left && yes, depth + 1);
			buf_add(&m->text, pick(m, 2) == 0 ? STR("}\n") : STR("} "));
			left = left && !yes;
		}
		buf_addc(&m->text, '\n');
	}
}

/* The marks in the order in which they were made. */
static void
print_marks(const struct mark *mark, struct buf *out)
{
	if (mark == NULL)
		return;
	print_marks(mark->next, out);
	buf_printf(out, "+%.*s", STR_ARG(mark->name));
}

static void
run_made(struct made *m, const char *facts)
{
	struct config *config = fake_load(m->text.p);
	struct arena *arena = arena_new(1 << 20);
	struct session s;
	struct decision d;
	struct buf found;
	struct ask ask;

	session_init(&s, FRONT_PROXY, &config->facts, config->n_parts);
	session_mail(&s, &(struct mailbox){ .null = true });
	ask = session_ask(&s, STEP_MAIL, 1700000000);
	fake_facts(facts);
	buf_init(&found, 100000);
	assert_int_equal(ruleset_decide(config->ruleset, &ask, arena, &d), DONE);
	print_marks(d.marks, &found);
	if (!str_eq(buf_str(&found), buf_str(&m->marks)))
		fail_msg("%s\nwith %s\nexpected: %.*s\nfound: %.*s", m->text.p, facts,
		    STR_ARG(buf_str(&m->marks)), STR_ARG(buf_str(&found)));
	buf_free(&found);
	session_free(&s);
	arena_free(&arena);
	config_release(&config);
}

/* Beside an evaluation that needs neither parser nor jumps: the one while they are written. */
static void
test_made(void **state)
{
	for (uint32_t seed = 0; seed < 3000; seed++) {
		struct made m = { .seed = seed };
		char facts[200] = "";

		buf_init(&m.text, 1000000);
		buf_init(&m.marks, 100000);
		for (unsigned i = 0; i < 4; i++) {
			size_t n = strlen(facts);

			m.fact[i] = pick(&m, 2) == 0;
			snprintf(facts + n, sizeof facts - n, "listed(\"%u.x\")=%d;", i, m.fact[i]);
			buf_printf(&m.text, "define named%u = listed(\"%u.x\")\n", i, i);
		}
		buf_add(&m.text, STR("at mail {\n"));
		make_block(&m, true, 0);
		buf_add(&m.text, STR("}\n"));
		run_made(&m, facts);
		buf_free(&m.text);
		buf_free(&m.marks);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_branches),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_regexes),
		cmocka_unit_test(test_regexes_of_a_step),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
