/*
 * dkim_cover: which fields of a header a signature covers (RFC 6376 5.4.2): for each name in h=,
 * the lowest field of that name that no earlier name took; never the signature itself. libopendkim
 * is given these and nothing else, so that its own choice, made among them, can be no other.
 * Strangers' fields that no signature covers, however odd, thus never reach it. Pure.
 */
#ifndef POSTERN_FILTERS_DKIM_COVER_H
#define POSTERN_FILTERS_DKIM_COVER_H

#include "filters/dkim_guard.h"

/* Other DKIM-Signature fields that one signature may cover: each costs a pass over the body. */
#define DKIM_COVERED_SIGNATURES 1

struct dkim_cover {
	const struct field **field; /* in the order of the message */
	size_t n;
	bool loose_from; /* the message has a From field that is not covered */
};

/*
 * sig: one that passed the guard. False: it cannot be verified; its result and reason are set.
 */
bool dkim_cover_select(
    struct arena *arena, const struct header *header, struct dkim_sig *sig, struct dkim_cover *out);

#endif
