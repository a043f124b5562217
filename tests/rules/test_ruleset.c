/* Rules and facts in, verdicts and traces out. */
#include "rules/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/die.h"
#include "rules/load.h"
#include "tests/rules/fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct bench {
	struct config *config;
	struct session session;
	struct arena *arena;
};

static struct bench
bench_new(const char *text)
{
	struct bench b = { .config = fake_load(text), .arena = arena_new(1024 * 1024) };
	struct mailbox sender = { .null = true };

	session_init(&b.session, FRONT_PROXY, &b.config->facts, b.config->n_parts);
	session_helo(&b.session, STR("client.example"), true);
	session_mail(&b.session, &sender);
	return b;
}

static void
bench_free(struct bench *b)
{
	session_free(&b->session);
	arena_free(&b->arena);
	config_release(&b->config);
}

static enum progress
decide(struct bench *b, enum step step, struct decision *out)
{
	struct ask ask = session_ask(&b->session, step, 1700000000);

	return ruleset_decide(b->config->ruleset, &ask, b->arena, out);
}

static void
print_verdict(const struct verdict *v, struct buf *out)
{
	buf_printf(out, "%s%s", verdict_name(v->kind),
	    v->kind == VERDICT_ACCEPT_SESSION ? " session" : "");
	if (v->code != 0)
		buf_printf(out, " %d %s \"%.*s\"", v->code, v->enhanced, STR_ARG(v->text));
	if (v->rule.n > 0)
		buf_printf(out, " %.*s", STR_ARG(v->rule));
}

/* "verdict; observed ...; score 2; marks a b; X-A: text" */
static void
print_decision(const struct decision *d, struct buf *out)
{
	print_verdict(&d->verdict, out);
	if (d->observed.kind != VERDICT_ACCEPT) {
		buf_add(out, STR("; observed "));
		print_verdict(&d->observed, out);
	}
	if (d->score != 0)
		buf_printf(out, "; score %lld", (long long)d->score);
	if (d->delay != 0)
		buf_printf(out, "; delay %lld", (long long)d->delay);
	for (const struct mark *m = d->marks; m != NULL; m = m->next)
		buf_printf(out, "; mark %.*s", STR_ARG(m->name));
	for (const struct added_field *f = d->added; f != NULL; f = f->next)
		buf_printf(out, "; %.*s: %.*s", STR_ARG(f->name), STR_ARG(f->value));
}

/* "r.conf:1 accept hit spf=fail" one a line */
static void
print_trace(const struct trace *trace, struct buf *out)
{
	for (size_t i = 0; i < trace->n; i++) {
		const struct trace_entry *e = &trace->entry[i];

		buf_printf(out, "%s%.*s %s%s%s", i ? "\n" : "", STR_ARG(e->rule->id),
		    e->rule->action, e->hit ? " hit" : "", e->observed ? " observed" : "");
		for (size_t j = 0; j < e->n_facts; j++) {
			buf_addc(out, ' ');
			fact_call_print(&e->fact[j]->call, out);
			buf_addc(out, '=');
			value_print(&e->fact[j]->value, out);
		}
	}
}

struct one {
	enum step step;
	const char *text, *facts;
	const char *decision; /* "pending" */
	const char *trace;    /* NULL: not looked at */
};

static bool
run_one(const struct one *one)
{
	struct bench b = bench_new(one->text);
	struct decision d;
	struct buf decision, trace;
	bool ok;

	buf_init(&decision, 100000);
	buf_init(&trace, 100000);
	fake_facts(one->facts);
	if (decide(&b, one->step, &d) == PENDING)
		buf_add(&decision, STR("pending"));
	else
		print_decision(&d, &decision);
	print_trace(&d.trace, &trace);
	ok = str_eq(buf_str(&decision), str_of(one->decision));
	if (!ok)
		print_error("%s\nwith %s\nexpected: %s\nfound:    %.*s\n", one->text, one->facts,
		    one->decision, STR_ARG(buf_str(&decision)));
	if (one->trace != NULL && !str_eq(buf_str(&trace), str_of(one->trace))) {
		print_error("%s\nwith %s\nexpected trace:\n%s\nfound:\n%.*s\n", one->text,
		    one->facts, one->trace, STR_ARG(buf_str(&trace)));
		ok = false;
	}
	buf_free(&decision);
	buf_free(&trace);
	bench_free(&b);
	return ok;
}

static void
run(const struct one *cases, size_t n)
{
	size_t wrong = 0;

	for (size_t i = 0; i < n; i++)
		wrong += !run_one(&cases[i]);
	assert_int_equal(wrong, 0);
}

#define MAIL(condition) "at mail { accept if " condition " }"
#define RCPT(condition) "at rcpt { accept if " condition " }"
#define MESSAGE(condition) "at message { accept if " condition " }"
#define HIT(step, condition, facts) \
	{ \
		step, condition, facts, "accept r.conf:1", NULL \
	}
#define MISS(step, condition, facts) \
	{ \
		step, condition, facts, "accept", NULL \
	}

/* They add up, and the rules go on behind them. */
static void
test_delays(void **state)
{
	static const struct one cases[] = {
		{ STEP_CONNECT, "at connect { delay 5s }", "", "accept; delay 5000",
		    "r.conf:1 delay hit" },
		{ STEP_HELO, "at helo { delay 5s if helo is \"a\"\n delay 1500ms\n accept }",
		    "helo=a", "accept r.conf:3; delay 6500",
		    "r.conf:1 delay hit helo=a\nr.conf:2 delay hit\nr.conf:3 accept hit" },
		{ STEP_HELO, "at helo { delay 5s if helo is \"a\" }", "helo=b", "accept",
		    "r.conf:1 delay helo=b" },
		{ STEP_MAIL, "at mail { delay 5m\n reject 550 5.7.1 \"no\" }", "",
		    "reject 550 5.7.1 \"no\" r.conf:2; delay 300000", NULL },
		{ STEP_MAIL, "at mail { accept if spf is pass\n delay 5s }", "spf=pass",
		    "accept r.conf:1", "r.conf:1 accept hit spf=pass" },
		{ STEP_RCPT, "at rcpt { observe delay 5s\n delay 1s }", "", "accept; delay 1000",
		    "r.conf:1 delay hit observed\nr.conf:2 delay hit" },
		{ STEP_MESSAGE, "mode observe\nat message { delay 5s }", "", "accept",
		    "r.conf:2 delay hit observed" },
		{ STEP_MAIL, "at mail { delay 5s if spf is fail }", "spf=PENDING", "pending", "" },
	};

	run(cases, COUNT(cases));
}

/* What each comparison says of each type. */
static void
test_conditions(void **state)
{
	static const struct one cases[] = {
		HIT(STEP_MAIL, MAIL("spf is fail"), "spf=fail"),
		MISS(STEP_MAIL, MAIL("spf is fail"), "spf=pass"),
		MISS(STEP_MAIL, MAIL("spf is fail"), "spf=NONE"),
		HIT(STEP_MAIL, MAIL("spf is not fail"), "spf=pass"),
		MISS(STEP_MAIL, MAIL("spf is not fail"), "spf=fail"),
		/* not known: every comparison is false, only `not` around it is true */
		MISS(STEP_MAIL, MAIL("spf is not fail"), ""),
		MISS(STEP_MAIL, MAIL("spf != fail"), ""),
		HIT(STEP_MAIL, MAIL("not spf is fail"), ""),
		HIT(STEP_MAIL, MAIL("spf is unknown"), ""),
		MISS(STEP_MAIL, MAIL("spf is unknown"), "spf=pass"),
		HIT(STEP_MAIL, MAIL("spf is known"), "spf=pass"),
		HIT(STEP_MAIL, MAIL("spf is not unknown"), "spf=pass"),
		MISS(STEP_MAIL, MAIL("spf is not unknown"), ""),
		HIT(STEP_RCPT, RCPT("greylist is unknown"), "greylist=unknown"),
		MISS(STEP_RCPT, RCPT("greylist is unknown"), "greylist=known"),
		HIT(STEP_MAIL, MAIL("spf in { fail, softfail }"), "spf=softfail"),
		MISS(STEP_MAIL, MAIL("spf in { fail, softfail }"), "spf=pass"),
		HIT(STEP_MAIL, MAIL("spf not in { fail, softfail }"), "spf=pass"),
		MISS(STEP_MAIL, MAIL("spf not in { fail, softfail }"), ""),
		/* numbers */
		HIT(STEP_MAIL, MAIL("rate(client, messages, 1h) > 200"),
		    "rate(client, messages, 1h)=201"),
		MISS(STEP_MAIL, MAIL("rate(client, messages, 1h) > 200"),
		    "rate(client, messages, 1h)=200"),
		HIT(STEP_MAIL, MAIL("rate(client, messages, 1h) >= 200"),
		    "rate(client, messages, 1h)=200"),
		HIT(STEP_MAIL, MAIL("rate(client, messages, 1h) <= 200"),
		    "rate(client, messages, 1h)=200"),
		MISS(STEP_MAIL, MAIL("rate(client, messages, 1h) < 200"),
		    "rate(client, messages, 1h)=200"),
		HIT(STEP_MAIL, MAIL("nth(-3) = -7"), "nth(-3)=-7"),
		HIT(STEP_MAIL, MAIL("nth(1) != -7"), "nth(1)=7"),
		HIT(STEP_MAIL, MAIL("nth(1) is 7"), "nth(1)=7"),
		MISS(STEP_MAIL, MAIL("nth(1) < 10"), ""),
		MISS(STEP_MAIL, MAIL("nth(1) > nth(2)"), "nth(1)=5"),
		HIT(STEP_MAIL, MAIL("nth(1) > nth(2)"), "nth(1)=5; nth(2)=4"),
		HIT(STEP_MAIL, MAIL("surge(client) > 5"), "surge(client)=5.1"),
		MISS(STEP_MAIL, MAIL("surge(client) > 5"), "surge(client)=5"),
		HIT(STEP_MAIL, MAIL("surge(client) > 2.5"), "surge(client)=2.75"),
		HIT(STEP_MAIL, MAIL("nth(1) > 2.5"), "nth(1)=3"),
		HIT(STEP_MESSAGE, MESSAGE("message.size > 1k"), "message.size=1025"),
		MISS(STEP_MESSAGE, MESSAGE("message.size > 1k"), "message.size=1024"),
		HIT(STEP_RCPT, RCPT("greylist.wait > 5m"), "greylist.wait=301"),
		MISS(STEP_RCPT, RCPT("greylist.wait > 5m"), "greylist.wait=300"),
		/* texts, without case */
		HIT(STEP_MAIL, MAIL("helo is \"Mx.Example\""), "helo=mX.eXAMPLE"),
		MISS(STEP_MAIL, MAIL("helo is \"mx.example\""), "helo=mx.example.net"),
		HIT(STEP_MAIL, MAIL("helo is not \"mx.example\""), "helo=x"),
		HIT(STEP_MAIL, MAIL("account is \"\""), "account="),
		MISS(STEP_MAIL, MAIL("account is not \"\""), "account="),
		HIT(STEP_MAIL, MAIL("helo is client.name"),
		    "helo=a.example; client.name=A.example"),
		MISS(STEP_MAIL, MAIL("helo is client.name"), "helo=a.example"),
		HIT(STEP_MAIL, MAIL("helo ends with \".Local\""), "helo=pc.lOCAL"),
		MISS(STEP_MAIL, MAIL("helo ends with \".local\""), "helo=local"),
		HIT(STEP_MAIL, MAIL("helo starts with \"PC-\""), "helo=pc-1.example"),
		MISS(STEP_MAIL, MAIL("helo starts with \"pc-\""), "helo=pc"),
		HIT(STEP_MAIL, MAIL("helo contains \"DYN\""), "helo=a.dynamic.example"),
		MISS(STEP_MAIL, MAIL("helo contains \"dyn\""), "helo=dy"),
		MISS(STEP_MAIL, MAIL("helo contains \"dyn\""), ""),
		HIT(STEP_MAIL, MAIL("not helo contains \"dyn\""), ""),
		/* booleans */
		HIT(STEP_MAIL, MAIL("listed(\"zen.example\")"), "listed(\"zen.example\")=1"),
		MISS(STEP_MAIL, MAIL("listed(\"zen.example\")"), "listed(\"zen.example\")=0"),
		MISS(STEP_MAIL, MAIL("listed(\"zen.example\")"), ""),
		HIT(STEP_MAIL, MAIL("not listed(\"zen.example\", \"127.0.0.2\")"),
		    "listed(\"zen.example\", \"127.0.0.2\")=0"),
		/* addresses */
		HIT(STEP_MAIL, MAIL("client is 192.0.2.1"), "client.ip=192.0.2.1"),
		MISS(STEP_MAIL, MAIL("client is 192.0.2.1"), "client.ip=192.0.2.2"),
		HIT(STEP_MAIL, MAIL("client.ip is not ::1"), "client.ip=192.0.2.2"),
		HIT(STEP_MAIL, MAIL("client in { 192.0.2.0/24 }"), "client.ip=192.0.2.9"),
		MISS(STEP_MAIL, MAIL("client in { 192.0.2.0/24 }"), "client.ip=192.0.3.9"),
		HIT(STEP_MAIL, MAIL("client not in { 192.0.2.0/24 }"), "client.ip=192.0.3.9"),
		MISS(STEP_MAIL, MAIL("client not in { 192.0.2.0/24 }"), ""),
		/* lists of texts */
		HIT(STEP_MESSAGE, MESSAGE("dkim.domains contains \"B.example\""),
		    "dkim.domains=a.example,b.example"),
		MISS(STEP_MESSAGE, MESSAGE("dkim.domains contains \"example\""),
		    "dkim.domains=a.example,b.example"),
		HIT(STEP_MESSAGE, MESSAGE("dkim.domains in { \"b.example\" }"),
		    "dkim.domains=a.test,mail.b.example"),
		HIT(STEP_MESSAGE, MESSAGE("dkim.domains contains sender.domain"),
		    "dkim.domains=a.test; sender.domain=a.test"),
		/* precedence */
		HIT(STEP_MAIL, MAIL("nth(1) = 1 or nth(2) = 1 and nth(3) = 1"), "nth(1)=1"),
		MISS(STEP_MAIL, MAIL("(nth(1) = 1 or nth(2) = 1) and nth(3) = 1"), "nth(1)=1"),
		HIT(STEP_MAIL, MAIL("not nth(1) = 1 and nth(2) = 1"), "nth(2)=1"),
		MISS(STEP_MAIL, MAIL("not (nth(1) = 1 or nth(2) = 1)"), "nth(2)=1"),
		HIT(STEP_MAIL, MAIL("not not nth(2) = 1"), "nth(2)=1"),
	};

	run(cases, COUNT(cases));
}

static void
test_verdicts(void **state)
{
	static const struct one cases[] = {
		{ STEP_MAIL,
		    "at mail { reject 550 5.7.23 \"SPF: ${spf.explanation}\" if spf is fail }",
		    "spf=fail; spf.explanation=go away",
		    "reject 550 5.7.23 \"SPF: go away\" r.conf:1", "r.conf:1 reject hit spf=fail" },
		{ STEP_RCPT,
		    "at rcpt {\n tempfail 451 4.7.1 \"come back in ${greylist.wait}\" if greylist is "
		    "waiting }",
		    "greylist=waiting; greylist.wait=300",
		    "tempfail 451 4.7.1 \"come back in 5m\" r.conf:2", NULL },
		{ STEP_CONNECT, "at connect { accept session }", "", "accept session r.conf:1",
		    "r.conf:1 accept hit" },
		{ STEP_HELO, "at connect { accept }", "", "accept", "" },
		/* the first that ends the step does */
		{ STEP_MAIL,
		    "at mail {\n accept if nth(1) = 1\n reject 550 5.7.1 \"x\" if nth(2) = 1\n accept }",
		    "nth(2)=1", "reject 550 5.7.1 \"x\" r.conf:3",
		    "r.conf:2 accept nth(1)=\nr.conf:3 reject hit nth(2)=1" },
		/* score, mark and add header go on, and are seen by what follows */
		{ STEP_MAIL,
		    "at mail { mark a if nth(1) = 1\n score 3\n score -1 if marked a\n mark a\n mark b\n"
		    "add header \"X-A\" \"one ${score}\"\nadd header \"X-B\" \"two\"\n"
		    "tempfail 451 4.7.1 \"${score}\" if score >= 2 and not marked c }\n"
		    "at mail { mark c }",
		    "nth(1)=1",
		    "tempfail 451 4.7.1 \"2\" r.conf:8; score 2; mark b; mark a; X-A: one 2; X-B: two",
		    NULL },
		/* blocks of one step are one, in their order */
		{ STEP_MAIL, "at mail { score 1 }\nat rcpt { score 10 }\nat mail { score 2 }", "",
		    "accept; score 3", NULL },
		{ STEP_MAIL,
		    "at mail { reject 550 5.7.1 \"I am ${hostname}\" if helo is hostname }\n"
		    "hostname \"mx.example\"",
		    "helo=MX.example", "reject 550 5.7.1 \"I am mx.example\" r.conf:1", NULL },
	};

	run(cases, COUNT(cases));
}

/* What is not needed is not asked; what is pending stops everything. */
static void
test_lazy(void **state)
{
	static const struct one cases[] = {
		{ STEP_MAIL, MAIL("nth(1) = 1 or nth(2) = 1"), "nth(1)=1; nth(2)=PENDING",
		    "accept r.conf:1", "r.conf:1 accept hit nth(1)=1" },
		{ STEP_MAIL, MAIL("nth(1) = 1 and nth(2) = 1"), "nth(1)=0; nth(2)=PENDING",
		    "accept", "r.conf:1 accept nth(1)=0" },
		{ STEP_MAIL, MAIL("nth(1) = 1 and nth(2) = 1"), "nth(1)=1; nth(2)=PENDING",
		    "pending", "" },
		{ STEP_MAIL, MAIL("nth(1) = 1 or nth(2) = 1"), "nth(1)=PENDING; nth(2)=1",
		    "pending", "" },
		{ STEP_MAIL, MAIL("not nth(1) = 1"), "nth(1)=PENDING", "pending", "" },
		{ STEP_MAIL, MAIL("nth(1) > nth(2)"), "nth(2)=PENDING", "accept",
		    "r.conf:1 accept nth(1)=" },
		{ STEP_MAIL, MAIL("nth(1) > nth(2)"), "nth(1)=1; nth(2)=PENDING", "pending", "" },
		/* a range asks once */
		{ STEP_MAIL, MAIL("nth(1) > 1 and nth(1) < 9"), "nth(1)=5", "accept r.conf:1",
		    "r.conf:1 accept hit nth(1)=5" },
		/* a rule behind the end is not looked at */
		{ STEP_MAIL, "at mail { accept if nth(1) = 1\n accept if nth(2) = 1 }",
		    "nth(1)=1; nth(2)=PENDING", "accept r.conf:1", NULL },
		{ STEP_MAIL, "at mail { score 1\n accept if nth(2) = 1 }", "nth(2)=PENDING",
		    "pending", "" },
		/* texts ask too, but only when they are needed */
		{ STEP_MAIL, "at mail { reject 550 5.7.1 \"${spf.explanation}\" if spf is fail }",
		    "spf=fail; spf.explanation=PENDING", "pending", "" },
		{ STEP_MAIL, "at mail { reject 550 5.7.1 \"${spf.explanation}\" if spf is fail }",
		    "spf=pass; spf.explanation=PENDING", "accept", NULL },
		{ STEP_MAIL, "at mail { add header \"X\" \"${spf.explanation}\" }",
		    "spf.explanation=PENDING", "pending", "" },
	};

	run(cases, COUNT(cases));
}

static void
test_observe(void **state)
{
	static const struct one cases[] = {
		{ STEP_MAIL,
		    "at mail { observe reject 550 5.7.1 \"${helo}\"\n observe reject 550 5.7.1 \"y\"\n"
		    "score 1 }",
		    "helo=h", "accept; observed reject 550 5.7.1 \"h\" r.conf:1; score 1",
		    "r.conf:1 reject hit observed\nr.conf:2 reject hit observed\nr.conf:3 score hit" },
		/* what is observed counts for nothing */
		{ STEP_MAIL,
		    "at mail { observe score 5\n observe mark x\n observe add header \"X\" \"y\"\n"
		    "reject 550 5.7.1 \"x\" if score > 1 or marked x }",
		    "", "accept", NULL },
		/* it would have let the client through, so nothing would have been said */
		{ STEP_MAIL, "at mail { observe accept\n observe reject 550 5.7.1 \"y\" }", "",
		    "accept", NULL },
		{ STEP_MAIL, "at mail { observe reject 550 5.7.1 \"y\" if nth(1) = 1 }",
		    "nth(1)=PENDING", "pending", "" },
		{ STEP_MAIL,
		    "at mail { observe reject 550 5.7.1 \"y\" if nth(1) = 1\n"
		    "tempfail 450 4.7.1 \"z\" }",
		    "nth(1)=1",
		    "tempfail 450 4.7.1 \"z\" r.conf:2; observed reject 550 5.7.1 \"y\" r.conf:1",
		    NULL },
		/* a rehearsal of all: nothing is refused, and the step ends where it would */
		{ STEP_MAIL,
		    "mode observe\nat mail { score 3\n mark a\n add header \"X\" \"y\"\n"
		    "reject 550 5.7.1 \"x\" if score > 2 and marked a\n accept if nth(1) = 1 }",
		    "nth(1)=PENDING",
		    "accept; observed reject 550 5.7.1 \"x\" r.conf:5; score 3; mark a",
		    "r.conf:2 score hit observed\nr.conf:3 mark hit observed\nr.conf:4 add header hit "
		    "observed\nr.conf:5 reject hit observed" },
		{ STEP_MAIL, "mode observe\nat mail { accept\n}", "", "accept",
		    "r.conf:2 accept hit observed" },
		{ STEP_CONNECT, "mode observe\nat connect { accept session }", "",
		    "accept session r.conf:2", "r.conf:2 accept hit" },
	};

	run(cases, COUNT(cases));
}

/* Texts from the network: bounded, and no control characters. */
static void
test_texts(void **state)
{
	static const struct one cases[] = {
		{ STEP_MAIL,
		    "at mail { reject 550 5.7.1 \"a ${helo} $${helo} $5 \\\"q\\\" \\\\\" }",
		    "helo=\x1b[2J\r\n\x7f%s",
		    "reject 550 5.7.1 \"a ?[2J???%s ${helo} $5 \"q\" \\\" r.conf:1", NULL },
		{ STEP_MAIL,
		    "at mail { reject 550 5.7.1 \"${client} ${spf} ${nth(5)} ${surge(client)}\" }",
		    "client.ip=2001:db8::1; spf=none; nth(5)=7",
		    "reject 550 5.7.1 \"2001:db8::1 none 7 unknown\" r.conf:1", NULL },
		{ STEP_MAIL, "at mail { reject 550 5.7.1 \"${listed(\\\"zen.example\\\")}\" }",
		    "listed(\"zen.example\")=1", "reject 550 5.7.1 \"yes\" r.conf:1", NULL },
	};
	struct bench b = bench_new("at mail { reject 550 5.7.1 \"${helo}${helo}!\" }");
	char facts[1100] = "helo=";
	struct decision d;

	run(cases, COUNT(cases));
	/* cut at 200 octets, but not inside of a character */
	memset(facts + 5, 'x', 199);
	memcpy(facts + 204, "\xc3\xa4yyyyy", 8);
	fake_facts(facts);
	assert_int_equal(decide(&b, STEP_MAIL, &d), DONE);
	assert_int_equal(d.verdict.text.n, 199 + 199 + 1);
	assert_int_equal(d.verdict.text.p[398], '!');
	bench_free(&b);
}

static void
test_lists(void **state)
{
	static const struct one cases[] = {
		{ STEP_MAIL, "list l { \"example.net\" }\nat mail { accept if sender in l }",
		    "sender=a@mail.example.NET", "accept r.conf:2",
		    "r.conf:2 accept hit sender=a@mail.example.NET" },
		{ STEP_MAIL, "at mail { accept if sender in l }\nlist l { \"example.net\" }",
		    "sender=a@example.org", "accept", NULL },
		{ STEP_MAIL, "at mail { accept if sender not in l }\nlist l { \"example.net\" }",
		    "sender=a@example.org", "accept r.conf:1", NULL },
		{ STEP_CONNECT,
		    "trust 10.0.0.0/8\ntrust 2001:db8::/32\nat connect { accept session if client "
		    "in trusted }",
		    "client.ip=2001:db8::1", "accept session r.conf:3", NULL },
	};

	run(cases, COUNT(cases));
}

/* Applied once, into the memory of the transaction. */
static void
test_apply(void **state)
{
	struct bench b = bench_new("at mail { score 2; mark a; add header \"X-A\" \"1\" }\n"
				   "at rcpt { score 3; mark a; mark b; add header \"X-B\" \"2\"\n"
				   "reject 550 5.7.1 \"x\" if score > 4 and marked a }\n"
				   "at message { accept session }");
	struct transaction *txn = &b.session.txn;
	struct decision d;

	fake_facts("");
	assert_int_equal(decide(&b, STEP_MAIL, &d), DONE);
	assert_int_equal(txn->score, 0);
	/* again from the top: nothing adds up */
	assert_int_equal(decide(&b, STEP_MAIL, &d), DONE);
	assert_int_equal(d.score, 2);
	decision_apply(&b.session, &d);
	assert_int_equal(txn->score, 2);
	assert_int_equal(decide(&b, STEP_RCPT, &d), DONE);
	assert_int_equal(d.verdict.kind, VERDICT_REJECT);
	decision_apply(&b.session, &d);
	arena_reset(b.arena);
	assert_int_equal(txn->score, 5);
	assert_true(str_eq(txn->marks->name, STR("b")));
	assert_true(str_eq(txn->marks->next->name, STR("a")));
	assert_null(txn->marks->next->next);
	assert_true(str_eq(txn->added->name, STR("X-A")));
	assert_true(str_eq(txn->added->next->value, STR("2")));
	assert_null(txn->added->next->next);
	assert_false(b.session.rules_over);
	assert_int_equal(decide(&b, STEP_MESSAGE, &d), DONE);
	decision_apply(&b.session, &d);
	assert_true(b.session.rules_over);
	/* no more rules in this session */
	assert_int_equal(decide(&b, STEP_RCPT, &d), DONE);
	assert_int_equal(d.verdict.kind, VERDICT_ACCEPT);
	assert_int_equal(d.trace.n, 0);
	bench_free(&b);
}

/* A pass that has to wait takes nothing of its caller's memory. */
static void
test_pending_costs_no_memory(void **state)
{
	struct bench b = bench_new("at mail { score 1 if nth(1) = 1\n accept if nth(2) = 1 }");
	struct decision d;

	fake_facts("nth(1)=1; nth(2)=PENDING");
	for (int i = 0; i < 100; i++)
		assert_int_equal(decide(&b, STEP_MAIL, &d), PENDING);
	assert_int_equal(arena_used(b.arena), 0);
	/* what was computed is kept: nth(1) once, nth(2) each time */
	assert_int_equal(fake_computed(), 101);
	bench_free(&b);
}

/* The rule as written, on one line. */
static void
test_source(void **state)
{
	struct bench b = bench_new("at mail {\n"
				   "\tscore  2   # why\n"
				   "\t    if (spf is fail and  # both\n"
				   "\t\thelo is \"a  #b \\\" c\")\n"
				   "}");
	struct decision d;

	fake_facts("");
	assert_int_equal(decide(&b, STEP_MAIL, &d), DONE);
	assert_int_equal(d.trace.n, 1);
	assert_string_equal(d.trace.entry[0].rule->source.p,
	    "score 2 if (spf is fail and helo is \"a  #b \\\" c\")");
	bench_free(&b);
}

/* The shipped rules refuse and delay what they say, and nobody else. */
static void
test_default_rules(void **state)
{
	static const struct one cases[] = {
		{ STEP_CONNECT, "trust 10.0.0.0/8", "client.ip=10.1.1.1",
		    "accept session default.rules:7", NULL },
		{ STEP_CONNECT, "trust 10.0.0.0/8", "client.ip=192.0.2.1", "accept", NULL },
		{ STEP_HELO, "hostname \"mx.example\"", "helo=MX.EXAMPLE",
		    "reject 550 5.7.1 \"MX.EXAMPLE is this server's own name: your server must give its "
		    "own name in HELO\" default.rules:12",
		    NULL },
		{ STEP_HELO, "hostname \"mx.example\"", "helo=mail.example", "accept", NULL },
		{ STEP_MAIL, "",
		    "authenticated=0; spf.helo=fail; client.ip=192.0.2.1; helo=big.example",
		    "reject 550 5.7.23 \"SPF: 192.0.2.1 may not call itself big.example; see the SPF "
		    "record of that name\" default.rules:21",
		    NULL },
		{ STEP_MAIL, "", "authenticated=1; spf.helo=fail; spf=fail; client.name=",
		    "accept default.rules:17", NULL },
		{ STEP_MAIL, "", "authenticated=0; spf=fail; client.name=mail.forwarder.example",
		    "accept", NULL },
		{ STEP_MAIL, "",
		    "authenticated=0; spf=fail; client.name=; client.ip=192.0.2.1; spf.domain=bank.example",
		    "reject 550 5.7.23 \"SPF: 192.0.2.1 may not send for bank.example, and has no name in "
		    "the DNS\" default.rules:25",
		    NULL },
		/* the DNS did not answer: nobody is refused for that */
		{ STEP_MAIL, "",
		    "authenticated=0; spf=temperror; spf.helo=temperror; client.name=NONE",
		    "accept", NULL },
		{ STEP_RCPT, "", "recipients.allowed=2; recipients=3",
		    "tempfail 452 4.5.3 \"At most 2 recipients a message: send to the others in "
		    "another one\" default.rules:30",
		    NULL },
		{ STEP_RCPT, "",
		    "authenticated=1; recipients.allowed=0; quota=over; quota.plan=home; "
		    "quota.used=10; quota.limit=10; quota.free=3600",
		    "tempfail 452 4.7.1 \"10 of 10 of the plan home are used; there is room again in "
		    "1h\" default.rules:32",
		    NULL },
		{ STEP_RCPT, "", "recipients.allowed=0; authenticated=1; quota=near",
		    "accept default.rules:34", NULL },
		{ STEP_RCPT, "",
		    "recipients.allowed=0; authenticated=0; unknown_share(client, 1h)=81; client.ip=192.0.2.1",
		    "tempfail 450 4.7.1 \"Too many unknown recipients from 192.0.2.1: clean the list of "
		    "recipients, and try again in an hour\" default.rules:37",
		    NULL },
		{ STEP_RCPT, "",
		    "recipients.allowed=0; authenticated=0; client.name=; greylist=waiting; greylist.wait=240; client.ip=192.0.2.1",
		    "tempfail 451 4.7.1 \"Greylisted, as 192.0.2.1 has no name in the DNS: try again in "
		    "4m\" default.rules:41",
		    NULL },
		/* who has a name costs no question to the store's greylist */
		{ STEP_RCPT, "",
		    "recipients.allowed=0; authenticated=0; client.name=a.example; greylist=PENDING",
		    "accept", NULL },
		{ STEP_MESSAGE, "", "authenticated=0; from.count=2",
		    "reject 550 5.6.0 \"The message has 2 From fields: exactly one is allowed (RFC 5322 "
		    "3.6)\" default.rules:49",
		    NULL },
		{ STEP_MESSAGE, "", "authenticated=0; from.count=1", "accept", NULL },
		/* DMARC is looked at, and nobody is refused for it */
		{ STEP_MESSAGE, "",
		    "authenticated=0; from.count=1; dmarc=fail; dmarc.policy=reject; dmarc.from=a.example",
		    "accept; observed reject 550 5.7.26 \"DMARC: a.example does not vouch for this "
		    "message and asks that it be refused\" default.rules:54",
		    NULL },
		{ STEP_MESSAGE, "",
		    "authenticated=0; from.count=1; dmarc=fail; dmarc.policy=quarantine", "accept",
		    NULL },
		{ STEP_MESSAGE, "", "authenticated=1; from.count=1; dmarc=PENDING",
		    "accept default.rules:46", NULL },
	};

	run(cases, COUNT(cases));
}

static void
add_rules(struct buf *b, unsigned n)
{
	buf_add(b, STR("at mail {\n"));
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "score 1 if client in { 192.0.2.%u } and spf is fail\n", i % 256);
	buf_add(b, STR("}\n"));
}

/* Ten thousand rules load and run; times are for eyes, and asserted with much room. */
static void
test_many_rules(void **state)
{
	struct buf text;
	struct bench b;
	struct decision d;
	int64_t began = clock_mono_us(), loaded;

	buf_init(&text, 1024 * 1024);
	add_rules(&text, 10000);
	b = bench_new(text.p);
	loaded = clock_mono_us();
	fake_facts("client.ip=198.51.100.1; spf=fail");
	assert_int_equal(decide(&b, STEP_MAIL, &d), DONE);
	print_message("# 10,000 rules: loaded in %lld us, decided in %lld us\n",
	    (long long)(loaded - began), (long long)(clock_mono_us() - loaded));
	assert_int_equal(d.trace.n, 10000);
	assert_int_equal(fake_computed(), 1);
	assert_true(loaded - began < 10 * 1000 * 1000);
	bench_free(&b);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_observe),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_pending_costs_no_memory),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_default_rules),
		cmocka_unit_test(test_many_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
