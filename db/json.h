/*
 * json: reads the JSON texts that the journal holds (RFC 8259), into a tree in an arena, and writes
 * such a tree again in one line. The texts are our own, but what is read back from a file is read
 * with care: depth and number of values are bounded, and text that is no JSON is an error. Strings
 * are decoded to UTF-8; \u00HH of what was no UTF-8 once becomes that character. Pure.
 */
#ifndef POSTERN_DB_JSON_H
#define POSTERN_DB_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	struct str name;    /* of a member of an object */
	bool yes;           /* BOOL */
	struct str text;    /* STRING: decoded; NUMBER: as written */
	struct json *first; /* ARRAY, OBJECT: in their order */
	struct json *next;  /* the sibling */
};

#define JSON_DEPTH 16
#define JSON_VALUES 100000

/* The whole text, or NULL. Memory from arena; texts may lie in `text`. */
const struct json *json_parse(struct arena *arena, struct str text, struct err *e);
/* A member's value, NULL when there is none or it is no object; object may be NULL. */
const struct json *json_get(const struct json *object, const char *name);
/* Of a member: a string's text or a number as written, else "". */
struct str json_text(const struct json *object, const char *name);
/* Of a member: a whole number, 0 when there is none. */
int64_t json_number(const struct json *object, const char *name);
bool json_yes(const struct json *object, const char *name);
/* On one line, everything escaped (base/escape.h). */
void json_write(const struct json *value, struct buf *out);

#endif
