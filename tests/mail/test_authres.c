#include "mail/authres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_none(void **state)
{
	struct authres a;

	authres_init(&a, "mx.example.org");
	authres_property(&a, "smtp", "mailfrom", STR("of no result"));
	assert_true(
	    str_eq(authres_finish(&a), STR("Authentication-Results: mx.example.org; none\r\n")));
	authres_free(&a);
}

static void
test_results(void **state)
{
	struct authres a;

	authres_init(&a, "mx.example.org");
	authres_result(&a, "spf", STR("pass"), STR(""));
	authres_property(&a, "smtp", "mailfrom", STR("user@example.net"));
	authres_result(&a, "dkim", STR("fail"), STR("body hash \"differs\""));
	authres_property(&a, "header", "d", STR("example.net"));
	authres_property(&a, "header", "b", STR("aB/cD+="));
	assert_true(str_eq(authres_finish(&a),
	    STR("Authentication-Results: mx.example.org;\r\n"
		"\tspf=pass smtp.mailfrom=user@example.net;\r\n"
		"\tdkim=fail reason=\"body hash \\\"differs\\\"\" header.d=example.net\r\n"
		"\theader.b=\"aB/cD+=\"\r\n")));
	authres_free(&a);
}

static void
test_values(void **state)
{
	static const struct {
		struct str value;
		const char *written; /* NULL: left out */
	} cases[] = {
		{ STR("example.net"), "example.net" },
		{ STR("a.b+c@example.net"), "a.b+c@example.net" },
		{ STR("\"a b\"@example.net"), "\"\\\"a b\\\"@example.net\"" },
		{ STR("a@b@c"), "\"a@b@c\"" },
		{ STR("@b"), "\"@b\"" },
		{ STR("a@[192.0.2.1]"), "\"a@[192.0.2.1]\"" },
		{ STR("2001:db8::1"), "\"2001:db8::1\"" },
		{ STR("a;b"), "\"a;b\"" },
		{ STR("a(b)"), "\"a(b)\"" },
		{ STR("a\\b"), "\"a\\\\b\"" },
		{ STR("a> dmarc=pass (<b@c"), "\"a> dmarc=pass (<b@c\"" },
		{ STR(""), "\"\"" },
		{ STR("a\r\nb"), NULL },
		{ STR("a\0b"), NULL },
		{ STR("\xc3\xa4"), NULL },
		{ STR("a\x7f"), NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct authres a;
		struct buf wanted;

		buf_init(&wanted, 1024);
		buf_add(&wanted, STR("Authentication-Results: id;\r\n\tspf=none"));
		if (cases[i].written != NULL)
			buf_printf(&wanted, " smtp.helo=%s", cases[i].written);
		buf_add(&wanted, STR("\r\n"));
		authres_init(&a, "id");
		authres_result(&a, "spf", STR("none"), STR(""));
		authres_property(&a, "smtp", "helo", cases[i].value);
		assert_true(str_eq(authres_finish(&a), buf_str(&wanted)));
		authres_free(&a);
		buf_free(&wanted);
	}
}

static void
test_result_that_is_no_word_is_left_out(void **state)
{
	struct authres a;

	authres_init(&a, "id");
	authres_result(&a, "spf", STR("pass dmarc=pass"), STR(""));
	authres_property(&a, "smtp", "helo", STR("a"));
	authres_result(&a, "spf", STR("fail"), STR("\r\n"));
	assert_true(
	    str_eq(authres_finish(&a), STR("Authentication-Results: id;\r\n\tspf=fail\r\n")));
	assert_int_equal(a.n, 1);
	authres_free(&a);
}

static void
test_is_bounded_and_folded(void **state)
{
	char value[513];
	struct str all, line;
	struct authres a;

	memset(value, '"', sizeof value);
	authres_init(&a, "mx.example.org");
	for (size_t i = 0; i < 1000; i++) {
		authres_result(&a, "dkim", STR("pass"), STR(""));
		authres_property(&a, "header", "d", STR("some.what.longer.example.net"));
		authres_property(&a, "header", "i", STR("someone@some.what.longer.example.net"));
		authres_property(&a, "header", "s", (struct str){ value, i == 0 ? 513 : 512 });
	}
	all = authres_finish(&a);
	assert_false(a.text.over);
	assert_true(str_ends(all, STR("\r\n")));
	assert_true(all.n <= 16 * 1024);
	while (str_pop(&all, '\n', &line) && line.n > 0) {
		assert_int_equal(line.p[line.n - 1], '\r');
		assert_true(line.p[0] == 'A' || line.p[0] == '\t');
		assert_true(line.n - 1 <= 70 || memchr(line.p + 1, ' ', line.n - 1) == NULL ||
		    line.p[0] == 'A');
	}
	authres_free(&a);
}

static void
test_claims(void **state)
{
	static const struct {
		struct str value;
		bool claims;
	} cases[] = {
		{ STR(" mx.example.org; spf=pass"), true },
		{ STR("mx.example.org;none"), true },
		{ STR(" MX.Example.ORG; none"), true },
		{ STR(" mx.example.org 1; none"), true },
		{ STR(" mx.example.org\r\n\t1; none"), true },
		{ STR(" mx.example.org/1; none"), true },
		{ STR(" mx.example.org(comment); none"), true },
		{ STR(" (comment) mx.example.org; none"), true },
		{ STR(" (a (nested \\) ) comment) (b)mx.example.org; none"), true },
		{ STR("\r\n\t(c)\r\n mx.example.org; none"), true },
		{ STR(" \"mx.example.org\"; none"), true },
		{ STR(" \"mx.\\exam\\ple.org\"; none"), true },
		{ STR(" mx.example.org.; none"), true },
		{ STR(" mx.example.org"), true },
		{ STR("\0mx.example.org; none"), true },
		{ STR(" other.example.org; mx.example.org"), false },
		{ STR(" (mx.example.org) other.example.org; none"), false },
		{ STR(" mx.example.org.evil; none"), false },
		{ STR(" xmx.example.org; none"), false },
		{ STR(" mx.example; none"), false },
		{ STR(" \"mx.example.org.evil\"; none"), false },
		{ STR(" \"mx.example\"; none"), false },
		{ STR(" \"mx.example.or"), false },
		{ STR(" (mx.example.org"), false },
		{ STR(" (\\"), false },
		{ STR(" \"\\"), false },
		{ STR(" ; none"), false },
		{ STR(""), false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(authres_claims(cases[i].value, "mx.Example.org"), cases[i].claims);
}

static void
test_claims_its_own(void **state)
{
	struct authres a;
	struct str field;

	authres_init(&a, "mx.example.org");
	authres_result(&a, "spf", STR("pass"), STR(""));
	field = authres_finish(&a);
	assert_true(
	    authres_claims(str_sub(field, str_find(field, ':') + 1, field.n), "mx.example.org"));
	authres_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_result_that_is_no_word_is_left_out),
		cmocka_unit_test(test_is_bounded_and_folded),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_claims_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
