/* A person is taken out of journal, index and store, and the chain stays whole. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/journal.h"
#include "db/person.h"
#include "db/store_sqlite.h"
#include "tests/db/folder.h"

#define T0 1700000000000
#define WHO "Person@example.org"

struct world {
	struct folder folder;
	struct journal *journal;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	folder_make(&w->folder);
	w->journal = journal_open(folder_file(&w->folder, "journal.db"), NULL);
	*state = w;
	return w->journal == NULL;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	journal_close(&w->journal);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

/* --- where an address is ------------------------------------------------------------------------ */

static const struct {
	const char *text;
	bool in;
} texts[] = {
	{ "person@example.org", true },
	{ "PERSON@EXAMPLE.ORG", true },
	{ "[\"a@b\",\"person@example.org\"]", true },
	{ "greylist:192.0.2.0/24:person@example.org:b@example.net", true },
	{ "<person@example.org>", true },
	{ "prvs=1234abcd=person@example.org", true },
	{ "to person@example.org.", true },
	{ "to person@example.org. He", true },
	{ "http://x.example/?id=person%40example.org&y", true },
	{ "\"To:\\tperson@example.org\"", true },
	{ "\"\\u00a0person@example.org\"", true },
	{ "xperson%40example.org", false },
	{ "person%4", false },
	{ "xperson@example.org", false },
	{ "x.person@example.org", false },
	{ "x+person@example.org", false },
	{ "x-person@example.org", false },
	{ "person@example.organic", false },
	{ "person@example.org.uk", false },
	{ "person@example.org-x", false },
	{ "xperson@example.org person@example.org", true },
	{ "person@example.or", false },
	{ "", false },
};

static void
test_person(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (person_in(str_of(texts[i].text), STR(WHO)) != texts[i].in)
			fail_msg("%s", texts[i].text);
	assert_false(person_in(STR("x"), STR("")));
	/* all that begin so */
	assert_true(person_in(STR("to ~abc+def@example.org"), STR("~abc+")));
	assert_false(person_in(STR("to ~~abc+def@example.org"), STR("~abc+")));
	assert_false(person_in(STR("to ~abc@example.org"), STR("~abc+")));
}

/* All that can stand for one address. */
static const struct {
	const char *address, *text;
	bool in;
} forms[] = {
	{ "\"a b\"@example.org", "\"a b\"@example.org", true },
	{ "\"a b\"@example.org", "[\"\\\"a b\\\"@example.org\"]", true },
	{ "\"a b\"@example.org", "[\"\\\"x a b\\\"@example.org\"]", false },
	{ "a\\b@example.org", "[\"a\\\\b@example.org\"]", true },
	{ "a@b\xc3\xbc"
	  "cher.example",
	    "<a@xn--bcher-kva.example>", true },
	{ "a@xn--bcher-kva.example",
	    "<a@b\xc3\xbc"
	    "cher.example>",
	    true },
	{ "a@B\xc3\x9c"
	  "CHER.example",
	    "<a@b\xc3\xbc"
	    "cher.example>",
	    true },
	{ "a@b\xc3\xbc"
	  "cher.example",
	    "<a@b\xc3\xbc"
	    "cher.example>",
	    true },
	{ "a@xn--bcher-kva.example",
	    "<ba@b\xc3\xbc"
	    "cher.example>",
	    false },
	{ "a@xn--.example", "<a@xn--.example>", true },
	{ "a@[192.0.2.1]", "<a@[192.0.2.1]>", true },
};

static void
test_forms(void **state)
{
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct person p;

		person_fill(&p, arena, str_of(forms[i].address), NULL);
		if (person_named(&p, str_of(forms[i].text)) != forms[i].in)
			fail_msg("%s in %s", forms[i].address, forms[i].text);
	}
	arena_free(&arena);
}

/* Hashed: in each script of its domain, and with a tag. */
static void
test_hashed(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct pseudonym *by = pseudonym_new(arena, STR("0123456789abcdef0123456789abcdef"));
	struct person p;

	(void)state;
	person_fill(&p, arena,
	    STR("a@b\xc3\xbc"
		"cher.example"),
	    by);
	assert_true(person_named(&p, pseudonym_of(by, arena, STR("A@xn--bcher-kva.example"))));
	assert_true(person_named(&p,
	    pseudonym_of(by, arena,
		STR("a+x@b\xc3\xbc"
		    "cher.example"))));
	assert_false(person_named(&p, pseudonym_of(by, arena, STR("b@xn--bcher-kva.example"))));
	arena_free(&arena);
}

/* An account's name may be any word: it counts where an account stands. */
static void
test_account(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct pseudonym *by = pseudonym_new(arena, STR("0123456789abcdef0123456789abcdef"));
	struct person p;

	(void)state;
	person_fill_account(&p, arena, STR("Mail"), by);
	assert_true(person_is_account(&p, STR("mail")));
	assert_true(person_is_account(&p, pseudonym_of(by, arena, STR("mail"))));
	assert_false(person_is_account(&p, STR("mails")));
	assert_false(person_is_account(&p, STR("")));
	assert_true(person_named(&p, STR("auth:failed:account:mail")));
	assert_true(person_named(&p, STR("seen:account-network:mail 192.0.2.0/24")));
	assert_true(person_named(&p, STR("{\"count\":\"rate:messages:account:mail\",\"add\":1}")));
	assert_false(person_named(&p, STR("rate:messages:account:mailer")));
	assert_false(person_named(&p, STR("the mail was refused: mail")));
	assert_true(person_mentioned(&p, STR("the mail was refused")));
	assert_false(person_mentioned(&p, STR("email")));
	arena_free(&arena);
}

static struct person whoever;

/* WHO, of whom there is nothing but the address. */
static const struct person *
who(void)
{
	whoever = (struct person){ .name = STR(WHO), .form = { STR(WHO) }, .n_forms = 1 };
	return &whoever;
}

/* --- the journal -------------------------------------------------------------------------------- */

/* Each names the person in another place, but for the first, which names somebody else. */
/* The ways in which an entry names the person. */
#define KINDS 7

static void
append_some(struct journal *j, size_t times)
{
	const struct journal_record base = {
		.time_ms = T0,
		.front = "proxy",
		.step = "rcpt",
		.verdict = "reject",
		.code = 550,
		.session = STR("s"),
		.client_ip = STR("192.0.2.1"),
		.sender = STR("other-person@example.org"),
		.recipients = STR("[\"b@example.org\"]"),
		.text = STR("no"),
		.rule = STR("postern.conf:12"),
		.facts = STR("{}"),
		.trace = STR("[]"),
		.answers = STR("[]"),
	};

	for (size_t i = 0; i < times; i++) {
		struct journal_record r[KINDS + 1];

		for (size_t k = 0; k <= KINDS; k++)
			r[k] = base;

		r[1].sender = STR("person@example.org");
		r[2].recipients = STR("[\"b@example.org\",\"person@example.org\"]");
		r[3].account = STR("person@example.org");
		r[4].text = STR("person@example.org is not known here");
		r[5].facts = STR("{\"sender\":\"person@EXAMPLE.org\"}");
		r[6].answers = STR("[{\"seen\":\"greylist:x:person@example.org:b@example.org\"}]");
		r[7].subject = STR("fwd: <Person@example.org> wrote");
		for (size_t k = 0; k <= KINDS; k++) {
			struct journal_record *p = &r[k];

			assert_true(journal_append(j, &p, 1, NULL));
		}
	}
}

static void
fault(void *owner, const struct journal_fault *f)
{
	++*(int *)owner;
}

static struct journal_verdict
verify(struct world *w, int *faults)
{
	struct journal *reader = journal_open_read(folder_file(&w->folder, "journal.db"), NULL);
	const struct journal_check check = { 0, fault, faults };
	struct journal_verdict v;

	*faults = 0;
	assert_true(journal_verify(reader, &check, &v, NULL));
	journal_close(&reader);
	return v;
}

/* Is it anywhere in the file, behind SQLite's back? */
static bool
in_file(struct world *w, const char *name, const char *what)
{
	FILE *f = fopen(folder_file(&w->folder, name), "rb");
	size_t n = strlen(what);
	bool found = false;
	char *all;
	long size;

	if (f == NULL)
		return false;
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	all = malloc((size_t)size + 1);
	assert_int_equal(fread(all, 1, (size_t)size, f), size);
	fclose(f);
	for (size_t i = 0; i + n <= (size_t)size && !found; i++)
		found = strncasecmp(all + i, what, n) == 0;
	free(all);
	return found;
}

static bool
one_row(void *owner, const struct journal_record *r)
{
	++*(size_t *)owner;
	return true;
}

static size_t
found(struct world *w, struct str text)
{
	struct journal *reader = journal_open_read(folder_file(&w->folder, "journal.db"), NULL);
	const struct journal_filter filter = { .text = text };
	size_t n = 0;

	assert_true(journal_read(reader, &filter, one_row, &n, NULL));
	journal_close(&reader);
	return n;
}

#define TIMES 50 /* 350 entries: more than one transaction */

static void
test_forgotten(void **state)
{
	struct world *w = *state;
	struct journal_person person = { .person = who(), .by = STR("root"), .look_only = true };
	struct journal_forgotten out;
	struct journal_verdict v;
	struct err e;
	int faults;

	append_some(w->journal, TIMES);
	while (journal_sum_up(w->journal, NULL))
		;
	while (journal_index(w->journal, true))
		;
	assert_int_equal(found(w, STR("person@example.org is not")), TIMES);
	assert_int_equal(found(w, STR("<person@example.org> wrote")), TIMES);
	if (!journal_forget(w->journal, &person, &out, &e))
		fail_msg("%s", e.text);
	assert_int_equal(out.entries, KINDS * TIMES);
	v = verify(w, &faults);
	assert_int_equal(v.forgotten, 0);
	person.look_only = false;
	if (!journal_forget(w->journal, &person, &out, &e))
		fail_msg("%s", e.text);
	assert_int_equal(out.entries, KINDS * TIMES);
	assert_true(out.sums >= 2);
	v = verify(w, &faults);
	assert_int_equal(faults, 0);
	assert_int_equal(v.forgotten, KINDS * TIMES);
	/* The entries that tell of it are four: a hundred each. */
	assert_int_equal(v.entries, (KINDS + 1) * TIMES + 4);
	assert_int_equal(found(w, STR("person@example.org is not")), 0);
	assert_int_equal(found(w, STR("<person@example.org> wrote")), 0);
	assert_int_equal(found(w, STR("other-person@example.org")), TIMES);
	while (journal_index(w->journal, true))
		;
	assert_int_equal(found(w, STR("person@example.org is not")), 0);
	assert_int_equal(found(w, STR("other-person@example.org")), TIMES);
	/* What stays: verdict, code, rule. */
	assert_int_equal(
	    folder_number(&w->folder, "journal.db",
		"SELECT count(*) FROM entry WHERE rule = 'postern.conf:12' AND code = 550"),
	    (KINDS + 1) * TIMES);
	/* Nobody is left to forget. */
	assert_true(journal_forget(w->journal, &person, &out, &e));
	assert_int_equal(out.entries, 0);
	journal_close(&w->journal);
	assert_false(in_file(w, "journal.db", "\"person@example.org"));
	assert_false(in_file(w, "journal.db", "person@example.org is not"));
	assert_false(in_file(w, "journal.db", "x:person@example.org"));
	assert_false(in_file(w, "journal.db", "fwd: <person@example.org"));
	assert_false(in_file(w, "journal.db-wal", "person@example.org"));
	assert_true(in_file(w, "journal.db", "other-person@example.org"));
}

static void
sql(struct world *w, const char *text)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(folder_file(&w->folder, "journal.db"), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

/* What a hand does in the name of forgetting shows. */
static void
test_forged(void **state)
{
	static const char *const forged[] = {
		/* Another entry, in the name of the one that tells. */
		"INSERT INTO forgotten SELECT 1, zeroblob(32), teller FROM forgotten LIMIT 1",
		/* One that was forgotten says something again. */
		"UPDATE entry SET sender = 'x@example.org' WHERE serial = 2",
		/* The one that tells is another. */
		"UPDATE entry SET facts = '{}' WHERE rule = 'command: forget'",
		"DELETE FROM entry WHERE rule = 'command: forget'",
		"DELETE FROM forgotten WHERE serial = 3",
		/* What is left of one says something else. */
		"UPDATE entry SET verdict = 'accept' WHERE serial = 2",
		"UPDATE entry SET rule = 'x' WHERE serial = 3",
		"UPDATE entry SET time_ms = time_ms + 1 WHERE serial = 4",
		"UPDATE entry SET facts = '[]' WHERE serial = 5",
	};

	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		struct journal_person person = { .person = who(), .by = STR("root") };
		struct journal_forgotten out;
		struct world *w;
		void *p = NULL;
		int faults;

		setup(&p);
		w = p;
		append_some(w->journal, 1);
		assert_true(journal_forget(w->journal, &person, &out, NULL));
		append_some(w->journal, 1);
		verify(w, &faults);
		assert_int_equal(faults, 0);
		sql(w, forged[i]);
		verify(w, &faults);
		if (faults == 0)
			fail_msg("%s", forged[i]);
		teardown(&p);
	}
	(void)state;
}

/* --- the store ---------------------------------------------------------------------------------- */

static const char *const keys[] = { "greylist:192.0.2.0/24:person1985@example.org:b@example.org",
	"greylist:192.0.2.0/24:person#@example.org:b@example.org",
	"greylist:pair:a@example.org:person1985@example.org",
	"greylist:192.0.2.0/24:other-person1985@example.org:b@example.org",
	"greylist:192.0.2.0/24:other-person#@example.org:b@example.org" };
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static void
test_store(void **state)
{
	struct world *w = *state;
	struct arena *arena = arena_new(1 << 20);
	struct store *s = store_sqlite.open(folder_file(&w->folder, "store.db"), NULL);
	/* As posternd has it open. */
	struct store *other = store_sqlite.open(folder_file(&w->folder, "store.db"), NULL);
	struct store_forgotten out;
	struct person person;

	assert_non_null(s);
	assert_non_null(other);
	for (size_t i = 0; i < 2 * KEYS; i++) {
		struct question q = { .kind = i % 2 ? QUESTION_SEEN : QUESTION_COUNT,
			.name = str_of(keys[i / 2]),
			.seen = { 300, 86400, 86400 },
			.add = 1 };
		struct answer a = { .question = q };
		struct store_ask ask = { &q, &a };

		assert_true(store_sqlite.ask(other, &ask, 1, T0, NULL));
	}
	assert_true(in_file(w, "store.db-wal", "/24:person1985@example.org"));
	person_fill(&person, arena, STR("Person1985@example.org"), NULL);
	assert_true(store_sqlite_forget(s, &person, true, &out, NULL));
	assert_int_equal(out.rows, 5);
	assert_true(store_sqlite_forget(s, &person, false, &out, NULL));
	assert_int_equal(out.rows, 5);
	assert_false(out.lingers);
	assert_false(in_file(w, "store.db-wal", "person1985@example.org"));
	assert_false(in_file(w, "store.db", "/24:person1985@example.org"));
	assert_false(in_file(w, "store.db", "a@example.org:person1985@example.org"));
	assert_true(in_file(w, "store.db", "other-person1985@example.org"));
	assert_true(store_sqlite_forget(s, &person, false, &out, NULL));
	assert_int_equal(out.rows, 0);
	store_sqlite.close(&other);
	store_sqlite.close(&s);
	assert_int_equal(folder_number(&w->folder, "store.db", "SELECT count(*) FROM seen"), 2);
	assert_int_equal(folder_number(&w->folder, "store.db", "SELECT count(*) FROM counter"), 3);
	arena_free(&arena);
}

/* Who reads the store as it was keeps what was removed in the log beside it, which is said. */
static void
test_lingers(void **state)
{
	struct world *w = *state;
	struct store *s = store_sqlite.open(folder_file(&w->folder, "store.db"), NULL);
	struct question q = { .kind = QUESTION_COUNT, .name = STR("x:" WHO), .add = 1 };
	struct answer a = { .question = q };
	struct store_ask ask = { &q, &a };
	struct store_forgotten out;
	sqlite3 *reader;

	assert_true(store_sqlite.ask(s, &ask, 1, T0, NULL));
	assert_int_equal(sqlite3_open(folder_file(&w->folder, "store.db"), &reader), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM counter", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_busy_timeout(store_sqlite_file(s)->handle, 10);
	assert_true(store_sqlite_forget(s, who(), false, &out, NULL));
	assert_int_equal(out.rows, 1);
	assert_true(out.lingers);
	sqlite3_close(reader);
	assert_true(store_sqlite_forget(s, who(), false, &out, NULL));
	assert_int_equal(out.rows, 0);
	assert_false(out.lingers);
	assert_false(in_file(w, "store.db-wal", WHO));
	store_sqlite.close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_person),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_hashed),
		cmocka_unit_test(test_account),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
		cmocka_unit_test(test_forged),
		cmocka_unit_test_setup_teardown(test_lingers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store, setup, teardown),
	};

	return cmocka_run_group_tests_name("journal_forget", tests, NULL, NULL);
}
