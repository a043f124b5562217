#include "mail/mailbox_stem.h"

#include "base/buf.h"

/* Words of hexadecimal digits this long are taken for made-up ones, if there is a digit in them. */
#define HEX_LEAST 8
/* Digits at the end of a word, such as of bounce12345. */
#define NUMBER_LEAST 4
/* What a tag of BATV has at least: the key's number, the day and the hash. */
#define TAG_LEAST 8

static bool
is_hex(char c)
{
	return ascii_isdigit(c) || (c >= 'a' && c <= 'f');
}

static size_t
count_digits(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ascii_isdigit(s.p[i]) ? 1 : 0;
	return n;
}

static bool
is_hex_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_hex(s.p[i]))
			return false;
	return s.n >= HEX_LEAST && count_digits(s) > 0;
}

/* --- forms that wrap a local part ------------------------------------------------------------- */

/* Moves past `n` fields that end in '='; false: there are not so many, or nothing behind. */
static bool
skip_fields(struct str *s, int n)
{
	struct str rest = *s;

	for (; n > 0; n--) {
		size_t equals = str_find(rest, '=');

		if (equals == STR_NPOS)
			return false;
		rest = str_sub(rest, equals + 1, rest.n);
	}
	if (rest.n == 0)
		return false;
	*s = rest;
	return true;
}

/* Is there a tag of BATV in this place? */
static bool
is_tag(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum(s.p[i]))
			return false;
	return s.n >= TAG_LEAST && count_digits(s) > 0;
}

/* What was signed: "prvs=TAG=jane", and as some have it "prvs=jane=TAG" or "prvs=jane/TAG". */
static struct str
unwrap_batv(struct str local)
{
	static const char *const prefixes[] = { "prvs=", "msprvs1=", "btv1==" };
	struct str rest = { NULL, 0 };
	size_t at;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (str_starts(local, str_of(prefixes[i])))
			rest = str_sub(local, strlen(prefixes[i]), local.n);
	if (rest.p == NULL)
		return local;
	at = str_find(rest, '=');
	if (at == STR_NPOS)
		at = str_rfind(rest, '/');
	else if (is_tag(str_sub(rest, 0, at)) || !is_tag(str_sub(rest, at + 1, rest.n))) {
		while (at < rest.n && rest.p[at] == '=')
			at++;
		return at < rest.n ? str_sub(rest, at, rest.n) : local;
	}
	return at == STR_NPOS || at == 0 ? local : str_sub(rest, 0, at);
}

/* The address that was rewritten, without what is new each day; an empty text: it is no such form. */
static struct str
unwrap_srs(struct arena *arena, struct str local)
{
	bool once = str_starts(local, STR("srs0")), twice = str_starts(local, STR("srs1"));
	struct str rest, first;

	if ((!once && !twice) || local.n < 6 || !strchr("=+-", local.p[4]))
		return STR("");
	rest = str_sub(local, 5, local.n);
	if (once)
		return skip_fields(&rest, 2) ? arena_printf(arena, "srs0=%.*s", STR_ARG(rest))
					     : STR("");
	/* SRS1=HASH=FIRST==HASH=DATE=DOMAIN=LOCAL */
	if (!skip_fields(&rest, 1) || !str_pop(&rest, '=', &first) || rest.p == NULL)
		return STR("");
	rest = rest.n > 0 ? str_sub(rest, 1, rest.n) : rest;
	return skip_fields(&rest, 2)
	    ? arena_printf(arena, "srs1=%.*s=%.*s", STR_ARG(first), STR_ARG(rest))
	    : STR("");
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* A word between signs, with what is new in each message as '#'. */
static void
add_word(struct buf *out, struct str word)
{
	size_t end = word.n;

	while (end > 0 && ascii_isdigit(word.p[end - 1]))
		end--;
	if (word.n > 0 && (end == 0 || is_hex_word(word))) {
		buf_addc(out, '#');
	} else if (word.n - end >= NUMBER_LEAST) {
		buf_add(out, str_sub(word, 0, end));
		buf_addc(out, '#');
	} else {
		buf_add(out, word);
	}
}

static struct str
without_numbers(struct arena *arena, struct str local)
{
	struct buf out;
	struct str result;
	size_t begin = 0;

	buf_init(&out, MAILBOX_PATH_MAX);
	for (size_t i = 0; i <= local.n; i++) {
		/* Octets above ASCII are letters of somebody's name. */
		if (i < local.n && (ascii_isalnum(local.p[i]) || (local.p[i] & 0x80)))
			continue;
		add_word(&out, str_sub(local, begin, i));
		if (i < local.n)
			buf_addc(&out, local.p[i]);
		begin = i + 1;
	}
	result = arena_dup(arena, buf_str(&out));
	buf_free(&out);
	return result;
}

struct str
mailbox_stem(struct arena *arena, const struct mailbox *m)
{
	struct str local, srs;
	size_t plus;

	if (m->null)
		return STR("<>");
	local = unwrap_batv(arena_lower(arena, m->local));
	srs = unwrap_srs(arena, local);
	plus = str_find(local, '+');
	if (srs.n > 0)
		local = srs;
	else if (plus != STR_NPOS && plus > 0)
		local = str_sub(local, 0, plus);
	local = without_numbers(arena, local);
	return arena_printf(
	    arena, "%.*s@%.*s", STR_ARG(local), STR_ARG(arena_lower(arena, m->domain)));
}
