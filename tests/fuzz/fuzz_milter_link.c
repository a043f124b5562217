/* link_read() over octets: what it reads must write back as the same octets. */
#include "proxy/milter_link.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size };
	struct link_frame frame;
	size_t used;

	while (link_read(rest, &frame, &used) == LINK_WHOLE) {
		struct buf again;

		buf_init(&again, used);
		if (!link_write(&again, &frame) || !str_eq(buf_str(&again), str_sub(rest, 0, used)))
			abort();
		buf_free(&again);
		rest = str_sub(rest, used, rest.n);
	}
	return 0;
}
