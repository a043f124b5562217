#include "db/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
again(struct arena *arena, const struct buf *from, struct buf *to)
{
	const struct json *value = json_parse(arena, buf_str(from), NULL);

	if (value == NULL)
		abort();
	buf_clear(to);
	json_write(value, to);
}

/*
 * What was read can be written and read again. The second writing is the one that stays: in the
 * first, octets that are no UTF-8 become characters.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(64 << 20);
	const struct json *value =
	    json_parse(arena, (struct str){ (const char *)data, size }, NULL);
	struct buf b[3];

	for (int i = 0; i < 3; i++)
		buf_init(&b[i], 16 << 20);
	if (value) {
		json_write(value, &b[0]);
		again(arena, &b[0], &b[1]);
		again(arena, &b[1], &b[2]);
		if (!str_eq(buf_str(&b[1]), buf_str(&b[2])))
			abort();
	}
	for (int i = 0; i < 3; i++)
		buf_free(&b[i]);
	arena_free(&arena);
	return 0;
}
