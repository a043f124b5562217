/* The lines of the log and the two deaths, each in a child whose stderr is a pipe. */
#include "base/log.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/die.h"
#include "base/err.h"

/* Runs fn in a child; gives what it wrote to stderr and its wait status. */
static int
run(void (*fn)(void), char *out, size_t size)
{
	int fds[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(fds[1]);
	while (n < size - 1 && (got = read(fds[0], out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
write_all_levels(void)
{
	log_open("posternd", LOG_TO_STDERR, LOG_LEVEL_INFO);
	log_error("A1", "disk=%s", "full");
	log_warn(NULL, "odd=%d", 1);
	log_info("A1", "verdict=accept");
	log_debug("A1", "not seen");
}

static void
test_lines(void **state)
{
	char out[4096];

	assert_int_equal(run(write_all_levels, out, sizeof(out)), 0);
	assert_string_equal(out,
	    "posternd: error A1 disk=full\n"
	    "posternd: warn - odd=1\n"
	    "posternd: info A1 verdict=accept\n");
}

static void
write_two_lines_in_one(void)
{
	log_info("A1", "a\nposternd: info A2 verdict=accept\x1b");
}

static void
test_a_line_stays_one_line(void **state)
{
	char out[4096];

	run(write_two_lines_in_one, out, sizeof(out));
	assert_string_equal(out, "postern: info A1 a posternd: info A2 verdict=accept \n");
}

static void
write_a_long_line(void)
{
	char text[10000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("A1", "%s", text);
}

static void
test_a_long_line_is_cut(void **state)
{
	char out[20000];

	run(write_a_long_line, out, sizeof(out));
	assert_int_equal(strlen(out), 2048);
	assert_int_equal(out[2046], 'x');
	assert_int_equal(out[2047], '\n');
}

static void
die_of_it(void)
{
	die("no descriptors left: %d", 7);
}

static void
panic_of_it(void)
{
	require(1 + 1 == 3);
}

static void
test_deaths(void **state)
{
	char out[4096];
	int status = run(die_of_it, out, sizeof(out));

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_string_equal(out, "postern: error - fatal: no descriptors left: 7\n");

	status = run(panic_of_it, out, sizeof(out));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(out, "postern: error - panic: "));
	assert_non_null(strstr(out, "test_log.c:"));
	assert_non_null(strstr(out, "required: 1 + 1 == 3\n"));
}

static void
test_err(void **state)
{
	struct err e = { 0 };

	assert_false(err_set(&e, ERR_LIMIT, "%d of %d", 5, 4));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "5 of 4");
	assert_false(err_set(&e, ERR_LIMIT, "%1000d", 1));
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_false(err_set(NULL, ERR_LIMIT, "nobody asked"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_a_line_stays_one_line),
		cmocka_unit_test(test_a_long_line_is_cut),
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
