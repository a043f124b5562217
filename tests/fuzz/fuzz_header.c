/*
 * A header, its fields, and the domains of From; the first octet says whether the text is all there
 * is.
 */
#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_domains(struct arena *arena, struct str value)
{
	struct str domain[8];
	size_t n = header_from_domains(arena, value, domain, 8);

	if (n > 8)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (domain[i].n == 0 || domain[i].n > 255)
			abort();
		for (size_t k = 0; k < domain[i].n; k++) {
			unsigned char c = domain[i].p[k];

			if (c <= ' ' || c == 0x7f || strchr("()<>@,;\"\\", c) != NULL)
				abort();
		}
	}
}

static void
check_field(const struct header *h, const struct field *f)
{
	const char *end = h->block.p + h->block.n;

	if (f->raw.p < h->block.p || f->raw.p + f->raw.n > end || f->name.n == 0)
		abort();
	if (f->name.p != f->raw.p || f->value.p + f->value.n != f->raw.p + f->raw.n)
		abort();
	if (f->value.p[-1] != ':')
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data + 1, size - 1 };
	struct arena *arena;
	struct header h;
	size_t body;
	bool too_many;

	if (size == 0)
		return 0;
	arena = arena_new(1 << 20);
	check_domains(arena, text);
	if (header_split(arena, text, data[0] & 1, &h, &body, &too_many)) {
		if (body > text.n || h.n > HEADER_FIELDS_MAX || h.block.n > body)
			abort();
		for (size_t i = 0; i < h.n; i++) {
			check_field(&h, &h.field[i]);
			check_domains(arena, header_unfold(arena, h.field[i].value));
		}
	}
	arena_free(&arena);
	return 0;
}
