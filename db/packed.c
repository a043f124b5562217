#include "db/packed.h"

void
packed_put(struct packer *k, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		*k->p++ = (unsigned char)(number | 0x80);
	*k->p++ = (unsigned char)number;
}

int64_t
packed_get(struct unpacker *u, int64_t max)
{
	uint64_t number = 0;

	for (unsigned shift = 0; !u->bad && shift < 63; shift += 7) {
		if (u->p == u->end)
			break;
		number |= (uint64_t)(*u->p & 0x7f) << shift;
		if ((*u->p++ & 0x80) != 0)
			continue;
		if (number > (uint64_t)max)
			break;
		return (int64_t)number;
	}
	u->bad = true;
	return 0;
}
