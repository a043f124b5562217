/* Which recipients get into one transaction. */
#include "rules/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/load.h"
#include "tests/rules/fake.h"

struct row {
	const char *what, *rules;
	const char *first, *second; /* facts of the recipients */
	const char *said;           /* of the second: "accept", "defer", ... */
	const char *trace;          /* the last entry's source; NULL: no test was put */
};

#define ALIKE "rules of message tell recipients apart"
#define REJECT "reject 550 5.7.1 \"no\" if "
#define AT_MESSAGE(condition) "at message { " REJECT condition " }"

static const struct row rows[] = {
	{ "no test", AT_MESSAGE("dkim is fail"), "box=a", "box=b", "accept", NULL },
	{ "only at rcpt", "at rcpt { " REJECT "box is \"x\" }", "box=a", "box=b", "accept", NULL },
	{ "alike", AT_MESSAGE("box is \"x\""), "box=a", "box=b", "accept", ALIKE },
	{ "both", AT_MESSAGE("box is \"x\""), "box=x", "box=X", "accept", ALIKE },
	{ "not alike", AT_MESSAGE("box is \"x\""), "box=a", "box=x", "defer",
	    "r.conf:1 of message asks box: yes here, no for b0@example.org" },
	{ "the other way round", AT_MESSAGE("not box is \"x\""), "box=x", "box=a", "defer",
	    "r.conf:1 of message asks box: no here, yes for b0@example.org" },
	{ "a list", AT_MESSAGE("dkim is fail and box in { \"example.org\" }"), "box=a@example.org",
	    "box=a@example.net", "defer",
	    "r.conf:1 of message asks box: no here, yes for b0@example.org" },
	{ "deep", AT_MESSAGE("dkim is fail or (spf is fail and not (box.limit > 5))"),
	    "box.limit=5", "box.limit=6", "defer",
	    "r.conf:1 of message asks box.limit: yes here, no for b0@example.org" },
	{ "the second rule", "at message { score 1 if box.limit > 1\n " REJECT "box.limit > 2\n }",
	    "box.limit=2", "box.limit=3", "defer",
	    "r.conf:2 of message asks box.limit: yes here, no for b0@example.org" },
	{ "with what is known at rcpt", AT_MESSAGE("box is sender"), "box=a; sender=a",
	    "box=b; sender=a", "defer",
	    "r.conf:1 of message asks box: no here, yes for b0@example.org" },
	{ "not known", AT_MESSAGE("box is known"), "", "box=a", "defer",
	    "r.conf:1 of message asks box: yes here, no for b0@example.org" },
	{ "with what is not known yet, alike", AT_MESSAGE("box.limit < message.size"),
	    "box.limit=5", "box.limit=5", "accept", ALIKE },
	{ "with what is not known yet", AT_MESSAGE("box.limit < message.size"), "box.limit=5",
	    "box.limit=6", "defer",
	    "r.conf:1 of message asks box.limit: 6 here, 5 for b0@example.org" },
	{ "on the right side", AT_MESSAGE("message.size > box.limit"), "box.limit=5", "", "defer",
	    "r.conf:1 of message asks box.limit: null here, 5 for b0@example.org" },
	{ "the score", AT_MESSAGE("score >= box.limit"), "box.limit=5", "box.limit=6", "defer",
	    "r.conf:1 of message asks box.limit: 6 here, 5 for b0@example.org" },
	{ "two of one recipient", AT_MESSAGE("box.limit is box.limit"), "box.limit=5",
	    "box.limit=6", "accept", ALIKE },
	{ "computed with what is settled", AT_MESSAGE("box.limit * 2 > recipients.allowed + 1"),
	    "box.limit=5; recipients.allowed=10", "box.limit=6; recipients.allowed=10", "defer",
	    "r.conf:1 of message asks box.limit: yes here, no for b0@example.org" },
	{ "computed with what is settled, alike", AT_MESSAGE("box.limit * 2 > 3"), "box.limit=5",
	    "box.limit=6", "accept", ALIKE },
	{ "computed with what is not known yet", AT_MESSAGE("box.limit - message.size < 5"),
	    "box.limit=5", "box.limit=6", "defer",
	    "r.conf:1 of message asks box.limit: 6 here, 5 for b0@example.org" },
	{ "observed", "at message { observe " REJECT "box is \"x\" }", "box=a", "box=x", "accept",
	    NULL },
	{ "mode observe", "mode observe\n" AT_MESSAGE("box is \"x\""), "box=a", "box=x",
	    "accept, observed defer",
	    "r.conf:2 of message asks box: yes here, no for b0@example.org" },
	{ "pending", AT_MESSAGE("box is \"x\""), "box=a", "box=PENDING", "pending", NULL },
	{ "refused by a rule of rcpt",
	    "at rcpt { " REJECT "box is \"x\" }\n" AT_MESSAGE("box is \"x\""), "box=a", "box=x",
	    "reject", NULL },
	{ "let through by one", "at rcpt { accept if box is \"x\" }\n" AT_MESSAGE("box is \"x\""),
	    "box=a", "box=x", "defer",
	    "r.conf:2 of message asks box: yes here, no for b0@example.org" },
	{ "the rest of the session",
	    "at rcpt { accept session if box is \"x\" }\n" AT_MESSAGE("box is \"x\""), "box=a",
	    "box=x", "accept", NULL },
	{ "marks and score of who is deferred",
	    "at rcpt { score 5\n mark m; delay 5s }\n" AT_MESSAGE("box is \"x\""), "box=a", "box=x",
	    "defer", "r.conf:3 of message asks box: yes here, no for b0@example.org" },
};

struct world {
	struct config *config;
	struct session session;
	struct arena *arena;
	struct decision d;
	unsigned asked;
};

static void
world_init(struct world *w, const char *rules)
{
	struct mailbox sender = { .null = true };

	*w = (struct world){ .config = fake_load(rules), .arena = arena_new(1 << 20) };
	session_init(&w->session, FRONT_PROXY, &w->config->facts, w->config->n_parts);
	session_mail(&w->session, &sender);
}

static void
world_free(struct world *w)
{
	session_free(&w->session);
	arena_free(&w->arena);
	config_release(&w->config);
}

/* What is said of a recipient with these facts. */
static const char *
ask_for(struct world *w, const char *facts)
{
	struct session *s = &w->session;
	struct str address = arena_printf(s->conn, "b%u@example.org", w->asked++);
	struct mailbox mailbox = { .address = address, .local = address };
	struct ask ask;

	fake_facts(facts);
	session_rcpt(s, &mailbox);
	ask = session_ask(s, STEP_RCPT, 1700000000);
	if (ruleset_decide(w->config->ruleset, &ask, w->arena, &w->d) != DONE ||
	    policy_decide(w->config->ruleset, &ask, w->arena, &w->d) != DONE)
		return "pending";
	if (w->d.observed.kind != VERDICT_ACCEPT) {
		assert_string_equal(verdict_word(&w->d.observed), "defer");
		return "accept, observed defer";
	}
	return verdict_word(&w->d.verdict);
}

/* What became of the one that was asked for. */
static void
becomes(struct world *w, enum recipient_state state)
{
	struct session *s = &w->session;

	s->txn.current->state = state;
	s->txn.n_accepted += state == RECIPIENT_ACCEPTED;
	s->txn.current = NULL;
}

static const struct trace_entry *
policy_entry(const struct world *w)
{
	const struct trace *t = &w->d.trace;
	const struct trace_entry *last = t->n ? &t->entry[t->n - 1] : NULL;

	return last && str_eq(last->rule->id, STR(POLICY_RULE)) ? last : NULL;
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		const struct trace_entry *entry;
		struct world w;

		print_message("%s\n", row->what);
		world_init(&w, row->rules);
		assert_string_equal(ask_for(&w, row->first), "accept");
		becomes(&w, RECIPIENT_ACCEPTED);
		assert_string_equal(ask_for(&w, row->second), row->said);
		entry = strcmp(row->said, "pending") ? policy_entry(&w) : NULL;
		assert_int_equal(entry != NULL, row->trace != NULL);
		if (entry) {
			assert_true(str_eq(entry->rule->source, str_of(row->trace)) ||
			    (print_error("%.*s\n", STR_ARG(entry->rule->source)), false));
			assert_int_equal(entry->hit, strstr(row->said, "defer") != NULL);
			assert_true(entry->n_facts > 0);
		}
		if (strcmp(row->said, "defer") == 0) {
			assert_int_equal(w.d.verdict.code, 452);
			assert_string_equal(w.d.verdict.enhanced, "4.5.3");
			assert_true(str_eq(w.d.verdict.rule, STR("policy")));
			assert_int_equal(w.d.score, 0);
			assert_int_equal(w.d.delay, 0);
			assert_null(w.d.marks);
		}
		world_free(&w);
	}
}

/* The first that is accepted is the measure, not the first that was asked for. */
static void
test_first_accepted(void **state)
{
	struct world w;

	world_init(&w, AT_MESSAGE("box is \"x\" or box.limit < message.size"));
	assert_string_equal(ask_for(&w, "box=a; box.limit=1"), "accept");
	becomes(&w, RECIPIENT_UNKNOWN);
	assert_string_equal(ask_for(&w, "box=x; box.limit=2"), "accept");
	becomes(&w, RECIPIENT_REFUSED);
	assert_string_equal(ask_for(&w, "box=x; box.limit=3"), "accept");
	becomes(&w, RECIPIENT_ACCEPTED);
	assert_string_equal(ask_for(&w, "box=a; box.limit=1"), "defer");
	becomes(&w, RECIPIENT_REFUSED);
	assert_string_equal(ask_for(&w, "box=x; box.limit=3"), "accept");
	becomes(&w, RECIPIENT_ACCEPTED);
	session_reset(&w.session);
	session_mail(&w.session, &(struct mailbox){ .null = true });
	assert_string_equal(ask_for(&w, "box=a; box.limit=1"), "accept");
	becomes(&w, RECIPIENT_ACCEPTED);
	world_free(&w);
}

/* Where nothing is to be told apart, nothing is asked and kept. */
static void
test_costs_nothing(void **state)
{
	struct world w;

	world_init(&w, AT_MESSAGE("dkim is fail"));
	assert_string_equal(ask_for(&w, "box=a"), "accept");
	assert_int_equal(fake_computed(), 0);
	assert_null(w.session.txn.policy);
	assert_int_equal(arena_used(w.arena), 0);
	world_free(&w);
}

/* What did not answer is seen by failure_judge(), which reads the trace. */
static void
test_facts_in_trace(void **state)
{
	const struct trace_entry *entry;
	struct world w;

	world_init(&w, AT_MESSAGE("box is sender or box.limit > 5"));
	assert_string_equal(ask_for(&w, "box=a; sender=b; box.limit=7"), "accept");
	entry = policy_entry(&w);
	assert_int_equal(entry->n_facts, 3);
	assert_string_equal(entry->fact[2]->call.entry->def->name, "box.limit");
	assert_int_equal(entry->fact[2]->value.number, 7);
	assert_false(entry->hit);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_first_accepted),
		cmocka_unit_test(test_costs_nothing),
		cmocka_unit_test(test_facts_in_trace),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
