/* `postern fmt`: what it prints, what it writes, and what it leaves alone. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "rules/load.h"
#include "tests/cli/run.h"

#define WILD "at mail{accept   if spf is fail}\n"
#define TAME "at mail { accept if spf is fail }\n"
#define WRONG "at mail { acept }\n"

static const char *
file(struct run *r, const char *name, const char *text)
{
	const char *path = folder_file(&r->folder, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	return path;
}

static void
holds(const char *path, const char *text)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct str found;
	struct err e;

	assert_true(source_take(path, 1000, arena, &found, &e));
	assert_string_equal(found.p, text);
	arena_free(&arena);
}

static void
fmt(struct run *r, const char *options, const char *path)
{
	char words[1200];

	snprintf(words, sizeof words, "fmt %s %s", options, path);
	run_bare(r, words);
}

static void
test_prints(void **state)
{
	struct run *r = *state;
	char path[300];

	snprintf(path, sizeof path, "%s", file(r, "wild.conf", WILD));
	fmt(r, "", path);
	run_is(r, 0, TAME, "");
	holds(path, WILD);
	fmt(r, "--json", path);
	assert_int_equal(r->code, 0);
	run_has(r, "\"formatted\":false}");
	run_bare(r, "fmt");
	run_is(r, 2, "", "postern: fmt wants the files to format; see `postern fmt --help`\n");
	run_bare(r, "fmt -x a");
	run_is(r, 2, "", "postern: unknown option \"-x\"; see `postern --help`\n");
	run_bare(r, "fmt /nowhere/at/all");
	run_is(r, 2, "", "postern: cannot read /nowhere/at/all: No such file or directory\n");
}

static void
test_checks(void **state)
{
	struct run *r = *state;
	char path[300], said[310];

	snprintf(path, sizeof path, "%s", file(r, "wild.conf", WILD));
	snprintf(said, sizeof said, "%s\n", path);
	fmt(r, "--check", path);
	run_is(r, 1, said, "");
	holds(path, WILD);
	snprintf(path, sizeof path, "%s", file(r, "tame.conf", TAME));
	fmt(r, "--check", path);
	run_is(r, 0, "", "");
}

static void
test_writes(void **state)
{
	struct run *r = *state;
	char path[300], link[300];
	struct stat st;

	snprintf(path, sizeof path, "%s", file(r, "wild.conf", WILD));
	assert_int_equal(chmod(path, 0640), 0);
	fmt(r, "-w", path);
	run_is(r, 0, "", "");
	holds(path, TAME);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	/* through a link, which stays one */
	snprintf(path, sizeof path, "%s", file(r, "wild.conf", WILD));
	snprintf(link, sizeof link, "%s", folder_file(&r->folder, "link.conf"));
	assert_int_equal(symlink(path, link), 0);
	fmt(r, "--write", link);
	run_is(r, 0, "", "");
	holds(path, TAME);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(link);
}

static void
test_somebody_else_is_at_it(void **state)
{
	struct run *r = *state;
	char path[300], beside[300];

	snprintf(path, sizeof path, "%s", file(r, "wild.conf", WILD));
	snprintf(beside, sizeof beside, "%s", file(r, ".wild.conf.new", "half"));
	fmt(r, "-w", path);
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err,
	    "/.wild.conf.new is there already: somebody else is at it, or was; remove it\n"));
	holds(path, WILD);
	holds(beside, "half");
	unlink(beside);
}

/* Others are formatted all the same. */
static void
test_mistakes(void **state)
{
	struct run *r = *state;
	char wrong[300], wild[300], words[700];

	snprintf(wrong, sizeof wrong, "%s", file(r, "wrong.conf", WRONG));
	snprintf(wild, sizeof wild, "%s", file(r, "wild.conf", WILD));
	snprintf(words, sizeof words, "-w %s", wrong);
	fmt(r, words, wild);
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err, "wrong.conf:1:11: error: a rule begins with"));
	holds(wrong, WRONG);
	holds(wild, TAME);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_prints, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_checks, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_writes, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(
		    test_somebody_else_is_at_it, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_mistakes, run_setup, run_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
