#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/watch.h"

static char path[2][64];
static struct config_file files[2];
static struct config config;
static struct watch watch;
static int64_t ms;

static int64_t
wall_ms(void)
{
	return (int64_t)time(NULL) * 1000;
}

static void
write_file(const char *where, const char *text)
{
	FILE *f = fopen(where, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* As if it had been loaded now. */
static void
load(void)
{
	for (size_t i = 0; i < 2; i++)
		files[i].stamp = file_stamp(path[i]);
}

static int
setup(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "/tmp/postern-watch-XXXXXX");
		close(mkstemp(path[i]));
		write_file(path[i], "a\n");
	}
	files[0] = (struct config_file){ .path = path[0], .list = true, .next = &files[1] };
	files[1] = (struct config_file){ .path = path[1] };
	config = (struct config){ .files = files, .core.watch_lists = 1000 };
	watch = (struct watch){ 0 };
	ms = 5000;
	load();
	return 0;
}

static int
teardown(void **state)
{
	watch_free(&watch);
	unlink(path[0]);
	unlink(path[1]);
	return 0;
}

/* A look that is due, so many seconds from now. */
static const char *
look(int64_t later_s)
{
	ms += 1000;
	return watch_look(&watch, &config, ms, wall_ms() + later_s * 1000);
}

static void
test_change(void **state)
{
	assert_null(look(0));
	write_file(path[0], "a\nb\n");
	/* It may still be being written. */
	assert_null(look(0));
	assert_string_equal(look(5), path[0]);
	/* Told once, as long as it stays so, whether it could be loaded or not. */
	assert_null(look(6));
	write_file(path[0], "a\nb\nc\n");
	assert_string_equal(look(5), path[0]);
	load();
	assert_null(look(6));
}

static void
test_a_file_that_is_gone(void **state)
{
	unlink(path[0]);
	assert_string_equal(look(5), path[0]);
	assert_null(look(6));
	write_file(path[0], "a\n");
	assert_string_equal(look(5), path[0]);
}

static void
test_only_lists(void **state)
{
	write_file(path[1], "a\nb\n");
	assert_null(look(5));
}

static void
test_when(void **state)
{
	assert_int_equal(watch_wait(&watch, &config, ms), 0);
	assert_null(look(0));
	assert_int_equal(watch_wait(&watch, &config, ms), 1000);
	assert_int_equal(watch_wait(&watch, &config, ms + 400), 600);
	write_file(path[0], "a\nb\n");
	assert_null(watch_look(&watch, &config, ms + 999, wall_ms() + 5000));
	assert_non_null(watch_look(&watch, &config, ms + 1000, wall_ms() + 5000));
	config.core.watch_lists = 0;
	assert_true(watch_wait(&watch, &config, ms + 9999) == INT64_MAX);
	write_file(path[0], "a\n");
	assert_null(watch_look(&watch, &config, ms + 9999, wall_ms() + 5000));
}

/* Not even when they are as before: who may not be read has to be told of. */
static void
test_rights(void **state)
{
	chmod(path[0], 0400);
	assert_string_equal(look(5), path[0]);
	assert_null(look(6));
}

/* Whoever sets the time of a file has not ended the writing of it with that. */
static void
test_times_that_were_set(void **state)
{
	const struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	const struct timespec ahead[2] = { { 4000000000, 0 }, { 4000000000, 0 } };

	assert_int_equal(utimensat(AT_FDCWD, path[0], old, 0), 0);
	assert_null(look(0));
	assert_string_equal(look(5), path[0]);
	assert_int_equal(utimensat(AT_FDCWD, path[0], ahead, 0), 0);
	assert_null(look(0));
	assert_string_equal(look(5), path[0]);
}

/* A clock that was set back by an hour keeps nobody waiting for an hour; a file server's that is ahead a little does. */
static void
test_clocks(void **state)
{
	write_file(path[0], "a\nb\n");
	assert_null(look(-10));
	assert_string_equal(look(-3600), path[0]);
}

static void
test_what_is_told_again(void **state)
{
	write_file(path[0], "a\nb\n");
	assert_string_equal(look(5), path[0]);
	assert_null(look(6));
	watch_again(&watch);
	assert_string_equal(look(7), path[0]);
}

static void
test_never_still(void **state)
{
	write_file(path[0], "a\nb\n");
	for (int s = 0; s < 30; s++) {
		assert_null(look(0));
		assert_false(watch.said);
	}
	assert_null(look(0));
	assert_true(watch.said);
	assert_string_equal(look(5), path[0]);
	assert_false(watch.said);
}

static void
test_torn(void **state)
{
	assert_string_equal(watch_torn(&config, wall_ms()), path[0]);
	assert_null(watch_torn(&config, wall_ms() + 5000));
	files[0].moved = true;
	assert_string_equal(watch_torn(&config, wall_ms() + 5000), path[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_when, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_times_that_were_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_told_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_still, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
	};

	return cmocka_run_group_tests_name("proxy/watch", tests, NULL, NULL);
}
