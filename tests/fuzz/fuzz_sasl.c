/* A mechanism's name, a line end, then the client's messages as they are decoded, a line each; and as base64. */
#include "mail/sasl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_account(const struct sasl *s)
{
	struct str account = sasl_account(s);

	if (account.n > SASL_ACCOUNT_MAX)
		abort();
	for (size_t i = 0; i < account.n; i++)
		if ((unsigned char)account.p[i] < ' ' || account.p[i] == 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, name, message;
	struct buf decoded;
	struct sasl s;

	buf_init(&decoded, SASL_LINE_MAX);
	if (sasl_decode(rest, &decoded) != (sasl_base64_ok(rest) && !decoded.over))
		abort();
	if (decoded.n > size / 4 * 3)
		abort();
	if (str_pop(&rest, '\n', &name) && sasl_mechanism_ok(name)) {
		sasl_begin(&s, name);
		while (str_pop(&rest, '\n', &message)) {
			sasl_take(&s, message);
			check_account(&s);
		}
	}
	buf_free(&decoded);
	return 0;
}
