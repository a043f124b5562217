/* The escapers: whatever goes in, what comes out is one printable line of text. */
#include "base/escape.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f || *text == '"')
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data, size };
	struct buf b;
	char *out = malloc(64);

	check_printable(ESC(s));
	check_printable(escape_text(s, out, size % 64 + 1));
	escape_ascii(s, out, size % 64 + 1);
	buf_init(&b, 256);
	escape_json(&b, s);
	buf_free(&b);
	free(out);
	return 0;
}
