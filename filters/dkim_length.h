/*
 * dkim_length: how long a body is after canonicalization (RFC 6376 3.4.3, 3.4.4), without making
 * that form. libopendkim stops counting where l= ends, so it cannot tell whether that is all of the
 * body. Works on any split of the body. Pure.
 */
#ifndef POSTERN_FILTERS_DKIM_LENGTH_H
#define POSTERN_FILTERS_DKIM_LENGTH_H

#include "base/str.h"

struct dkim_length {
	bool relaxed;
	bool cr, blank;     /* private: just seen, not yet counted */
	uint64_t line_ends; /* private: those that may yet be the last ones */
	uint64_t octets;
};

void dkim_length_init(struct dkim_length *length, bool relaxed);
void dkim_length_add(struct dkim_length *length, struct str octets);
/* After the last octet. */
uint64_t dkim_length_end(struct dkim_length *length);

#endif
