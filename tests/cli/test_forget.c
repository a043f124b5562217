#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/store_sqlite.h"
#include "tests/cli/run.h"

/* One entry of the person, one of somebody else, and a row of the store. */
static void
fill(struct run *r)
{
	struct question q = { .kind = QUESTION_COUNT,
		.name = STR("rate:messages:sender:person@example.org"),
		.add = 1 };
	struct answer a = { .question = q };
	struct store_ask ask = { &q, &a };
	struct store *store = store_sqlite.open(folder_file(&r->folder, "store.db"), NULL);
	struct journal_record one = run_record(), other = run_record();

	assert_non_null(store);
	assert_true(store_sqlite.ask(store, &ask, 1, 1769860800000, NULL));
	store_sqlite.close(&store);
	one.sender = STR("person@example.org");
	run_append(r, &one);
	run_append(r, &other);
}

static void
test_forget(void **state)
{
	struct run *r = *state;

	fill(r);
	run_cli(r, "forget --dry-run person@example.org");
	run_is(r, 0, "would be forgotten: 1 entries of the journal, 1 rows of the store\n", "");
	run_cli(r, "log --from person@example.org");
	assert_int_equal(r->code, 0);
	run_cli(r, "forget Person@Example.org");
	run_is(r, 0, "forgotten: 1 entries of the journal, 1 rows of the store\n", "");
	run_cli(r, "log --from person@example.org");
	run_is(r, 1, "", "");
	run_cli(r, "log --verify");
	run_is(r, 0, NULL, "");
	run_has(r, "1 were forgotten, and an entry tells of each");
	run_cli(r, "log --rule 'command: forget'");
	run_has(r, "1 entries that named ");
	run_has(r, " were forgotten, by ");
	run_cli(r, "forget --json person@example.org");
	run_is(r, 1, "{\"did\":true,\"entries\":0,\"sums\":0,\"store\":0}\n", "");
}

/* Of an account no address need be known. */
static void
test_account(void **state)
{
	struct run *r = *state;
	struct journal_record one = run_record(), other = run_record();

	one.account = STR("Alice");
	one.text = STR("too much from alice");
	other.text = STR("alice in wonderland");
	run_append(r, &one);
	run_append(r, &other);
	run_cli(r, "forget --account alice --dry-run");
	run_is(r, 0, "would be forgotten: 1 entries of the journal, 0 rows of the store\n", "");
	run_cli(r, "forget --account alice");
	run_is(r, 0, "forgotten: 1 entries of the journal, 0 rows of the store\n", "");
	run_cli(r, "log --account alice");
	run_is(r, 1, "", "");
	run_cli(r, "log --text wonderland");
	assert_int_equal(r->code, 0);
	run_cli(r, "log --verify");
	run_is(r, 0, NULL, "");
}

static const struct {
	const char *words, *err;
} wrong[] = {
	{ "forget",
	    "postern: forget takes one address, or --account NAME; see `postern forget --help`\n" },
	{ "forget a@b c@d",
	    "postern: forget takes one address, or --account NAME; see `postern forget --help`\n" },
	{ "forget a@b --account c",
	    "postern: forget takes one address, or --account NAME; see `postern forget --help`\n" },
	{ "forget person",
	    "postern: forget: \"person\" is no mail address; --account forgets an account\n" },
	{ "forget @", "postern: forget: \"@\" is no mail address; --account forgets an account\n" },
	{ "forget a@b@c",
	    "postern: forget: \"a@b@c\" is no mail address; --account forgets an account\n" },
	{ "forget --dry-rum a@b",
	    "postern: unknown option \"--dry-rum\"; did you mean \"--dry-run\"?\n" },
};

static void
test_wrong(void **state)
{
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run_cli(r, wrong[i].words);
		assert_string_equal(r->err, wrong[i].err);
		assert_int_equal(r->code, 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forget, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_account, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_wrong, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("forget", tests, NULL, NULL);
}
