/* Foreign Authentication-Results, and one of ours made of foreign values. */
#include "mail/authres.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Printable ASCII, each CRLF followed by a TAB but for the last, and recognised as ours. */
static void
check_ours(struct str field)
{
	for (size_t i = 0; i < field.n; i++) {
		unsigned char c = field.p[i];
		bool folds = c == '\r' && i + 2 < field.n && field.p[i + 1] == '\n' &&
		    field.p[i + 2] == '\t';

		if (folds)
			i += 2;
		else if (c == '\r' && i + 2 == field.n && field.p[i + 1] == '\n')
			i++;
		else if (c < ' ' || c >= 0x7f)
			abort();
	}
	field = str_sub(field, str_find(field, ':') + 1, field.n);
	if (!authres_claims(field, "MX.example.org"))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct authres a;

	authres_claims(text, "mx.example.org");
	authres_init(&a, "mx.example.org");
	authres_result(&a, "spf", STR("pass"), text);
	authres_property(&a, "smtp", "mailfrom", text);
	authres_result(&a, "dkim", text, STR(""));
	authres_property(&a, "header", "d", text);
	check_ours(authres_finish(&a));
	if (a.text.over)
		abort();
	authres_free(&a);
	return 0;
}
