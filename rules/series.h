/*
 * series: a JSON object or array being written, element by element, into a buffer with a maximum. What does not fit
 * is left out as a whole, with all behind it, for the beginning of a story is worth more; a last element, "cut", says how many.
 * So the text is valid JSON whatever its length. Pure.
 */
#ifndef POSTERN_RULES_SERIES_H
#define POSTERN_RULES_SERIES_H

#include "base/buf.h"

struct series {
	struct buf *out;
	struct buf element; /* the one being built: its writer's, until series_next() */
	char close;
	size_t n, cut;
};

/* open: '{' or '['. */
void series_open(struct series *s, struct buf *out, char open);
/* Takes the element that was built, if the text still has room for it. */
void series_next(struct series *s);
void series_close(struct series *s);

#endif
