/*
 * buf: text under construction, with a maximum that it is born with. Writing past the maximum
 * cuts nothing silently: it sets `over`, which stays set, and adds nothing of that write; the owner
 * looks once at the end. Owns its memory. One thread at a time.
 */
#ifndef POSTERN_BASE_BUF_H
#define POSTERN_BASE_BUF_H

#include "base/str.h"

struct buf {
	char *p;    /* NUL-terminated once anything was added */
	size_t n;   /* octets in use */
	size_t cap; /* octets allocated */
	size_t max; /* never more than these */
	bool over;  /* something did not fit */
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);
/* Empties it and clears over; keeps the memory. */
void buf_clear(struct buf *b);
/* The same, after overwriting what it holds: for secrets. */
void buf_wipe(struct buf *b);
/* Memory for n more octets now, so that adding them leaves no copy where it was. False: over. */
bool buf_reserve(struct buf *b, size_t n);
bool buf_add(struct buf *b, struct str s);
bool buf_addc(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first n octets. */
void buf_drop(struct buf *b, size_t n);
struct str buf_str(const struct buf *b);

#endif
