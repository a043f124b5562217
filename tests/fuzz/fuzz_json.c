#include "db/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written, and what was written reads as the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(64 << 20);
	const struct json *value =
	    json_parse(arena, (struct str){ (const char *)data, size }, NULL);
	struct buf once, twice;

	buf_init(&once, 16 << 20);
	buf_init(&twice, 16 << 20);
	if (value) {
		json_write(value, &once);
		value = json_parse(arena, buf_str(&once), NULL);
		if (value == NULL)
			abort();
		json_write(value, &twice);
		if (!str_eq(buf_str(&once), buf_str(&twice)))
			abort();
	}
	buf_free(&once);
	buf_free(&twice);
	arena_free(&arena);
	return 0;
}
