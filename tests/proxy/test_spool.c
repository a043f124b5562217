#include "proxy/spool.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char folder[] = "/tmp/test_spool.XXXXXX";

static char
octet(uint64_t at)
{
	return (char)(at * 31 + (at >> 8) * 7);
}

static void
fill(struct spool *spool, size_t total, size_t piece)
{
	char *p = malloc(total + 1);
	struct err e;

	for (size_t i = 0; i < total; i++)
		p[i] = octet(i);
	for (size_t at = 0; at < total; at += piece) {
		struct str run = str_sub((struct str){ p, total }, at, at + piece);

		assert_true(spool_add(spool, run, &e));
	}
	free(p);
}

static void
assert_content(struct spool *spool, uint64_t total)
{
	uint64_t at = 0;

	assert_int_equal(spool_size(spool), total);
	while (at < total) {
		struct str piece = spool_at(spool, at);

		assert_true(piece.n > 0 && piece.n <= total - at);
		for (size_t i = 0; i < piece.n; i++)
			assert_int_equal(piece.p[i], octet(at + i));
		at += piece.n;
	}
	assert_int_equal(spool_at(spool, total).n, 0);
	assert_false(spool_failed(spool));
}

static void
test_sizes(void **state)
{
	static const struct {
		size_t memory, total, piece;
	} cases[] = {
		{ 100, 0, 1 },
		{ 100, 99, 7 },
		{ 100, 100, 100 },
		{ 100, 101, 101 },
		{ 100, 1000, 33 },
		{ 0, 1000, 1 },
		{ 65536, 300000, 4096 },
		{ 1, 70000, 70000 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct spool *spool = spool_new(cases[i].memory, folder);

		fill(spool, cases[i].total, cases[i].piece);
		assert_content(spool, cases[i].total);
		/* Backwards, so that the window has to move. */
		for (uint64_t at = cases[i].total; at-- > 0; at -= at < 5000 ? at : 5000)
			assert_int_equal(spool_at(spool, at).p[0], octet(at));
		spool_free(&spool);
		assert_null(spool);
	}
}

/* What was read before more is added must be seen to have grown. */
static void
test_read_while_growing(void **state)
{
	struct spool *spool = spool_new(10, folder);
	struct err e;

	for (uint64_t n = 1; n < 300; n++) {
		char c = octet(n - 1);

		assert_true(spool_add(spool, (struct str){ &c, 1 }, &e));
		assert_int_equal(spool_at(spool, n - 1).p[0], c);
		assert_content(spool, n);
	}
	spool_free(&spool);
}

static void
test_no_name(void **state)
{
	struct spool *spool = spool_new(10, folder);
	DIR *dir;
	struct dirent *entry;

	fill(spool, 1000, 100);
	dir = opendir(folder);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_int_equal(entry->d_name[0], '.');
	closedir(dir);
	spool_free(&spool);
}

static void
test_no_folder(void **state)
{
	struct spool *spool = spool_new(4, "/nonexistent/folder");
	struct err e;

	assert_true(spool_add(spool, STR("abcd"), &e));
	assert_false(spool_add(spool, STR("e"), &e));
	assert_string_equal(e.text,
	    "cannot create the spool file in /nonexistent/folder: No such file or directory");
	assert_true(spool_failed(spool));
	assert_false(spool_add(spool, STR("f"), &e));
	assert_string_equal(e.text, "the spool file in /nonexistent/folder failed before");
	spool_free(&spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_read_while_growing),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_no_folder),
	};
	int failed;

	if (mkdtemp(folder) == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
