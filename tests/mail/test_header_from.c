/* The edges of the From field: where its limits are, what hides nothing, and what that may cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "mail/header.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MOST 8

static int
set_up(void **state)
{
	*state = arena_new(1 << 22);
	return 0;
}

static int
tear_down(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

/* "b, c": the domains of the value. */
static const char *
domains(struct arena *arena, struct str value)
{
	static char text[1024];
	struct str domain[MOST];
	size_t found = header_from_domains(arena, value, domain, MOST), n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < found; i++)
		n += (size_t)snprintf(
		    text + n, sizeof text - n, "%s%.*s", i ? ", " : "", STR_ARG(domain[i]));
	return text;
}

/* before, n times what, after */
static struct str
repeated(struct arena *arena, const char *before, size_t n, const char *what, const char *after)
{
	struct buf b;
	struct str s;

	buf_init(&b, 1 << 21);
	buf_add(&b, str_of(before));
	while (n-- > 0)
		buf_add(&b, str_of(what));
	buf_add(&b, str_of(after));
	assert_false(b.over);
	s = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return s;
}

static void
test_forms(void **state)
{
	static const struct {
		struct str value;
		const char *domains;
	} cases[] = {
		/* literals: as they stand, or not at all */
		{ STR("a@[IPv6:2001:db8::1]"), "[ipv6:2001:db8::1]" },
		{ STR("a@[]"), "" },
		{ STR("a@[192.0.2.1"), "" },
		{ STR("a@[192.0.2.1]b"), "[192.0.2.1]" },
		{ STR("a@ (x) [192.0.2.1]"), "[192.0.2.1]" },
		{ STR("a@[b c]@d"), "c, d" },
		/* dots */
		{ STR("a@."), "" },
		{ STR("a@b."), "b" },
		{ STR("a@b.."), "" },
		{ STR("a@b .c"), "b, b.c" },
		{ STR("a@b. c"), "b, b.c" },
		{ STR("a@b c"), "b" },
		/* quoted */
		{ STR("\"\"@b"), "b" },
		{ STR("\"\\\"@x\"@b"), "b" },
		{ STR("\"x@y\\"), "y" },
		{ STR("\""), "" },
		{ STR("a@\"b\""), "" },
		{ STR("a@b\"c\"@d"), "b, d" },
		/* comments */
		{ STR("(a@b)"), "" },
		{ STR("("), "" },
		{ STR(")a@b("), "b" },
		{ STR("(\\"), "" },
		{ STR("a@(()())b"), "b" },
		{ STR("a(\")@x\"b)@c"), "x, c" },
		/* groups, routes, and neither */
		{ STR("G: ;a@b"), "b" },
		{ STR("@b,@c:d@e"), "e" },
		{ STR("a@b:c@d"), "b, d" },
		{ STR("<>a@b"), "b" },
		{ STR("a>@b"), "" },
		{ STR("a@b@c@d"), "b, c, d" },
		{ STR("a@@b"), "b" },
		{ STR("a@,@b"), "" },
		/* a NUL, and octets that are no ASCII */
		{ STR("a\0@b"), "b" },
		{ STR("\0a@b"), "b" },
		{ STR("a@\0b"), "b" },
		{ STR("a@b\0"), "b" },
		{ STR("a@\xff\xfe"), "\xff\xfe" },
		{ STR("a@b\x7f"), "b" },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *found = domains(*state, cases[i].value);

		if (strcmp(found, cases[i].domains) != 0) {
			print_error("%.*s: %s\n", STR_ARG(cases[i].value), found);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* The longest label and domain, and one octet more. */
static void
test_lengths(void **state)
{
	struct str domain[2], value;

	for (size_t n = 63; n <= 64; n++) {
		value = repeated(*state, "a@", n, "x", ".b");
		assert_int_equal(header_from_domains(*state, value, domain, 2), n == 63);
	}
	for (size_t n = 126; n <= 127; n++) {
		/* 3 and n twos: 255, 257 */
		value = repeated(*state, "a@xyz", n, ".b", "");
		assert_int_equal(header_from_domains(*state, value, domain, 2), n == 126);
		if (n == 126)
			assert_int_equal(domain[0].n, 255);
	}
	value = repeated(*state, "a@[", 253, "1", "]");
	assert_int_equal(header_from_domains(*state, value, domain, 2), 0);
	/* what is too long does not hide the next */
	value = repeated(*state, "a@", 5000, "x", " <c@d>");
	assert_string_equal(domains(*state, value), "d");
	value = repeated(*state, "a@[", 5000, "1", "] <c@d>");
	assert_string_equal(domains(*state, value), "d");
	/* more domains than are wanted: the first of them */
	value = repeated(*state, "a@b, a@c, a@d", 50, ", a@b", ", a@e");
	assert_int_equal(header_from_domains(*state, value, domain, 2), 2);
	assert_true(str_eq(domain[1], STR("c")));
	assert_string_equal(domains(*state, value), "b, c, d, e");
}

/* Comments in comments: a hundred are read as such; deeper ones hide nothing. */
static void
test_depth(void **state)
{
	static const struct {
		size_t depth;
		const char *domains;
	} cases[] = { { 1, "c" }, { 99, "c" }, { 150, "c" } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str open = repeated(*state, "", cases[i].depth, "(", "x@y");
		struct str all = repeated(*state, open.p, cases[i].depth, ")", " a@c");

		assert_string_equal(domains(*state, all), cases[i].domains);
	}
}

/* What is opened without an end is searched for some times only: a megabyte costs no minute. */
static void
test_cost(void **state)
{
	static const char *const units[] = { "(", "\"", "((a", "a@(", "@[", "<", "(\\", "\"\\",
		"a@b.", "a@b,", "a@b (", "[", "\\", ")", "a@b\x01" };
	clock_t begin = clock();

	for (size_t i = 0; i < COUNT(units); i++) {
		struct str domain[MOST];
		struct str value = repeated(*state, "", (1 << 18) / strlen(units[i]), units[i], "");

		assert_true(header_from_domains(*state, value, domain, MOST) <= MOST);
		arena_reset(*state);
	}
	assert_true(clock() - begin < 20 * CLOCKS_PER_SEC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lengths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cost, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("header_from", tests, NULL, NULL);
}
