/* The journal's chain, and what verifying says of journals that hands have been at. */
#include "db/journal_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/db/chain_world.h"

#define N 20

static const struct journal_retention second = { .keep_ms = 1000 };

/* Of N entries. */
static const struct tampered tampered[] = {
	{ "SELECT 1", "" },
	{ "UPDATE entry SET sender = 'x' WHERE serial = 5", "A5-5" },
	{ "UPDATE entry SET took_us = 1 WHERE serial = 5", "A5-5" },
	{ "UPDATE entry SET verdict = 'accept' WHERE serial = 20", "A20-20" },
	{ "UPDATE entry SET facts = '' WHERE serial = 1", "A1-1" },
	{ "UPDATE entry SET subject = 'x' WHERE serial = 5", "A5-5" },
	/* Moved from one column to the next. */
	{ "UPDATE entry SET client_ip = '', client_name = client_ip WHERE serial = 5", "A5-5" },
	{ "UPDATE entry SET chain = x'00' WHERE serial = 5", "A5-5 A6-6" },
	{ "DELETE FROM entry WHERE serial = 5", "R5-5" },
	{ "DELETE FROM entry WHERE serial BETWEEN 5 AND 9", "R5-9" },
	{ "DELETE FROM entry WHERE serial < 5", "R1-4" },
	{ "DELETE FROM entry WHERE serial > 17", "C18-20" },
	{ "DELETE FROM entry", "C1-20" },
	/* Filled up again. */
	{ "DELETE FROM entry WHERE serial = 5; UPDATE entry SET serial = serial - 1 WHERE serial > 5",
	    "A5-5 A6-6 A7-7 A8-8 A9-9 A10-10 A11-11 A12-12 A13-13 A14-14 A15-15 A16-16 A17-17 A18-18 "
	    "A19-19 C20-20" },
	{ "UPDATE entry SET serial = 21 WHERE serial = 20", "R20-20" },
	/* Slipped in: another's link in front of it. */
	{ "UPDATE anchor SET hash = randomblob(32)", "A1-1" },
	/* Cut off from the chain, and altered then; slipped in before it. */
	{ "UPDATE anchor SET serial = 9, hash = (SELECT chain FROM entry WHERE serial = 9);"
	  "UPDATE entry SET chain = x'', sender = 'x' WHERE serial < 10",
	    "U1-9" },
	{ "UPDATE anchor SET serial = 9, hash = (SELECT chain FROM entry WHERE serial = 9)",
	    "U1-9" },
	{ "UPDATE entry SET serial = 0 WHERE serial = 20", "U0-0 C20-20" },
	{ "UPDATE entry SET serial = -5 WHERE serial = 20", "U-5-0 C20-20" },
	/* The digest of what it said, and no entry that tells of it. */
	{ "INSERT INTO forgotten VALUES (5, randomblob(32), 9); UPDATE entry SET sender = '' WHERE serial = 5",
	    "F5-5 A5-5" },
};

static void
fill(struct world *w)
{
	write_some(w, N);
}

static void
test_tampered(void **state)
{
	check_tampered(tampered, sizeof(tampered) / sizeof(tampered[0]), fill);
}

static void
test_whole(void **state)
{
	struct world *w = *state;
	struct journal_verdict v;
	struct journal *j;
	struct journal_mark mark;
	char said[SAID];

	write_some(w, 0);
	v = verify(w, said);
	assert_int_equal(v.entries, 0);
	assert_string_equal(said, "");
	/* More than a lot. */
	write_some(w, 1003);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.entries, 1003);
	assert_int_equal(v.first, 1);
	assert_int_equal(v.last, 1003);
	assert_int_equal(v.newest.serial, 1003);
	j = journal_open(w->path, NULL);
	assert_true(journal_mark(j, &mark, NULL));
	assert_int_equal(mark.serial, 1003);
	assert_string_equal(mark.link, v.newest.link);
	journal_close(&j);
	/* From the middle on: an entry before that is not looked at. */
	sql(w, "UPDATE entry SET sender = 'x' WHERE serial = 5");
	v = verify_since(w, T0 + 900, said);
	assert_string_equal(said, "");
	assert_int_equal(v.first, 901);
	assert_int_equal(v.entries, 103);
	/* There is nothing since then. */
	v = verify_since(w, T0 + 5000, said);
	assert_string_equal(said, "");
	assert_int_equal(v.entries, 0);
}

static void
append_subject(struct journal *j, struct str subject)
{
	struct journal_record r = {
		.time_ms = T0,
		.front = "proxy",
		.step = "message",
		.verdict = "accept",
		.subject = subject,
	};
	struct journal_record *p = &r;

	assert_true(journal_append(j, &p, 1, NULL));
}

/* Entries of before there was a column verify as they were; one with a subject, too, until somebody takes it away. */
static void
test_older(void **state)
{
	struct world *w = *state;
	struct journal_verdict v;
	struct journal *j;
	char said[SAID];

	write_some(w, N);
	sql(w, "ALTER TABLE entry DROP COLUMN subject; PRAGMA user_version = 5");
	j = journal_open(w->path, NULL);
	assert_non_null(j);
	append_subject(j, STR("Gr\xc3\xbc\xc3\x9f\x65"));
	append_subject(j, STR(""));
	journal_close(&j);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.entries, N + 2);
	assert_int_equal(v.unchained, 0);
	sql(w, "UPDATE entry SET subject = '' WHERE serial > 5");
	verify(w, said);
	assert_string_equal(said, "A21-21");
}

/* Retention removes the front, and the chain begins behind it. */
static void
test_cleaned(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	struct journal_verdict v;
	char said[SAID];
	struct err e = { 0 };

	append(j, N);
	assert_false(journal_clean(j, T0 + 1000 + 7, &second, &e));
	assert_int_equal(e.code, ERR_NONE);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.first, 8);
	/* All of it: numbers and links go on. */
	assert_false(journal_clean(j, T0 + 1000000, &second, &e));
	append(j, 1);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.entries, 1);
	assert_int_equal(v.first, N + 1);
	journal_close(&j);
}

/* An old entry in the midst of young ones, of a clock that was wrong, and one of the future. */
static void
test_clocks(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	struct journal_verdict v;
	char said[SAID];
	struct err e = { 0 };

	append(j, N);
	sql(w,
	    "UPDATE entry SET time_ms = 0 WHERE serial = 7;"
	    "UPDATE entry SET time_ms = time_ms * 2 WHERE serial < 3");
	/* Entries up to 5 are old; those in front of them, of the future, go with them. */
	assert_false(journal_clean(j, T0 + 1000 + 5, &second, &e));
	v = verify(w, said);
	assert_int_equal(v.first, 6);
	/* Nothing is old, whatever the clock says: nothing goes. */
	assert_false(journal_clean(j, 900, &second, &e));
	v = verify(w, said);
	assert_int_equal(v.first, 6);
	journal_close(&j);
}

/* Triggers that somebody put there do not run, and a view is not taken for the table. */
static void
test_triggers(void **state)
{
	struct world *w = *state;
	struct journal *j;
	char said[SAID];
	struct err e;

	write_some(w, 2);
	sql(w,
	    "CREATE TRIGGER hide AFTER INSERT ON entry BEGIN DELETE FROM entry WHERE serial = new.serial; END;"
	    "CREATE TRIGGER drop_it BEFORE INSERT ON entry BEGIN SELECT raise(IGNORE); END");
	write_some(w, 3);
	assert_int_equal(verify(w, said).entries, 5);
	assert_string_equal(said, "");
	sql(w,
	    "DROP TRIGGER hide; DROP TRIGGER drop_it; ALTER TABLE entry RENAME TO real;"
	    "CREATE VIEW entry AS SELECT * FROM real WHERE serial <> 2");
	assert_null(journal_open(w->path, &e));
	j = journal_open_read(w->path, &e);
	if (j) {
		const struct journal_check check = { 0, note, said };
		struct journal_verdict v;

		assert_false(journal_verify(j, &check, &v, &e));
		assert_non_null(strstr(e.text, "view"));
	}
	journal_close(&j);
}

/* Fixed for ever: a journal is verified by later versions too. SHA-256 of 00 'n' 0000000000000001 02 't' 0000000000000002 "ab". */
static void
test_form(void **state)
{
	struct chain *c = chain_new();
	const struct chain_cell cell[] = { { .number = 1 }, { 0 }, { .text = STR("ab") }, { 0 } };
	struct chain_hash content, link;
	char text[CHAIN_TEXT];

	chain_content(c, cell, 4, &content);
	assert_string_equal(chain_print(&content, text),
	    "e361c502cbe0dc35158455969afce1e1aebdc616d63fca34ca4803e50e70e6df");
	chain_link(c, &content, &content, NULL, &link);
	assert_string_equal(chain_print(&link, text),
	    "29970badf5abadd4fb1fb62a48fc413e252f8dd0a775e56e6bdec61bec3d4391");
	chain_link(c, &content, &content, &content, &link);
	assert_string_equal(chain_print(&link, text),
	    "a47988fbfb59f826a4314821ab1d7468c1a4323f134d09c44e56d1a28a50b4f3");
	assert_true(chain_parse(str_of(text), &content));
	assert_true(chain_same(&content, &link));
	assert_false(chain_parse(STR("00"), &content));
	chain_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tampered),
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_older, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cleaned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_triggers, setup, teardown),
		cmocka_unit_test(test_form),
	};

	log_open("test_journal_chain", LOG_TO_STDERR, LOG_LEVEL_ERROR + 1);
	return cmocka_run_group_tests_name("journal_chain", tests, NULL, NULL);
}
