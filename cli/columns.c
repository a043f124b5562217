#include "cli/columns.h"

struct range {
	uint32_t first, last;
};

/* Unicode's East Asian Width W and F, with what lies between them taken along. */
static const struct range two[] = {
	{ 0x1100, 0x115f },   /* Hangul consonants */
	{ 0x2e80, 0x303e },   /* radicals, punctuation */
	{ 0x3041, 0xa4cf },   /* kana, ideographs, Yi */
	{ 0xa960, 0xa97c },   /* more of Hangul */
	{ 0xac00, 0xd7a3 },   /* Hangul syllables */
	{ 0xf900, 0xfaff },   /* more ideographs */
	{ 0xfe10, 0xfe19 },   /* vertical forms */
	{ 0xfe30, 0xfe6f },   /* small forms */
	{ 0xff01, 0xff60 },   /* full width */
	{ 0xffe0, 0xffe6 },   /* full width signs */
	{ 0x16fe0, 0x18cd5 }, /* Tangut, Khitan */
	{ 0x1aff0, 0x1b2fb }, /* more kana, Nushu */
	{ 0x1f300, 0x1f64f }, /* pictures, faces */
	{ 0x1f680, 0x1f6ff }, /* vehicles */
	{ 0x1f900, 0x1f9ff }, /* more pictures */
	{ 0x20000, 0x3fffd }, /* rare ideographs */
};

/* What is put onto other characters in the writings that mail has most. */
static const struct range none[] = {
	{ 0x300, 0x36f },     /* accents */
	{ 0x483, 0x489 },     /* Cyrillic */
	{ 0x591, 0x5bd },     /* Hebrew points */
	{ 0x610, 0x61a },     /* Arabic */
	{ 0x64b, 0x65f },     /* Arabic points */
	{ 0xe31, 0xe31 },     /* Thai */
	{ 0xe34, 0xe3a },     /* Thai */
	{ 0xe47, 0xe4e },     /* Thai */
	{ 0x1ab0, 0x1aff },   /* more accents */
	{ 0x1dc0, 0x1dff },   /* more accents */
	{ 0x20d0, 0x20ff },   /* accents of symbols */
	{ 0x302a, 0x302d },   /* tones */
	{ 0x3099, 0x309a },   /* kana */
	{ 0xfe00, 0xfe0f },   /* variants */
	{ 0xfe20, 0xfe2f },   /* half accents */
	{ 0xe0100, 0xe01ef }, /* variants */
};

static bool
within(const struct range *range, size_t n, uint32_t code)
{
	for (size_t i = 0; i < n; i++)
		if (code >= range[i].first && code <= range[i].last)
			return true;
	return false;
}

/* Octets of the first character, which is well-formed; *columns: what it takes. */
static size_t
first(struct str text, size_t *columns)
{
	unsigned char c = (unsigned char)text.p[0];
	uint32_t code = c < 0x80 ? c : c < 0xe0 ? c & 0x1f : c < 0xf0 ? c & 0xf : c & 7;
	size_t n = 1;

	for (; n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80; n++)
		code = code << 6 | ((unsigned char)text.p[n] & 0x3f);
	*columns = code < 0x300                                  ? 1
	    : within(none, sizeof(none) / sizeof(none[0]), code) ? 0
	    : within(two, sizeof(two) / sizeof(two[0]), code)    ? 2
								 : 1;
	return n;
}

size_t
columns_fit(struct str text, size_t columns)
{
	size_t at = 0, used = 0;

	while (at < text.n) {
		size_t more, n = first(str_sub(text, at, text.n), &more);

		if (used + more > columns)
			break;
		used += more;
		at += n;
	}
	return at;
}

size_t
columns_of(struct str text)
{
	size_t sum = 0, more;

	for (size_t at = 0; at < text.n; sum += more)
		at += first(str_sub(text, at, text.n), &more);
	return sum;
}
