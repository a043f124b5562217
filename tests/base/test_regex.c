/* Regular expressions: what they match, what is none, and that none takes long. */
#include "base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_matches(void **state)
{
	static const struct {
		const char *pattern, *flags, *text;
		enum regex_found found;
	} cases[] = {
		{ "b", "", "abc", REGEX_YES },
		{ "^b", "", "abc", REGEX_NO },
		{ "B", "", "abc", REGEX_NO },
		{ "B", "i", "abc", REGEX_YES },
		{ "a.b", "", "a\nb", REGEX_NO },
		{ "a.b", "s", "a\nb", REGEX_YES },
		{ "^b", "m", "a\nb", REGEX_YES },
		{ "a b", "x", "ab", REGEX_YES },
		{ "A B", "ix", "ab", REGEX_YES },
		{ "^$", "", "", REGEX_YES },
		{ "a*", "", "", REGEX_YES },
		{ "a*", "", "b", REGEX_YES },
		{ "a", "", "", REGEX_NO },
		{ "k", "i", "\xe2\x84\xaa", REGEX_YES }, /* the Kelvin sign */
		{ "xk", "i", "x\xe2\x84\xaa", REGEX_YES },
		{ "s", "i", "\xc5\xbf", REGEX_YES }, /* a long s */
		{ "s", "", "\xc5\xbf", REGEX_NO },
		{ "(?i)b(?-i)C", "", "aBC", REGEX_YES },
		{ "(?i)b(?-i)C", "", "aBc", REGEX_NO },
		{ "[a-c]x|dy", "", "dy", REGEX_YES },
		{ "[a-c]x|dy", "", "ey", REGEX_NO },
		{ "[^a]", "", "\xc3\xbc", REGEX_YES },
		{ "[^a]", "", "\xff", REGEX_NO },
		{ "(?<=a)b", "", "ab", REGEX_YES },
		{ "(?!a)", "", "b", REGEX_YES },
		{ "a+z", "", "aaaz", REGEX_YES },
		{ "a+z", "", "aaa", REGEX_NO },
		{ "(*NO_START_OPT)a", "", "b", REGEX_NO },
		{ "\xc3\xbc", "i", "\xc3\x9c", REGEX_YES },
		{ "^.$", "", "\xc3\xbc", REGEX_YES },
		{ "a", "", "\xff\xfe\x61", REGEX_YES },
		{ ".", "", "\xff", REGEX_NO },
		{ "^(a+)+$", "", "aaaa", REGEX_YES },
		{ "^(a+)+$", "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", REGEX_GAVE_UP },
		{ "(a|aa)+(a|aa)+(a|aa)+$", "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
		    REGEX_GAVE_UP },
		/* from each place little, and from all of them much */
		{ "(?:a|aa){1,6}[bc]", "",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    REGEX_GAVE_UP },
		/* a pattern cannot allow itself more */
		{ "(*LIMIT_MATCH=4000000000)^(a+)+$", "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
		    REGEX_GAVE_UP },
	};
	struct arena *arena = arena_new(SIZE_MAX);
	struct regex_memory *memory = NULL;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e = { 0 };
		size_t at;
		struct regex *regex =
		    regex_new(arena, str_of(cases[i].pattern), str_of(cases[i].flags), &at, &e);

		if (regex == NULL)
			fail_msg("%s: %s", cases[i].pattern, e.text);
		if (regex_match(regex, str_of(cases[i].text), &memory) != cases[i].found)
			fail_msg("/%s/%s in %s", cases[i].pattern, cases[i].flags, cases[i].text);
		assert_true(str_eq(regex_pattern(regex), str_of(cases[i].pattern)));
		assert_true(str_eq(regex_flags(regex), str_of(cases[i].flags)));
	}
	regex_memory_free(&memory);
	assert_null(memory);
	arena_free(&arena);
}

static void
test_mistakes(void **state)
{
	static const struct {
		const char *pattern, *flags, *said;
		size_t at;
	} cases[] = {
		{ "", "", "a regular expression has 1 to 400 octets, not 0", 0 },
		{ "a(b", "", "this is no regular expression: missing closing parenthesis", 3 },
		{ "ab[", "",
		    "this is no regular expression: missing terminating ] for character class", 3 },
		{ "*", "",
		    "this is no regular expression: quantifier does not follow a repeatable item",
		    0 },
		{ "a", "g", "behind a regular expression stand i, m, s and x, not `g`", 0 },
		{ "a\\C", "",
		    "this is no regular expression: using \\C is disabled by the application", 3 },
		{ "((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))", "",
		    "this is no regular expression: parentheses are too deeply nested", 33 },
		{ "(?:(?:ab){900}){900}", "",
		    "this is no regular expression: regular expression is too large", 20 },
	};
	struct arena *arena = arena_new(SIZE_MAX);
	struct buf longest;
	struct err e;
	size_t at;

	for (size_t i = 0; i < COUNT(cases); i++) {
		if (regex_new(arena, str_of(cases[i].pattern), str_of(cases[i].flags), &at, &e) !=
		    NULL)
			fail_msg("%s is one", cases[i].pattern);
		assert_string_equal(e.text, cases[i].said);
		assert_int_equal(at, cases[i].at);
	}
	assert_null(regex_new(arena, STR("\xff"), STR(""), &at, &e));
	assert_true(str_starts(str_of(e.text), STR("this is no regular expression: UTF-8 error")));
	buf_init(&longest, 1000);
	for (size_t i = 0; i < REGEX_MAX; i++)
		buf_addc(&longest, 'a');
	assert_non_null(regex_new(arena, buf_str(&longest), STR(""), &at, &e));
	buf_addc(&longest, 'a');
	assert_null(regex_new(arena, buf_str(&longest), STR(""), &at, &e));
	buf_free(&longest);
	arena_free(&arena);
}

/* However long the text is: far less than would be noticed. */
static void
test_time(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct regex_memory *memory = NULL;
	struct buf text;
	struct err e;
	size_t at;
	const struct regex *regex =
	    regex_new(arena, STR("(x+x+)+y|(a?){20}a{20}|.*b.*b.*b.*c"), STR("i"), &at, &e);
	clock_t began;

	assert_non_null(regex);
	buf_init(&text, 1000000);
	for (size_t i = 0; i < 100000; i++)
		buf_add(&text, i % 2 ? STR("x") : STR("ab"));
	began = clock();
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(regex_match(regex, buf_str(&text), &memory), REGEX_GAVE_UP);
	assert_true(clock() - began < 2 * CLOCKS_PER_SEC);
	buf_free(&text);
	regex_memory_free(&memory);
	arena_free(&arena);
}

/* Of one memory: a step is one, forwards, and what is far is more. */
static void
test_steps_of_all(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct regex_memory *memory = NULL;
	struct err e;
	size_t at;
	const struct regex *bad = regex_new(arena, STR("^(a+)+$"), STR(""), &at, &e);
	const struct regex *good = regex_new(arena, STR("dyn-[0-9]+"), STR(""), &at, &e);
	/* with all it may take, once for each of forty places of the text */
	const struct regex *long_one = regex_new(arena, STR("(?:a|b|c)+d"), STR(""), &at, &e);
	const struct str hostile = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
	const struct str abc = STR("abcabcabcabcabcabcabcabcabcabcabcabcabcabcd");
	size_t n = 0;

	assert_int_equal(regex_match(long_one, abc, &memory), REGEX_YES);
	/* What is free for each is not counted. */
	for (size_t i = 0; i < REGEX_STEPS_ALL; i++)
		assert_int_equal(regex_match(good, STR("dyn-1.example"), &memory), REGEX_YES);
	while (n < REGEX_STEPS_ALL / REGEX_STEPS + 1) {
		assert_int_equal(regex_match(bad, hostile, &memory), REGEX_GAVE_UP);
		n++;
	}
	/* All are used up: those that need few have them, whatever came before. */
	assert_int_equal(regex_match(long_one, abc, &memory), REGEX_GAVE_UP);
	assert_int_equal(regex_match(good, STR("dyn-1.example"), &memory), REGEX_YES);
	assert_int_equal(regex_match(good, STR("mail.example"), &memory), REGEX_NO);
	assert_int_equal(regex_match(bad, STR("aaaa"), &memory), REGEX_YES);
	/* Another decision has its own. */
	regex_memory_free(&memory);
	assert_int_equal(regex_match(long_one, abc, &memory), REGEX_YES);
	regex_memory_free(&memory);
	arena_free(&arena);
	(void)state;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_steps_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
