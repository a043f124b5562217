#include "db/json.h"

#include <stdlib.h>

#include "base/escape.h"

struct reader {
	struct arena *arena;
	struct str all, rest;
	size_t values;
	const char *wrong; /* what, once something is */
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
skip_blanks(struct reader *r)
{
	size_t n = 0;

	while (n < r->rest.n && is_blank(r->rest.p[n]))
		n++;
	if (n > 0)
		r->rest = str_sub(r->rest, n, r->rest.n);
}

static bool
wrong(struct reader *r, const char *what)
{
	if (r->wrong == NULL)
		r->wrong = what;
	return false;
}

/* Takes c, blanks before it left out. */
static bool
taken(struct reader *r, char c)
{
	skip_blanks(r);
	if (r->rest.n == 0 || r->rest.p[0] != c)
		return false;
	r->rest = str_sub(r->rest, 1, r->rest.n);
	return true;
}

static bool
taken_word(struct reader *r, struct str word)
{
	if (!str_starts(r->rest, word))
		return false;
	r->rest = str_sub(r->rest, word.n, r->rest.n);
	return true;
}

/* --- strings ------------------------------------------------------------------------------------ */

static int
hex_digit(char c)
{
	if (ascii_isdigit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of \uHHHH. */
static bool
hex4(struct reader *r, uint32_t *code)
{
	*code = 0;
	if (r->rest.n < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(r->rest.p[i]);

		if (digit < 0)
			return false;
		*code = *code << 4 | (uint32_t)digit;
	}
	r->rest = str_sub(r->rest, 4, r->rest.n);
	return true;
}

static size_t
utf8(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* Behind "\u". A pair of surrogates is one character; half a pair becomes U+FFFD. */
static bool
unicode(struct reader *r, char *out, size_t *n)
{
	uint32_t code, low;

	if (!hex4(r, &code))
		return wrong(r, "\\u without four digits");
	if (code >= 0xd800 && code < 0xdc00 && str_starts(r->rest, STR("\\u"))) {
		struct str before = r->rest;

		r->rest = str_sub(r->rest, 2, r->rest.n);
		if (hex4(r, &low) && low >= 0xdc00 && low < 0xe000)
			code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
		else
			r->rest = before;
	}
	if (code >= 0xd800 && code < 0xe000)
		code = 0xfffd;
	*n += utf8(code, out + *n);
	return true;
}

/* Behind a backslash. */
static bool
escaped(struct reader *r, char *out, size_t *n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	char c;

	if (r->rest.n == 0)
		return wrong(r, "a string without its end");
	c = r->rest.p[0];
	r->rest = str_sub(r->rest, 1, r->rest.n);
	if (c == 'u')
		return unicode(r, out, n);
	at = c ? strchr(from, c) : NULL;
	if (at == NULL)
		return wrong(r, "an unknown escape");
	out[(*n)++] = to[at - from];
	return true;
}

/* Behind the opening quote. What is decoded is never longer than what was written. */
static bool
string(struct reader *r, struct str *text)
{
	size_t close = 0, n = 0;
	bool plain = true;
	char *out;

	while (close < r->rest.n && r->rest.p[close] != '"') {
		plain =
		    plain && r->rest.p[close] != '\\' && (unsigned char)r->rest.p[close] >= 0x20;
		close += r->rest.p[close] == '\\' ? 2 : 1;
	}
	if (close >= r->rest.n)
		return wrong(r, "a string without its end");
	if (plain) {
		*text = arena_dup(r->arena, str_sub(r->rest, 0, close));
		r->rest = str_sub(r->rest, close + 1, r->rest.n);
		return true;
	}
	out = arena_alloc(r->arena, close + 1);
	while (r->rest.p[0] != '"') {
		char c = r->rest.p[0];

		if ((unsigned char)c < 0x20)
			return wrong(r, "a control character in a string");
		r->rest = str_sub(r->rest, 1, r->rest.n);
		if (c != '\\')
			out[n++] = c;
		else if (!escaped(r, out, &n))
			return false;
	}
	r->rest = str_sub(r->rest, 1, r->rest.n);
	*text = (struct str){ out, n };
	return true;
}

/* --- values ------------------------------------------------------------------------------------- */

static size_t
digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && ascii_isdigit(s.p[n]))
		n++;
	return n;
}

static bool
number(struct reader *r, struct str *text)
{
	struct str s = r->rest;
	size_t n = s.p[0] == '-' ? 1 : 0;
	size_t whole = digits(str_sub(s, n, s.n)), more;

	if (whole == 0 || (whole > 1 && s.p[n] == '0'))
		return wrong(r, "no value");
	n += whole;
	if (n < s.n && s.p[n] == '.') {
		more = digits(str_sub(s, n + 1, s.n));
		if (more == 0)
			return wrong(r, "a number without digits behind its point");
		n += 1 + more;
	}
	if (n < s.n && (s.p[n] == 'e' || s.p[n] == 'E')) {
		n++;
		if (n < s.n && (s.p[n] == '-' || s.p[n] == '+'))
			n++;
		more = digits(str_sub(s, n, s.n));
		if (more == 0)
			return wrong(r, "a number without digits in its exponent");
		n += more;
	}
	*text = str_sub(s, 0, n);
	r->rest = str_sub(s, n, s.n);
	return true;
}

static bool value(struct reader *r, size_t depth, struct json *out);

/* Behind the opening bracket of an array or object. */
static bool
items(struct reader *r, size_t depth, struct json *parent)
{
	char close = parent->type == JSON_ARRAY ? ']' : '}';
	struct json **end = &parent->first;

	if (depth >= JSON_DEPTH)
		return wrong(r, "too deep");
	if (taken(r, close))
		return true;
	do {
		struct json *item = ARENA_NEW(r->arena, struct json);

		if (parent->type == JSON_OBJECT) {
			if (!taken(r, '"'))
				return wrong(r, "a member without its name");
			if (!string(r, &item->name))
				return false;
			if (!taken(r, ':'))
				return wrong(r, "a name without its colon");
		}
		if (!value(r, depth + 1, item))
			return false;
		*end = item;
		end = &item->next;
	} while (taken(r, ','));
	return taken(r, close) || wrong(r, "no end of an array or object");
}

static bool
value(struct reader *r, size_t depth, struct json *out)
{
	if (++r->values > JSON_VALUES)
		return wrong(r, "too many values");
	if (taken(r, '[')) {
		out->type = JSON_ARRAY;
		return items(r, depth, out);
	}
	if (taken(r, '{')) {
		out->type = JSON_OBJECT;
		return items(r, depth, out);
	}
	if (taken(r, '"')) {
		out->type = JSON_STRING;
		return string(r, &out->text);
	}
	if (r->rest.n == 0)
		return wrong(r, "no value");
	out->yes = taken_word(r, STR("true"));
	if (out->yes || taken_word(r, STR("false"))) {
		out->type = JSON_BOOL;
		return true;
	}
	if (taken_word(r, STR("null")))
		return true;
	out->type = JSON_NUMBER;
	return number(r, &out->text);
}

const struct json *
json_parse(struct arena *arena, struct str text, struct err *e)
{
	struct reader r = { .arena = arena, .all = text, .rest = text };
	struct json *root = ARENA_NEW(arena, struct json);

	if (value(&r, 0, root)) {
		skip_blanks(&r);
		if (r.rest.n > 0)
			wrong(&r, "more text behind the value");
	}
	if (r.wrong == NULL)
		return root;
	err_set(e, ERR_SYNTAX, "no JSON: %s, at octet %zu", r.wrong, text.n - r.rest.n);
	return NULL;
}

/* --- looking ------------------------------------------------------------------------------------ */

const struct json *
json_get(const struct json *object, const char *name)
{
	const struct str wanted = str_of(name);

	if (object == NULL || object->type != JSON_OBJECT)
		return NULL;
	for (const struct json *m = object->first; m; m = m->next)
		if (str_eq(m->name, wanted))
			return m;
	return NULL;
}

struct str
json_text(const struct json *object, const char *name)
{
	const struct json *m = json_get(object, name);

	return m && (m->type == JSON_STRING || m->type == JSON_NUMBER) ? m->text : STR("");
}

int64_t
json_number(const struct json *object, const char *name)
{
	const struct json *m = json_get(object, name);
	char text[32];

	if (m == NULL || m->type != JSON_NUMBER || !str_copy(m->text, text, sizeof(text)))
		return 0;
	return strtoll(text, NULL, 10);
}

bool
json_yes(const struct json *object, const char *name)
{
	const struct json *m = json_get(object, name);

	return m && m->type == JSON_BOOL && m->yes;
}

/* --- writing ------------------------------------------------------------------------------------ */

static void
write_items(const struct json *parent, struct buf *out)
{
	buf_addc(out, parent->type == JSON_ARRAY ? '[' : '{');
	for (const struct json *item = parent->first; item; item = item->next) {
		if (item != parent->first)
			buf_addc(out, ',');
		if (parent->type == JSON_OBJECT) {
			escape_json(out, item->name);
			buf_addc(out, ':');
		}
		json_write(item, out);
	}
	buf_addc(out, parent->type == JSON_ARRAY ? ']' : '}');
}

void
json_write(const struct json *v, struct buf *out)
{
	switch (v->type) {
	case JSON_NULL:
		buf_add(out, STR("null"));
		break;
	case JSON_BOOL:
		buf_add(out, v->yes ? STR("true") : STR("false"));
		break;
	case JSON_NUMBER:
		buf_add(out, v->text);
		break;
	case JSON_STRING:
		escape_json(out, v->text);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		write_items(v, out);
		break;
	}
}
