#include "db/window.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the store holds: a window that was loaded can be used, and keeps what it says through its blob. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char blob[WINDOW_BLOB_MAX];
	struct window w, back;
	struct count_answer a, b;

	if (!window_load(&w, (struct str){ (const char *)data, size }))
		return 0;
	window_add(&w, w.at + 30, 7);
	window_totals(&w, &a);
	if (!window_load(&back, (struct str){ (char *)blob, window_save(&w, blob) }))
		abort();
	window_totals(&back, &b);
	if (a.minute != b.minute || a.hour != b.hour || a.day != b.day ||
	    a.hours_known != b.hours_known || a.usual != b.usual || a.usual_low > a.usual_high ||
	    a.minute < 7 || a.hour < 7 || a.day < 7)
		abort();
	return 0;
}
