/* Tickets as a stranger may send them: what is read is good only if writing it again gives the same. */
#include "mail/ticket.h"

#include "base/die.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str key = STR("0123456789abcdef0123456789abcdef");
	struct str text = { (const char *)data, size };
	struct arena *arena = arena_new(SIZE_MAX);
	struct ticket t;

	if (ticket_read(text, key, 0, arena, &t) == TICKET_GOOD) {
		struct buf b;

		buf_init(&b, TICKET_MAX);
		require(ticket_write(&t, key, &b) && str_eq(buf_str(&b), text));
		buf_free(&b);
	}
	arena_free(&arena);
	return 0;
}
