#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "db/store.h"
#include "tests/cli/run.h"

#define DAY 86400

/* As posternd: with the file open all the time. */
static struct store *store;

static int
setup(void **state)
{
	struct run *r;

	if (run_setup(state) != 0)
		return -1;
	r = *state;
	store = store_sqlite.open(folder_file(&r->folder, "store.db"), NULL);
	return store == NULL;
}

static int
teardown(void **state)
{
	store_sqlite.close(&store);
	return run_teardown(state);
}

static struct seen_answer
ask(const char *key, struct seen_question seen, int64_t after)
{
	struct question q = { .kind = QUESTION_SEEN, .name = str_of(key), .seen = seen };
	struct answer answer = { .question = q };
	struct store_ask one = { .question = &q, .answer = &answer };

	assert_true(store_sqlite.ask(store, &one, 1, (time(NULL) + after) * 1000, NULL));
	return answer.seen;
}

static enum seen_state
look(const char *key, int64_t after)
{
	return ask(key, (struct seen_question){ .look_only = true, .retry = DAY }, after).state;
}

static void
test_list(void **state)
{
	static const struct seen_question waits = { .delay = 300, .retry = DAY, .remember = DAY };
	static const struct seen_question proves = { .prove = true, .remember = DAY };
	struct run *r = *state;

	run_cli(r, "greylist list");
	run_is(r, 1, "", "");
	ask("greylist:192.0.2.0/24:a@x.example:b@y.example", waits, 0);
	ask("greylist:pair:a@x.example:b@y.example", waits, 0);
	ask("greylist:origin:name:z.example", proves, 0);
	ask("greylist:known:odd\033[2J@w.example", proves, 0);
	ask("greylist:known:gone.example", proves, -2 * DAY);
	ask("early:192.0.2.1", proves, 0);
	run_cli(r, "greylist list");
	assert_int_equal(r->code, 0);
	run_has(r, "kind     state    first                until                what\n");
	run_has(r, "triplet  waiting  ");
	run_has(r, "  192.0.2.0/24:a@x.example:b@y.example\n");
	run_has(r, "pair     waiting  ");
	run_has(r, "origin   proven   ");
	run_has(r, "  name:z.example\n");
	assert_null(strchr(r->out, '\033'));
	assert_null(strstr(r->out, "gone.example"));
	assert_null(strstr(r->out, "early"));
	run_cli(r, "greylist list --proven Z.EXAMPLE --json");
	assert_int_equal(r->code, 0);
	assert_ptr_equal(strstr(r->out,
			     "{\"kind\":\"origin\",\"what\":\"name:z.example\",\"proven\":true,"
			     "\"first\":\"20"),
	    r->out);
	run_has(r, "\"hits\":1}\n");
	run_cli(r, "greylist list --waiting z.example");
	run_is(r, 1, "", "");
}

static void
test_allow(void **state)
{
	static const struct {
		const char *words, *out, *key;
		int64_t days;
	} cases[] = {
		{ "192.0.2.7", "allowed known 192.0.2.7\n", "greylist:known:192.0.2.7", 3650 },
		{ "192.0.2.0/24", "allowed known 192.0.2.0/24\n", "greylist:known:192.0.2.0/24",
		    3650 },
		{ "2001:DB8:0:1::/64 --for 12d", "allowed known 2001:db8:0:1::/64\n",
		    "greylist:known:2001:db8:0:1::/64", 12 },
		{ "Example.ORG --for 30d", "allowed known example.org\n",
		    "greylist:known:example.org", 30 },
		/* again, and for less */
		{ "example.org --for 2d", "allowed known example.org\n",
		    "greylist:known:example.org", 2 },
		{ "prvs=0123ab45cd=Jane+x@Example.org --for 1d", "allowed known jane@example.org\n",
		    "greylist:known:jane@example.org", 1 },
		{ "spf:Example.org", "allowed known spf:example.org\n",
		    "greylist:known:spf:example.org", 3650 },
	};
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char words[200];

		snprintf(words, sizeof(words), "greylist allow %s", cases[i].words);
		run_cli(r, words);
		run_is(r, 0, cases[i].out, "");
		/* Whoever has the store open sees it. */
		assert_int_equal(look(cases[i].key, cases[i].days * DAY - 60), SEEN_PROVEN);
		assert_int_equal(look(cases[i].key, cases[i].days * DAY + 60), SEEN_NEVER);
	}
	run_cli(r, "greylist allow example.net --json --until 2100-01-01");
	run_is(r, 0, "{\"did\":\"allowed\",\"kind\":\"known\",\"what\":\"example.net\"}\n", "");
}

static void
test_complaints(void **state)
{
	static const struct {
		const char *words, *err;
	} cases[] = {
		{ "greylist",
		    "postern: greylist takes list, allow or remove; see `postern greylist --help`\n" },
		{ "greylist lst",
		    "postern: greylist takes list, allow or remove, not lst; see "
		    "`postern greylist --help`\n" },
		{ "greylist list a b", "postern: greylist list takes one text to look for\n" },
		{ "greylist allow", "postern: greylist allow takes one: whom?\n" },
		{ "greylist allow nobody",
		    "postern: \"nobody\": it is no address, network, sender, domain or origin "
		    "(spf:, dkim:, name:)\n" },
		{ "greylist allow a@b@c", "postern: \"a@b@c\": it is no address of a sender\n" },
		{ "greylist allow 192.0.0.0/16",
		    "postern: \"192.0.0.0/16\": a network has 24 bits here, as `network ipv4` of "
		    "greylist says\n" },
		{ "greylist allow x.example --for ever",
		    "postern: --for: \"ever\" is no time such as 12h or 30d\n" },
		{ "greylist allow x.example --until 2020-01-01",
		    "postern: --until: that is no time to come\n" },
		{ "greylist allow x.example --until 2100-01-01 --for 1d",
		    "postern: --for and --until say the same thing: give one\n" },
		{ "greylist remove", "postern: greylist remove: what?\n" },
	};
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run_cli(r, cases[i].words);
		run_is(r, 2, "", cases[i].err);
	}
}

static void
test_remove(void **state)
{
	static const struct seen_question waits = { .delay = 300, .retry = DAY, .remember = DAY };
	struct run *r = *state;

	run_cli(r, "greylist allow example.org");
	run_cli(r, "greylist remove EXAMPLE.org other.example");
	run_is(r, 0, "removed known example.org\n", "");
	assert_int_equal(look("greylist:known:example.org", 0), SEEN_NEVER);
	run_cli(r, "greylist remove example.org");
	run_is(r, 1, "", "");
	ask("greylist:192.0.2.0/24:a@x.example:b@y.example", waits, 0);
	ask("greylist:pair:a@x.example:b@y.example", waits, 0);
	ask("greylist:origin:192.0.2.0/24",
	    (struct seen_question){ .prove = true, .remember = DAY }, 0);
	run_cli(r,
	    "greylist remove 192.0.2.0/24:a@x.example:b@y.example a@x.example:b@y.example "
	    "192.0.2.0/24");
	run_is(r, 0,
	    "removed triplet 192.0.2.0/24:a@x.example:b@y.example\n"
	    "removed pair a@x.example:b@y.example\n"
	    "removed origin 192.0.2.0/24\n",
	    "");
	run_cli(r, "greylist list");
	run_is(r, 1, "", "");
}

static void
test_no_store(void **state)
{
	struct run *r = *state;

	run_bare(r, "--database /nowhere/at/all greylist list");
	run_is(r, 2, "",
	    "postern: there is no /nowhere/at/all/store.db: posternd makes it when it starts\n");
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_list),
		CASE(test_allow),
		CASE(test_complaints),
		CASE(test_remove),
		CASE(test_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
