#include "filters/dkim_tags.h"

#include "base/dns.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * Is there something at text[i] that no tag list holds? Blanks are SP and HTAB, and a CRLF that
 * SP or HTAB follows; a lone CR or LF is none, whatever libraries make of it.
 */
static bool
octet_bad(struct str text, size_t i)
{
	unsigned char c = (unsigned char)text.p[i];

	if (c == '\r')
		return i + 1 >= text.n || text.p[i + 1] != '\n';
	if (c == '\n')
		return i == 0 || text.p[i - 1] != '\r' || i + 1 >= text.n ||
		    (text.p[i + 1] != ' ' && text.p[i + 1] != '\t');
	return c != '\t' && (c < 0x20 || c > 0x7e);
}

static bool
name_ok(struct str name)
{
	if (name.n == 0 || !ascii_isalpha(name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!ascii_isalnum(name.p[i]) && name.p[i] != '_')
			return false;
	return true;
}

static const char *
tag_parse(struct str part, struct dkim_tags *out)
{
	size_t equals = str_find(part, '=');
	struct dkim_tag tag;
	struct str before;

	if (equals == STR_NPOS)
		return "a tag has no =";
	before = str_sub(part, 0, equals);
	tag.name = str_trim(before);
	tag.value = str_trim(str_sub(part, equals + 1, part.n));
	tag.blank = before.n > 0 && is_blank(before.p[before.n - 1]);
	if (!name_ok(tag.name))
		return "the name of a tag is not well-formed";
	for (size_t i = 0; i < out->n; i++)
		if (str_eq(out->tag[i].name, tag.name))
			return "a tag stands there twice";
	if (out->n == DKIM_TAGS_MAX)
		return "too many tags";
	out->tag[out->n++] = tag;
	return NULL;
}

const char *
dkim_tags_parse(struct str text, struct dkim_tags *out)
{
	struct str rest = str_trim(text), part;
	const char *why;

	out->n = 0;
	for (size_t i = 0; i < text.n; i++)
		if (octet_bad(text, i))
			return "an octet that a tag list cannot hold";
	while (str_pop(&rest, ';', &part)) {
		/* One ";" may end the list; an empty tag anywhere else is none. */
		if (str_trim(part).n == 0 && !rest.p && out->n > 0)
			break;
		why = tag_parse(part, out);
		if (why)
			return why;
	}
	return out->n > 0 ? NULL : "no tags at all";
}

const struct dkim_tag *
dkim_tags_find(const struct dkim_tags *tags, const char *name)
{
	for (size_t i = 0; i < tags->n; i++)
		if (str_eq(tags->tag[i].name, str_of(name)))
			return &tags->tag[i];
	return NULL;
}

struct str
dkim_tags_value(const struct dkim_tags *tags, const char *name)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, name);

	return tag ? tag->value : (struct str){ NULL, 0 };
}

bool
dkim_list_pop(struct str *rest, struct str *item)
{
	if (!str_pop(rest, ':', item))
		return false;
	*item = str_trim(*item);
	return true;
}

bool
dkim_list_has(struct str list, struct str word)
{
	struct str item;

	while (dkim_list_pop(&list, &item))
		if (str_eq(item, word))
			return true;
	return false;
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
dkim_base64_ok(struct str s)
{
	size_t digits = 0, padding = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (is_blank(s.p[i]))
			continue;
		if (s.p[i] == '=') {
			padding++;
			continue;
		}
		if (base64_digit(s.p[i]) < 0 || padding > 0)
			return false;
		digits++;
	}
	return digits > 0 && padding <= 2;
}

struct str
dkim_base64_read(struct arena *arena, struct str s, size_t max)
{
	const struct str none = { NULL, 0 };
	size_t n = 0, room = s.n / 4 * 3 + 3;
	unsigned bits = 0;
	uint32_t word = 0;
	char *out;

	if (!dkim_base64_ok(s))
		return none;
	out = arena_alloc(arena, room);
	for (size_t i = 0; i < s.n; i++) {
		int digit = base64_digit(s.p[i]);

		if (digit < 0)
			continue;
		word = (word << 6 | (uint32_t)digit) & 0xffffff;
		bits += 6;
		if (bits < 8)
			continue;
		if (n == max)
			return none;
		bits -= 8;
		out[n++] = (char)(word >> bits & 0xff);
	}
	return (struct str){ out, n };
}

bool
dkim_name_ok(struct str name)
{
	if (!dns_name_ok(name) || name.p[name.n - 1] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_isalnum(name.p[i]) && !memchr("-_.", name.p[i], 3))
			return false;
	return true;
}
