#include "rules/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/session.h"

static const struct fact_def spf = { .name = "spf", .type = VALUE_SYMBOL };
static const struct fact_def rate = { .name = "rate", .type = VALUE_NUMBER };
static const struct fact_entry spf_entry = { .def = &spf };
static const struct fact_entry rate_entry = { .def = &rate };

struct row {
	const char *what;
	enum verdict_kind said; /* by the rules */
	unsigned spf, rate;     /* what did not answer */
	bool only_observed;     /* the rule with both */
	int64_t dns, store, mode;
	/* what comes of it */
	enum verdict_kind kind;
	const char *enhanced, *rule;
	const char *note, *action; /* of the last entry of the trace; NULL: none was added */
	enum verdict_kind observed;
};

#define ACCEPT VERDICT_ACCEPT
#define TEMPFAIL VERDICT_TEMPFAIL
#define REJECT VERDICT_REJECT
#define DNS FAILURE_DNS
#define STORE FAILURE_STORE
#define PASS WHEN_PASS

/* clang-format off: rows */
static const struct row rows[] = {
	{ "all answered", ACCEPT, 0, 0, 0, 0, 0, 0, ACCEPT, "", "", NULL, NULL, ACCEPT },
	{ "no DNS", ACCEPT, DNS, 0, 0, 0, 0, 0, TEMPFAIL, "4.4.3", "failure: dns",
	    "when dns unavailable tempfail", "tempfail", ACCEPT },
	{ "no DNS, pass", ACCEPT, DNS, 0, 0, PASS, 0, 0, ACCEPT, "", "",
	    "when dns unavailable pass", "pass", ACCEPT },
	{ "no DNS, for the session", VERDICT_ACCEPT_SESSION, DNS, 0, 0, 0, 0, 0, TEMPFAIL, "4.4.3",
	    "failure: dns", "when dns unavailable tempfail", "tempfail", ACCEPT },
	{ "no DNS, for the session, pass", VERDICT_ACCEPT_SESSION, DNS, 0, 0, PASS, 0, 0,
	    VERDICT_ACCEPT_SESSION, "", "", "when dns unavailable pass", "pass", ACCEPT },
	{ "no DNS, and turned away", REJECT, DNS, 0, 0, 0, 0, 0, REJECT, "", "", NULL, NULL,
	    ACCEPT },
	{ "no DNS, and told to wait", TEMPFAIL, DNS, 0, 0, 0, 0, 0, TEMPFAIL, "", "", NULL, NULL,
	    ACCEPT },
	{ "no store", ACCEPT, 0, STORE, 0, PASS, 0, 0, TEMPFAIL, "4.3.0", "failure: store",
	    "when store unavailable tempfail", "tempfail", ACCEPT },
	{ "no store, pass", ACCEPT, 0, STORE, 0, 0, PASS, 0, ACCEPT, "", "",
	    "when store unavailable pass", "pass", ACCEPT },
	{ "neither, both pass", ACCEPT, DNS, STORE, 0, PASS, PASS, 0, ACCEPT, "", "",
	    "when dns unavailable pass", "pass", ACCEPT },
	{ "neither, store passes", ACCEPT, DNS, STORE, 0, 0, PASS, 0, TEMPFAIL, "4.4.3",
	    "failure: dns", "when dns unavailable tempfail", "tempfail", ACCEPT },
	{ "too many questions", ACCEPT, 0, FAILURE_QUESTIONS, 0, PASS, PASS, 0, TEMPFAIL, "4.3.2",
	    "limit: questions", "more questions than a session may ask", "tempfail", ACCEPT },
	{ "an observed rule", ACCEPT, DNS, STORE, 1, 0, 0, 0, ACCEPT, "", "", NULL, NULL, ACCEPT },
	{ "mode observe", ACCEPT, DNS, 0, 1, 0, 0, 1, ACCEPT, "", "",
	    "when dns unavailable tempfail", "tempfail", TEMPFAIL },
};
/* clang-format on */

static struct decision
decision_of(const struct row *row, struct fact *fact)
{
	static struct fact_call call[2];
	static const struct fact *facts[2];
	static struct trace_entry entry[2];
	struct decision d = { .verdict = { .kind = row->said, .rule = STR("") } };

	call[0].entry = &spf_entry;
	call[1].entry = &rate_entry;
	fact[0] = (struct fact){ .call = call[0], .failures = row->spf };
	fact[1] = (struct fact){ .call = call[1], .failures = row->rate };
	facts[0] = &fact[0];
	facts[1] = &fact[1];
	/* One fact stands in both rules. */
	entry[0] =
	    (struct trace_entry){ .n_facts = 2, .fact = facts, .observed = row->only_observed };
	entry[1] =
	    (struct trace_entry){ .n_facts = 1, .fact = facts, .observed = row->only_observed };
	d.trace.entry = entry;
	d.trace.n = 2;
	d.failures = row->spf | row->rate;
	return d;
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct config_core core = {
			.when_dns = row->dns, .when_store = row->store, .mode = row->mode
		};
		struct arena *arena = arena_new(1 << 16);
		struct fact fact[2];
		struct decision d = decision_of(row, fact);

		print_message("%s\n", row->what);
		failure_judge(&core, arena, &d);
		assert_int_equal(d.verdict.kind, row->kind);
		assert_string_equal(d.verdict.enhanced, row->enhanced);
		assert_int_equal(d.verdict.code, row->enhanced[0] ? 451 : 0);
		assert_true(str_eq(d.verdict.rule, str_of(row->rule)));
		assert_int_equal(d.observed.kind, row->observed);
		if (row->note) {
			const struct trace_entry *last = &d.trace.entry[d.trace.n - 1];

			assert_true(d.trace.n > 2);
			assert_true(str_eq(last->rule->source, str_of(row->note)));
			assert_string_equal(last->rule->action, row->action);
			assert_true(last->hit);
			assert_int_equal(last->n_facts, 1);
		} else {
			assert_int_equal(d.trace.n, 2);
		}
		arena_free(&arena);
	}
}

static void
test_each_cause_is_noted(void **state)
{
	const struct row row = { .spf = FAILURE_DNS, .rate = FAILURE_STORE };
	struct config_core core = { .when_dns = WHEN_PASS, .when_store = WHEN_PASS };
	struct arena *arena = arena_new(1 << 16);
	struct fact fact[2];
	struct decision d = decision_of(&row, fact);

	failure_judge(&core, arena, &d);
	assert_int_equal(d.trace.n, 4);
	assert_true(str_eq(d.trace.entry[2].rule->id, STR("failure: store")));
	assert_ptr_equal(d.trace.entry[2].fact[0], &fact[1]);
	assert_true(str_eq(d.trace.entry[3].rule->id, STR("failure: dns")));
	assert_ptr_equal(d.trace.entry[3].fact[0], &fact[0]);
	assert_string_equal(d.trace.entry[3].fact[0]->call.entry->def->name, "spf");
	arena_free(&arena);
}

static void
test_a_stage(void **state)
{
	struct config_core core = { .when_stage = WHEN_TEMPFAIL };
	struct arena *arena = arena_new(1 << 16);
	struct decision d = { .verdict = { .kind = VERDICT_REJECT }, .score = 3 };

	failure_of_stage(&core, arena, &d);
	assert_int_equal(d.verdict.kind, VERDICT_TEMPFAIL);
	assert_int_equal(d.verdict.code, 451);
	assert_true(str_eq(d.verdict.rule, STR("failure: stage")));
	assert_int_equal(d.score, 0);
	assert_int_equal(d.trace.n, 1);
	core.when_stage = WHEN_PASS;
	failure_of_stage(&core, arena, &d);
	assert_int_equal(d.verdict.kind, VERDICT_ACCEPT);
	assert_true(str_eq(d.trace.entry[0].rule->source, STR("when stage fails pass")));
	core = (struct config_core){ .mode = 1 };
	failure_of_stage(&core, arena, &d);
	assert_int_equal(d.verdict.kind, VERDICT_ACCEPT);
	assert_int_equal(d.observed.kind, VERDICT_TEMPFAIL);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_each_cause_is_noted),
		cmocka_unit_test(test_a_stage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
