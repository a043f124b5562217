#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"

#define BLOCK_LEAST 1024
#define BLOCK_MOST (64 * 1024)

struct block {
	struct block *next;
	size_t size; /* octets of data */
	size_t used;
	alignas(max_align_t) char data[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *object);
	void *object;
};

struct arena {
	struct block *blocks; /* the one in use comes first */
	struct cleanup *cleanups;
	size_t used;
	size_t limit;
};

struct arena *
arena_new(size_t limit)
{
	struct arena *arena = xcalloc(1, sizeof(*arena));

	arena->limit = limit;
	return arena;
}

static void
run_cleanups(struct arena *arena)
{
	while (arena->cleanups) {
		struct cleanup *c = arena->cleanups;

		arena->cleanups = c->next;
		c->fn(c->object);
	}
}

void
arena_free(struct arena **arena)
{
	struct arena *a = *arena;

	if (a == NULL)
		return;
	run_cleanups(a);
	while (a->blocks) {
		struct block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	free(a);
	*arena = NULL;
}

void
arena_reset(struct arena *arena)
{
	struct block *keep = NULL;

	run_cleanups(arena);
	while (arena->blocks) {
		struct block *b = arena->blocks;

		arena->blocks = b->next;
		if (keep == NULL && b->size == BLOCK_LEAST)
			keep = b;
		else
			free(b);
	}
	if (keep) {
		keep->used = 0;
		keep->next = NULL;
	}
	arena->blocks = keep;
	arena->used = 0;
}

bool
arena_over(const struct arena *arena)
{
	return arena->used > arena->limit;
}

size_t
arena_used(const struct arena *arena)
{
	return arena->used;
}

/* Blocks double up to a bound; what is larger than a block gets one of its own. */
static struct block *
add_block(struct arena *arena, size_t size)
{
	size_t want = arena->blocks ? arena->blocks->size * 2 : BLOCK_LEAST;
	struct block *b;

	if (want > BLOCK_MOST)
		want = BLOCK_MOST;
	if (want < size)
		want = size;
	b = xmalloc(sizeof(*b) + want);
	b->size = want;
	b->used = 0;
	b->next = arena->blocks;
	arena->blocks = b;
	return b;
}

/* The memory is as it was left. */
static void *
take(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct block *b = arena->blocks;
	void *p;

	require(size < SIZE_MAX / 4);
	size = (size + align - 1) / align * align;
	if (size == 0)
		size = align;
	if (b == NULL || b->size - b->used < size)
		b = add_block(arena, size);
	p = b->data + b->used;
	b->used += size;
	arena->used += size;
	return p;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	return memset(take(arena, size), 0, size);
}

/* For a text of n octets, with a NUL behind it. */
static char *
take_text(struct arena *arena, size_t n)
{
	char *p = take(arena, n + 1);

	p[n] = '\0';
	return p;
}

struct str
arena_dup(struct arena *arena, struct str s)
{
	char *p = take_text(arena, s.n);

	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

struct str
arena_lower(struct arena *arena, struct str s)
{
	char *p = take_text(arena, s.n);

	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	return (struct str){ p, s.n };
}

struct str
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list ap, again;
	char *p, text[256];
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	require(n >= 0);
	p = take_text(arena, (size_t)n);
	/* Printing costs more than copying, and most is short. */
	if ((size_t)n < sizeof(text))
		memcpy(p, text, (size_t)n);
	else
		vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	return (struct str){ p, (size_t)n };
}

void
arena_cleanup(struct arena *arena, void (*fn)(void *object), void *object)
{
	struct cleanup *c = ARENA_NEW(arena, struct cleanup);

	c->fn = fn;
	c->object = object;
	c->next = arena->cleanups;
	arena->cleanups = c;
}
