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

static struct spool_total total;

/* A spool of its own memory, in a process that has room. */
static struct spool *
spool_of(size_t own, const char *where)
{
	const struct spool_limits limits = {
		.total = &total, .memory = 1 << 20, .disk = 1 << 20, .own = own, .folder = where
	};

	return spool_new(&limits);
}

static void
assert_total(uint64_t memory, uint64_t disk)
{
	assert_int_equal(total.memory, memory);
	assert_int_equal(total.disk, disk);
}

static char
octet(uint64_t at)
{
	return (char)(at * 31 + (at >> 8) * 7);
}

static void
fill(struct spool *spool, size_t n, size_t piece)
{
	char *p = malloc(n + 1);
	struct err e;

	for (size_t i = 0; i < n; i++)
		p[i] = octet(i);
	for (size_t at = 0; at < n; at += piece) {
		struct str run = str_sub((struct str){ p, n }, at, at + piece);

		assert_true(spool_add(spool, run, &e));
	}
	free(p);
}

static void
assert_content(struct spool *spool, uint64_t n)
{
	uint64_t at = 0;

	assert_int_equal(spool_size(spool), n);
	while (at < n) {
		struct str piece = spool_at(spool, at);

		assert_true(piece.n > 0 && piece.n <= n - at);
		for (size_t i = 0; i < piece.n; i++)
			assert_int_equal(piece.p[i], octet(at + i));
		at += piece.n;
	}
	assert_int_equal(spool_at(spool, n).n, 0);
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
		struct spool *spool = spool_of(cases[i].memory, folder);

		fill(spool, cases[i].total, cases[i].piece);
		assert_content(spool, cases[i].total);
		/* Backwards, so that the window has to move. */
		for (uint64_t at = cases[i].total; at-- > 0; at -= at < 5000 ? at : 5000)
			assert_int_equal(spool_at(spool, at).p[0], octet(at));
		spool_free(&spool);
		assert_null(spool);
		assert_total(0, 0);
	}
}

/* What was read before more is added must be seen to have grown. */
static void
test_read_while_growing(void **state)
{
	struct spool *spool = spool_of(10, folder);
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
	struct spool *spool = spool_of(10, folder);
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
	struct spool *spool = spool_of(4, "/nonexistent/folder");
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

/* What all hold is what was allocated, and no more than may be. */
static void
test_ceilings(void **state)
{
	const struct spool_limits limits = {
		.total = &total, .memory = 1000, .disk = 2000, .own = 600, .folder = folder
	};
	struct spool *a = spool_new(&limits), *b = spool_new(&limits), *c = spool_new(&limits);

	assert_total(0, 0);
	fill(a, 500, 100);
	assert_true(total.memory >= 500 && total.memory <= 601);
	assert_int_equal(total.disk, 0);
	/* There is memory for a part of it. */
	fill(b, 1000, 100);
	assert_true(total.memory <= 1000);
	assert_true(total.disk > 0 && total.disk < 1000);
	assert_content(b, 1000);
	assert_true(spool_room(&limits, 0));
	assert_true(spool_room(&limits, 900));
	assert_false(spool_room(&limits, 1900));
	fill(c, 900, 300);
	assert_content(c, 900);
	assert_true(total.memory <= 1000 && total.disk <= 2000);
	spool_free(&c);
	spool_free(&b);
	assert_int_equal(total.disk, 0);
	spool_free(&a);
	assert_total(0, 0);
}

static void
test_full(void **state)
{
	const struct spool_limits limits = {
		.total = &total, .memory = 0, .disk = 100, .own = 1000, .folder = folder
	};
	struct spool *a = spool_new(&limits), *b = spool_new(&limits);
	struct err e;

	fill(a, 60, 60);
	assert_total(0, 60);
	fill(b, 40, 40);
	assert_false(spool_room(&limits, 0));
	assert_false(spool_add(b, STR("x"), &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "all that may be held of messages is held");
	/* It is lost, whatever room there is then; the other one is not. */
	spool_free(&a);
	assert_total(0, 40);
	assert_true(spool_room(&limits, 60));
	assert_false(spool_room(&limits, 61));
	assert_false(spool_add(b, STR("x"), &e));
	spool_free(&b);
	assert_total(0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_full),
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
