/*
 * Tests on a session in clear, and on the same with pseudonyms: where anything is said of the second, it is what is said of the first. What can
 * be said is in the table.
 */
#include "rules/hashed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "mail/session.h"
#include "rules/load.h"
#include "rules/record_pseudonyms.h"

/* Whether it is known with the key, and without. */
enum known { NEVER, KEY, ALWAYS };

static const struct row {
	const char *condition;
	bool is; /* in clear */
	enum known known;
} rows[] = {
	/* whole addresses */
	{ "sender is \"jane@a.test\"", true, KEY },
	{ "sender is \"JANE@A.test\"", true, KEY },
	{ "sender is \"jan@a.test\"", false, KEY },
	{ "sender is not \"jane@a.test\"", false, KEY },
	{ "sender is \"jane@b.test\"", false, ALWAYS },
	{ "sender is \"\"", false, ALWAYS },
	{ "sender is \"a.test\"", false, ALWAYS },
	{ "recipient is \"bob+x@b.test\"", true, KEY },
	{ "recipient is \"bob@b.test\"", false, KEY },
	{ "sender is recipient", false, ALWAYS },
	{ "sender is sender", true, ALWAYS },
	{ "account is sender", false, ALWAYS },
	{ "sender.domain is \"a.test\"", true, ALWAYS },
	{ "helo is \"to jane@a.test, x\"", true, KEY },
	{ "helo is \"to jan@a.test, x\"", false, KEY },
	/* local parts */
	{ "sender.local is \"jane\"", true, KEY },
	{ "sender.local is \"Jane\"", true, KEY },
	{ "sender.local is \"jan\"", false, KEY },
	{ "sender.local is \"\"", false, ALWAYS },
	{ "sender.local in { \"joe\", \"jane\" }", true, KEY },
	{ "sender.local in { \"joe\", \"jim\" }", false, KEY },
	{ "sender.local in { \"joe\", \"a.test\" }", false, NEVER },
	{ "sender.local contains \"an\"", true, NEVER },
	{ "account is sender.local", true, NEVER },
	/* accounts */
	{ "account is \"Jane\"", true, KEY },
	{ "account is \"joe\"", false, KEY },
	{ "account is \"\"", false, ALWAYS },
	{ "account in { \"jane\" }", true, KEY },
	{ "account in { \"joe\" }", false, KEY },
	{ "account in { \"a.test\" }", false, NEVER },
	{ "account starts with \"j\"", true, NEVER },
	/* lists */
	{ "sender in { \"jane@a.test\", \"joe@b.test\" }", true, KEY },
	{ "sender in { \"joe@a.test\" }", false, KEY },
	{ "sender not in { \"joe@a.test\" }", true, KEY },
	{ "sender in { \"a.test\" }", true, ALWAYS },
	{ "sender in { \"test\", \".test\" }", true, ALWAYS },
	{ "sender in { \"b.test\" }", false, KEY },
	{ "sender in { /^jane@/ }", true, NEVER },
	{ "sender in { /x/, \"jane@a.test\" }", true, KEY },
	{ "sender in { /x/, \"a.test\" }", true, ALWAYS },
	{ "sender.domain in { \"a.test\" }", true, ALWAYS },
	{ "recipient in { \"bob+x@b.test\" }", true, KEY },
	{ "helo in { \"a.test\" }", false, NEVER },
	/* parts */
	{ "sender contains \"ane@a\"", true, NEVER },
	{ "sender contains \"@a.t\"", true, ALWAYS },
	{ "sender contains \"@b.t\"", false, ALWAYS },
	{ "sender contains \"x@b.t\"", false, ALWAYS },
	{ "sender contains \".test\"", true, ALWAYS },
	{ "sender contains \"an\"", true, NEVER },
	{ "sender contains \"%\"", false, NEVER },
	{ "sender contains \"\\\"\"", false, ALWAYS },
	{ "sender contains \" \"", false, ALWAYS },
	{ "sender ends with \"a.test\"", true, ALWAYS },
	{ "sender ends with \"@a.test\"", true, ALWAYS },
	{ "sender ends with \"b.test\"", false, ALWAYS },
	{ "sender ends with \"ne@a.test\"", true, NEVER },
	{ "sender ends with \"ne@b.test\"", false, ALWAYS },
	{ "sender starts with \"ja\"", true, NEVER },
	{ "sender starts with \"\"", true, ALWAYS },
	{ "helo starts with \"to \"", true, ALWAYS },
	{ "helo starts with \"to jane\"", true, NEVER },
	{ "helo starts with \"at \"", false, ALWAYS },
	{ "helo ends with \", x\"", true, ALWAYS },
	{ "helo contains \", x\"", true, ALWAYS },
	{ "helo contains \"nobody at all\"", false, ALWAYS },
	{ "helo contains \"o jan\"", true, NEVER },
	{ "helo contains \"t jan\"", false, ALWAYS },
	{ "helo contains \"ne@a.test, \"", true, NEVER },
	{ "helo contains \"ne@a.test; \"", false, ALWAYS },
	{ "helo contains \"to jane@a.test, x and more\"", false, ALWAYS },
	{ "sender matches /^j/", true, NEVER },
	{ "sender.domain matches /^a/", true, ALWAYS },
	/* together: what decides alone needs nobody else */
	{ "sender matches /^j/ and sender.domain is \"b.test\"", false, NEVER },
	{ "sender.domain is \"b.test\" and sender matches /^j/", false, ALWAYS },
	{ "sender.domain is \"a.test\" or sender matches /^x/", true, ALWAYS },
	{ "not (sender is \"joe@a.test\")", true, KEY },
};

struct world {
	struct arena *arena;
	struct config *config;
	struct session session;
	struct pseudonym *p;
	struct hashed *ours, *strangers;
};

static struct config *
load(struct world *w, const char *condition)
{
	const struct config_part part = {
		.name = "", .facts = session_facts, .n_facts = n_session_facts
	};
	const struct config_vocabulary vocabulary = { .part = &part, .n = 1 };
	struct complaints c = { 0 };
	struct config *config;
	struct str text = arena_printf(w->arena,
	    "hostname \"h.test\"\nlisten proxy 127.0.0.1 port 2500\nbackend 127.0.0.1 port 9\n"
	    "at rcpt {\nreject 550 5.7.1 \"No\" if %s\n}\n",
	    condition);

	config = config_load_text("r.conf", text, &vocabulary, &c);
	if (config == NULL)
		fail_msg("%s: %s", condition, c.item[0].text);
	complaints_free(&c);
	return config;
}

static struct mailbox
mailbox(struct world *w, struct str address)
{
	struct str path = arena_printf(w->arena, "<%.*s>", STR_ARG(address));
	struct mailbox m;

	assert_true(mailbox_take(&path, false, false, &m, NULL));
	return m;
}

static void
begin(struct world *w, const struct config *config, const struct journal_record *r)
{
	struct mailbox sender, recipient;

	session_init(&w->session, FRONT_PROXY, &config->facts, config->n_parts);
	session_helo(&w->session, r->helo, true);
	session_authenticate(&w->session, r->account, STR("PLAIN"));
	sender = mailbox(w, r->sender);
	session_mail(&w->session, &sender);
	recipient = mailbox(w, r->recipients);
	session_rcpt(&w->session, &recipient);
}

/* What the rules say of it: 0 no, 1 yes, -1 not known. */
static int
said(struct world *w, const struct config *config, const struct journal_record *r,
    struct hashed *hashed)
{
	struct decision d;
	struct ask ask;
	int is;

	begin(w, config, r);
	w->session.hashed = hashed;
	if (hashed)
		hashed_clear(hashed);
	ask = session_ask(&w->session, STEP_RCPT, 1700000000);
	is = ruleset_decide(config->ruleset, &ask, w->arena, &d) != DONE ? -1
	    : d.verdict.kind == VERDICT_REJECT                           ? 1
									 : 0;
	assert_int_equal(is < 0, hashed && hashed_stuck(hashed));
	session_free(&w->session);
	return is;
}

static void
check(struct world *w, const struct row *row)
{
	struct config *config = load(w, row->condition);
	struct journal_record clear = { .front = "proxy",
		.sender = STR("jane@a.test"),
		.recipients = STR("bob+x@b.test"),
		.account = STR("jane"),
		.helo = STR("to jane@a.test, x") };
	struct journal_record hashed = clear;

	record_pseudonyms(w->p, w->arena, &hashed);
	hashed.recipients = pseudonym_of(w->p, w->arena, clear.recipients);
	print_message("%s\n", row->condition);
	assert_int_equal(said(w, config, &clear, NULL), row->is);
	assert_int_equal(
	    said(w, config, &hashed, w->ours), row->known == NEVER ? -1 : (int)row->is);
	assert_int_equal(
	    said(w, config, &hashed, w->strangers), row->known == ALWAYS ? (int)row->is : -1);
	config_release(&config);
}

static void
test_rows(void **state)
{
	struct world w = { .arena = arena_new(1 << 24) };

	(void)state;
	w.p = pseudonym_new(w.arena, STR("0123456789abcdef0123456789abcdef"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* Each has lists of its own configuration. */
		w.ours = hashed_new(w.p);
		w.strangers = hashed_new(NULL);
		check(&w, &rows[i]);
		hashed_free(&w.ours);
		hashed_free(&w.strangers);
	}
	arena_free(&w.arena);
}

static struct list *
list_of(struct arena *arena, const char *item)
{
	struct list *list = list_new(arena, STR("l"));
	struct err e;

	assert_true(list_add_text(list, str_of(item), &e));
	list_finish(list);
	return list;
}

/* Whose plan an account has shows by its pseudonym, unless only the clear text could tell. */
static void
test_plans(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct pseudonym *p = pseudonym_new(arena, STR("0123456789abcdef0123456789abcdef"));
	struct hashed *h = hashed_new(p), *strangers = hashed_new(NULL);
	const struct plan plan[] = { { .name = STR("one"), .accounts = list_of(arena, "alice") },
		{ .name = STR("two"), .accounts = list_of(arena, "a.test") } };
	const struct plans plans = { plan, 2 };
	const struct plans *hashed;
	bool known;

	(void)state;
	hashed = hashed_plans(h, &plans, pseudonym_of(p, arena, STR("alice@a.test")), &known);
	assert_true(known);
	assert_string_equal(
	    plan_of(hashed, pseudonym_of(p, arena, STR("Alice@a.test")), NULL)->name.p, "two");
	hashed = hashed_plans(h, &plans, pseudonym_of(p, arena, STR("alice")), &known);
	assert_false(known);
	assert_string_equal(
	    plan_of(hashed, pseudonym_of(p, arena, STR("alice")), NULL)->name.p, "one");
	assert_null(plan_of(hashed, pseudonym_of(p, arena, STR("bob")), NULL));
	(void)hashed_plans(strangers, &plans, pseudonym_of(p, arena, STR("a@a.test")), &known);
	assert_false(known);
	(void)hashed_plans(strangers, &plans, STR(""), &known);
	assert_true(known);
	hashed_free(&h);
	hashed_free(&strangers);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_plans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
