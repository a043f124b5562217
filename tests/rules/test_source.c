/* Files of a configuration: where they are looked for, what is read, and what is no file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_paths(void **state)
{
	static const struct {
		const char *config, *path, *found;
	} cases[] = {
		{ "/etc/postern/t.conf", "a.list", "/etc/postern/a.list" },
		{ "/etc/postern/t.conf", "lists/a", "/etc/postern/lists/a" },
		{ "/etc/postern/t.conf", "../a", "/etc/postern/../a" },
		{ "/etc/postern/t.conf", "/a", "/a" },
		{ "/t.conf", "a", "/a" },
		{ "t.conf", "a", "a" },
		{ "t.conf", "/a", "/a" },
		{ "x/t.conf", "a", "x/a" },
		{ "t.conf", "", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loader *l = loader_new(cases[i].config, "");

		assert_string_equal(source_path(&l->load, str_of(cases[i].path)), cases[i].found);
		loader_free(&l);
	}
}

static void
write_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void
test_read(void **state)
{
	char folder[] = "/tmp/postern-test-XXXXXX", path[100], fifo[100], expected[300];
	struct loader *l = loader_new("t.conf", "");
	struct err e = { 0 };
	struct str text;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/a\nb", folder);
	snprintf(fifo, sizeof fifo, "%s/fifo", folder);
	/* all octets, as many as are allowed */
	write_file(path, "a\0b\n", 4);
	assert_true(source_read(&l->load, path, 4, &text, &e));
	assert_true(str_eq(text, STR("a\0b\n")));
	assert_false(source_read(&l->load, path, 3, &text, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	snprintf(
	    expected, sizeof expected, "cannot read %s/a\\x0ab: it has more than 3 octets", folder);
	assert_string_equal(e.text, expected);
	write_file(path, "", 0);
	assert_true(source_read(&l->load, path, 1, &text, &e));
	assert_int_equal(text.n, 0);
	/* a pipe would make the reader wait for a writer */
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_false(source_read(&l->load, fifo, 10, &text, &e));
	assert_int_equal(e.code, ERR_SYSTEM);
	snprintf(expected, sizeof expected, "cannot read %s: it is not a file", fifo);
	assert_string_equal(e.text, expected);
	assert_false(source_read(&l->load, folder, 10, &text, &e));
	snprintf(expected, sizeof expected, "cannot read %s: Is a directory", folder);
	assert_string_equal(e.text, expected);
	assert_false(source_read(&l->load, "", 10, &text, &e));
	assert_string_equal(e.text, "cannot read : No such file or directory");
	unlink(fifo);
	unlink(path);
	rmdir(folder);
	loader_free(&l);
}

static void
digest_of(const char *const *texts, size_t n, unsigned char out[EVP_MAX_MD_SIZE])
{
	struct loader *l = loader_new("t.conf", "");

	for (size_t i = 0; i < n; i++)
		source_digest(&l->load, str_of(texts[i]));
	assert_int_equal(EVP_DigestFinal_ex(l->load.digest, out, NULL), 1);
	loader_free(&l);
}

/* The same text in other files is another configuration. */
static void
test_digest(void **state)
{
	unsigned char one[EVP_MAX_MD_SIZE] = { 0 }, other[EVP_MAX_MD_SIZE] = { 0 };

	digest_of((const char *const[]){ "ab", "c" }, 2, one);
	digest_of((const char *const[]){ "ab", "c" }, 2, other);
	assert_memory_equal(one, other, 32);
	digest_of((const char *const[]){ "a", "bc" }, 2, other);
	assert_memory_not_equal(one, other, 32);
	digest_of((const char *const[]){ "abc" }, 1, other);
	assert_memory_not_equal(one, other, 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
