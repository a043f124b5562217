/* Configurations that entries refer to, and what verifying says of them. */
#include "db/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "db/journal_config.h"
#include "db/person.h"
#include "tests/db/chain_world.h"

static void
append_under(struct journal *j, const char *revision, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct journal_record r = {
			.time_ms = T0 + (int64_t)i,
			.front = "proxy",
			.step = "rcpt",
			.verdict = "reject",
			.sender = STR("a@example.net"),
			.config = str_of(revision),
		};
		struct journal_record *p = &r;

		assert_true(journal_append(j, &p, 1, NULL));
	}
}

/* What the numbers in its entries stand for. */
static void
configure(struct journal *j, const char *revision, const char *text, int64_t now_ms)
{
	struct configurations all = { 0 };

	configurations_add(&all, str_of(revision), str_of(text));
	assert_true(configurations_store(&all, j, now_ms, NULL));
	configurations_free(&all);
}

#define OLD "aaaaaaaaaaaa"
#define NEW "bbbbbbbbbbbb"

/* Ten under one configuration; ten under another, with one of the first in their midst, and one of none. */
static void
write_configured(struct world *w)
{
	struct journal *j = journal_open(w->path, NULL);

	assert_non_null(j);
	configure(j, OLD, "{\"rules\":[1]}", T0);
	append_under(j, OLD, 10);
	configure(j, NEW, "{\"rules\":[2]}", T0 + 100);
	append_under(j, NEW, 5);
	append_under(j, OLD, 1);
	append_under(j, NEW, 5);
	append(j, 1);
	journal_close(&j);
}

static const struct tampered tampered[] = {
	{ "SELECT 1", "" },
	/* When it came into force again is not what entries rest on. */
	{ "UPDATE configuration SET time_ms = 5", "" },
	{ "UPDATE configuration SET text = '{\"rules\":[3]}' WHERE revision = '" OLD "'",
	    "X1-16 of " OLD },
	{ "UPDATE configuration SET text = '' WHERE revision = '" NEW "'", "X11-21 of " NEW },
	{ "DELETE FROM configuration WHERE revision = '" OLD "'", "G1-16 of " OLD },
	{ "DELETE FROM configuration", "G1-16 of " OLD " G11-21 of " NEW },
	/* Exchanged. */
	{ "UPDATE configuration SET text = CASE text WHEN '{\"rules\":[1]}' THEN '{\"rules\":[2]}' "
	  "ELSE '{\"rules\":[1]}' END",
	    "X1-16 of " OLD " X11-21 of " NEW },
	{ "UPDATE configuration SET revision = 'x' WHERE revision = '" OLD "'", "G1-16 of " OLD },
	/* It was the entry, and not its configuration. */
	{ "UPDATE entry SET config = '" NEW "' WHERE serial = 5", "A5-5" },
	{ "UPDATE entry SET config = '" NEW "' WHERE serial = 16", "A16-16" },
	{ "UPDATE entry SET config = '' WHERE serial = 16", "A16-16" },
	{ "UPDATE entry SET sender = '' WHERE serial = 1", "A1-1" },
	{ "UPDATE entry SET sender = '' WHERE serial IN (11, 21)", "A11-11 A21-21" },
	{ "UPDATE entry SET config = '" OLD "' WHERE serial = 22", "A22-22" },
	/* One that nobody refers to. */
	{ "INSERT INTO configuration VALUES ('cccccccccccc', 1, '{}')", "" },
	/* Both: what is altered where nothing fits shows as one. */
	{ "DELETE FROM configuration; DELETE FROM entry WHERE serial = 3",
	    "R3-3 G1-16 of " OLD " G11-21 of " NEW },
};

static void
test_configurations(void **state)
{
	check_tampered(tampered, sizeof(tampered) / sizeof(tampered[0]), write_configured);
}

/* One that is gone is there again when posternd was started with it, and what refers to it verifies. */
static void
test_configured_again(void **state)
{
	struct world *w = *state;
	struct journal *j;
	char said[SAID];

	write_configured(w);
	sql(w, "DELETE FROM configuration WHERE revision = '" OLD "'");
	assert_int_equal(verify(w, said).unchained, 0);
	assert_string_equal(said, "G1-16 of " OLD);
	j = journal_open(w->path, NULL);
	configure(j, OLD, "{\"rules\":[1]}", T0 + 200);
	append_under(j, OLD, 3);
	journal_close(&j);
	verify(w, said);
	assert_string_equal(said, "");
}

/* As before configurations were covered: entries whose configuration came into the journal behind them. */
static void
test_not_covered(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	char said[SAID];

	append_under(j, OLD, 5);
	configure(j, OLD, "{}", T0);
	append_under(j, OLD, 5);
	journal_close(&j);
	verify(w, said);
	assert_string_equal(said, "");
	sql(w, "UPDATE entry SET sender = '' WHERE serial = 3");
	verify(w, said);
	assert_string_equal(said, "A3-3");
	sql(w, "UPDATE entry SET sender = 'a@example.net'; DELETE FROM configuration");
	verify(w, said);
	assert_string_equal(said, "G6-10 of " OLD);
}

/* More than are remembered at a time, in turn. */
static void
test_many_configurations(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	char said[SAID], revision[16];

	for (int turn = 0; turn < 2; turn++)
		for (int i = 0; i < 40; i++) {
			snprintf(revision, sizeof(revision), "%012d", i);
			configure(j, revision, "{}", T0 + i);
			append_under(j, revision, 1);
		}
	journal_close(&j);
	verify(w, said);
	assert_string_equal(said, "");
	sql(w, "DELETE FROM configuration WHERE revision = '000000000007'");
	verify(w, said);
	assert_string_equal(said, "G8-8 of 000000000007 G48-48 of 000000000007");
}

/* Entries and what they refer to go one behind the other, and an emptied entry still rests on its configuration. */
static void
test_configurations_cleaned(void **state)
{
	const struct person who = {
		.name = STR("a@example.net"), .form = { STR("a@example.net") }, .n_forms = 1
	};
	const struct journal_person person = { .person = &who, .by = STR("test") };
	const struct journal_retention stays = { .keep_ms = 1000 };
	const int64_t days = 86400000;
	struct world *w = *state;
	struct journal *j;
	struct journal_forgotten forgotten;
	struct journal_verdict v;
	char said[SAID];

	write_configured(w);
	j = journal_open(w->path, NULL);
	/* By their time they might go, but for the entries. */
	assert_true(journal_configurations_clean(j, T0 + 100 * days, NULL));
	verify(w, said);
	assert_string_equal(said, "");
	assert_true(journal_forget(j, &person, &forgotten, NULL));
	assert_int_equal(forgotten.entries, 22);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.forgotten, 22);
	sql(w, "UPDATE configuration SET text = '{}' WHERE revision = '" OLD "'");
	verify(w, said);
	assert_string_equal(said, "X1-16 of " OLD);
	while (journal_clean(j, T0 + 90 * days, &stays, NULL))
		;
	assert_true(journal_configurations_clean(j, T0 + 100 * days, NULL));
	append_under(j, NEW, 2);
	append_under(j, OLD, 1);
	v = verify(w, said);
	assert_string_equal(said, "");
	journal_close(&j);
	/* The older one is gone, lawfully. */
	sql(w, "DELETE FROM configuration");
	verify(w, said);
	assert_string_equal(said, "G24-25 of " NEW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configurations),
		cmocka_unit_test_setup_teardown(test_configured_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_covered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_configurations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_configurations_cleaned, setup, teardown),
	};

	log_open("test_journal_chain_config", LOG_TO_STDERR, LOG_LEVEL_ERROR + 1);
	return cmocka_run_group_tests_name("journal_chain_config", tests, NULL, NULL);
}
