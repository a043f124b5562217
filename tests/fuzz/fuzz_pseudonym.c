/*
 * Texts and records in which addresses become pseudonyms. Before no @ stands what a pseudonym was not made of, doing it again
 * changes nothing, and JSON stays JSON.
 */
#include "base/die.h"
#include "db/json.h"
#include "mail/pseudonym.h"
#include "rules/record_pseudonyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_hashed(struct str before)
{
	for (size_t n = 1; n <= PSEUDONYM_MAX && n <= before.n; n++)
		if (pseudonym_is(str_sub(before, before.n - n, before.n)))
			return true;
	return before.p[before.n - 1] == '~';
}

static void
check_text(const struct pseudonym *p, struct arena *arena, struct str text)
{
	struct buf once, twice;

	buf_init(&once, 64 * text.n + 64);
	buf_init(&twice, 64 * text.n + 64);
	pseudonym_text(p, arena, text, false, &once);
	require(!once.over);
	for (size_t i = 1; i < once.n; i++)
		if (once.p[i] == '@' &&
		    (ascii_isalnum(once.p[i - 1]) ||
			(once.p[i - 1] != '\0' && strchr(".-_+", once.p[i - 1]) != NULL)))
			require(is_hashed(str_sub(buf_str(&once), 0, i)));
	/* Behind a sign or a quote that was left, others can begin. */
	if (str_find(text, '%') == STR_NPOS && str_find(text, '"') == STR_NPOS) {
		pseudonym_text(p, arena, buf_str(&once), true, &twice);
		require(str_eq(buf_str(&once), buf_str(&twice)));
	}
	buf_free(&once);
	buf_free(&twice);
}

static void
check_record(const struct pseudonym *p, struct arena *arena, struct str text)
{
	struct journal_record r = { .front = "proxy", .rule = STR("backend"), .code = 550 };
	bool is_json = json_parse(arena, text, NULL) != NULL;
	struct str rest = text;

	(void)str_pop(&rest, '\n', &r.sender);
	r.account = str_sub(r.sender, 0, 5);
	r.text = text;
	r.recipients = r.facts = r.trace = r.answers = text;
	record_pseudonyms(p, arena, &r);
	require(!is_json || json_parse(arena, r.facts, NULL) != NULL);
	require(r.sender.n == 0 || str_find(r.sender, '@') == STR_NPOS ||
	    pseudonym_is(str_sub(r.sender, 0, str_rfind(r.sender, '@'))) || r.sender.p[0] == '@');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct arena *arena = arena_new(SIZE_MAX);
	struct pseudonym *p = pseudonym_new(arena, STR("0123456789abcdef0123456789abcdef"));

	if (size < 16384) {
		check_text(p, arena, text);
		check_record(p, arena, text);
	}
	arena_free(&arena);
	return 0;
}
