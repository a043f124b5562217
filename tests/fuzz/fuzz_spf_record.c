/*
 * Records and macros: the first octet is how many of the next are a local part, the rest a TXT
 * record. What parses is expanded, as a name and as an explanation.
 */
#include "filters/spf_record.h"

#include <stdlib.h>

#include "base/dns.h"
#include "filters/spf_macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool condition)
{
	if (!condition)
		abort();
}

static bool
inside(struct str outer, struct str s)
{
	return s.p == NULL || (s.p >= outer.p && s.p + s.n <= outer.p + outer.n);
}

static void
try_text(struct arena *arena, struct str text, const struct spf_values *v)
{
	struct str name;

	if (spf_spec_check(text, NULL)) {
		check(spf_macro_check(text, SPF_MACRO_NAME, NULL));
		name = spf_macro_name(arena, text, v);
		check(name.n <= DNS_NAME_MAX || str_find(name, '.') == STR_NPOS);
	}
	if (spf_macro_check(text, SPF_MACRO_EXPLANATION, NULL))
		check(spf_macro_text(arena, text, v, 400).n <= 400);
}

static void
try_record(struct arena *arena, struct str text, const struct spf_values *v)
{
	struct spf_record r;
	struct err e = { 0 };

	if (!spf_record_parse(arena, text, &r, &e)) {
		check(e.code != ERR_NONE && e.text[0] != '\0');
		return;
	}
	check(r.n_terms <= SPF_TERMS_MAX);
	for (size_t i = 0; i < r.n_terms; i++) {
		const struct spf_term *t = &r.term[i];

		check(inside(text, t->text) && inside(text, t->spec));
		check(t->bits4 <= 32 && t->bits6 <= 128 && t->kind < SPF_REDIRECT);
		check(t->spec.p == NULL || spf_spec_check(t->spec, NULL));
		try_text(arena, t->spec, v);
	}
	try_text(arena, r.redirect.spec, v);
	try_text(arena, r.exp, v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spf_values v = { .client = { .version = 6, .b = { 0x20, 1, 0xd, 0xb8 } },
		.domain = STR("mail.example.org"),
		.current = STR("example.org"),
		.validated = STR("mx.example.org"),
		.helo = STR("[mx]"),
		.receiver = STR("mx.example.net"),
		.now = 1700000000 };
	struct str text = { (const char *)data, size };
	struct arena *arena;
	size_t local;

	if (size == 0)
		return 0;
	local = data[0];
	v.local = str_sub(text, 1, 1 + local);
	text = str_sub(text, 1 + local, text.n);
	arena = arena_new(1 << 20);
	try_text(arena, text, &v);
	if (spf_record_is(text))
		try_record(arena, text, &v);
	arena_free(&arena);
	return 0;
}
