/* The usual form: of what, and that it is one: twice is once, and nothing else is said. */
#include "rules/format.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "rules/load.h"
#include "rules/rule.h"
#include "tests/rules/fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* NULL: it was complained about. */
static const char *
formatted(struct arena *arena, struct str text)
{
	struct source source = { "t.conf", STR("t.conf"), text };
	struct complaints c = { 0 };
	struct str out;
	bool ok = format_text(&source, &c, arena, &out);

	assert_int_equal(ok, c.errors == 0);
	if (!ok && strstr(c.item[0].text, "cannot be formatted") != NULL)
		fail_msg("%s\nof:\n%.*s", c.item[0].text, STR_ARG(text));
	complaints_free(&c);
	return ok ? out.p : NULL;
}

static void
test_form(void **state)
{
	static const struct {
		const char *text, *form;
	} cases[] = {
		{ "", "" },
		{ "\n\n\n# a  \n\n\n\n#b\n\n", "# a\n\n#b\n" },
		{ "  mode   observe  ", "mode observe\n" },
		{ "mode observe;user \"a\" # who\n", "mode observe\nuser \"a\"  # who\n" },
		{ "hostname \"mx\"# a\nuser \"postern\"   # b\n\nmode observe # c",
		    "hostname \"mx\"   # a\nuser \"postern\"  # b\n\nmode observe  # c\n" },
		/* a block on one line stays there, and one on several does */
		{ "list  a{\"x\",\"y\",}", "list a { \"x\", \"y\", }\n" },
		{ "list a {\n\"x\",\n      \"y\"\n\n\n}", "list a {\n    \"x\",\n    \"y\"\n}\n" },
		{ "list a\n{ \"x\" }", "list a { \"x\" }\n" },
		{ "greylist{delay 5m;retry within 2d;}",
		    "greylist { delay 5m; retry within 2d }\n" },
		{ "greylist { delay 5m; # why\nretry within 2d; remember 3d }",
		    "greylist {\n    delay 5m  # why\n    retry within 2d\n    remember 3d\n}\n" },
		{ "plan p {\n1 messages per day;2 recipients per day\n}",
		    "plan p {\n    1 messages per day\n    2 recipients per day\n}\n" },
		/* rules */
		{ "at  mail{accept if(spf is fail)and not helo in{\"x\"}}",
		    "at mail { accept if (spf is fail) and not helo in { \"x\" } }\n" },
		{ "at mail {\naccept\nif spf is fail\nscore 1 if rate( client ,messages,1h )>5\n}",
		    "at mail {\n    accept\n        if spf is fail\n"
		    "    score 1 if rate(client, messages, 1h) > 5\n}\n" },
		{ "at mail {\naccept if helo matches /a  b/i\nreject 550 5.7.1 \"x  y\" if spf is fail\n}",
		    "at mail {\n    accept                  if helo matches /a  b/i\n"
		    "    reject 550 5.7.1 \"x  y\" if spf is fail\n}\n" },
		{ "at mail {\nscore 1 if spf is fail\n\nscore 10 if spf is fail\n# c\nscore 100 if spf is none\n}",
		    "at mail {\n    score 1 if spf is fail\n\n    score 10 if spf is fail\n    # c\n"
		    "    score 100 if spf is none\n}\n" },
		{ "at mail {\nif spf is fail{accept}else if helo is \"x\"{\nscore 1}\nelse{mark a}\n}",
		    "at mail {\n    if spf is fail { accept } else if helo is \"x\" {\n        score 1\n"
		    "    } else { mark a }\n}\n" },
		{ "at mail { if spf is fail { accept }\n# or\nelse { mark a } score 1 }",
		    "at mail {\n    if spf is fail { accept }\n    # or\n    else { mark a }\n"
		    "    score 1\n}\n" },
		{ "at rcpt { for recipients in{\"a\"}{mark a;mark b} score 2 }",
		    "at rcpt { for recipients in { \"a\" } { mark a; mark b }; score 2 }\n" },
		{ "define p=( score + 1 )* 2>5 or\n# why\nnot spf is fail",
		    "define p = (score + 1) * 2 > 5 or\n# why\n    not spf is fail\n" },
		/* too long */
		{ "at mail { reject 550 5.7.1 \"a text that is long enough for what is to be seen here\" if "
		  "spf is fail and helo is \"xxxxxxxxxxxxxxxxxx\" }",
		    "at mail {\n"
		    "    reject 550 5.7.1 \"a text that is long enough for what is to be seen here\"\n"
		    "        if spf is fail and helo is \"xxxxxxxxxxxxxxxxxx\"\n}\n" },
		{ "define p = helo is \"xxxxxxxxxxxxxxxxxxxxxxxxx\" or helo is "
		  "\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\" or spf is fail",
		    "define p = helo is \"xxxxxxxxxxxxxxxxxxxxxxxxx\"\n"
		    "    or helo is \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"\n"
		    "    or spf is fail\n" },
		{ "list l { \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\", "
		  "\"ccccccccccccccccccccccccccccc\", \"d\" }",
		    "list l {\n    \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", "
		    "\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\n"
		    "    \"ccccccccccccccccccccccccccccc\", \"d\"\n}\n" },
		/* mistakes */
		{ "at mail {", NULL },
		{ "at mail { acept }", NULL },
		{ "at mail { accept if }", NULL },
		{ "define p = spf is", NULL },
		{ "mode \"x", NULL },
		{ "at foo { accept }", NULL },
		{ "at { accept }", NULL },
		{ "at mail helo { accept }", NULL },
		{ "at mail accept", NULL },
		{ "mode observe; and", NULL },
		{ "list l { \"a\",; \"b\" }", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena = arena_new(SIZE_MAX);
		const char *form = formatted(arena, str_of(cases[i].text));

		if ((form == NULL) != (cases[i].form == NULL))
			fail_msg("%s", cases[i].text);
		else if (form == NULL)
			assert_null(cases[i].form);
		else
			assert_string_equal(form, cases[i].form);
		arena_free(&arena);
	}
}

/* The rules of all steps as they are shown, but for what lines and blanks say. */
static void
print_rules(struct str text, struct buf *out)
{
	struct complaints c = { 0 };
	struct config *config = config_load_text("t.conf", text, &fake_vocabulary, &c);

	complaints_free(&c);
	for (size_t step = 0; config != NULL && step < STEP_COUNT; step++)
		for (size_t i = 0; i < config->ruleset->n[step]; i++) {
			const struct rule *r = config->ruleset->rule[step][i];

			buf_printf(out, "%zu %u %u ", step, r->depth, r->skip);
			for (size_t k = 0; k < r->shown.source.n; k++)
				if (r->shown.source.p[k] != ' ')
					buf_addc(out, r->shown.source.p[k]);
			for (uint32_t k = 0; r->node != NULL && k < r->node->size; k++)
				buf_printf(out, " %u.%u", r->node[k].kind, r->node[k].relation);
			buf_addc(out, '\n');
		}
	config_release(&config);
}

/* Of a text without a mistake in its grammar. */
static bool
holds(struct str text)
{
	struct arena *arena = arena_new(SIZE_MAX);
	const char *once = formatted(arena, text), *twice;
	struct buf before, after;

	if (once == NULL) {
		arena_free(&arena);
		return false;
	}
	twice = formatted(arena, str_of(once));
	assert_non_null(twice);
	assert_string_equal(twice, once);
	buf_init(&before, 1 << 24);
	buf_init(&after, 1 << 24);
	print_rules(text, &before);
	print_rules(str_of(once), &after);
	assert_true(str_eq(buf_str(&before), buf_str(&after)));
	buf_free(&before);
	buf_free(&after);
	arena_free(&arena);
	return true;
}

static struct str
read_file(struct arena *arena, const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[600];
	struct str text;
	struct err e;

	snprintf(path, sizeof path, "%s/%s", srcdir ? srcdir : ".", name);
	if (!source_take(path, CONFIG_FILE_MAX, arena, &text, &e))
		fail_msg("%s", e.text);
	return text;
}

/* What comes with Postern is in the form, and so are all that its tests know. */
static void
test_files(void **state)
{
	static const char *const ours[] = { "rules/default.rules", "docs/postern.conf.sample" };
	static const char *const files[] = { "docs/upstreams.sample", "tests/fuzz/rules/blocks",
		"tests/fuzz/rules/default", "tests/fuzz/rules/plans", "tests/fuzz/rules/texts",
		"tests/fuzz/rules/arith" };
	struct arena *arena = arena_new(SIZE_MAX);

	for (size_t i = 0; i < COUNT(ours); i++) {
		struct str text = read_file(arena, ours[i]);

		assert_true(holds(text));
		assert_string_equal(formatted(arena, text), text.p);
	}
	for (size_t i = 0; i < COUNT(files); i++)
		assert_true(holds(read_file(arena, files[i])));
	arena_free(&arena);
}

/* Also those with mistakes that only a check finds. */
static void
test_complaints(void **state)
{
	static const char *const names[] = { "arith", "blocks", "define", "facts", "lists", "reach",
		"regex", "rules", "settings", "texts", "tokens", "types" };
	size_t n = 0;

	for (size_t i = 0; i < COUNT(names); i++) {
		struct arena *arena = arena_new(SIZE_MAX);
		char name[100];
		const char *rest, *arrow;

		snprintf(name, sizeof name, "tests/rules/complaints/%s.txt", names[i]);
		rest = read_file(arena, name).p;
		while ((arrow = strstr(rest, "=>\n")) != NULL) {
			n += holds((struct str){ rest, (size_t)(arrow - rest) });
			rest = strstr(arrow, "----\n") + 5;
		}
		arena_free(&arena);
	}
	assert_true(n > 100);
}

/* Tokens as they come, with line ends, comments and blanks strewn among them. */
static void
test_strewn(void **state)
{
	static const char *const parts[] = { "at mail {", "}", "if spf is fail {", "} else {",
		"else if helo is \"x\" {", "accept", "score 1", "mark a", "if", "spf is fail",
		"and", "or", "not", "(", ")", "helo in { \"a\", \"b\" }", "helo matches /a b/i",
		"score + 1 > 2", "# c\n", "\n", "\n\n", ";", "list l {", "\"x\",", "192.0.2.0/24",
		"define p =",
		"reject 550 5.7.1 \"a text that makes the line somewhat longer, as they are\"",
		"for recipients in l {", "mode observe", "rate(client, messages, 1h) > 5" };
	uint32_t seed = 1;
	size_t n = 0;

	for (unsigned i = 0; i < 60000; i++) {
		struct buf text;

		buf_init(&text, 100000);
		buf_add(&text, i % 3 ? STR("at rcpt {\n") : STR(""));
		for (unsigned k = 0; k < 2 + i % 14; k++) {
			seed = seed * 1664525 + 1013904223;
			buf_printf(&text, "%s ", parts[(seed >> 16) % COUNT(parts)]);
		}
		buf_add(&text, i % 3 ? STR("}") : STR(""));
		n += holds(buf_str(&text));
		buf_free(&text);
	}
	assert_true(n > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_strewn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
