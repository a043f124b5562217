/*
 * The header of the PROXY protocol. However much of the input is there, the answer is the same once
 * there is one, and before that it is MORE; no header is longer than we hold.
 */
#include "base/die.h"
#include "proxy/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size };
	struct endpoints whole, part;
	size_t used, again;
	struct err e;
	enum proxy_header kind = proxy_header_read(all, &whole, &used, &e);

	if (kind == PROXY_HEADER_MORE) {
		require(size < PROXY_HEADER_MAX);
		return 0;
	}
	if (kind == PROXY_HEADER_WRONG)
		return 0;
	require(used <= size && used <= PROXY_HEADER_MAX);
	for (size_t n = 0; n < used; n++)
		require(
		    proxy_header_read(str_sub(all, 0, n), &part, &again, &e) == PROXY_HEADER_MORE);
	require(proxy_header_read(str_sub(all, 0, used), &part, &again, &e) == kind);
	require(again == used && memcmp(&whole, &part, sizeof(whole)) == 0);
	return 0;
}
