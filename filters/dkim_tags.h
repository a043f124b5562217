/*
 * dkim_tags: the tag=value lists of RFC 6376 3.2, in which signatures and keys are written, read to
 * the letter of the grammar: what is not well-formed, or names a tag twice, is refused as a whole.
 * libopendkim reads the same text more loosely; only what both read alike gets past here. Slices
 * point into the text that was given. Reasons are static texts. Pure.
 */
#ifndef POSTERN_FILTERS_DKIM_TAGS_H
#define POSTERN_FILTERS_DKIM_TAGS_H

#include "base/arena.h"

#define DKIM_TAGS_MAX 48

struct dkim_tag {
	struct str name, value; /* the value without blanks at its ends */
	bool blank;             /* between the name and the "=" */
};

struct dkim_tags {
	struct dkim_tag tag[DKIM_TAGS_MAX];
	size_t n;
};

/* NULL, or the reason why it is not a tag list. */
const char *dkim_tags_parse(struct str text, struct dkim_tags *out);
/* The tag of that name (case counts, as RFC 6376 3.2 says), or NULL. */
const struct dkim_tag *dkim_tags_find(const struct dkim_tags *tags, const char *name);
/* Its value, or p == NULL. */
struct str dkim_tags_value(const struct dkim_tags *tags, const char *name);

/* Takes the next part of a list separated by colons, trimmed; false when there is none left. */
bool dkim_list_pop(struct str *rest, struct str *item);
/* Is word one of a colon-separated list's items? With case. */
bool dkim_list_has(struct str list, struct str word);
/* Only the base64 alphabet, blanks, and padding at the end; at least one octet of the alphabet. */
bool dkim_base64_ok(struct str s);
/* The octets that s says, of at most max; blanks are skipped. p == NULL when it is no base64. */
struct str dkim_base64_read(struct arena *arena, struct str s, size_t max);
/* Labels of letters, digits, hyphens and underscores; 1 to 253 octets in all. */
bool dkim_name_ok(struct str name);

#endif
