/*
 * arena: memory with one lifetime. Everything a session (or its transaction) needs is taken from
 * an arena and goes away with it; nothing is freed singly. Memory comes zeroed.
 *
 * An arena has a limit that is soft: passing it is not an error of the one allocation but a state
 * of the arena, which its owner looks at between steps (arena_over) and then ends the mail with
 * 452. So no caller in between handles a NULL. What one step can take in between is bounded by
 * the limits on lines, header and DNS answers. One thread at a time.
 */
#ifndef POSTERN_BASE_ARENA_H
#define POSTERN_BASE_ARENA_H

#include "base/str.h"

struct arena;

/* limit in octets. Takes no block of memory until the first allocation. */
struct arena *arena_new(size_t limit);
/* Runs the cleanups, last registered first, frees all and nulls the pointer. */
void arena_free(struct arena **arena);
/* Runs the cleanups and empties it; keeps at most one small block for the next round. */
void arena_reset(struct arena *arena);
bool arena_over(const struct arena *arena);
size_t arena_used(const struct arena *arena);

void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (count)))
/* Copies; a NUL follows the copy, outside its length. */
struct str arena_dup(struct arena *arena, struct str s);
struct str arena_lower(struct arena *arena, struct str s);
struct str arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Calls fn(object) when the arena is reset or freed: for objects of libraries. */
void arena_cleanup(struct arena *arena, void (*fn)(void *object), void *object);

#endif
