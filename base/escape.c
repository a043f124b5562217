#include "base/escape.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"

/*
 * Reads one character of UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
 * Returns its length, 0 when the first octet begins none.
 */
static size_t
utf8_next(struct str s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (n == 0 || n > s.n)
		return 0;
	*code = n == 1 ? c : c & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s.p[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return n;
}

/* How many octets at the beginning are printable ASCII that needs no escape anywhere: most are. */
static size_t
plain(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= 0x20 && s.p[n] < 0x7f && s.p[n] != '"' && s.p[n] != '\\')
		n++;
	return n;
}

/* Characters that are not seen, or that change how others are seen. */
static bool
is_control(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00, 0x1f },       /* C0 */
		{ 0x7f, 0x9f },       /* DEL, C1 */
		{ 0xad, 0xad },       /* soft hyphen */
		{ 0x61c, 0x61c },     /* Arabic letter mark */
		{ 0x180e, 0x180e },   /* Mongolian vowel separator */
		{ 0x200b, 0x200f },   /* zero width, left-to-right and right-to-left marks */
		{ 0x2028, 0x202e },   /* line and paragraph separators, embeddings, overrides */
		{ 0x2060, 0x206f },   /* word joiner, invisible operators, isolates */
		{ 0xfeff, 0xfeff },   /* zero width no-break space */
		{ 0xfff9, 0xfffb },   /* interlinear annotation */
		{ 0xe0000, 0xe007f }, /* tags */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* Text in memory of fixed size that is cut with "..." */
struct cut {
	char *out;
	size_t size;
	size_t n;
	size_t dots; /* where "..." would still fit */
	bool full;
};

static void
cut_add(struct cut *c, const char *p, size_t n)
{
	if (c->full)
		return;
	if (c->n + n + 1 > c->size) {
		c->full = true;
		return;
	}
	memcpy(c->out + c->n, p, n);
	c->n += n;
	if (c->n + 4 <= c->size)
		c->dots = c->n;
}

static const char *
cut_end(struct cut *c)
{
	if (c->full) {
		c->n = c->dots;
		for (int i = 0; i < 3 && c->n + 1 < c->size; i++)
			c->out[c->n++] = '.';
	}
	c->out[c->n] = '\0';
	return c->out;
}

static const char *
escape_utf8(struct str s, bool quotes, char *out, size_t size)
{
	struct cut cut = { .out = out, .size = size };

	while (s.n > 0 && !cut.full) {
		char code_text[16];
		uint32_t code;
		size_t n = plain(str_sub(s, 0, size));

		/* With its "..." it fits; what does not is cut character by character. */
		if (n > 0 && cut.n + n + 4 <= size) {
			cut_add(&cut, s.p, n);
			s = str_sub(s, n, s.n);
			continue;
		}
		n = utf8_next(s, &code);
		if (n == 0 || (code < 0x80 && is_control(code)) ||
		    (quotes && (code == '\\' || code == '"'))) {
			snprintf(code_text, sizeof(code_text), "\\x%02x", (unsigned char)s.p[0]);
			cut_add(&cut, code_text, strlen(code_text));
			n = 1;
		} else if (is_control(code)) {
			snprintf(code_text, sizeof(code_text), "\\u{%04x}", (unsigned)code);
			cut_add(&cut, code_text, strlen(code_text));
		} else {
			cut_add(&cut, s.p, n);
		}
		s = str_sub(s, n, s.n);
	}
	return cut_end(&cut);
}

const char *
escape_text(struct str s, char *out, size_t size)
{
	return escape_utf8(s, true, out, size);
}

const char *
escape_terminal(struct str s, char *out, size_t size)
{
	return escape_utf8(s, false, out, size);
}

bool
escape_csv(struct buf *b, struct str s)
{
	/* \xHH for an octet is the most; and room for dots that are never needed */
	size_t size = 4 * s.n + 8;
	char *text = xmalloc(size);

	buf_addc(b, '"');
	escape_terminal(s, text, size);
	for (const char *p = text; *p; p++) {
		if (strchr("=+-@", *p) && (p == text || p[-1] == ';'))
			buf_addc(b, '\'');
		if (*p == '"')
			buf_addc(b, '"');
		buf_addc(b, *p);
	}
	free(text);
	return buf_addc(b, '"');
}

const char *
escape_ascii(struct str s, char *out, size_t size)
{
	struct cut cut = { .out = out, .size = size };

	for (size_t i = 0; i < s.n && !cut.full; i++) {
		char c = s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?';

		cut_add(&cut, &c, 1);
	}
	return cut_end(&cut);
}

/* One character as \uHHHH, or as a pair of them beyond U+FFFF (RFC 8259 7). */
static bool
json_code(struct buf *b, uint32_t code)
{
	if (code < 0x10000)
		return buf_printf(b, "\\u%04x", (unsigned)code);
	code -= 0x10000;
	return buf_printf(b, "\\u%04x\\u%04x", (unsigned)(0xd800 | code >> 10),
	    (unsigned)(0xdc00 | (code & 0x3ff)));
}

bool
escape_json(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	while (s.n > 0 && !b->over) {
		uint32_t code;
		size_t n = plain(s);

		if (n > 0) {
			buf_add(b, str_sub(s, 0, n));
			s = str_sub(s, n, s.n);
			continue;
		}
		n = utf8_next(s, &code);
		if (n == 0) {
			n = 1;
			json_code(b, (unsigned char)s.p[0]);
		} else if (code == '\n') {
			buf_add(b, STR("\\n"));
		} else if (code == '"' || code == '\\') {
			buf_printf(b, "\\%c", (int)code);
		} else if (is_control(code)) {
			json_code(b, code);
		} else {
			buf_add(b, str_sub(s, 0, n));
		}
		s = str_sub(s, n, s.n);
	}
	buf_addc(b, '"');
	return !b->over;
}

bool
escape_shell(struct buf *b, struct str s)
{
	bool bare = s.n > 0;
	struct buf word;
	bool ok;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
		bare = bare && (ascii_isalnum(s.p[i]) || strchr("@._+=:/-", s.p[i]));
	}
	if (bare && s.p[0] != '=' && s.p[0] != '-')
		return buf_add(b, s);
	buf_init(&word, 4 * s.n + 3);
	buf_addc(&word, '\'');
	for (size_t i = 0; i < s.n; i++)
		buf_add(&word, s.p[i] == '\'' ? STR("'\\''") : str_sub(s, i, i + 1));
	buf_addc(&word, '\'');
	ok = buf_add(b, buf_str(&word));
	buf_free(&word);
	return ok;
}
