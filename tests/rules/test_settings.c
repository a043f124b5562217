/* Rows of settings: names of several words, values of every type, ranges, defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct conf {
	int64_t number, free, size, duration, word, v4, v6, net;
	bool on;
	char *text;
};

#define ROW(member) offsetof(struct conf, member)
static const char *const words[] = { "red", "green", "blue", NULL };
static const struct setting rows[] = {
	{ "number", SETTING_NUMBER, ROW(number), -5, 1000, "7", NULL, "" },
	{ "free", SETTING_NUMBER, ROW(free), 0, 0, "0", NULL, "" },
	{ "size", SETTING_SIZE, ROW(size), 1024, 1536, "1k", NULL, "" },
	{ "duration", SETTING_DURATION, ROW(duration), 1000, 5400000, "1m", NULL, "" },
	{ "word", SETTING_WORD, ROW(word), 0, 0, "green", words, "" },
	{ "switch", SETTING_SWITCH, ROW(on), 0, 0, "on", NULL, "" },
	{ "text", SETTING_TEXT, ROW(text), 0, 0, "\"a b\"", NULL, "" },
	{ "network ipv4", SETTING_NUMBER, ROW(v4), 1, 32, "24", NULL, "" },
	{ "network ipv6", SETTING_NUMBER, ROW(v6), 1, 128, "64", NULL, "" },
	{ "network", SETTING_NUMBER, ROW(net), 0, 0, "1", NULL, "" },
};
static const struct config_part part = {
	.name = "part", .settings = rows, .n_settings = COUNT(rows)
};

static void
test_defaults(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct setting bad = rows[0];
	struct conf conf = { 0 };

	assert_true(settings_default(rows, COUNT(rows), &conf, arena));
	assert_int_equal(conf.number, 7);
	assert_int_equal(conf.size, 1024);
	assert_int_equal(conf.duration, 60000);
	assert_int_equal(conf.word, 1);
	assert_true(conf.on);
	assert_string_equal(conf.text, "a b");
	assert_int_equal(conf.v6, 64);
	/* a fallback that its own row does not take */
	bad.fallback = "1001";
	assert_false(settings_default(&bad, 1, &conf, arena));
	bad.fallback = "many";
	assert_false(settings_default(&bad, 1, &conf, arena));
	arena_free(&arena);
}

static void
read_into(struct conf *conf, struct loader *l)
{
	assert_true(settings_default(rows, COUNT(rows), conf, l->load.arena));
	for (const struct statement *s = l->first; s != NULL; s = s->next)
		settings_read(&l->load, &part, conf, s);
}

static void
test_values(void **state)
{
	struct loader *l = loader_new("t",
	    "number -5\nfree -9223372036854775807\nsize 1536\nduration 90m\nword blue\nswitch off\n"
	    "text \"c\\\"d\"\nnetwork ipv4 32 ipv6 1\nnetwork 9");
	struct conf conf;

	read_into(&conf, l);
	assert_string_equal(loader_said(l), "");
	assert_int_equal(conf.number, -5);
	assert_int_equal(conf.free, -INT64_MAX);
	assert_int_equal(conf.size, 1536);
	assert_int_equal(conf.duration, 5400000);
	assert_int_equal(conf.word, 2);
	assert_false(conf.on);
	assert_string_equal(conf.text, "c\"d");
	assert_int_equal(conf.v4, 32);
	assert_int_equal(conf.v6, 1);
	assert_int_equal(conf.net, 9);
	loader_free(&l);
}

static void
test_mistakes(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "number 1001", "1:8: `number` wants a number from -5 to 1000, not `1001`" },
		{ "number -6", "1:8: `number` wants a number from -5 to 1000, not `-6`" },
		{ "number many", "1:8: `number` wants a whole number such as 100, not `many`" },
		{ "number \"5\"", "1:8: `number` wants a whole number such as 100, not \"5\"" },
		{ "number 1k", "1:8: `number` wants a whole number such as 100, not `1k`" },
		{ "number",
		    "1:7: `number` wants a whole number such as 100, not the end of the "
		    "line" },
		{ "size 1537", "1:6: `size` wants a size from 1k to 1536, not `1537`" },
		{ "size 1023", "1:6: `size` wants a size from 1k to 1536, not `1023`" },
		{ "size 1K", "1:6: `size` wants a size such as 256k or 10M, not `1K`" },
		{ "size 99999999999G",
		    "1:6: `size` wants a size such as 256k or 10M, not `99999999999G`" },
		{ "duration 2h", "1:10: `duration` wants a duration from 1s to 90m, not `2h`" },
		{ "duration 0", "1:10: `duration` wants a duration from 1s to 90m, not `0`" },
		{ "duration 5",
		    "1:10: `duration` wants a duration such as 30s, 5m or 2d, not `5`" },
		{ "word grey", "1:6: `word` wants red, green or blue, not `grey`" },
		{ "word \"red\"", "1:6: `word` wants red, green or blue, not \"red\"" },
		{ "switch yes", "1:8: `switch` wants on or off, not `yes`" },
		{ "switch \"on\"", "1:8: `switch` wants on or off, not \"on\"" },
		{ "text word", "1:6: `text` wants a text in quotes, not `word`" },
		{ "text", "1:5: `text` wants a text in quotes, not the end of the line" },
		/* twice, on one line or on two */
		{ "number 1\nnumber 1", "2:1: `number` was given already, on line 1" },
		{ "network ipv4 1 ipv4 2", "1:16: `network ipv4` was given already, on line 1" },
		/* behind a value */
		{ "number 1 2", "1:10: `2` is too much here: `number` has its value already" },
		{ "number 1 free 2",
		    "1:10: `free` is too much here: `number` has its value "
		    "already" },
		{ "network ipv4 1 ipv5 2",
		    "1:16: `ipv5` is too much here: `network ipv4` has its "
		    "value already" },
		/* unknown */
		{ "numbr 1", "1:1: `part` has no setting `numbr`; did you mean `number`?" },
		{ "network ipv5 1", "1:9: `network` wants a whole number such as 100, not `ipv5`" },
		{ "netwrk ipv4 1",
		    "1:1: `part` has no setting `netwrk`; did you mean `network ipv4`?" },
		{ "elephant 1", "1:1: `part` has no setting `elephant`" },
		{ "5", "1:1: `part` has no setting `5`" },
		{ "\"number\" 1", "1:1: `part` has no setting \"number\"" },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loader *l = loader_new("t", cases[i].text);
		struct conf conf;
		const char *said;

		read_into(&conf, l);
		said = loader_said(l);
		if (strcmp(said, cases[i].said) != 0) {
			print_error("%s\n%s\n", cases[i].text, said);
			failed++;
		}
		loader_free(&l);
	}
	assert_int_equal(failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
