#include "filters/dkim_cover.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SIG "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; bh=AAAA; b=AAAA; h="

/* fields: of the message, below the signature; covered: those, one after the other. */
static const struct {
	const char *h, *fields, *covered;
	bool loose_from;
} rows[] = {
	{ "from", "From: a\r\nTo: b\r\n", "From: a\r\n", false },
	{ "FROM:subject", "from : a\r\nTo: b\r\n", "from : a\r\n", false },
	{ "from:to", "To: b\r\nFrom: a\r\n", "To: b\r\nFrom: a\r\n", false },
	/* from the bottom up */
	{ "from:x", "X: 1\r\nX: 2\r\nFrom: a\r\nX: 3\r\n", "From: a\r\nX: 3\r\n", false },
	{ "from:x:x", "X: 1\r\nX: 2\r\nFrom: a\r\nX: 3\r\n", "X: 2\r\nFrom: a\r\nX: 3\r\n", false },
	{ "from:x:x:x:x", "X: 1\r\nFrom: a\r\n", "X: 1\r\nFrom: a\r\n", false },
	{ "from", "From: a\r\nFrom: b\r\n", "From: b\r\n", true },
	{ "from:from", "From: a\r\nFrom: b\r\n", "From: a\r\nFrom: b\r\n", false },
	{ "from:x", "From: a\r\nX: folded\r\n\tmore\r\n", "From: a\r\nX: folded\r\n\tmore\r\n",
	    false },
};

static bool
select_fields(struct arena *arena, const char *text, struct dkim_sig *sig, struct dkim_cover *cover)
{
	struct header *header = ARENA_NEW(arena, struct header);
	size_t body;
	bool too_many;

	assert_true(header_split(arena, str_of(text), true, header, &body, &too_many));
	if (!dkim_guard_check(arena, &header->field[0], &(struct dkim_clock){ 0 }, sig))
		fail_msg("%s", sig->reason);
	return dkim_cover_select(arena, header, sig, cover);
}

static void
selections(void **state)
{
	struct arena *arena = arena_new(1024 * 1024);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str text =
		    arena_printf(arena, SIG "%s\r\n%s\r\n", rows[i].h, rows[i].fields);
		struct str covered = STR("");
		struct dkim_sig sig;
		struct dkim_cover cover;

		if (!select_fields(arena, text.p, &sig, &cover))
			fail_msg("%s: %s", rows[i].h, sig.reason);
		for (size_t j = 0; j < cover.n; j++)
			covered = arena_printf(
			    arena, "%.*s%.*s\r\n", STR_ARG(covered), STR_ARG(cover.field[j]->raw));
		assert_string_equal(covered.p, rows[i].covered);
		assert_int_equal(cover.loose_from, rows[i].loose_from);
	}
	arena_free(&arena);
}

static void
refusals(void **state)
{
	static const struct {
		const char *h, *fields;
		enum dkim_result result;
		const char *reason;
	} bad[] = {
		{ "from", "To: b\r\n", DKIM_RESULT_PERMERROR, "the message has no From field" },
		{ "from:dkim-signature", "From: a\r\n", DKIM_RESULT_NEUTRAL,
		    "covers another signature that is not there" },
		{ "from:DKIM-Signature", "From: a\r\nDKIM-Signature: i=\xff\r\n",
		    DKIM_RESULT_NEUTRAL, "covers another signature that is not fit to be read" },
		{ "from:dkim-signature:dkim-signature:dkim-signature",
		    "From: a\r\nDKIM-Signature: a=1\r\nDKIM-Signature: a=1\r\n"
		    "DKIM-Signature: a=1\r\n",
		    DKIM_RESULT_NEUTRAL, "covers too many other signatures" },
		{ "from:to", "From: a\r\nTo: \v\r\n", DKIM_RESULT_PERMERROR,
		    "a field that it covers holds octets that no field may" },
		{ "from:to", "From: a\r\nTo: x\ny\r\n", DKIM_RESULT_PERMERROR,
		    "a field that it covers holds octets that no field may" },
	};
	struct arena *arena = arena_new(1024 * 1024);
	struct dkim_sig sig;
	struct dkim_cover cover;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct str text = arena_printf(arena, SIG "%s\r\n%s\r\n", bad[i].h, bad[i].fields);

		assert_false(select_fields(arena, text.p, &sig, &cover));
		assert_string_equal(sig.reason, bad[i].reason);
		assert_int_equal(sig.result, bad[i].result);
	}
	arena_free(&arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(selections),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests_name("dkim_cover", tests, NULL, NULL);
}
