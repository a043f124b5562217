#include "mail/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/sought.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int
set_up(void **state)
{
	*state = arena_new(1 << 20);
	return 0;
}

static int
tear_down(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

static struct value
ip_value(const char *text)
{
	struct value v = { .type = VALUE_IP };

	assert_true(ip_parse(str_of(text), &v.ip));
	return v;
}

static void
test_texts(void **state)
{
	static const struct {
		const char *text;
		bool in;
	} cases[] = {
		{ "example.net", true },
		{ "EXAMPLE.net", true },
		{ "example.net.", true },
		{ "mx.example.net", true },
		{ "a.b.c.example.net", true },
		{ "user@example.net", true },
		{ "user@mx.Example.Net", true },
		{ "\"a@b\"@example.net", true },
		{ "badexample.net", false },
		{ "example.net.evil", false },
		{ "net", false },
		{ "user@example.net@evil", false },
		{ "below.example", false },
		{ "a.below.example", true },
		{ "user@a.below.example", true },
		{ "user@below.example", false },
		{ "jane@example.org", true },
		{ "Jane@Example.Org", true },
		{ "joe@example.org", false },
		{ "example.org", false },
		{ "account", true },
		{ "ACCOUNT", true },
		{ "account2", false },
		{ "user@account", false },
		{ "b\xc3\xbc"
		  "cher.example",
		    true },
		{ "user@B\xc3\x9c"
		  "cher.example",
		    true },
		{ "user@xn--bcher-kva.example", true },
		{ "anna@kaf\xc3\xa9.example", true },
		{ "anna@xn--kaf-dma.example", true },
		{ "otto@kaf\xc3\xa9.example", false },
		{ "mx.xn--bcher-kva.test", true },
		{ "mx.b\xc3\xbc"
		  "cher.test",
		    true },
		{ "xn--bcher-kva.test", false },
		{ "b\xfc"
		  "cher.example",
		    false },
		{ "", false },
		{ "@", false },
		{ ".", false },
		{ "user@", false },
	};
	static const char *const items[] = { "Example.NET", ".below.example", "Jane@Example.Org",
		"Account", "example.net.",
		"b\xc3\xbc"
		"cher.example",
		"anna@kaf\xc3\xa9.example",
		".b\xc3\xbc"
		"cher.test" };
	struct list *list = list_new(*state, STR("partners"));

	for (size_t i = 0; i < COUNT(items); i++)
		assert_true(list_add_text(list, str_of(items[i]), NULL));
	list_finish(list);
	assert_true(str_eq(list_name(list), STR("partners")));
	assert_int_equal(list_length(list), 7);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct value v = value_text(str_of(cases[i].text));

		assert_int_equal(list_has(list, &v), cases[i].in);
	}
}

/* Which of several lists says most of a mailbox. */
static void
test_closeness(void **state)
{
	static const struct {
		const char *text;
		size_t closeness;
	} cases[] = {
		{ "jane@lists.example.org", sizeof("jane@lists.example.org") - 1 },
		{ "joe@lists.example.org", sizeof("lists.example.org") - 1 },
		{ "joe@a.lists.example.org", sizeof("lists.example.org") - 1 },
		{ "joe@Example.Org", sizeof("example.org") - 1 },
		{ "joe@a.example.org", sizeof("example.org") - 1 },
		{ "joe@example.net", 0 },
		{ "joe@a.example.net", sizeof("example.net") - 1 },
		{ "localhost", sizeof("localhost") - 1 },
		{ "postmaster", 0 },
		{ "", 0 },
	};
	static const char *const items[] = { "example.org", "lists.example.org",
		"jane@lists.example.org", ".example.net", "localhost" };
	struct list *list = list_new(*state, STR("route"));

	for (size_t i = 0; i < COUNT(items); i++)
		assert_true(list_add_text(list, str_of(items[i]), NULL));
	list_finish(list);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (list_closeness(list, str_of(cases[i].text)) != cases[i].closeness)
			fail_msg(
			    "%s: %zu", cases[i].text, list_closeness(list, str_of(cases[i].text)));
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *ip;
		bool in;
	} cases[] = {
		{ "192.0.2.0", true },
		{ "192.0.2.255", true },
		{ "192.0.3.0", false },
		{ "192.0.1.255", false },
		{ "10.255.255.255", true },
		{ "11.0.0.0", false },
		{ "203.0.113.7", true },
		{ "203.0.113.8", false },
		{ "::ffff:10.1.2.3", true },
		{ "2001:db8::", true },
		{ "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true },
		{ "2001:db9::", false },
		{ "::", false },
	};
	static const char *const items[] = { "192.0.2.0/24", "10.0.0.0/8", "10.1.0.0/16",
		"10.1.2.3", "10.200.0.0/16", "203.0.113.7", "203.0.113.7", "2001:db8::/32",
		"2001:db8:1::/48" };
	struct list *list = list_new(*state, STR("nets"));
	struct value nobody = { .type = VALUE_IP };

	for (size_t i = 0; i < COUNT(items); i++)
		assert_true(list_add_text(list, str_of(items[i]), NULL));
	list_finish(list);
	assert_int_equal(list_length(list), 4);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct value v = ip_value(cases[i].ip);

		assert_int_equal(list_has(list, &v), cases[i].in);
	}
	assert_false(list_has(list, &nobody));
}

static void
test_everything(void **state)
{
	struct list *list = list_new(*state, STR("all"));
	struct value v4 = ip_value("198.51.100.1"), v6 = ip_value("2001:db8::1");

	assert_true(list_add_text(list, STR("0.0.0.0/0"), NULL));
	list_finish(list);
	assert_true(list_has(list, &v4));
	assert_false(list_has(list, &v6));
}

static void
test_values(void **state)
{
	const struct str texts[] = { STR("x.example"), STR("mx.example.net") };
	struct list *list = list_new(*state, STR("l")), *empty = list_new(*state, STR("e"));
	struct value both = { .type = VALUE_LIST, .list = { texts, 2 } };
	struct value one = { .type = VALUE_LIST, .list = { texts, 1 } };
	struct value none = { .type = VALUE_NONE }, number = value_number(5);

	assert_true(list_add_text(list, STR("example.net"), NULL));
	list_finish(list);
	list_finish(empty);
	assert_true(list_has(list, &both));
	assert_false(list_has(list, &one));
	assert_false(list_has(list, &none));
	assert_false(list_has(list, &number));
	assert_false(list_has(empty, &both));
	assert_int_equal(list_length(empty), 0);
}

static void
test_refuses(void **state)
{
#define OTHERS "; write other texts as regular expressions, such as /^TLSv1\\.[23]$/"
	static const char none[] =
	    "neither an address, a network, a domain, a mailbox nor a word" OTHERS;
	static const char blanks[] = "an item of a list is 1 to 320 octets without blanks" OTHERS;
	static const char before[] =
	    "nothing is needed before the @: a domain is written without it, \"example.net\"";
	static const struct {
		const char *text, *error; /* NULL: addr.c's own words */
	} cases[] = {
		{ "", blanks },
		{ "a b", blanks },
		{ "a\n", blanks },
		{ "a..b", none },
		{ ".", none },
		{ "..", none },
		{ "192.0.2.300", none },
		{ "1.2.3", none },
		{ ".1", none },
		{ "a.b/c", none },
		{ "192.0.2.0/33", NULL },
		{ "192.0.2.1/24", NULL },
		{ "2001:db8::g/32", "an" },
		{ "2001:db8:::1", NULL },
		{ "@example.net", before },
		{ "*@example.net", before },
		{ "user@", "what follows the @ is not a domain" },
		{ "user@exam$ple", "what follows the @ is not a domain" },
		{ "*.example.net",
		    "no * is needed: \"example.net\" stands for it and all below, "
		    "\".example.net\" for what is below only" },
	};
	struct list *list = list_new(*state, STR("l"));

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e = { 0 };
		bool ok = list_add_text(list, str_of(cases[i].text), &e);

		if (cases[i].error != NULL && str_eq(str_of(cases[i].error), STR("an"))) {
			/* no network, but it could be somebody's account */
			assert_true(ok);
			continue;
		}
		assert_false(ok);
		assert_true(e.text[0] != '\0');
		if (cases[i].error != NULL)
			assert_string_equal(e.text, cases[i].error);
	}
	list_finish(list);
	assert_int_equal(list_length(list), 1);
}

/* Against a plain search. */
static void
test_many(void **state)
{
	struct list *list = list_new(*state, STR("many"));
	unsigned seed = 1;
	bool in[1 << 12] = { false };

	for (size_t i = 0; i < 1000; i++) {
		struct cidr net = { .ip = { .version = 4, .b = { 10 } }, .bits = 0 };
		unsigned at, size;

		seed = seed * 1103515245 + 12345;
		size = 1u << (seed >> 16 & 3);
		at = (seed >> 19 & 0xfff) / size * size;
		net.bits = (uint8_t)(size == 1 ? 32 : size == 2 ? 31 : size == 4 ? 30 : 29);
		net.ip.b[2] = (uint8_t)(at >> 8);
		net.ip.b[3] = (uint8_t)at;
		if (i % 3 == 0) {
			list_add_cidr(list, &net);
			for (unsigned k = 0; k < size; k++)
				in[at + k] = true;
		}
	}
	list_finish(list);
	for (unsigned i = 0; i < COUNT(in); i++) {
		struct value v = { .type = VALUE_IP, .ip = { .version = 4, .b = { 10 } } };

		v.ip.b[2] = (uint8_t)(i >> 8);
		v.ip.b[3] = (uint8_t)i;
		assert_int_equal(list_has(list, &v), in[i]);
	}
}

/* Texts of every length up to well beyond the one from which on lengths are not told apart. */
static void
test_lengths(void **state)
{
	char text[200];
	struct err e;

	memset(text, 'x', sizeof(text));
	for (size_t n = 1; n < sizeof(text); n++) {
		struct list *list = list_new(*state, STR("l"));
		struct value v = value_text((struct str){ text, n });

		assert_true(list_add_text(list, v.text, &e));
		list_finish(list);
		assert_true(list_has(list, &v));
		for (size_t other = 1; other < sizeof(text); other++) {
			v.text.n = other;
			assert_int_equal(list_has(list, &v), other == n);
		}
	}
}

/* What one list made of a text serves the next: one after another, and the same text again. */
static void
test_search(void **state)
{
	static const char *const items[] = { "example.net",
		".b\xc3\xbc"
		"cher.test",
		"jane@example.org", "account" };
	static const char *const texts[] = { "a.EXAMPLE.net",
		"x@b.B\xc3\xbc"
		"cher.test.",
		"Jane@Example.Org", "ACCOUNT",
		"b\xc3\xbc"
		"cher.test" };
	struct list *list[COUNT(items)];
	struct sought sought = { 0 };
	struct regex_memory *memory = NULL;

	for (size_t i = 0; i < COUNT(items); i++) {
		list[i] = list_new(*state, STR("l"));
		assert_true(list_add_text(list[i], str_of(items[i]), NULL));
		list_finish(list[i]);
	}
	for (size_t round = 0; round < 2 * COUNT(texts); round++) {
		const size_t k = round % COUNT(texts);
		struct value v = value_text(str_of(texts[k]));

		for (size_t i = 0; i < COUNT(list); i++)
			assert_int_equal(list_search(list[i], &v, &sought, &memory),
			    i == k ? REGEX_YES : REGEX_NO);
	}
	assert_null(memory);
}

/* Of a text that is longer than any item only its domain can be in a list. */
static void
test_long(void **state)
{
	struct list *list = list_new(*state, STR("l"));
	struct buf b;

	assert_true(list_add_text(list, STR("example.net"), NULL));
	assert_true(list_add_text(list, STR("x"), NULL));
	list_finish(list);
	for (size_t n = SOUGHT_MAX - 20; n < SOUGHT_MAX + 20; n++) {
		struct value v = { .type = VALUE_TEXT };

		buf_init(&b, 4096);
		for (size_t i = 0; i < n; i++)
			buf_addc(&b, 'x');
		v.text = buf_str(&b);
		assert_false(list_has(list, &v));
		buf_add(&b, STR("@Mx.Example.NET"));
		v.text = buf_str(&b);
		assert_true(list_has(list, &v));
		buf_add(&b, STR("x"));
		v.text = buf_str(&b);
		assert_false(list_has(list, &v));
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closeness, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lengths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_search, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
