/*
 * packed: whole numbers in as few octets as they need, for the blobs of the store: base 128, least first, the
 * high bit saying that more follow. The writer trusts its caller to have room, 9 octets a number below 2^63; the
 * reader trusts nobody: past the end, or above what is allowed, it gives 0 and is bad from then on. Pure.
 */
#ifndef POSTERN_DB_PACKED_H
#define POSTERN_DB_PACKED_H

#include "base/str.h"

struct packer {
	unsigned char *p; /* where the next octet goes */
};

void packed_put(struct packer *k, uint64_t number);

struct unpacker {
	const unsigned char *p, *end;
	bool bad;
};

int64_t packed_get(struct unpacker *u, int64_t max);

#endif
