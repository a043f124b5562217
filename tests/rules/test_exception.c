/* What exceptions make of the rules, step by step. */
#include "rules/exception.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/exception.h"
#include "rules/load.h"
#include "tests/rules/fake.h"

#define NOW 1700000000
#define REJECT "reject 550 5.7.1 \"No\" if "

/* One step of a session, in the order of steps; a recipient that is let in is taken. */
struct stop {
	enum step step;
	const char *recipient;
	const char *facts;
	const char *said; /* "accept", "reject r.conf:1", "observed reject r.conf:2", "pending" */
};

struct row {
	const char *what, *rules;
	const char *condition; /* of the rule whose digest stands for % in the exceptions */
	const char *exceptions[3];
	const char *sender;
	struct stop stop[6];
	const char *used; /* numbers, of all steps: "1 2 2" */
};

#define SPF_PASS "spf=pass; spf.domain=a.test"
#define AT_MAIL "at mail { " REJECT "early > 1 }"
#define LATE "early=2; "

static const struct row rows[] = {
	{ "nobody is excepted", AT_MAIL, "early > 1", { NULL }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "reject r.conf:1" } }, "" },
	{ "by the client", AT_MAIL, "early > 1", { "allow % client:192.0.2.7 * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "accept" } }, "1" },
	{ "another client", AT_MAIL, "early > 1", { "allow % client:192.0.2.8 * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "reject r.conf:1" } }, "" },
	{ "any rule", AT_MAIL, "early > 1", { "allow * client:192.0.2.7 * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "accept" } }, "1" },
	{ "another rule", AT_MAIL, "early > 2", { "allow % client:192.0.2.7 * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "reject r.conf:1" } }, "" },
	{ "the rules behind it go on", "at mail { " REJECT "early > 1\n" REJECT "helo is \"bad\" }",
	    "early > 1", { "allow % client:192.0.2.7 * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE "helo=bad", "reject r.conf:2" } }, "1" },
	{ "the client's address is only worth the sender it came with", AT_MAIL, "early > 1",
	    { "allow % client:192.0.2.7 b.test *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "reject r.conf:1" } }, "" },
	{ "a sender by SPF", AT_MAIL, "early > 1", { "allow % spf:a.test * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE SPF_PASS, "accept" } }, "1" },
	{ "a sender that SPF does not prove", AT_MAIL, "early > 1", { "allow % spf:a.test * *" },
	    "x@a.test",
	    { { STEP_MAIL, NULL, LATE "spf=softfail; spf.domain=a.test", "reject r.conf:1" } },
	    "" },
	{ "nobody's record is asked for who is not meant", AT_MAIL, "early > 1",
	    { "allow % spf:b.test * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE "spf=PENDING; spf.domain=a.test", "reject r.conf:1" } }, "" },
	{ "SPF has to be waited for", AT_MAIL, "early > 1", { "allow % spf:a.test * *" },
	    "x@a.test", { { STEP_MAIL, NULL, LATE "spf=PENDING; spf.domain=a.test", "pending" } },
	    "" },
	{ "not if the client will do", AT_MAIL, "early > 1",
	    { "allow % spf:a.test * *", "allow % client:192.0.2.7 * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE "spf=PENDING; spf.domain=a.test", "accept" } }, "2" },
	{ "the DNS does not answer", AT_MAIL, "early > 1", { "allow % spf:a.test * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE "spf=temperror; spf.domain=a.test", "tempfail r.conf:1" } },
	    "" },
	{ "before MAIL it is held back", "at connect { " REJECT "nth(9) > 1 }", "nth(9) > 1",
	    { "allow % spf:a.test * *" }, "x@a.test",
	    { { STEP_CONNECT, NULL, "nth(9)=2", "accept" }, { STEP_HELO, NULL, "", "accept" },
		{ STEP_MAIL, NULL, SPF_PASS, "accept" }, { STEP_RCPT, "b@h.test", "", "accept" },
		{ STEP_MESSAGE, NULL, "", "accept" } },
	    "1" },
	{ "and given when it is not proven", "at connect { " REJECT "nth(9) > 1 }", "nth(9) > 1",
	    { "allow % spf:a.test * *" }, "x@a.test",
	    { { STEP_CONNECT, NULL, "nth(9)=2", "accept" },
		{ STEP_MAIL, NULL, "spf=none; spf.domain=a.test", "reject r.conf:1" } },
	    "" },
	{ "what is held back holds for those who are let in for good, too",
	    "at connect { " REJECT "nth(9) > 1\n accept session if nth(1) = 1 }", "nth(9) > 1",
	    { "allow % spf:a.test * *" }, "x@a.test",
	    { { STEP_CONNECT, NULL, "nth(9)=2; nth(1)=1", "accept" },
		{ STEP_MAIL, NULL, "spf=none; spf.domain=a.test", "reject r.conf:1" } },
	    "" },
	{ "one recipient, known only at RCPT", AT_MAIL, "early > 1",
	    { "allow % client:192.0.2.7 * b@h.test" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "accept" }, { STEP_RCPT, "c@h.test", "", "reject r.conf:1" },
		{ STEP_RCPT, "b@h.test", "", "accept" }, { STEP_MESSAGE, NULL, "", "accept" } },
	    "1" },
	{ "a signature, known only with the message", "at rcpt { " REJECT "box is \"b\" }",
	    "box is \"b\"", { "allow % dkim:a.test * b@h.test" }, "x@a.test",
	    { { STEP_RCPT, "b@h.test", "box=b", "accept" },
		{ STEP_RCPT, "c@h.test", "box=b", "reject r.conf:1" },
		{ STEP_MESSAGE, NULL, "dkim.domains=c.test,A.test", "accept" } },
	    "1" },
	{ "another's signature", "at rcpt { " REJECT "box is \"b\" }", "box is \"b\"",
	    { "allow % dkim:a.test * b@h.test" }, "x@a.test",
	    { { STEP_RCPT, "b@h.test", "box=b", "accept" },
		{ STEP_MESSAGE, NULL, "dkim.domains=c.test", "reject r.conf:1" } },
	    "" },
	{ "a recipient who was not refused has no part in it", "at rcpt { " REJECT "box is \"b\" }",
	    "box is \"b\"", { "allow % dkim:a.test * b@h.test" }, "x@a.test",
	    { { STEP_RCPT, "d@h.test", "box=d", "accept" },
		{ STEP_RCPT, "b@h.test", "box=b", "accept" },
		{ STEP_MESSAGE, NULL, "dkim.domains=a.test", "accept" } },
	    "1" },
	{ "a message", "at message { " REJECT "dkim is not pass }", "dkim is not pass",
	    { "allow % spf:a.test * b@h.test" }, "x@a.test",
	    { { STEP_RCPT, "b@h.test", "", "accept" },
		{ STEP_MESSAGE, NULL, "dkim=fail; " SPF_PASS, "accept" } },
	    "1" },
	{ "a message to others, too", "at message { " REJECT "dkim is not pass }",
	    "dkim is not pass", { "allow % spf:a.test * b@h.test" }, "x@a.test",
	    { { STEP_RCPT, "b@h.test", "", "accept" }, { STEP_RCPT, "c@h.test", "", "accept" },
		{ STEP_MESSAGE, NULL, "dkim=fail; " SPF_PASS, "reject r.conf:1" } },
	    "" },
	{ "a message to others who are excepted by another one",
	    "at message { " REJECT "dkim is not pass }", "dkim is not pass",
	    { "allow % spf:a.test * b@h.test", "allow % client:192.0.2.7 * c@h.test" }, "x@a.test",
	    { { STEP_RCPT, "b@h.test", "", "accept" }, { STEP_RCPT, "c@h.test", "", "accept" },
		{ STEP_MESSAGE, NULL, "dkim=fail; " SPF_PASS, "accept" } },
	    "2 1" },
	{ "only for now", "at rcpt { tempfail 451 4.7.1 \"Later\" if greylist is waiting }",
	    "greylist is waiting", { "allow % spf:a.test * b@h.test" }, "x@a.test",
	    { { STEP_RCPT, "b@h.test", "greylist=waiting; " SPF_PASS, "accept" },
		{ STEP_RCPT, "c@h.test", "greylist=waiting; " SPF_PASS, "tempfail r.conf:1" } },
	    "1" },
	{ "a rule that is observed", "at mail { observe " REJECT "early > 1 }", "early > 1",
	    { "allow % client:192.0.2.7 * b@h.test" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "accept" } }, "" },
	{ "mode observe", "mode observe\n" AT_MAIL, "early > 1", { "allow % client:192.0.2.8 * *" },
	    "x@a.test", { { STEP_MAIL, NULL, LATE, "observed reject r.conf:2" } }, "" },
	{ "a client is blocked from the beginning", "at connect { accept session }", "",
	    { "block * client:192.0.2.0/24 * *" }, "x@a.test",
	    { { STEP_CONNECT, NULL, "", "reject exception 1" } }, "1" },
	{ "a domain is blocked when it is proven", "", "",
	    { "block * spf:a.test * *", "block * dkim:b.test * *" }, "x@a.test",
	    { { STEP_CONNECT, NULL, "", "accept" },
		{ STEP_MAIL, NULL, "spf=none; spf.domain=a.test", "accept" },
		{ STEP_RCPT, "b@h.test", "", "accept" },
		{ STEP_MESSAGE, NULL, "dkim.domains=b.test", "reject exception 2" } },
	    "2" },
	{ "what cannot be proven is not blocked", "", "", { "block * spf:a.test * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, "spf=temperror; spf.domain=a.test", "accept" } }, "" },
	{ "for one recipient", "", "", { "block * client:192.0.2.7 * b@h.test" }, "x@a.test",
	    { { STEP_CONNECT, NULL, "", "accept" }, { STEP_MAIL, NULL, "", "accept" },
		{ STEP_RCPT, "c@h.test", "", "accept" },
		{ STEP_RCPT, "b@h.test", "", "reject exception 1" },
		{ STEP_MESSAGE, NULL, "", "accept" } },
	    "1" },
	{ "mode observe blocks nobody", "mode observe\n" AT_MAIL, "",
	    { "block * client:192.0.2.7 * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "observed reject exception 1" } }, "1" },
	{ "a block is not undone by the same client's being let in", AT_MAIL, "early > 1",
	    { "allow * client:192.0.2.7 * *", "block * client:192.0.2.7 * *" }, "x@a.test",
	    { { STEP_MAIL, NULL, LATE, "reject exception 2" } }, "2" },
};

struct world {
	struct config *config;
	struct session session;
	struct arena *arena;
	struct exceptions *all;
	struct buf used;
	struct decision d;
};

static void
except(struct world *w, const struct row *row)
{
	struct arena *arena = arena_new(1 << 20);
	struct str asks = arena_printf(w->arena, "if %s", row->condition);
	char digest[EXCEPTION_RULE];

	exception_digest(asks, digest);
	w->all = exceptions_new(arena, 3);
	for (size_t i = 0; i < 3 && row->exceptions[i]; i++) {
		struct str text = str_of(row->exceptions[i]);
		size_t at = str_find(text, '%');
		struct str key = at == STR_NPOS ? text
						: arena_printf(arena, "%.*s%s@r.conf:1%s", (int)at,
						      text.p, digest, text.p + at + 1);

		exceptions_add(w->all, (int64_t)i + 1, key, 0);
	}
	assert_int_equal(w->all->unreadable, 0);
}

static void
world_init(struct world *w, const struct row *row)
{
	*w = (struct world){ .config = fake_load(row->rules), .arena = arena_new(1 << 20) };
	session_init(&w->session, FRONT_PROXY, &w->config->facts, w->config->n_parts);
	assert_true(ip_parse(STR("192.0.2.7"), &w->session.client_ip));
	buf_init(&w->used, 100);
	buf_add(&w->used, STR(""));
	except(w, row);
	w->session.exceptions = w->all->n > 0 ? w->all : NULL;
}

static void
world_free(struct world *w)
{
	session_free(&w->session);
	exceptions_free(&w->all);
	buf_free(&w->used);
	arena_free(&w->arena);
	config_release(&w->config);
}

static struct mailbox
mailbox(struct world *w, const char *address)
{
	struct str path = arena_printf(w->arena, "<%s>", address);
	struct mailbox m;
	struct err e;

	if (!mailbox_take(&path, true, true, &m, &e))
		fail_msg("%s: %s", address, e.text);
	return m;
}

/* What a front does before it asks, and after it has heard. */
static void
enter(struct world *w, const struct row *row, const struct stop *stop)
{
	struct session *s = &w->session;

	if (stop->step >= STEP_MAIL && s->txn.serial == 0) {
		struct mailbox sender = mailbox(w, row->sender);

		session_mail(s, &sender);
	}
	if (stop->recipient) {
		struct mailbox m = mailbox(w, stop->recipient);

		session_rcpt(s, &m);
	}
}

static void
leave(struct world *w, bool refused)
{
	struct session *s = &w->session;

	if (!refused)
		decision_apply(s, &w->d);
	if (s->txn.current) {
		s->txn.current->state = refused ? RECIPIENT_REFUSED : RECIPIENT_ACCEPTED;
		s->txn.n_accepted += !refused;
		s->txn.current = NULL;
	}
	for (const struct exception_use *u = w->d.used; u; u = u->next)
		buf_printf(&w->used, "%s%d", w->used.n ? " " : "", (int)u->number);
}

static struct str
says(struct world *w, const struct stop *stop)
{
	struct ask ask = session_ask(&w->session, stop->step, NOW);
	const struct decision *d = &w->d;

	fake_facts(stop->facts);
	if (ruleset_decide(w->config->ruleset, &ask, w->arena, &w->d) != DONE)
		return STR("pending");
	if (d->observed.kind != VERDICT_ACCEPT)
		return arena_printf(w->arena, "observed %s %.*s", verdict_name(d->observed.kind),
		    STR_ARG(d->observed.rule));
	if (d->verdict.kind < VERDICT_TEMPFAIL)
		return STR("accept");
	return arena_printf(
	    w->arena, "%s %.*s", verdict_name(d->verdict.kind), STR_ARG(d->verdict.rule));
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct world w;

		print_message("%s\n", row->what);
		world_init(&w, row);
		for (size_t k = 0; k < 6 && row->stop[k].said; k++) {
			struct str said;

			enter(&w, row, &row->stop[k]);
			said = says(&w, &row->stop[k]);
			if (!str_eq(said, str_of(row->stop[k].said)))
				fail_msg("stop %zu: %.*s", k, STR_ARG(said));
			leave(&w, w.d.verdict.kind >= VERDICT_TEMPFAIL);
		}
		assert_string_equal(w.used.p, row->used);
		world_free(&w);
	}
}

/* What an exception did is told, with what it rests on; and a refusal that comes late, as the rule that it is. */
static void
test_trace(void **state)
{
	static const struct row held = { "", "at connect { " REJECT "nth(9) > 1 }", "nth(9) > 1",
		{ "allow % spf:a.test * *" }, "x@a.test", { { 0 } }, "" };
	static const struct stop first = { STEP_CONNECT, NULL, "nth(9)=2", "" };
	static const struct stop second = { STEP_MAIL, NULL, "spf=fail; spf.domain=a.test", "" };
	static const struct row mail = { "", AT_MAIL, "early > 1", { "allow % spf:a.test * *" },
		"x@a.test", { { 0 } }, "" };
	static const struct stop passes = { STEP_MAIL, NULL, LATE SPF_PASS, "" };
	const struct trace_entry *e;
	struct world w;

	world_init(&w, &mail);
	enter(&w, &mail, &passes);
	says(&w, &passes);
	assert_int_equal(w.d.trace.n, 2);
	e = &w.d.trace.entry[0];
	assert_true(e->hit && str_eq(e->rule->id, STR("r.conf:1")));
	e = &w.d.trace.entry[1];
	assert_true(e->hit && str_eq(e->rule->id, STR("exception 1")));
	assert_string_equal(e->rule->action, "allow");
	assert_true(str_eq(e->rule->source, w.all->item[0].key));
	assert_int_equal(e->n_facts, 2);
	assert_string_equal(e->fact[1]->call.entry->def->name, "spf");
	world_free(&w);

	world_init(&w, &held);
	says(&w, &first);
	assert_int_equal(w.d.trace.n, 2);
	assert_string_equal(w.d.trace.entry[1].rule->action, "hold");
	leave(&w, false);
	enter(&w, &held, &second);
	says(&w, &second);
	assert_int_equal(w.d.verdict.kind, VERDICT_REJECT);
	assert_true(str_eq(w.d.verdict.text, STR("No")));
	assert_int_equal(w.d.trace.n, 1);
	e = &w.d.trace.entry[0];
	assert_true(e->hit && str_eq(e->rule->id, STR("r.conf:1")));
	assert_true(str_eq(e->rule->source, STR(REJECT "nth(9) > 1")));
	world_free(&w);
}

/* A refusal of the name in HELO goes with the name. */
static void
test_other_name(void **state)
{
	static const struct row row = { "", "at helo { " REJECT "helo is \"bad\" }",
		"helo is \"bad\"", { "allow % spf:b.test * *" }, "x@a.test", { { 0 } }, "" };
	static const struct stop bad = { STEP_HELO, NULL, "helo=bad", "" };
	static const struct stop good = { STEP_HELO, NULL, "helo=good", "" };
	static const struct stop mail = { STEP_MAIL, NULL, "spf.domain=a.test", "" };
	struct world w;

	for (int other = 0; other < 2; other++) {
		world_init(&w, &row);
		says(&w, &bad);
		leave(&w, false);
		assert_non_null(w.session.held);
		if (other) {
			session_helo(&w.session, STR("good"), true);
			says(&w, &good);
			leave(&w, false);
			assert_null(w.session.held);
		}
		enter(&w, &row, &mail);
		says(&w, &mail);
		assert_int_equal(w.d.verdict.kind, other ? VERDICT_ACCEPT : VERDICT_REJECT);
		world_free(&w);
	}
}

/* --- which rule is which ------------------------------------------------------------------------- */

#define SAYS(text, condition) "reject 550 5.7.1 \"" text "\" " condition

static const struct {
	const char *what, *a, *b; /* the last refusal of each at `mail` */
	bool same;
} digests[] = {
	{ "other words", SAYS("a", "if spf is fail"), SAYS("b", "if spf is fail"), true },
	{ "other codes", SAYS("a", "if spf is fail"), "tempfail 451 4.7.1 \"a\" if spf is fail",
	    true },
	{ "observed", "observe " SAYS("a", "if spf is fail"), SAYS("a", "if spf is fail"), true },
	{ "spaced", SAYS("a", "  if spf   is fail  "), SAYS("a", "if spf is fail"), true },
	{ "quotes in the words", SAYS("a \\\" if x", "if spf is fail"), SAYS("a", "if spf is fail"),
	    true },
	{ "another condition", SAYS("a", "if spf is fail"), SAYS("a", "if spf is softfail"),
	    false },
	{ "quotes in the condition", SAYS("a", "if helo is \"x\""), SAYS("a", "if helo is \"y\""),
	    false },
	{ "no condition", SAYS("a", ""), SAYS("b", ""), false },
	{ "in other blocks", "if spf is fail {\n" SAYS("a", "") "\n}",
	    "if spf is softfail {\n" SAYS("a", "") "\n}", false },
	{ "in equal blocks", "if spf is fail {\n" SAYS("a", "") "\n}",
	    "if  spf is fail  {\nscore 1\n" SAYS("b", "") "\n}", true },
	{ "in the other branch", "if spf is fail {\n" SAYS("a", "") "\n}",
	    "if spf is fail {\nscore 1\n} else {\n" SAYS("a", "") "\n}", false },
	{ "behind other branches", "if spf is fail {\nscore 1\n} else {\n" SAYS("a", "") "\n}",
	    "if spf is softfail {\nscore 1\n} else {\n" SAYS("a", "") "\n}", false },
};

static const char *
digest_of(const struct config *config)
{
	const struct ruleset *rules = config->ruleset;
	const char *digest = NULL;

	for (size_t i = 0; i < rules->n[STEP_MAIL]; i++)
		if (rules->rule[STEP_MAIL][i]->shown.digest)
			digest = rules->rule[STEP_MAIL][i]->shown.digest;
	assert_non_null(digest);
	return digest;
}

static void
test_digests(void **state)
{
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
		struct arena *arena = arena_new(1 << 16);
		struct config *a, *b;

		print_message("%s\n", digests[i].what);
		a = fake_load(arena_printf(arena, "at mail {\n%s\n}", digests[i].a).p);
		b = fake_load(arena_printf(arena, "at mail {\n%s\n}", digests[i].b).p);
		assert_int_equal(strcmp(digest_of(a), digest_of(b)) == 0, digests[i].same);
		config_release(&a);
		config_release(&b);
		arena_free(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_other_name),
		cmocka_unit_test(test_digests),
	};

	return cmocka_run_group_tests_name("exception", tests, NULL, NULL);
}
