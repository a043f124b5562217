/*
 * value: what a fact can be. A value borrows its text: it lives as long as the arena it was
 * computed in. Pure.
 */
#ifndef POSTERN_MAIL_VALUE_H
#define POSTERN_MAIL_VALUE_H

#include "base/addr.h"
#include "base/buf.h"

enum value_type {
	VALUE_NONE,     /* not known, not given */
	VALUE_BOOL,     /* in `number`: 0, 1 */
	VALUE_NUMBER,   /* a whole number */
	VALUE_REAL,     /* a number with a fraction */
	VALUE_DURATION, /* whole seconds, in `number` */
	VALUE_TEXT,
	VALUE_SYMBOL, /* one of the fact's words, e.g. softfail; in `text` */
	VALUE_IP,
	VALUE_LIST, /* of texts */
	/* A whole number that a replay (rules/replay.h) knows only between bounds. No fact is declared to be one. */
	VALUE_RANGE,
};

struct value {
	enum value_type type;
	union {
		int64_t number;
		double real;
		struct str text;
		struct ip ip;
		struct {
			const struct str *item;
			size_t n;
		} list;
		struct {
			int64_t low, high;
		} range;
	};
};

const char *value_type_name(enum value_type type); /* "number", "text", ...: for error messages */
bool value_eq(const struct value *a, const struct value *b);
/* As in a ${fact} text: 5m, 192.0.2.1, pass, "a, b". Not escaped. */
void value_print(const struct value *v, struct buf *out);
/* As JSON: numbers, strings, arrays, true/false, null. A duration is its seconds. */
void value_json(const struct value *v, struct buf *out);

static inline struct value
value_symbol(const char *word)
{
	return (struct value){ .type = VALUE_SYMBOL, .text = str_of(word) };
}

static inline struct value
value_text(struct str text)
{
	return (struct value){ .type = VALUE_TEXT, .text = text };
}

static inline struct value
value_number(int64_t number)
{
	return (struct value){ .type = VALUE_NUMBER, .number = number };
}

static inline struct value
value_range(int64_t low, int64_t high)
{
	return low == high ? value_number(low)
			   : (struct value){ .type = VALUE_RANGE, .range = { low, high } };
}

static inline struct value
value_bool(bool yes)
{
	return (struct value){ .type = VALUE_BOOL, .number = yes };
}

#endif
