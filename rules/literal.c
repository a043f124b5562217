#include "rules/literal.h"

bool
literal_number(struct str s, int64_t *out)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	uint64_t n;

	if (!str_to_u64(str_sub(s, negative, s.n), INT64_MAX, &n))
		return false;
	*out = negative ? -(int64_t)n : (int64_t)n;
	return true;
}

/* A whole number of units. */
static bool
scaled(struct str digits, int64_t unit, int64_t *out)
{
	uint64_t n;

	if (!str_to_u64(digits, (uint64_t)(INT64_MAX / unit), &n))
		return false;
	*out = (int64_t)n * unit;
	return true;
}

bool
literal_size(struct str s, int64_t *out)
{
	static const struct {
		char letter;
		int64_t unit;
	} units[] = { { 'k', 1024 }, { 'M', 1024 * 1024 }, { 'G', 1024 * 1024 * 1024 } };

	for (size_t i = 0; s.n > 0 && i < sizeof units / sizeof units[0]; i++)
		if (s.p[s.n - 1] == units[i].letter)
			return scaled(str_sub(s, 0, s.n - 1), units[i].unit, out);
	return scaled(s, 1, out);
}

bool
literal_duration(struct str s, int64_t *out)
{
	/* "ms" before "s": the first that fits is taken */
	static const struct {
		const char *letters;
		int64_t unit;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 },
		{ "d", 24 * 3600 * 1000 } };

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		struct str letters = str_of(units[i].letters);

		if (str_ends(s, letters))
			return scaled(str_sub(s, 0, s.n - letters.n), units[i].unit, out);
	}
	*out = 0;
	return str_eq(s, STR("0"));
}

bool
literal_real(struct str s, double *out)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	struct str rest = str_sub(s, negative, s.n), whole = { 0 };
	uint64_t n, fraction = 0;
	double scale = 1;

	str_pop(&rest, '.', &whole);
	if (!str_to_u64(whole, INT64_MAX, &n))
		return false;
	if (rest.p != NULL) {
		if (!str_to_u64(rest, INT64_MAX, &fraction))
			return false;
		for (size_t i = 0; i < rest.n; i++)
			scale *= 10;
	}
	*out = (double)n + (double)fraction / scale;
	if (negative)
		*out = -*out;
	return true;
}

bool
literal_percent(struct str s, int64_t *out)
{
	uint64_t n;

	if (!str_ends(s, STR("%")) || !str_to_u64(str_sub(s, 0, s.n - 1), 100, &n))
		return false;
	*out = (int64_t)n;
	return true;
}

bool
literal_enhanced(struct str s)
{
	struct str part;
	size_t parts = 0;
	uint64_t n;

	while (str_pop(&s, '.', &part)) {
		if (!str_to_u64(part, 999, &n) || (part.n > 1 && part.p[0] == '0') || ++parts > 3)
			return false;
		if (parts == 1 && n != 4 && n != 5)
			return false;
	}
	return parts == 3;
}

bool
literal_numeric(struct str s)
{
	return s.n > 0 &&
	    (ascii_isdigit(s.p[0]) || (s.n > 1 && s.p[0] == '-' && ascii_isdigit(s.p[1])));
}

size_t
literal_regex(struct str s)
{
	size_t n = 1;

	if (s.n == 0 || s.p[0] != '/')
		return 0;
	for (; n < s.n && s.p[n] != '/'; n++) {
		if (s.p[n] == '\n')
			return 0;
		n += s.p[n] == '\\' && n + 1 < s.n && s.p[n + 1] != '\n';
	}
	if (n >= s.n)
		return 0;
	for (n++; n < s.n && ascii_isalnum(s.p[n]);)
		n++;
	return n;
}
