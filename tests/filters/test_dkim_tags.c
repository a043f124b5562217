#include "filters/dkim_tags.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
parses(void **state)
{
	static const struct {
		struct str text;
		const char *why; /* NULL: well-formed */
		size_t n;
	} rows[] = {
		{ STR("a=1"), NULL, 1 },
		{ STR(" a = 1 ; b=2;"), NULL, 2 },
		{ STR("a=1;\r\n b=2"), NULL, 2 },
		{ STR("a=;b="), NULL, 2 },
		{ STR("a_1=x=y"), NULL, 1 },
		{ STR("a=1; A=2"), NULL, 2 },
		{ STR("a=1; a=1"), "a tag stands there twice", 0 },
		{ STR("a=1;;b=2"), "a tag has no =", 0 },
		{ STR(";"), "a tag has no =", 0 },
		{ STR(""), "a tag has no =", 0 },
		{ STR("hello world"), "a tag has no =", 0 },
		{ STR("=1"), "the name of a tag is not well-formed", 0 },
		{ STR("1a=1"), "the name of a tag is not well-formed", 0 },
		{ STR("a b=1"), "the name of a tag is not well-formed", 0 },
		{ STR("a-b=1"), "the name of a tag is not well-formed", 0 },
		{ STR("a=1\n"), "an octet that a tag list cannot hold", 0 },
		{ STR("a=1\r\nb=2"), "an octet that a tag list cannot hold", 0 },
		{ STR("a=1\r b=2"), "an octet that a tag list cannot hold", 0 },
		{ STR("a=1\0"), "an octet that a tag list cannot hold", 0 },
		{ STR("a=\vb"), "an octet that a tag list cannot hold", 0 },
		{ STR("a=\xc3\xa4"), "an octet that a tag list cannot hold", 0 },
	};
	struct dkim_tags tags;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = dkim_tags_parse(rows[i].text, &tags);

		if (!rows[i].why) {
			assert_null(why);
			assert_int_equal(tags.n, rows[i].n);
			continue;
		}
		if (!why)
			fail_msg("row %zu is well-formed", i);
		assert_string_equal(why, rows[i].why);
	}
}

static void
values(void **state)
{
	struct dkim_tags tags;

	assert_null(dkim_tags_parse(STR("v=1; a =\r\n x y ; b="), &tags));
	assert_true(str_eq(dkim_tags_value(&tags, "v"), STR("1")));
	assert_true(str_eq(dkim_tags_value(&tags, "a"), STR("x y")));
	assert_true(dkim_tags_find(&tags, "a")->blank);
	assert_false(dkim_tags_find(&tags, "b")->blank);
	assert_int_equal(dkim_tags_value(&tags, "b").n, 0);
	assert_non_null(dkim_tags_value(&tags, "b").p);
	assert_null(dkim_tags_value(&tags, "V").p);
}

static void
too_many(void **state)
{
	char text[DKIM_TAGS_MAX * 4 + 5] = "";
	struct dkim_tags tags;
	size_t n = 0;

	for (size_t i = 0; i <= DKIM_TAGS_MAX; i++) {
		text[n++] = (char)('a' + i / 8);
		text[n++] = (char)('a' + i % 8);
		text[n++] = '=';
		text[n++] = ';';
	}
	assert_null(dkim_tags_parse((struct str){ text, n - 4 }, &tags));
	assert_string_equal(dkim_tags_parse((struct str){ text, n }, &tags), "too many tags");
}

static void
lists(void **state)
{
	struct str rest = STR("from : to:\r\n subject:"), item;

	assert_true(dkim_list_pop(&rest, &item) && str_eq(item, STR("from")));
	assert_true(dkim_list_pop(&rest, &item) && str_eq(item, STR("to")));
	assert_true(dkim_list_pop(&rest, &item) && str_eq(item, STR("subject")));
	assert_true(dkim_list_pop(&rest, &item) && item.n == 0);
	assert_false(dkim_list_pop(&rest, &item));
	assert_true(dkim_list_has(STR("y : s"), STR("s")));
	assert_false(dkim_list_has(STR("y : s"), STR("S")));
}

static void
base64(void **state)
{
	static const struct {
		const char *text, *octets; /* NULL: none */
	} rows[] = {
		{ "aGVsbG8=", "hello" }, { "aGVs\r\n bG8 =", "hello" }, { "aGVsbG8", "hello" },
		{ "aGVsbG8h", "hello!" }, { "", NULL }, { "=", NULL }, { "!!!!", NULL },
		{ "aGV=sbG8=", NULL }, { "aGVsbG8===", NULL },
		{ "aGVsbG8hIQ==", NULL }, /* longer than is allowed */
	};
	struct arena *arena = arena_new(65536);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str octets = dkim_base64_read(arena, str_of(rows[i].text), 6);

		if (!rows[i].octets)
			assert_null(octets.p);
		else
			assert_true(str_eq(octets, str_of(rows[i].octets)));
	}
	arena_free(&arena);
}

static void
names(void **state)
{
	assert_true(dkim_name_ok(STR("example.org")));
	assert_true(dkim_name_ok(STR("a_b-c")));
	assert_false(dkim_name_ok(STR("")));
	assert_false(dkim_name_ok(STR("example.org.")));
	assert_false(dkim_name_ok(STR("example..org")));
	assert_false(dkim_name_ok(STR("exa mple.org")));
	assert_false(dkim_name_ok(STR("ex\0mple")));
	assert_false(dkim_name_ok(STR("*.example")));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(values),
		cmocka_unit_test(too_many),
		cmocka_unit_test(lists),
		cmocka_unit_test(base64),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("dkim_tags", tests, NULL, NULL);
}
