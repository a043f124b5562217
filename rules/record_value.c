/* Values of facts, as the journal has them. */
#include <stdlib.h>

#include "rules/record.h"

int64_t
record_whole(struct str s)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	uint64_t n = 0;

	for (size_t i = negative; i < s.n && ascii_isdigit(s.p[i]); i++)
		n = n * 10 + (uint64_t)(s.p[i] - '0');
	return negative ? (int64_t)(0 - n) : (int64_t)n;
}

static double
real(struct str s)
{
	char text[64];

	return str_copy(s, text, sizeof(text)) ? strtod(text, NULL) : 0;
}

static bool
list_of(struct arena *arena, const struct json *v, struct value *out)
{
	struct str *item;
	size_t n = 0;

	if (v->type != JSON_ARRAY)
		return false;
	for (const struct json *i = v->first; i; i = i->next)
		n++;
	item = ARENA_ARRAY(arena, struct str, n + 1);
	n = 0;
	for (const struct json *i = v->first; i; i = i->next)
		item[n++] = i->text;
	out->list.item = item;
	out->list.n = n;
	return true;
}

bool
record_value(struct arena *arena, enum value_type type, const struct json *v, struct value *out)
{
	*out = (struct value){ .type = type };
	if (v->type == JSON_NULL) {
		out->type = VALUE_NONE;
		return true;
	}
	switch (type) {
	case VALUE_BOOL:
		out->number = v->yes;
		return v->type == JSON_BOOL;
	case VALUE_NUMBER:
	case VALUE_DURATION:
		out->number = record_whole(v->text);
		return v->type == JSON_NUMBER;
	case VALUE_REAL:
		out->real = real(v->text);
		return v->type == JSON_NUMBER;
	case VALUE_TEXT:
	case VALUE_SYMBOL:
		out->text = v->text;
		return v->type == JSON_STRING;
	case VALUE_IP:
		return v->type == JSON_STRING && ip_parse(v->text, &out->ip);
	case VALUE_LIST:
		return list_of(arena, v, out);
	case VALUE_NONE:
	case VALUE_RANGE:
		break;
	}
	return false;
}
