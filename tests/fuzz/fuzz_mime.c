/*
 * A message's parts: found the same whether its octets come at once or in two pieces; the first octet says where
 * they are cut.
 */
#include "filters/mime_walk.h"

#include <stdlib.h>

#include "filters/mime_field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_texts(const struct mime_texts *texts)
{
	if (texts->n > MIME_KEPT)
		abort();
	for (size_t i = 0; i < texts->n; i++)
		for (size_t k = 0; k < texts->item[i].n; k++)
			if ((unsigned char)texts->item[i].p[k] < ' ')
				abort();
}

static const struct mime_found *
walk(struct arena *arena, struct str text, size_t cut)
{
	const struct mime_found *found;
	struct header header;
	struct mime_walk *w;
	size_t body;
	bool too_many;

	if (!header_split(arena, text, true, &header, &body, &too_many))
		abort();
	w = mime_walk_new(arena, &header);
	if (cut > body && cut < text.n) {
		mime_walk_body(w, str_sub(text, body, cut));
		body = cut;
	}
	mime_walk_body(w, str_sub(text, body, text.n));
	found = mime_walk_end(w);
	check_texts(&found->types);
	check_texts(&found->attached);
	check_texts(&found->names);
	if (found->attachments > found->parts)
		abort();
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data + 1, size - 1 };
	const struct mime_found *whole, *cut;
	struct arena *arena;

	if (size == 0)
		return 0;
	mime_field_start();
	arena = arena_new(1 << 22);
	whole = walk(arena, text, text.n);
	cut = walk(arena, text, text.n * data[0] / 256);
	if (whole->parts != cut->parts || whole->attachments != cut->attachments ||
	    whole->defects != cut->defects || whole->names.n != cut->names.n)
		abort();
	(void)mime_field_text(arena, text);
	arena_free(&arena);
	return 0;
}
