/* What an entry keeps of its steps tells as much as the decisions themselves did. */
#include "rules/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/json.h"
#include "rules/load.h"
#include "rules/policy.h"
#include "tests/rules/fake.h"

#define NOW 1700000005

static const char rules[] =
    "at connect { accept session if client in { 192.0.2.9 } }\n"
    "at mail {\n"
    "  if spf is pass { accept if helo is \"x\"; if helo is \"y\" { mark a } } else if spf is fail {\n"
    "    observe reject 550 5.7.1 \"x\" if surge(client) > 1.5\n"
    "  } else { mark b }\n"
    "  score 2 if spf is softfail or spf is fail\n"
    "  mark slow if spf.domain matches /^(a+)+$/\n"
    "}\n"
    "at rcpt { tempfail 451 4.7.1 \"later ${surge(client)}\" if box.limit > 5 }\n"
    "at message { reject 550 5.7.1 \"no\" if box is \"x\" and dkim is fail\n mark seen\n }\n";

struct world {
	struct config *config;
	struct session session;
	struct arena *arena, *scratch;
	struct record_told told[STEP_COUNT];
	struct buf full; /* the decisions as they were, without the array's brackets */
	struct buf out;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->config = fake_load(rules);
	w->arena = arena_new(1 << 20);
	w->scratch = arena_new(1 << 20);
	buf_init(&w->full, 1 << 16);
	buf_init(&w->out, 1 << 16);
	session_init(&w->session, FRONT_PROXY, &w->config->facts, w->config->n_parts);
	w->session.began_ms = (NOW - 5) * INT64_C(1000) + 900;
	w->session.client_port = 4711;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	session_free(&w->session);
	buf_free(&w->full);
	buf_free(&w->out);
	arena_free(&w->arena);
	arena_free(&w->scratch);
	config_release(&w->config);
	free(w);
	return 0;
}

static void
step(struct world *w, enum step step, const char *facts, bool final)
{
	struct ask ask = session_ask(&w->session, step, NOW);
	struct decision d = { 0 };
	struct buf b;

	fake_facts(facts);
	assert_int_equal(ruleset_decide(w->config->ruleset, &ask, w->scratch, &d), DONE);
	assert_int_equal(policy_decide(w->config->ruleset, &ask, w->scratch, &d), DONE);
	buf_init(&b, 1 << 16);
	record_decision(step, &d, &b);
	if (w->full.n > 0 && b.n > 2)
		buf_addc(&w->full, ',');
	buf_add(&w->full, str_sub(buf_str(&b), 1, b.n - 1));
	buf_clear(&b);
	record_step(w->config, &ask, &d, final, &b);
	w->told[step] = (struct record_told){ .step = step,
		.recipient = w->session.txn.current,
		.text = arena_dup(w->arena, buf_str(&b)) };
	buf_free(&b);
	decision_apply(&w->session, &d);
}

/* All that an entry at that step would hold, expanded again. */
static struct str
expanded(struct world *w, enum step last)
{
	struct buf facts, configuration;
	struct str result;

	for (size_t i = 0; i < last; i++)
		w->told[i].next = &w->told[i + 1];
	buf_init(&facts, 1 << 16);
	buf_init(&configuration, 1 << 16);
	record_facts(&w->session, last, &facts);
	record_configuration(w->config, &configuration);
	assert_non_null(json_parse(w->arena, buf_str(&configuration), NULL));
	record_trace(&w->session, last, w->told, NULL, &w->out);
	assert_non_null(json_parse(w->arena, buf_str(&w->out), NULL));
	result =
	    record_expand(w->arena, buf_str(&configuration), buf_str(&facts), buf_str(&w->out));
	buf_free(&facts);
	buf_free(&configuration);
	return result;
}

/* Without how long the facts took, which is told of those only that took long. */
static void
add_timeless(struct buf *out, struct str rest)
{
	while (rest.n > 0) {
		bool us = str_starts(rest, STR(",\"us\":"));

		if (!us)
			buf_addc(out, rest.p[0]);
		rest = str_sub(rest, us ? 6 : 1, rest.n);
		while (us && rest.n > 0 && ascii_isdigit(rest.p[0]))
			rest = str_sub(rest, 1, rest.n);
	}
}

static void
same(struct world *w, struct str text)
{
	struct buf want, got;

	buf_init(&want, 1 << 16);
	buf_init(&got, 1 << 16);
	buf_addc(&want, '[');
	add_timeless(&want, buf_str(&w->full));
	buf_addc(&want, ']');
	add_timeless(&got, text);
	assert_string_equal(got.p, want.p);
	buf_free(&want);
	buf_free(&got);
}

static void
begin_rcpt(struct world *w, const char *address)
{
	struct mailbox m = { .address = str_of(address), .local = str_of(address) };

	session_rcpt(&w->session, &m);
}

static void
test_tells_all(void **state)
{
	struct world *w = *state;
	const struct mailbox sender = { .null = true };

	step(w, STEP_CONNECT, "client.ip=192.0.2.1", false);
	session_helo(&w->session, STR("h"), true);
	step(w, STEP_HELO, "", false);
	session_mail(&w->session, &sender);
	step(w, STEP_MAIL,
	    "spf=fail; surge(client)=2.5; spf.domain=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
	    false);
	begin_rcpt(w, "b@example.org");
	step(w, STEP_RCPT, "box.limit=3; box=y", false);
	w->session.txn.current->state = RECIPIENT_ACCEPTED;
	w->session.txn.n_accepted++;
	w->session.txn.current = NULL;
	step(w, STEP_MESSAGE, "box=x; dkim=pass", true);
	same(w, expanded(w, STEP_MESSAGE));
	assert_non_null(strstr(w->out.p, "{\"format\":2,\"began\":1700000000900,\"port\":4711,"));
	/* What was let in is told of by the entry's recipients. */
	assert_null(strstr(w->out.p, "b@example.org"));
	assert_non_null(strstr(w->full.p, "\"gave_up\":true"));
	/* A rule is named by its place, and its text is the configuration's. */
	assert_null(strstr(w->out.p, "reject"));
	assert_non_null(strstr(w->out.p, "\"at\":\"mail\",\"after\":5,\"tried\":\""));
}

static void
test_tells_of_a_refusal(void **state)
{
	struct world *w = *state;
	const struct mailbox sender = { .null = true };

	session_mail(&w->session, &sender);
	step(w, STEP_MAIL, "spf=softfail", false);
	begin_rcpt(w, "b@example.org");
	w->session.n_errors = 3;
	step(w, STEP_RCPT, "box.limit=6; surge(client)=2", true);
	same(w, expanded(w, STEP_RCPT));
	assert_non_null(
	    strstr(w->out.p, "\"at\":\"rcpt\",\"state\":\"asked\",\"after\":5,\"errors\":3"));
	assert_null(strstr(w->out.p, "\"own\":{\"box"));
}

/* Where no rule spoke, nothing is told; who is not among the recipients is. */
static void
test_tells_no_more(void **state)
{
	struct world *w = *state;
	const struct mailbox sender = { .null = true };
	struct recipient *to;

	w->session.rules_over = true;
	step(w, STEP_CONNECT, "", false);
	session_mail(&w->session, &sender);
	step(w, STEP_MAIL, "", false);
	begin_rcpt(w, "b@example.org");
	step(w, STEP_RCPT, "", false);
	to = w->session.txn.current;
	to->state = RECIPIENT_ACCEPTED;
	w->session.txn.current = NULL;
	record_trace(&w->session, STEP_MESSAGE, &w->told[STEP_RCPT], NULL, &w->out);
	assert_string_equal(
	    w->out.p, "[{\"format\":2,\"began\":1700000000900,\"port\":4711,\"txn\":1}]");
	buf_clear(&w->out);
	to->state = RECIPIENT_UNKNOWN;
	record_trace(&w->session, STEP_MESSAGE, &w->told[STEP_RCPT], NULL, &w->out);
	assert_string_equal(w->out.p,
	    "[{\"format\":2,\"began\":1700000000900,\"port\":4711,\"txn\":1},"
	    "{\"at\":\"rcpt\",\"to\":\"b@example.org\",\"state\":\"unknown\"}]");
}

static void
test_older_ones_stay(void **state)
{
	struct world *w = *state;
	static const char *const traces[] = { "[]", "[{\"rule\":\"p:1\"}]", "", "{",
		"[{\"cut\":3}]" };

	for (size_t i = 0; i < sizeof(traces) / sizeof(traces[0]); i++) {
		struct str got = record_expand(w->arena, STR("{}"), STR("{}"), str_of(traces[i]));

		assert_true(str_eq(got, str_of(traces[i])));
	}
}

/* The texts come from a file: whatever it holds. */
static void
test_expands_anything(void **state)
{
	static const struct {
		const char *configuration, *trace, *want;
	} rows[] = {
		{ "", "[{\"format\":2}]", "[]" },
		{ "", "[{\"format\":2},{\"at\":\"mail\",\"tried\":\"0*|\"}]",
		    "[{\"step\":\"mail\",\"rule\":\"\",\"source\":\"\",\"action\":\"\",\"hit\":true,"
		    "\"observed\":false,\"facts\":[]},{\"step\":\"mail\",\"rule\":\"\",\"source\":\"\","
		    "\"action\":\"\",\"hit\":false,\"observed\":false,\"facts\":[]}]" },
		{ "[1,2]", "[{\"format\":2},7,{\"tried\":3},{\"also\":\"x\"},{\"cut\":9}]",
		    "[{\"step\":\"\",\"rule\":\"\",\"source\":\"\",\"action\":\"\",\"hit\":false,"
		    "\"observed\":false,\"facts\":[]},{\"cut\":9}]" },
		{ "",
		    "[{\"format\":2},{\"at\":\"rcpt\",\"to\":\"\\\"b@example.org\",\"tried\":\"0\"}]",
		    "[{\"step\":\"rcpt\",\"recipient\":\"\\\"b@example.org\",\"rule\":\"\",\"source\":\"\","
		    "\"action\":\"\",\"hit\":false,\"observed\":false,\"facts\":[]}]" },
		{ "{\"facts\":[\"a\"]}", "[{\"format\":2},{\"tried\":\"0 99999999 -1 x 1\"}]",
		    "[{\"step\":\"\",\"rule\":\"\",\"source\":\"\",\"action\":\"\",\"hit\":false,"
		    "\"observed\":false,\"facts\":[{\"fact\":\"a\",\"value\":null}]}]" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str got = record_expand(
		    w->arena, str_of(rows[i].configuration), STR("{}"), str_of(rows[i].trace));

		assert_string_equal(got.p, rows[i].want);
	}
}

/* However small the room: valid JSON that says how much is missing. */
static void
test_cut(void **state)
{
	struct world *w = *state;
	struct record_told told[30] = { 0 };

	for (size_t i = 0; i < 30; i++)
		told[i] = (struct record_told){ .step = STEP_RCPT,
			.text = STR("\"tried\":\"0 1*\""),
			.next = i < 29 ? &told[i + 1] : NULL };
	for (size_t max = 42; max < 3000; max += 7) {
		struct buf b;

		buf_init(&b, max);
		record_trace(&w->session, STEP_RCPT, told, NULL, &b);
		assert_false(b.over);
		assert_non_null(json_parse(w->arena, buf_str(&b), NULL));
		buf_free(&b);
	}
}

/* Settings, lists and plans make the numbers of a configuration; comments and rules do not. */
static void
test_fingerprints(void **state)
{
	static const char *const same[] = { "hostname \"a.example\"\nat connect { accept }",
		"# x\nhostname \"a.example\"" };
	static const char *const other[] = {
		"hostname \"b.example\"",
		"hostname \"a.example\"\nplan p { 5 messages per day; for everyone }",
		"hostname \"a.example\"\nplan p { 6 messages per day; for everyone }",
		"hostname \"a.example\"\nlist l { \"x\" }\nplan p { 6 messages per day; for accounts in l }",
		"hostname \"a.example\"\nlist l { \"y\" }\nplan p { 6 messages per day; for accounts in l }",
		"hostname \"a.example\"\nlist l { \"x\", \"y\" }\nplan p { 6 messages per day; for accounts in l }"
	};
	uint64_t seen[8];
	size_t n = 0;

	for (size_t i = 0; i < 2 + sizeof(other) / sizeof(other[0]); i++) {
		struct config *config = fake_load(i < 2 ? same[i] : other[i - 2]);

		seen[n] = config_plans_hash(config);
		for (size_t k = i < 2 ? n : 0; k < n; k++)
			assert_int_not_equal(seen[k], seen[n]);
		if (i == 1)
			assert_true(seen[0] == seen[1]);
		else
			n++;
		config_release(&config);
	}
	(void)state;
}

/* What the record of a configuration says of names. */
static struct str
names_of(struct arena *arena, const char *text)
{
	struct config *config = fake_load(text);
	struct str out;
	struct buf b;

	buf_init(&b, 1 << 16);
	record_configuration(config, &b);
	assert_non_null(json_parse(arena, buf_str(&b), NULL));
	out = arena_dup(arena, buf_str(&b));
	out = str_of(strstr(out.p, "\"definitions\":"));
	out.n = (size_t)(strstr(out.p, ",\"words\":") - out.p);
	buf_free(&b);
	config_release(&config);
	return out;
}

#define L "list l { \"a@b.test\", \"c.test\" }\n"
#define A "define a = helo in l\n"

static void
test_names(void **state)
{
	static const char *const same[] = {
		L A "define b = a and spf is pass",
		"list l { \"c.test\"\n \"a@b.test\" }\n# x\ndefine a  =  helo in l # y\ndefine b = a\n and spf is pass"
	};
	static const char *const other[] = { L A "define b = a and spf is fail",
		L "define a = not helo in l\ndefine b = a and spf is pass",
		"list l { \"c.test\" }\n" A "define b = a and spf is pass",
		L "define a = helo in { \"l\" }\ndefine b = a and spf is pass",
		L "define a = helo is \"l\"\ndefine b = a and spf is pass" };
	struct world *w = *state;
	struct str first = names_of(w->arena, same[0]);

	assert_true(str_eq(first, names_of(w->arena, same[1])));
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_false(str_eq(first, names_of(w->arena, other[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tells_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tells_of_a_refusal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tells_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_older_ones_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expands_anything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
