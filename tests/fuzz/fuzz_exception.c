/* The texts of exceptions, as a store that others share gives them: what is read is written again as the same. */
#include <stdlib.h>

#include "base/die.h"
#include "mail/exception.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(1 << 20);
	struct str key = arena_dup(arena, (struct str){ (const char *)data, size }), again;
	const struct exception_view view = { .sender_known = true,
		.sender = STR("a@b"),
		.recipient_known = true,
		.recipient = STR("c@d") };
	struct exception x, y;

	if (exception_read(arena, key, &x, NULL)) {
		(void)exception_fits(&x, &view);
		again = exception_key(arena, &x);
		if (again.n > 0) {
			require(exception_read(arena, again, &y, NULL));
			require(str_eq(exception_key(arena, &y), again));
			require(exception_fits(&x, &view) == exception_fits(&y, &view));
		}
	}
	arena_free(&arena);
	return 0;
}
