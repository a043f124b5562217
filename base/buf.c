#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"

#define PRINTF_ROOM 64

void
buf_init(struct buf *b, size_t max)
{
	require(max > 0 && max < SIZE_MAX / 4);
	*b = (struct buf){ .max = max };
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->over = false;
	if (b->p)
		b->p[0] = '\0';
}

void
buf_wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->n);
	buf_clear(b);
}

/* And for a NUL. */
bool
buf_reserve(struct buf *b, size_t n)
{
	size_t want;

	if (n > b->max - b->n) {
		b->over = true;
		return false;
	}
	want = b->n + n + 1;
	if (want > b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;

		if (cap < want)
			cap = want;
		if (cap > b->max + 1)
			cap = b->max + 1;
		b->p = xrealloc(b->p, cap);
		b->cap = cap;
	}
	return true;
}

bool
buf_add(struct buf *b, struct str s)
{
	if (!buf_reserve(b, s.n))
		return false;
	if (s.n)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n] = '\0';
	return true;
}

bool
buf_addc(struct buf *b, char c)
{
	return buf_add(b, (struct str){ &c, 1 });
}

bool
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap, again;
	size_t room;
	bool fits;
	int n;

	/* Mostly there is room already, and once is enough. */
	buf_reserve(b, b->max - b->n < PRINTF_ROOM ? b->max - b->n : PRINTF_ROOM);
	room = b->cap - b->n;
	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(b->p + b->n, room, format, ap);
	va_end(ap);
	require(n >= 0);
	fits = buf_reserve(b, (size_t)n);
	if (fits && (size_t)n >= room)
		vsnprintf(b->p + b->n, (size_t)n + 1, format, again);
	if (fits)
		b->n += (size_t)n;
	else
		b->p[b->n] = '\0';
	va_end(again);
	return fits;
}

void
buf_drop(struct buf *b, size_t n)
{
	require(n <= b->n);
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n + 1);
	b->n -= n;
}

struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->p ? b->p : "", b->n };
}
