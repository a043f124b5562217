#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/cli/run.h"

static void
test_a_code(void **state)
{
	struct run *r = *state;

	run_bare(r, "explain 5.7.23");
	run_is(r, 0,
	    "5.7.23  SPF says no\n"
	    "means     The domain of the sender's address says in the DNS (SPF) which servers\n"
	    "          may send for it, and this client is none of them.\n"
	    "sender    Add the server to the SPF record of your domain, or send through a\n"
	    "          server that is in it. Mail that was forwarded fails like this too: let\n"
	    "          the forwarder rewrite the sender (SRS), or fetch the mail instead.\n"
	    "admin     `postern why ID` shows the SPF record as it was. Forwarders you know\n"
	    "          put into a list and accept before the rule.\n",
	    "");
}

static void
test_a_code_with_replies_of_our_own(void **state)
{
	struct run *r = *state;

	run_bare(r, "explain 451");
	run_has(r, "451  not now\n");
	run_has(r, "Replies of Postern's own with it:\n");
	/* Equal explanations stand once behind all that they explain. */
	run_has(r,
	    "451  4.3.0   Local problem, try again later  failure: store\n"
	    "451  4.3.0   Local problem, try again later  failure: stage\n"
	    "451  4.3.0   Local problem, try again later  failure: journal\n"
	    "means     Something failed on this server");
	run_has(r, "451  4.3.0   ... is not offered any more, try again  backend: away\n");
}

static void
test_a_text(void **state)
{
	struct run *r = *state;

	run_bare(r, "explain limit: size");
	run_has(r, "552  5.3.4   The message is too big  limit: size\n");
	run_bare(r, "explain TOO BIG");
	run_has(r, "552  5.3.4   The message is too big  limit: size\n");
	run_has(r, "552  5.3.4   The message's header is too big  limit: header size\n");
}

/* One behind the other; and what a reply begins with says more than its text, if that is not known. */
static void
test_several_codes(void **state)
{
	struct run *r = *state;

	run_bare(r, "explain 5.7.23 4.2.2");
	run_has(r, "5.7.23  SPF says no\n");
	run_has(r, "\n\n4.2.2  mailbox full\n");
	assert_int_equal(r->code, 0);
	run_bare(r, "explain 550 5.1.1 <b@example.org>: no such user");
	run_has(r, "550  refused\n");
	run_has(r, "5.1.1  no such mailbox\n");
	run_bare(r, "explain 552 5.3.4 The message is too big");
	run_has(r, "552  5.3.4   The message is too big  limit: size\n");
	assert_null(strstr(r->out, "too big for the server"));
	/* what a reply begins with: what has both, and once */
	run_bare(r, "explain 450 4.7.1");
	run_has(r, "450  not now");
	run_has(r, "\n4.7.1  not allowed\n");
	assert_null(strstr(strstr(r->out, "Postern's own") + 1, "Postern's own"));
	run_bare(r, "explain 452 4.7.1");
	assert_null(strstr(r->out, "Postern's own"));
	run_bare(r, "explain 5.7.23 4.99.99");
	assert_int_equal(r->code, 1);
}

static void
test_an_id_is_told_as_why_does(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();

	memcpy(record.id, "k3f9x2", 7);
	run_append(r, &record);
	run_cli(r, "explain k3f9x2");
	run_has(r, "k3f9x2");
	run_has(r, "192.0.2.1");
	assert_int_equal(r->code, 0);
}

static void
test_nothing_lists_all(void **state)
{
	struct run *r = *state;

	run_bare(r, "explain");
	run_has(r, "X.7.23  SPF says no\n");
	run_has(r, "451     not now\n");
	run_has(r, "220          ... ESMTP\n");
	assert_int_equal(r->code, 0);
}

static void
test_what_is_not_there(void **state)
{
	struct run *r = *state;

	run_bare(r, "explain 459");
	run_is(
	    r, 1, "", "postern: no code \"459\"; did you mean 450? `postern explain` lists all\n");
	run_bare(r, "explain 5.7.33");
	run_is(r, 1, "",
	    "postern: no code \"5.7.33\"; did you mean 5.7.3? `postern explain` lists all\n");
	run_bare(r, "explain hugo");
	run_is(r, 1, "",
	    "postern: \"hugo\" is no code, no id, and in no text of a reply; `postern explain` lists all\n");
	run_bare(r, "explain --hugo");
	run_is(r, 2, "", NULL);
}

static void
test_json(void **state)
{
	struct run *r = *state;

	run_bare(r, "explain --json 5.3.4");
	run_has(r, "{\"code\":\"5.3.4\",\"title\":\"too big for the server\",\"meaning\":\"");
	run_has(r,
	    "\n{\"reply\":552,\"enhanced\":\"5.3.4\",\"text\":\"The message is too big\",\"rule\":"
	    "\"limit: size\",\"meaning\":\"");
	run_bare(r, "explain --json");
	run_has(r, "{\"code\":\"X.7.23\",\"title\":\"SPF says no\"");
	run_has(r, "{\"reply\":220,\"enhanced\":\"\",\"text\":\"... ESMTP\",\"rule\":\"\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_code, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_code_with_replies_of_our_own, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_a_text, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_several_codes, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(
		    test_an_id_is_told_as_why_does, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_nothing_lists_all, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_there, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_json, run_setup, run_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
