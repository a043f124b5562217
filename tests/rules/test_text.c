/* The texts of rules: what is read, what may not stand there, and what a fact may bring in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/eval.h"
#include "tests/rules/fake.h"
#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- reading ------------------------------------------------------------------------------------- */

/* "literal[fact(arg)]literal": the pieces. */
static void
print(const struct piece *piece, struct buf *out)
{
	for (; piece != NULL; piece = piece->next) {
		buf_add(out, piece->literal);
		if (!piece->expands)
			continue;
		buf_printf(out, "[%.*s", STR_ARG(piece->operand.at.text));
		for (size_t i = 0; i < piece->operand.n_args; i++)
			buf_printf(out, "|%.*s", STR_ARG(piece->operand.arg[i].text));
		buf_addc(out, ']');
	}
}

static void
test_pieces(void **state)
{
	static const struct {
		const char *text, *pieces, *said; /* pieces NULL: refused */
	} cases[] = {
		{ "a", "a", "" },
		{ "a ${b} c", "a [b] c", "" },
		{ "${b}", "[b]", "" },
		{ "${b}${c.d}", "[b][c.d]", "" },
		{ "${ b }", "[b]", "" },
		{ "${f(a, 5m)}.", "[f|a|5m].", "" },
		{ "${f(\\\"a b\\\")}", "[f|a b]", "" },
		{ "${f(\\\"}\\\")}", "[f|}]", "" },
		/* dollars */
		{ "$", "$", "" },
		{ "a$", "a$", "" },
		{ "5$ b", "5$ b", "" },
		{ "$$", "$", "" },
		{ "$${b}", "${b}", "" },
		{ "$$${b}", "$[b]", "" },
		{ "$ {b}", "$ {b}", "" },
		{ "a\\\"b\\\\c", "a\"b\\c", "" },
		{ "\\\\${b}", "\\[b]", "" },
		{ "}", "}", "" },
		/* mistakes */
		{ "", NULL, "1:1: an empty text explains nothing" },
		{ " ", NULL, "1:1: an empty text explains nothing" },
		{ "a ${b", NULL, "1:6: the `}` of this `${` is missing in the text" },
		{ "a ${", NULL, "1:6: the `}` of this `${` is missing in the text" },
		{ "a ${}", NULL, "1:6: the name of a fact belongs into ${}" },
		{ "a ${ }", NULL, "1:7: the name of a fact belongs into ${}" },
		{ "a ${\\\"b\\\"}", NULL, "1:6: the name of a fact belongs into ${}" },
		{ "a ${b c}", NULL,
		    "1:8: `c` is too much here: the statement is complete before it" },
		{ "a ${f(b}", NULL, "1:9: `,` or `)` belongs here, not the end of the line" },
		{ "a ${is}", NULL,
		    "1:6: a fact or a value belongs here; `is` is a word of the language" },
		{ "a ${b + 1 == c}", NULL, "1:12: `==`: write `=` or `is`" },
		{ "a ${#}", NULL, "1:6: `#` has no meaning here; texts stand in double quotes" },
		{ "a ${a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}", NULL,
		    "1:6: too much stands in this `${`" },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		char quoted[256];
		struct loader *l;
		struct piece *piece;
		struct buf b;
		const char *said;

		snprintf(quoted, sizeof quoted, "\"%s\"", cases[i].text);
		l = loader_new("t", quoted);
		assert_int_equal(l->first->n, 1);
		piece = text_parse(&l->load, l->first->token);
		buf_init(&b, 1024);
		print(piece, &b);
		said = loader_said(l);
		if ((piece != NULL) != (cases[i].pieces != NULL) ||
		    (piece && !str_eq(buf_str(&b), str_of(cases[i].pieces))) ||
		    strcmp(said, cases[i].said) != 0) {
			print_error("%s: %.*s\n%s\n", cases[i].text, STR_ARG(buf_str(&b)), said);
			failed++;
		}
		buf_free(&b);
		loader_free(&l);
	}
	assert_int_equal(failed, 0);
}

/* The most that is taken, and one more. */
static void
test_length(void **state)
{
	char text[TEXT_MAX + 4] = "\"";

	for (size_t n = TEXT_MAX; n <= TEXT_MAX + 1; n++) {
		struct loader *l;

		memset(text + 1, 'x', n);
		memcpy(text + 1 + n, "\"", 2);
		l = loader_new("t", text);
		assert_int_equal(text_parse(&l->load, l->first->token) != NULL, n == TEXT_MAX);
		assert_string_equal(loader_said(l),
		    n == TEXT_MAX ? "" : "1:1: this text has 401 octets; 400 are allowed");
		loader_free(&l);
	}
}

/* --- expanding ----------------------------------------------------------------------------------- */

/* The text of the verdict at mail, with the facts as given; "(pending)". */
static void
expand(const char *text, const char *facts, char *out, size_t size)
{
	struct complaints c = { 0 };
	struct session s;
	struct config *config;
	struct arena *arena = arena_new(SIZE_MAX);
	struct decision d;
	struct ask ask;
	char all[1024];

	snprintf(all, sizeof all, "hostname \"mx\"\nat mail {\n reject 550 5.7.1 \"%s\"\n}", text);
	config = config_load_text("t", str_of(all), &fake_vocabulary, &c);
	if (config == NULL)
		fail_msg("%s: %s", text, c.item[0].text);
	session_init(&s, FRONT_PROXY, &config->facts, config->n_parts);
	session_mail(&s, &(struct mailbox){ .null = true });
	fake_facts(facts);
	ask = session_ask(&s, STEP_MAIL, 0);
	if (ruleset_decide(config->ruleset, &ask, arena, &d) == DONE)
		snprintf(out, size, "%.*s", STR_ARG(d.verdict.text));
	else
		snprintf(out, size, "(pending)");
	session_free(&s);
	arena_free(&arena);
	complaints_free(&c);
	config_release(&config);
}

static void
test_expansion(void **state)
{
	static const struct {
		const char *text, *facts, *expanded;
	} cases[] = {
		{ "no fact", "", "no fact" },
		{ "${sender}!", "sender=a@b", "a@b!" },
		{ "${sender}${sender}", "sender=x", "xx" },
		{ "${client.ip} is ${client.trusted}", "client.ip=192.0.2.1;client.trusted=1",
		    "192.0.2.1 is yes" },
		{ "${client}", "client.ip=2001:db8::1", "2001:db8::1" },
		{ "${hostname} ${score}", "", "mx 0" },
		{ "${quota.free}", "quota.free=5400", "1h30m" },
		{ "${surge(client)}", "surge(client)=2.5", "2.5" },
		{ "${rate(client, messages, 60m)}", "rate(client, messages, 1h)=7", "7" },
		{ "${sender}", "", "unknown" },
		{ "${sender}", "sender=", "" },
		{ "${spf} ${sender}", "spf=fail;sender=PENDING", "(pending)" },
		/* what strangers wrote: no control passes, the rest as it is */
		{ "<${sender}>", "sender=a\r\nb\tc\x7f\x1b[1m", "<a??b?c??[1m>" },
		{ "<${sender}>", "sender=\xc3\xa4\xff", "<\xc3\xa4\xff>" },
		/* and it is not read again */
		{ "${sender}", "sender=${helo}", "${helo}" },
	};
	char out[512];

	for (size_t i = 0; i < COUNT(cases); i++) {
		expand(cases[i].text, cases[i].facts, out, sizeof out);
		if (strcmp(out, cases[i].expanded) != 0)
			fail_msg("%s of %s: %s", cases[i].text, cases[i].facts, out);
	}
}

/* A long value is cut, but not inside of a character; what is no UTF-8 is cut all the same. */
static void
test_cut(void **state)
{
	static const struct {
		size_t front; /* octets before */
		const char *unit;
		size_t n;
	} cases[] = {
		{ 0, "x", 200 },
		{ 0, "\xc3\xa4", 200 },
		{ 1, "\xc3\xa4", 199 },
		{ 0, "\xe2\x82\xac", 198 },
		{ 1, "\xf0\x9f\x98\x80", 197 },
		{ 0, "\x80", 200 },
		{ 7, "\xff", 200 },
	};
	char facts[512], out[512];

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = (size_t)snprintf(
		    facts, sizeof facts, "sender=%.*s", (int)cases[i].front, "aaaaaaaaaaaa");

		while (n < 7 + EXPANSION_MAX + 20)
			n += (size_t)snprintf(facts + n, sizeof facts - n, "%s", cases[i].unit);
		expand("${sender}", facts, out, sizeof out);
		if (strlen(out) != cases[i].n)
			fail_msg("%zu: %zu octets", i, strlen(out));
		assert_memory_equal(out, facts + 7, cases[i].n);
		/* what fits is not cut */
		facts[7 + EXPANSION_MAX] = '\0';
		expand("${sender}", facts, out, sizeof out);
		assert_string_equal(out, facts + 7);
	}
}

/* The longest text of all: as many facts as fit in it, each as long as one may be. */
static void
test_most(void **state)
{
	char text[TEXT_MAX + 1] = "", facts[300], *out = malloc(65536);

	assert_non_null(out);
	for (size_t n = 0; n + 6 <= TEXT_MAX; n += 6)
		memcpy(text + n, "${spf}", 7);
	snprintf(facts, sizeof facts, "spf=%0250d", 0);
	expand(text, facts, out, 65536);
	assert_int_equal(strlen(out), TEXT_MAX / 6 * EXPANSION_MAX);
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_most),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
