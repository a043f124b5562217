/*
 * die: the two deaths. die() says that the world is wrong (no memory, a full table of the kernel)
 * and exits with 1; panic() says that we are wrong and leaves a core. Both log one line first.
 * The x-allocators die when there is no memory, so that nobody handles a NULL by halves.
 */
#ifndef POSTERN_BASE_DIE_H
#define POSTERN_BASE_DIE_H

#include <stddef.h>

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
/* For module doors: stays in release builds. */
#define require(condition) \
	do { \
		if (!(condition)) \
			panic("required: %s", #condition); \
	} while (0)

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));

#endif
