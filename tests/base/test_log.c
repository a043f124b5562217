/* The lines of the log and the two deaths, each in a child whose stderr is a pipe. */
#include "base/log.h"

#include <pthread.h>
#include <semaphore.h>
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

static unsigned woken;

static void
wake(void *owner)
{
	assert_ptr_equal(owner, &woken);
	woken++;
}

static void
mark(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		abort();
}

static void
write_gathered(void)
{
	log_gather(wake, &woken);
	log_info("A1", "one");
	log_info("A1", "two");
	mark("nothing yet\n");
	log_flush();
	mark("both\n");
	log_info("A1", "three");
	log_error("A1", "four");
	log_info("A1", "five");
	log_gather_end();
	log_info("A1", "six");
	if (woken != 3)
		abort();
}

static void
test_gathered_lines_keep_their_order(void **state)
{
	char out[4096];

	assert_int_equal(run(write_gathered, out, sizeof(out)), 0);
	assert_string_equal(out,
	    "nothing yet\npostern: info A1 one\npostern: info A1 two\nboth\n"
	    "postern: info A1 three\npostern: error A1 four\n"
	    "postern: info A1 five\npostern: info A1 six\n");
}

static void
write_more_than_fits(void)
{
	log_gather(wake, &woken);
	for (int i = 0; i < 1000; i++)
		log_info("A1", "line=%d", i);
	log_gather_end();
}

static void
test_more_lines_than_fit_are_all_written(void **state)
{
	char out[40000], line[40];
	const char *p = out;

	assert_int_equal(run(write_more_than_fits, out, sizeof(out)), 0);
	for (int i = 0; i < 1000; i++) {
		int n = snprintf(line, sizeof(line), "postern: info A1 line=%d\n", i);

		assert_memory_equal(p, line, (size_t)n);
		p += n;
	}
	assert_int_equal(*p, '\0');
}

/* Its lines wait when another thread dies. */
static void *
gather_and_stay(void *arg)
{
	sem_t *gathered = arg;

	log_gather(wake, &woken);
	log_info("A1", "said before");
	sem_post(gathered);
	for (;;)
		pause();
	return NULL;
}

static void
die_beside_a_thread(void)
{
	pthread_t thread;
	sem_t gathered;

	if (sem_init(&gathered, 0, 0) != 0 ||
	    pthread_create(&thread, NULL, gather_and_stay, &gathered) != 0)
		abort();
	sem_wait(&gathered);
	die("now");
}

static void
test_a_death_writes_what_others_gathered(void **state)
{
	char out[4096];

	assert_int_equal(WEXITSTATUS(run(die_beside_a_thread, out, sizeof(out))), 1);
	assert_string_equal(out, "postern: info A1 said before\npostern: error - fatal: now\n");
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
		cmocka_unit_test(test_gathered_lines_keep_their_order),
		cmocka_unit_test(test_more_lines_than_fit_are_all_written),
		cmocka_unit_test(test_a_death_writes_what_others_gathered),
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
