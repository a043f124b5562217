#include "db/sketch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the store holds: a sketch that was loaded takes in more, and keeps what it says through its blob. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char blob[SKETCH_BLOB_MAX];
	struct sketch s, back;
	struct count_answer a, b;
	int64_t now = 0;

	if (!sketch_load(&s, (struct str){ (const char *)data, size }))
		return 0;
	for (size_t i = 0; i < s.n; i++)
		if (s.entry[i].last > now)
			now = s.entry[i].last;
	sketch_add(&s, now, STR("\0\0\0\0\0\0\0\1abcd\xff\xff\xff\xff"), &a);
	if (!sketch_load(&back, (struct str){ (char *)blob, sketch_save(&s, blob) }))
		abort();
	sketch_add(&back, now, STR(""), &b);
	if (a.minute != b.minute || a.hour != b.hour || a.day != b.day || a.minute < 2 ||
	    s.n > SKETCH_MOST)
		abort();
	return 0;
}
