/*
 * str: a slice of borrowed text or octets. A slice owns nothing and is never NUL-terminated by
 * contract; whoever made the memory decides how long it lives. Comparisons without case are ASCII
 * only, as in every mail RFC. All functions are pure and may be called from any thread.
 */
#ifndef POSTERN_BASE_STR_H
#define POSTERN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
/* printf("%.*s", STR_ARG(s)); only for text that is already known to be printable */
#define STR_ARG(s) (int)(s).n, (s).p
#define STR_NPOS SIZE_MAX

static inline struct str
str_of(const char *cstring)
{
	return (struct str){ cstring, cstring ? strlen(cstring) : 0 };
}

bool str_eq(struct str a, struct str b);
bool str_eqcase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_startscase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_endscase(struct str s, struct str suffix);
/* <0, 0, >0 as memcmp would say, the shorter first. */
int str_cmp(struct str a, struct str b);
/* Index of the first (last) c, or STR_NPOS. */
size_t str_find(struct str s, char c);
size_t str_rfind(struct str s, char c);
/* [from, to); both are cut to the length, so that it cannot reach outside. */
struct str str_sub(struct str s, size_t from, size_t to);
/* Without blanks (SP, HTAB, CR, LF) at both ends. */
struct str str_trim(struct str s);
/* Takes the part before the next sep off *rest; false when *rest was used up (p == NULL). */
bool str_pop(struct str *rest, char sep, struct str *part);
/* Decimal digits only, no sign, no blanks, at least one; false when not so or above max. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);
/* Copies and adds a NUL; false (and an empty string) when it does not fit or holds a NUL. */
bool str_copy(struct str s, char *out, size_t size);

/* FNV-1a, going on from hash (at first STR_HASH): for texts of which nobody crafts collisions. */
#define STR_HASH UINT64_C(14695981039346656037)
uint64_t str_hash(uint64_t hash, struct str s);

bool ascii_isalpha(char c);
bool ascii_isdigit(char c);
bool ascii_isalnum(char c);
static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

#endif
