/* The two deaths, each died by a child. */
#include "base/die.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

const char *__asan_default_options(void);

/* An allocation that cannot be had is what is tested: it is to return NULL as without sanitizers. */
const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* What a child says on stderr before its end; its wait status goes to *status. */
static const char *
last_words(void (*death)(void), int *status)
{
	static char said[4096];
	size_t n = 0;
	ssize_t got;
	int end[2];
	pid_t pid;

	assert_int_equal(pipe(end), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		/* an abort is what is wanted: no core of it, and nobody who catches it */
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGABRT, SIG_DFL);
		dup2(end[1], STDERR_FILENO);
		log_open("child", LOG_TO_STDERR, LOG_LEVEL_ERROR);
		death();
		_exit(77);
	}
	close(end[1]);
	while (n < sizeof said - 1 && (got = read(end[0], said + n, sizeof said - 1 - n)) > 0)
		n += (size_t)got;
	close(end[0]);
	said[n] = '\0';
	assert_int_equal(waitpid(pid, status, 0), pid);
	return said;
}

static void
at_exit(void)
{
	static const char text[] = "a handler ran\n";

	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		abort();
}

static void
world_is_wrong(void)
{
	atexit(at_exit);
	die("no %s of %d\nand \033[1m", "room", 3);
}

static void
world_is_long(void)
{
	die("%01000d", 0);
}

static void
we_are_wrong(void)
{
	panic("stage %s", "x");
}

static void
required(void)
{
	require(1 + 1 == 3);
}

static void
required_and_given(void)
{
	require(1 + 1 == 2);
}

static void
no_memory(void)
{
	xmalloc(SIZE_MAX / 2);
}

static void
no_memory_for_many(void)
{
	/* their product is small once it has run over */
	xcalloc(SIZE_MAX / 2 + 2, 2);
}

static void
no_memory_for_more(void)
{
	xrealloc(xmalloc(1), SIZE_MAX / 2);
}

static void
test_deaths(void **state)
{
	static const struct {
		const char *name;
		void (*death)(void);
		int exits, signal;
		const char *said; /* is in it */
	} cases[] = {
		{ "die", world_is_wrong, 1, 0, "child: error - fatal: no room of 3 and  [1m\n" },
		{ "panic", we_are_wrong, 0, SIGABRT, "test_die.c:" },
		{ "panic's text", we_are_wrong, 0, SIGABRT, ": stage x\n" },
		{ "require", required, 0, SIGABRT, ": required: 1 + 1 == 3\n" },
		{ "require that is met", required_and_given, 77, 0, "" },
		{ "xmalloc", no_memory, 1, 0,
		    "child: error - fatal: out of memory: 9223372036854775807 octets\n" },
		{ "xcalloc", no_memory_for_many, 1, 0,
		    "child: error - fatal: out of memory: 9223372036854775809 times 2 octets\n" },
		{ "xrealloc", no_memory_for_more, 1, 0,
		    "child: error - fatal: out of memory: 9223372036854775807 octets\n" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int status;
		const char *said = last_words(cases[i].death, &status);

		if (strstr(said, cases[i].said) == NULL)
			fail_msg("%s: %s", cases[i].name, said);
		/* exit handlers free what other threads still use */
		assert_null(strstr(said, "a handler ran"));
		if (cases[i].signal != 0) {
			assert_true(WIFSIGNALED(status));
			assert_int_equal(WTERMSIG(status), cases[i].signal);
			assert_non_null(strstr(said, "child: error - panic: "));
		} else {
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), cases[i].exits);
		}
	}
}

/* Last words are one line, and not without end. */
static void
test_long_words(void **state)
{
	int status;
	const char *said = last_words(world_is_long, &status);

	assert_int_equal(strlen(said), strlen("child: error - fatal: ") + 511 + 1);
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static void
test_allocators(void **state)
{
	char *p = xmalloc(0), *q = xcalloc(0, 0), *s = xstrdup("text");
	char *zero = xcalloc(16, 2);

	for (int i = 0; i < 32; i++)
		assert_int_equal(zero[i], 0);
	assert_string_equal(s, "text");
	s = xrealloc(s, 100);
	assert_string_equal(s, "text");
	p = xrealloc(p, 0);
	assert_non_null(p);
	free(p);
	free(q);
	free(s);
	free(zero);
	p = xrealloc(NULL, 3);
	memcpy(p, "ab", 3);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_allocators),
	};

	return cmocka_run_group_tests_name("die", tests, NULL, NULL);
}
