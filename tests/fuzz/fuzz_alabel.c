/*
 * A domain of a stranger's mailbox as A-labels: ASCII, bounded, and no other thing when it is made one
 * again.
 */
#include "base/die.h"
#include "mail/alabel.h"
#include "mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[ALABEL_DOMAIN_MAX], again[ALABEL_DOMAIN_MAX];
	struct str domain = { (const char *)data, size };

	if (memchr(data, '\0', size) || !alabel_domain(domain, out))
		return 0;
	require(strlen(out) < sizeof(out));
	require(!utf8_beyond_ascii(str_of(out)));
	require(str_ends(str_of(out), STR(".")) ||
	    (alabel_domain(str_of(out), again) && strcmp(out, again) == 0));
	return 0;
}
