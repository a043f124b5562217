#include "mail/notice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct notice usual = {
	.kind = NOTICE_ACCOUNT,
	.what = PLAN_MESSAGES,
	.window = PLAN_DAY,
	.level = 80,
	.used = 804,
	.limit = 1000,
	.at = 1767322800,
	.reached = 1767328800,
	.who = { "alice", 5 },
	.plan = { "residential", 11 },
};

static void
test_octets(void **state)
{
	struct notice n = usual, back;
	struct buf b;

	n.way = NOTICE_MAIL;
	n.to = STR("bob@example.org");
	n.tries = 3;
	n.who = STR("a \n\r b");
	buf_init(&b, NOTICE_OCTETS);
	assert_true(notice_pack(&n, &b));
	assert_true(notice_unpack(buf_str(&b), &back));
	assert_true(str_eq(back.who, n.who) && str_eq(back.plan, n.plan) && str_eq(back.to, n.to));
	assert_true(back.kind == n.kind && back.what == n.what && back.window == n.window);
	assert_true(back.level == 80 && back.used == 804 && back.limit == 1000);
	assert_true(back.at == n.at && back.reached == n.reached && back.tries == 3);
	assert_int_equal(back.way, NOTICE_MAIL);
	/* one octet more or less is none */
	assert_false(notice_unpack(str_sub(buf_str(&b), 0, b.n - 1), &back));
	buf_addc(&b, 'x');
	assert_false(notice_unpack(buf_str(&b), &back));
	buf_free(&b);
}

static void
test_not_octets(void **state)
{
	static const char *const cases[] = { "", "\n", "0 0 0 0 80 1 2 3 4 0 0 0\n",
		"3 0 0 0 80 1 2 3 4 0 0 0 0\n", "0 2 0 0 80 1 2 3 4 0 0 0 0\n",
		"0 0 3 0 80 1 2 3 4 0 0 0 0\n", "0 0 0 4 80 1 2 3 4 0 0 0 0\n",
		"0 0 0 0 101 1 2 3 4 0 0 0 0\n", "0 0 0 0 80 -1 2 3 4 0 0 0 0\n",
		"0 0 0 0 80 1 2 3 4 0 1 0 0\n", "0 0 0 0 80 1 2 3 4 0 600 0 0\n",
		"0 0 0 0 80 1 2 3 4 0 0 0 0 0\n", "0 0 0 0 80 1 2 3 4 0 0 0 0" };
	struct notice n;

	for (size_t i = 0; i < COUNT(cases); i++)
		if (notice_unpack(str_of(cases[i]), &n))
			fail_msg("%s", cases[i]);
	assert_true(notice_unpack(STR("0 0 0 0 80 1 2 3 4 0 0 0 0\n"), &n));
}

static void
fill(const struct notice *n, const char *text, struct buf *out)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct str value[NOTICE_NAMES];
	struct template_fault fault;
	const struct template *t = template_read(str_of(text), notice_names, arena, &fault);

	assert_non_null(t);
	buf_init(out, 10000);
	notice_values(n, STR("mx.example.org"), arena, value);
	template_fill(t, value, out);
	arena_free(&arena);
}

static void
test_values(void **state)
{
	struct notice n = usual;
	struct buf b;

	setenv("TZ", "UTC", 1);
	tzset();
	fill(&n,
	    "${who} ${kind} ${plan} ${what} ${window} ${level} ${used} ${limit} ${left} ${percent} "
	    "${time} ${reached} ${forecast} ${hostname}",
	    &b);
	assert_string_equal(b.p,
	    "alice account residential messages day 80 804 1000 196 80 "
	    "2026-01-02 03:00:00 +0000 2026-01-02 04:40:00 +0000 "
	    "At this rate you reach it at 04:40. mx.example.org");
	buf_free(&b);
	n.reached = 0;
	fill(&n, "${forecast}|${reached}", &b);
	assert_string_equal(b.p, "At this rate it will not be used up.|");
	buf_free(&b);
	n.used = 1000;
	fill(&n, "${forecast}", &b);
	assert_string_equal(b.p, "It is used up.");
	buf_free(&b);
	/* a name that would be lines of its own */
	n.who = STR("x\r\nBcc: all@example.net\r\n\r\n\x1b[2J");
	fill(&n, "${who}", &b);
	assert_string_equal(b.p, "x\\x0d\\x0aBcc: all@example.net\\x0d\\x0a\\x0d\\x0a\\x1b[2J");
	buf_free(&b);
}

static void
test_json(void **state)
{
	struct notice n = usual;
	struct buf b;

	n.who = STR("a\"\n\\");
	buf_init(&b, 10000);
	notice_json(&n, STR("mx"), STR("t\n"), &b);
	assert_string_equal(b.p,
	    "{\"event\":\"plan-warning\",\"hostname\":\"mx\",\"kind\":\"account\","
	    "\"who\":\"a\\\"\\n\\\\\",\"plan\":\"residential\",\"what\":\"messages\","
	    "\"per\":\"day\",\"level\":80,\"used\":804,\"limit\":1000,\"percent\":80,"
	    "\"time\":\"2026-01-02T03:00:00Z\",\"reached\":\"2026-01-02T04:40:00Z\","
	    "\"text\":\"t\\n\"}");
	buf_clear(&b);
	n.reached = 0;
	notice_json(&n, STR("mx"), STR("t"), &b);
	assert_non_null(strstr(b.p, ",\"reached\":null,"));
	buf_free(&b);
}

static void
test_templates(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		unsigned line, column;
		const char *name;
	} cases[] = {
		{ "Subject: ${who}\n\n${used}\n", true, 0, 0, NULL },
		{ "subject: x\n\n", true, 0, 0, NULL },
		{ "", false, 0, 0, "" },
		{ "Hello\n\nSubject: x\n", false, 0, 0, "" },
		{ "Subject: x", false, 0, 0, "" },
		{ "Subject: x\nno empty line\n", false, 0, 0, "" },
		{ "Subject: ${hwo}\n\nx\n", false, 1, 10, "hwo" },
		{ "Subject: x\n\nx\n y ${usd}\n", false, 4, 4, "usd" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena = arena_new(SIZE_MAX);
		struct notice_template t;
		struct template_fault fault;

		if (notice_template_read(str_of(cases[i].text), arena, &t, &fault) != cases[i].ok)
			fail_msg("%s", cases[i].text);
		if (!cases[i].ok) {
			assert_int_equal(fault.line, cases[i].line);
			assert_int_equal(fault.column, cases[i].column);
			assert_true(str_eq(fault.name, str_of(cases[i].name)));
		}
		arena_free(&arena);
	}
}

static void
test_names(void **state)
{
	size_t n = 0;

	while (notice_names[n])
		n++;
	assert_int_equal(n, NOTICE_NAMES);
	assert_string_equal(notice_way_name(NOTICE_WEBHOOK), "webhook");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_not_octets),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
