/* dns_parse() over packets; the first octet chooses the type. */
#include "base/dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_TXT, DNS_MX, DNS_PTR };
	struct arena *arena;
	struct dns_answer answer;

	if (size == 0)
		return 0;
	arena = arena_new(1 << 20);
	dns_parse(
	    arena, (struct str){ (const char *)data + 1, size - 1 }, types[data[0] % 5], &answer);
	if ((answer.status == DNS_OK) != (answer.n > 0) || answer.n > DNS_RR_MAX)
		abort();
	if ((answer.status == DNS_TEMPFAIL) != (answer.why != NULL))
		abort();
	arena_free(&arena);
	return 0;
}
