/* Every way to be wrong, and the words for it. */
#include "rules/complaint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/load.h"
#include "tests/rules/fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "line:column: text", one a line; warnings begin with "warning". */
static char *
complaints_of(const char *text)
{
	struct complaints c = { 0 };
	struct config *config = config_load_text("/etc/t.conf", str_of(text), &fake_vocabulary, &c);
	struct buf b;
	char *out;

	buf_init(&b, 100000);
	for (size_t i = 0; i < c.n; i++) {
		const struct complaint *one = &c.item[i];

		buf_printf(&b, "%s%s", i ? "\n" : "", one->warning ? "warning " : "");
		if (strcmp(one->file, "/etc/t.conf") != 0)
			buf_printf(&b, "%s:", one->file);
		buf_printf(&b, "%u:%u: %s", one->line, one->column, one->text);
	}
	assert_int_equal(config == NULL, c.errors > 0);
	config_release(&config);
	complaints_free(&c);
	out = strdup(b.p ? b.p : "");
	buf_free(&b);
	assert_non_null(out);
	return out;
}

static void
check(const char *text, const char *expected)
{
	char *found = complaints_of(text);

	if (strcmp(found, expected) != 0)
		fail_msg("of:\n%s\nexpected:\n%s\nfound:\n%s", text, expected, found);
	free(found);
}

static char *
read_file(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[512], *text = calloc(1, 100000);
	FILE *f;

	snprintf(
	    path, sizeof path, "%s/tests/rules/complaints/%s.txt", srcdir ? srcdir : ".", name);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("cannot open %s", path);
	assert_non_null(text);
	assert_true(fread(text, 1, 99999, f) > 0);
	fclose(f);
	return text;
}

/*
 * The cases of a file: a configuration, "=>" on a line, what is complained about, and "----" on a
 * line. No complaint at all: it loads.
 */
static void
test_file(void **state)
{
	char *text = read_file(*state), *rest = text, *arrow, *end;
	size_t n = 0;

	while ((arrow = strstr(rest, "=>\n")) != NULL) {
		end = strstr(arrow, "----\n");
		assert_non_null(end);
		*arrow = '\0';
		arrow += 3;
		end[end > arrow ? -1 : 0] = '\0';
		check(rest, arrow);
		rest = end + 5;
		n++;
	}
	assert_true(n > 5);
	assert_string_equal(rest, "");
	free(text);
}

/* Octets that a text file should not hold. */
static void
test_octets(void **state)
{
	check("hostname \"a\001b\"\nmode x\n",
	    "1:12: a text holds no control characters\n"
	    "2:6: `mode` wants enforce or observe, not `x`");
	check("\xef\xbb\xbfmode observe\r\n", "");
	check("mode \001\n", "1:6: `\\x01` has no meaning here; texts stand in double quotes");
	check("user \xff\n", "1:6: `\\xff` has no meaning here; texts stand in double quotes");
}

/* Several in one run, in the order of the text, and not without end. */
static void
test_several(void **state)
{
	struct complaints c = { 0 };
	struct buf b;

	check("hostnam \"x\"\nat mail {\n  score 1 if sfp is fail\n  reject 450 4.7.1 \"x\"\n}\n"
	      "threads many\n",
	    "1:1: unknown setting `hostnam`; did you mean `hostname`?\n"
	    "3:14: unknown fact `sfp`; did you mean `spf`?\n"
	    "4:10: `reject` wants a code from 500 to 559 here, such as 550, not `450`\n"
	    "6:9: `threads` wants a whole number such as 100, not `many`");
	buf_init(&b, 100000);
	for (unsigned i = 0; i < 200; i++)
		buf_add(&b, STR("strange 1\n"));
	assert_null(config_load_text("t", buf_str(&b), &fake_vocabulary, &c));
	assert_int_equal(c.n, COMPLAINTS_MAX + 1);
	assert_string_equal(c.item[COMPLAINTS_MAX].text, "too many errors; the rest is not shown");
	complaints_free(&c);
	buf_free(&b);
}

static char *
printed(const char *text)
{
	struct complaints c = { 0 };
	char *out;

	assert_null(config_load_text("a\033b", str_of(text), &fake_vocabulary, &c));
	assert_int_equal(c.n, 1);
	out = complaint_print(&c.item[0]);
	complaints_free(&c);
	return out;
}

/* With the line and a caret; nothing in it can move the cursor of a terminal. */
static void
test_print(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "mode off\r\n",
		    "a\\x1bb:1:6: error: `mode` wants enforce or observe, not `off`\n"
		    "    mode off\n"
		    "         ^" },
		{ "\tmode\toff",
		    "a\\x1bb:1:7: error: `mode` wants enforce or observe, not `off`\n"
		    "     mode off\n"
		    "          ^" },
		{ "\nuser \"a\033[2J\"",
		    "a\\x1bb:2:8: error: a text holds no control characters\n"
		    "    user \"a\\x1b[2J\"\n"
		    "           ^" },
		{ "user \"gr\xc3\xbc\xc3\x9f\" x",
		    "a\\x1bb:1:15: error: `x` is too much here: `user` has its value already\n"
		    "    user \"gr\xc3\xbc\xc3\x9f\" x\n"
		    "                ^" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char *out = printed(cases[i].text);

		assert_string_equal(out, cases[i].printed);
		free(out);
	}
}

static void
test_suggestions(void **state)
{
	static const struct {
		const char *word, *suggested;
	} cases[] = {
		{ "spf", "" }, /* it is what was written */
		{ "sfp", "; " MEND "did you mean `spf`?" },
		{ "SPF", "; " MEND "did you mean `spf`?" },
		{ "sp", "; " MEND "did you mean `spf`?" },
		{ "dkmi.domain", "; " MEND "did you mean `dkim.domains`?" },
		{ "xyz", "" },
		{ "", "" },
		{ "a-word-that-is-longer-than-any-name-we-have-here", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct suggestion s;

		suggest_begin(&s, str_of(cases[i].word));
		suggest(&s, STR(""));
		suggest(&s, STR("dkim"));
		suggest(&s, STR("spf"));
		suggest(&s, STR("dkim.domains"));
		assert_string_equal(suggest_end(&s), cases[i].suggested);
	}
}

#define FILE_TEST(name) \
	{ \
		name, test_file, NULL, NULL, (void *)(uintptr_t)name \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST("settings"),
		FILE_TEST("tokens"),
		FILE_TEST("arith"),
		FILE_TEST("blocks"),
		FILE_TEST("define"),
		FILE_TEST("digest"),
		FILE_TEST("lists"),
		FILE_TEST("notify"),
		FILE_TEST("regex"),
		FILE_TEST("rules"),
		FILE_TEST("facts"),
		FILE_TEST("types"),
		FILE_TEST("texts"),
		FILE_TEST("reach"),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_suggestions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
