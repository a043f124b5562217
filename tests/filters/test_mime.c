/* The stage and its walk: whole messages, in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "filters/mime_field.h"
#include "filters/mime_walk.h"
#include "tests/filters/world.h"

extern const struct stage mime_stage;
static const struct stage *const list[] = { &mime_stage };

static int
setup(void **state)
{
	struct err e = { 0 };
	struct world *w = world_new(list, 1);

	*state = w;
	return world_configure(w, "mime", &e) ? 0 : 1;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

#define PLAIN "Subject: x\r\n\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define EXE "Content-Type: application/x; name=a.exe\r\n\r\nMZ\r\n"

static const struct {
	const char *message, *types, *attached, *names, *defects;
	int attachments;
} cases[] = {
	{ PLAIN "body\r\n", "text/plain", "", "", "", 0 },
	{ "Subject: x\r\n", "text/plain", "", "", "", 0 },
	{ MIXED "preamble\r\n--b\r\n\r\ntext\r\n--b\r\n" EXE "--b--\r\nepilogue\r\n",
	    "multipart/mixed, text/plain, application/x", "application/x", "a.exe", "", 1 },
	/* a part without a header, blanks behind the boundary, LF alone */
	{ MIXED "--b \t\r\n\r\n--b\n" EXE "--b-- \r\n",
	    "multipart/mixed, text/plain, application/x", "application/x", "a.exe", "", 1 },
	/* the header of a part that is ended by a boundary */
	{ MIXED "--b\r\nContent-Type: a/b; name=x.js\r\n--b--\r\n", "multipart/mixed, a/b", "a/b",
	    "x.js", "", 1 },
	/* within another */
	{ MIXED "--b\r\nContent-Type: multipart/alternative; boundary=\"b2\"\r\n\r\n--b2\r\n" EXE
		"--b2--\r\n--b\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--\r\n",
	    "multipart/mixed, multipart/alternative, application/x, text/plain",
	    "application/x, text/plain", "a.exe", "", 2 },
	/* the outer boundary ends what is within */
	{ MIXED "--b\r\nContent-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\n" EXE
		"--b\r\n" EXE "--b--\r\n",
	    "multipart/mixed, multipart/alternative, application/x", "application/x", "a.exe",
	    "unfinished", 2 },
	/* a message within */
	{ "Content-Type: message/rfc822\r\n\r\n" MIXED "--b\r\n" EXE "--b--\r\n",
	    "message/rfc822, multipart/mixed, application/x", "application/x", "a.exe", "", 1 },
	{ "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n" EXE "--b--\r\n",
	    "multipart/digest, message/rfc822, application/x", "application/x", "a.exe", "", 1 },
	/* several readings */
	{ "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n" EXE
	  "--b\r\nContent-Type: a/b; name=b.js\r\n\r\n--b--\r\n",
	    "multipart/mixed, application/x, a/b", "application/x, a/b", "a.exe, b.js",
	    "boundary-repeated, parameter-repeated", 2 },
	{ "Content-Type: text/plain\r\n" MIXED "--b\r\n" EXE "--b--\r\n",
	    "text/plain, multipart/mixed, application/x", "application/x", "a.exe",
	    "field-repeated", 1 },
	{ "Content-Type: a/b; name=a.txt\r\nContent-Disposition: inline; filename=b.exe\r\n\r\n",
	    "a/b", "a/b", "b.exe, a.txt", "names-differ", 1 },
	{ "Content-Type: multipart/mixed\r\n\r\n--b\r\n" EXE, "multipart/mixed", "", "",
	    "boundary-missing", 0 },
	{ "Content-Type: nothing\r\n\r\n", "", "", "", "type-bad", 0 },
	{ "Content-Transfer-Encoding: base64\r\n" MIXED "--b--\r\n", "multipart/mixed", "", "",
	    "encoded", 0 },
	/* what looks like a boundary in the middle of a line */
	{ MIXED "x--b\r\n" EXE " --b\r\n" EXE "--b\r\n\r\n--b--\r\n", "multipart/mixed, text/plain",
	    "", "", "", 0 },
	{ MIXED "--b\r\n" EXE "--bx\r\n--b\r\n", "multipart/mixed, application/x", "application/x",
	    "a.exe", "boundary-like, unfinished", 1 },
};

static void
test_messages(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char number[8];

		world_connect(*state, "192.0.2.1", "");
		world_mail(*state, "<a@example.org>");
		world_data(*state, cases[i].message);
		snprintf(number, sizeof(number), "%d", cases[i].attachments);
		assert_fact(*state, STEP_MESSAGE, "mime.types", cases[i].types);
		assert_fact(*state, STEP_MESSAGE, "attachment.types", cases[i].attached);
		assert_fact(*state, STEP_MESSAGE, "attachment.names", cases[i].names);
		assert_fact(*state, STEP_MESSAGE, "mime.defects", cases[i].defects);
		assert_fact(*state, STEP_MESSAGE, "attachments", number);
	}
}

static void
test_extensions(void **state)
{
	world_connect(*state, "192.0.2.1", "");
	world_mail(*state, "<a@example.org>");
	world_data(*state,
	    MIXED "--b\r\nContent-Type: a/b; name=\"A.EXE. \"\r\n\r\n--b\r\n"
		  "Content-Type: a/b; name=\"b.tar.gz\"\r\n\r\n--b\r\n"
		  "Content-Type: a/b; name=none\r\n\r\n--b\r\n"
		  "Content-Type: a/b; name=c.exe\r\n\r\n--b--\r\n");
	assert_fact(*state, STEP_MESSAGE, "attachment.extensions", "exe, gz");
}

static void
test_header(void **state)
{
	world_connect(*state, "192.0.2.1", "");
	world_mail(*state, "<a@example.org>");
	world_data(*state,
	    "X: 1\r\nSUBJECT: =?utf-8?q?gr=C3=BCn?=\r\n and\tmore\r\nSubject: second\r\n\r\n");
	assert_fact(*state, STEP_MESSAGE, "header(\"subject\")", "grün and more");
	assert_fact(*state, STEP_MESSAGE, "header(\"Y\")", "(none)");
	assert_string_equal(world_check(*state, "header(\"Subject:\")"),
	    "a header field's name has no blank and no colon: header(\"Subject\")");
	assert_string_equal(world_check(*state, "header(\"\")"),
	    "a header field's name has no blank and no colon: header(\"Subject\")");
}

/* --- the walk ---------------------------------------------------------------------------------- */

static void
print(const struct mime_found *found, struct buf *out)
{
	const struct mime_texts *texts[] = { &found->types, &found->attached, &found->names };

	buf_printf(out, "%zu %zu %u", found->parts, found->attachments, found->defects);
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < texts[i]->n; k++)
			buf_printf(out, "|%.*s", STR_ARG(texts[i]->item[k]));
}

/* What is found in text when it comes in pieces of so many octets. */
static void
walk(struct str text, size_t piece, struct buf *out)
{
	struct arena *arena = arena_new(1 << 20);
	struct header header;
	struct mime_walk *w;
	size_t body;
	bool too_many;

	assert_true(header_split(arena, text, true, &header, &body, &too_many));
	w = mime_walk_new(arena, &header);
	for (size_t at = body; at < text.n; at += piece)
		mime_walk_body(w, str_sub(text, at, at + piece < text.n ? at + piece : text.n));
	print(mime_walk_end(w), out);
	assert_false(arena_over(arena));
	arena_free(&arena);
}

static void
test_pieces_do_not_matter(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str text = str_of(cases[i].message);
		struct buf whole, parts;

		buf_init(&whole, 4096);
		walk(text, text.n, &whole);
		for (size_t piece = 1; piece < text.n; piece++) {
			buf_init(&parts, 4096);
			walk(text, piece, &parts);
			assert_string_equal(parts.p, whole.p);
			buf_free(&parts);
		}
		buf_free(&whole);
	}
}

/* begin; then so often each of the two, with a number between them. */
struct many {
	const char *begin, *before, *behind;
	unsigned n;
	unsigned defects;
};

static void
walk_many(const struct many *many)
{
	char expected[32];
	struct buf text, out;

	buf_init(&text, 1 << 24);
	buf_init(&out, 1 << 20);
	buf_add(&text, str_of(many->begin));
	for (unsigned i = 0; i < many->n; i++)
		buf_printf(&text, "%s%u%s", many->before, i, many->behind);
	walk(buf_str(&text), 4096, &out);
	snprintf(expected, sizeof(expected), " %u|", many->defects);
	assert_non_null(strstr(out.p, expected));
	buf_free(&text);
	buf_free(&out);
}

static void
test_what_is_too_much(void **state)
{
	const unsigned unfinished = 1u << MIME_UNFINISHED;
	const unsigned deep = 1u << MIME_TOO_DEEP, many = 1u << MIME_TOO_MANY;
	const unsigned is_long = 1u << MIME_HEADER_LONG;
	const char *type = "--b\r\nContent-Type: a/b", *rest = "; name=x\r\n\r\n";
	const char *forwarded = "Content-Type: message/rfc822\r\n\r\n";
	const char *inner = "--b\r\nContent-Type: multipart/mixed; boundary=b; x=";
	const struct many floods[] = {
		{ MIXED, type, rest, MIME_PARTS / 2, unfinished },
		{ MIXED, type, rest, 20000, many },
		{ forwarded, "Content-Type: message/rfc822; x=", "\r\n\r\n", 20000, many },
		{ MIXED, inner, "\r\n\r\n", 100, unfinished | deep },
		{ MIXED "--b\r\n", "X-", ": 1\r\n", 900, unfinished },
		{ MIXED "--b\r\n", "X", ":\r\n", 1100, unfinished | is_long },
		{ MIXED "--b\r\n", "X: aaaaaaaaaaaaaaaaaaaaaaaa\r\n", "", 1200,
		    unfinished | is_long },
	};

	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++)
		walk_many(&floods[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extensions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces_do_not_matter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_too_much, setup, teardown),
	};

	return cmocka_run_group_tests_name("filters/mime", tests, NULL, NULL);
}
