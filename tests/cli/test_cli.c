#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/cli/run.h"

struct wrong {
	const char *words, *err;
};

static const struct wrong wrongs[] = {
	{ "lgo", "postern: unknown command \"lgo\"; did you mean \"log\"?\n" },
	{ "wyh", "postern: unknown command \"wyh\"; did you mean \"why\"?\n" },
	{ "stat", "postern: unknown command \"stat\"; did you mean \"stats\"?\n" },
	{ "frobnicate", "postern: unknown command \"frobnicate\"; see `postern --help`\n" },
	{ "l\x1bog", "postern: unknown command \"l\\x1bog\"; did you mean \"log\"?\n" },
	{ "--jsn log", "postern: unknown option \"--jsn\"; did you mean \"--json\"?\n" },
	{ "log --sinse 1h", "postern: unknown option \"--sinse\"; did you mean \"--since\"?\n" },
	{ "log --zzz", "postern: unknown option \"--zzz\"; see `postern log --help`\n" },
	{ "log -x", "postern: unknown option \"-x\"; see `postern --help`\n" },
	{ "log --since", "postern: --since needs a value: TIME\n" },
	{ "log --json=yes", "postern: --json takes no value\n" },
	{ "log --since soon",
	    "postern: --since: \"soon\" is no time; write 30m, 2h, 7d, today, "
	    "2026-01-31 or \"2026-01-31 12:00\"\n" },
	{ "log --verdict deny",
	    "postern: --verdict: \"deny\" is none; write accept, tempfail, reject, defer, left or change\n" },
	{ "log --last 0", "postern: --last: \"0\" is no number of entries\n" },
	{ "log --last many", "postern: --last: \"many\" is no number of entries\n" },
	{ "log today", "postern: log takes no \"today\"; see `postern log --help`\n" },
	{ "why", "postern: why wants an id; see `postern why --help`\n" },
	{ "why a b",
	    "postern: \"a\" is no id; that is six letters and digits, as in brackets at the end of a reply\n" },
	{ "why nobody",
	    "postern: no entry \"nobody\" in the journal (entries are removed after some time)\n" },
	{ "backends now", "postern: backends takes no \"now\"; see `postern backends --help`\n" },
	{ "stats --top none", "postern: --top: \"none\" is no number of rows\n" },
	{ "check a b", "postern: check takes one file; see `postern check --help`\n" },
	{ "test", "postern: test needs --ip; see `postern test --help`\n" },
	{ "test --ip 192.0.2.1 --to a@b", "postern: --to needs --from\n" },
	{ "test --ip 192.0.2.1 file", "postern: a message needs --from and --to\n" },
	{ "", NULL },
	{ "-c", "postern: --config needs a value: FILE\n" },
	{ "-c file", "postern: no command was given; see `postern --help`\n" },
};

static void
test_wrong(void **state)
{
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		run_cli(r, wrongs[i].words);
		if (wrongs[i].err)
			assert_string_equal(r->err, wrongs[i].err);
		assert_string_equal(r->out, "");
		assert_int_equal(r->code, strcmp(wrongs[i].words, "why nobody") == 0 ? 1 : 2);
	}
	run_cli(r, "log --ip 192.0.2.1/24");
	assert_int_equal(r->code, 2);
	assert_ptr_equal(strstr(r->err, "postern: --ip: "), r->err);
}

static void
test_help(void **state)
{
	static const char *const names[] = { "log", "why", "stats", "backends", "check", "test" };
	struct run *r = *state;

	run_bare(r, "");
	assert_int_equal(r->code, 2);
	assert_ptr_equal(strstr(r->err, "usage: postern [-c FILE] COMMAND [options]\n"), r->err);
	run_bare(r, "--help");
	assert_int_equal(r->code, 0);
	run_has(r, "  log      what was decided, newest last\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char words[40], usage[60];

		snprintf(words, sizeof(words), "%s --help", names[i]);
		snprintf(usage, sizeof(usage), "usage: postern %s [options]", names[i]);
		run_bare(r, words);
		assert_int_equal(r->code, 0);
		assert_string_equal(r->err, "");
		assert_ptr_equal(strstr(r->out, usage), r->out);
		run_has(r, "--config FILE");
		/* Nothing runs over a usual terminal, but for a folder that configure was given. */
		for (char *line = r->out; line; line = strchr(line + 1, '\n')) {
			size_t n = strcspn(line + 1, "\n");

			if (!memmem(line + 1, n, SYSCONFDIR, strlen(SYSCONFDIR)))
				assert_true(n <= 100);
		}
	}
	run_bare(r, "--version");
	run_has(r, "postern ");
}

static void
test_database(void **state)
{
	struct run *r = *state;
	char words[600];

	run_bare(r, "--database /nonexistent/x log");
	run_is(r, 2, "",
	    "postern: /nonexistent/x/journal.db: No such file or directory: has posternd been started "
	    "with this `database` folder?\n");
	run_bare(r, "-c /nonexistent/x.conf log");
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err,
	    "/nonexistent/x.conf cannot be used: mend it, or name the folder "
	    "with --database\n"));
	/* Options of all commands may stand on either side; --name=value is the same. */
	snprintf(words, sizeof(words), "log --database=%s --json", r->folder.path);
	run_bare(r, words);
	run_is(r, 1, "", "");
}

static void
test_configured(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();
	char text[900], words[600];

	run_append(r, &record);
	snprintf(text, sizeof(text),
	    "hostname \"mx.example.org\"\ndatabase \"%s\"\nlisten proxy 127.0.0.1 port 2525\n"
	    "backend 127.0.0.1 port 10025\n",
	    r->folder.path);
	folder_write(&r->folder, "postern.conf", text, strlen(text));
	snprintf(words, sizeof(words), "-c %s/postern.conf log", r->folder.path);
	run_bare(r, words);
	run_is(r, 0, NULL, "");
	run_has(r, record.id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wrong, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_help, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_database, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_configured, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
