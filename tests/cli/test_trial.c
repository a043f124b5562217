#include "cli/trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "db/store_sqlite.h"
#include "tests/cli/run.h"

/* Rules that need no DNS. */
static const char rules[] =
    "hostname \"mx.example.org\"\n"
    "database \"%s\"\n"
    "listen proxy 127.0.0.1 port 2525\n"
    "backend 127.0.0.1 port 10025\n"
    "resolver forward 127.0.0.1 port 1\n"
    "trust 127.0.0.0/8\n"
    "at connect {\n"
    "    accept session if client in trusted\n"
    "}\n"
    "at mail {\n"
    "    reject 550 5.7.1 \"No mail from ${sender.domain}\" if sender.domain is \"bad.example\"\n"
    "}\n"
    "at rcpt {\n"
    "    tempfail 451 4.7.1 \"Greylisted\" if greylist is waiting\n"
    "}\n"
    "at message {\n"
    "    reject 550 5.7.1 \"Too large\" if message.size > 60\n"
    "}\n"
    "dns timeout 100ms\n";

static int
setup(void **state)
{
	char text[2000];
	struct run *r;

	if (run_setup(state) != 0)
		return -1;
	r = *state;
	snprintf(text, sizeof(text), rules, r->folder.path);
	folder_write(&r->folder, "postern.conf", text, strlen(text));
	return 0;
}

/* `postern -c .../postern.conf test words... [FOLDER/file]` */
static void
play(struct run *r, const char *words, const char *file)
{
	char all[1500], *config = strdup(folder_file(&r->folder, "postern.conf"));

	snprintf(all, sizeof(all), "-c %s test %s %s", config, words,
	    file ? folder_file(&r->folder, file) : "");
	run_bare(r, all);
	free(config);
}

static void
test_steps(void **state)
{
	static const char message[] = "Subject: x\n\ntext\n";
	struct run *r = *state;

	folder_write(&r->folder, "small.eml", message, strlen(message));
	play(r, "--ip 192.0.2.1 --helo h.example --from a@bad.example --to b@example.org",
	    "small.eml");
	assert_int_equal(r->code, 0);
	run_has(r,
	    "Refused for good at mail: from a@bad.example, by 192.0.2.1\n"
	    "  reply       550 5.7.1 No mail from bad.example\n");
	run_has(r,
	    "  > postern.conf:11   decided  reject 550 5.7.1 \"No mail from ${sender.domain}\" if "
	    "sender.domain is \"bad.example\"\n");
	/* The steps behind it are told, too. */
	run_has(r,
	    "Refused for now at rcpt: from a@bad.example to b@example.org, by 192.0.2.1\n"
	    "  reply       451 4.7.1 Greylisted\n");
	run_has(r, "Let through at message: from a@bad.example to b@example.org, by 192.0.2.1\n");
	run_has(r, "  message     20 octets\n");
	run_has(r, "\noutcome: reject  first at mail\n");
}

static void
test_trusted(void **state)
{
	struct run *r = *state;

	play(r, "--ip 127.0.0.1 --from a@bad.example", NULL);
	assert_int_equal(r->code, 0);
	run_has(r, "  > postern.conf:8    decided  accept session if client in trusted\n");
	run_has(r, "\noutcome: accept\n");
}

static void
test_json(void **state)
{
	struct run *r = *state;

	play(r, "--json --ip 192.0.2.1 --from <> --to <b@example.org>", NULL);
	assert_int_equal(r->code, 0);
	run_has(r, "\"step\":\"connect\"");
	run_has(r, "\"step\":\"mail\"");
	run_has(r, "\"recipients\":[\"b@example.org\"],\"verdict\":\"tempfail\",\"code\":451,");
	run_has(r, ",\"state\":\"first\",");
	assert_null(strstr(r->out, "outcome"));
}

/* The store is looked at and stays as it is. */
static void
test_store(void **state)
{
	struct run *r = *state;
	struct err e;
	struct store *store;

	play(r, "--ip 192.0.2.1 --from a@b.example --to b@example.org", NULL);
	assert_non_null(strstr(r->err,
	    "store.db: there is none; what it is asked is answered as by an "
	    "empty one\n"));
	store = store_sqlite.open(folder_file(&r->folder, "store.db"), &e);
	assert_non_null(store);
	for (int i = 0; i < 2; i++) {
		play(r, "--ip 192.0.2.1 --from a@b.example --to b@example.org", NULL);
		run_is(r, 0, NULL, "");
		run_has(r,
		    "  first\n          first seen then\n          5 minutes more to wait: passes from ");
	}
	store_sqlite.close(&store);
}

static void
test_message(void **state)
{
	static const char large[] = "Subject: x\r\n\r\nsixty octets and more, so that the rule of "
				    "message has something to say";
	struct run *r = *state;

	folder_write(&r->folder, "large.eml", large, strlen(large));
	play(r, "--ip 192.0.2.1 --from a@b.example --to b@example.org", "large.eml");
	assert_int_equal(r->code, 0);
	run_has(r, "  reply       550 5.7.1 Too large\n");
	run_has(r, "message.size");
	play(r, "--ip 192.0.2.1 --from a@b.example --to b@example.org", "none.eml");
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err, "none.eml: No such file or directory\n"));
}

struct wrong {
	const char *words, *err;
};

static void
test_wrong(void **state)
{
	static const struct wrong wrongs[] = {
		{ "--ip 192.0.2.300", "postern: --ip: \"192.0.2.300\" is no address\n" },
		{ "--ip 192.0.2.1 --from a@b@c", "postern: --from: \"a@b@c\": " },
		{ "--ip 192.0.2.1 --from '<a@b.example> SIZE=1'",
		    "there is more behind the address\n" },
		{ "--ip 192.0.2.1 --from a@b.example --to b\x1b", "--to: \"b\\x1b\": " },
	};
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		play(r, wrongs[i].words, NULL);
		assert_int_equal(r->code, 2);
		if (strstr(r->err, wrongs[i].err) == NULL)
			fail_msg("%s: %s", wrongs[i].words, r->err);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steps, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_trusted, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_store, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_message, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_wrong, setup, run_teardown),
	};

	return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
