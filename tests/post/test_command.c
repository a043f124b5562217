#include "post/command.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char folder[] = "/tmp/postern-command-XXXXXX";
static char path[64], output[64];

static void
write_program(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	fclose(f);
	assert_int_equal(chmod(path, 0700), 0);
}

static bool
run(const char *text, int64_t ms, struct err *e)
{
	char where[80];
	char *const environment[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
		(char *)(uintptr_t) "POSTERN_WHO=$(touch x); rm -rf \"`id`\"", where, NULL };
	const struct command_job job = { path, environment, STR("line one\nline two\n") };
	const struct wire_limit limit = { clock_mono_us() + ms * 1000, -1 };

	snprintf(where, sizeof(where), "OUTPUT=%s", output);
	write_program(text);
	return command_run(&job, &limit, e);
}

static void
read_output(char *out, size_t size)
{
	FILE *f = fopen(output, "r");

	assert_non_null(f);
	out[fread(out, 1, size - 1, f)] = '\0';
	fclose(f);
}

static void
test_runs(void **state)
{
	char text[400];
	struct err e;

	assert_true(run("cat >$OUTPUT; echo \"$POSTERN_WHO $HOME\" >>$OUTPUT", 20000, &e));
	read_output(text, sizeof(text));
	assert_string_equal(text, "line one\nline two\n$(touch x); rm -rf \"`id`\" \n");
	/* nothing of ours is open in it, and it need not read */
	assert_true(run("ls /proc/self/fd | tr '\\n' ' ' >$OUTPUT", 20000, &e));
	read_output(text, sizeof(text));
	assert_string_equal(text, "0 1 2 3 ");
}

static void
test_fails(void **state)
{
	static const struct {
		const char *text, *wrong;
		int64_t ms;
	} cases[] = {
		{ "exit 3", "it ended with status 3", 20000 },
		{ "printf 'no \\033[31mway\\n' >&2; exit 1",
		    "it ended with status 1: no \\x1b[31mway", 20000 },
		{ "kill -9 $$", "it ended with signal 9", 20000 },
		{ "sleep 60", "it was not done in time", 200 },
		{ "yes", "it was not done in time", 200 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e = { 0 };
		int64_t began = clock_mono_us();

		assert_false(run(cases[i].text, cases[i].ms, &e));
		assert_string_equal(e.text, cases[i].wrong);
		assert_true(clock_mono_us() - began < 20 * 1000000);
	}
}

/* What it started ends with it. */
static void
test_group(void **state)
{
	char text[40];
	struct err e;
	int pid;

	assert_true(run("sleep 300 & echo $! >$OUTPUT", 20000, &e));
	read_output(text, sizeof(text));
	pid = atoi(text);
	assert_true(pid > 0);
	for (int i = 0; i < 500; i++) {
		char state_file[40], c = 0;
		FILE *f;

		snprintf(state_file, sizeof(state_file), "/proc/%d/stat", pid);
		f = fopen(state_file, "r");
		if (f == NULL || (fscanf(f, "%*d %*s %c", &c) == 1 && c == 'Z')) {
			if (f)
				fclose(f);
			return;
		}
		fclose(f);
		usleep(10000);
	}
	fail_msg("%d is still there", pid);
}

static void
test_not_there(void **state)
{
	char *const none[] = { NULL };
	const struct command_job job = { "/nowhere/to/be/found", none, STR("") };
	const struct wire_limit limit = { clock_mono_us() + 1000000, -1 };
	struct err e;

	assert_false(command_run(&job, &limit, &e));
	assert_string_equal(e.text, "No such file or directory");
}

static int
make_folder(void **state)
{
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/told", folder);
	snprintf(output, sizeof(output), "%s/output", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	unlink(path);
	unlink(output);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_not_there),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
