#include "filters/spf_macro.h"

#include <stdio.h>

#include "base/dns.h"
#include "base/escape.h"

/* One piece of a macro-string: a run of literals, or a macro. */
struct token {
	struct str literal; /* what stands there as it is; p NULL: a macro */
	bool expand;        /* a macro-expand of the grammar, which %% %_ %- are too */
	char letter;        /* lower case */
	bool escape;        /* was upper case: URL-escaped */
	bool reverse;
	unsigned keep; /* parts at the right; 0: all */
	struct str delimiters;
};

/* Text under expansion: its beginning for an explanation, its end for a name. */
struct sink {
	char *p;
	size_t n, max;
	bool tail;
	bool full; /* of a beginning: there was more */
};

static bool
is_letter(char c, enum spf_macro_use use)
{
	return c != '\0' && strchr(use == SPF_MACRO_NAME ? "slodiphv" : "slodiphvcrt", c) != NULL;
}

static bool
is_delimiter(char c)
{
	return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

/* What follows "%{", with the closing brace. */
static bool
macro_take(struct str *rest, enum spf_macro_use use, struct token *t, struct err *e)
{
	struct str s = *rest;
	size_t i = 1, from;

	t->expand = true;
	if (s.n == 0 || !ascii_isalpha(s.p[0]) || !is_letter(ascii_lower(s.p[0]), use))
		return err_set(e, ERR_SYNTAX, "unknown macro \"%%{%s\"", ESC(str_sub(s, 0, 1)));
	t->letter = ascii_lower(s.p[0]);
	t->escape = t->letter != s.p[0];
	for (from = i; i < s.n && ascii_isdigit(s.p[i]); i++)
		if (t->keep < SPF_VALUE_MAX)
			t->keep = t->keep * 10 + (unsigned)(s.p[i] - '0');
	if (i > from && t->keep == 0)
		return err_set(e, ERR_SYNTAX, "macro \"%%{%c0}\" keeps no part", s.p[0]);
	if (i < s.n && ascii_lower(s.p[i]) == 'r') {
		t->reverse = true;
		i++;
	}
	for (from = i; i < s.n && is_delimiter(s.p[i]);)
		i++;
	t->delimiters = str_sub(s, from, i);
	if (i >= s.n || s.p[i] != '}')
		return err_set(e, ERR_SYNTAX, "macro \"%%{%c\" does not end in \"}\"", s.p[0]);
	*rest = str_sub(s, i + 1, s.n);
	return true;
}

static bool
percent_take(struct str *rest, enum spf_macro_use use, struct token *t, struct err *e)
{
	char c = rest->n > 1 ? rest->p[1] : '\0';

	t->expand = true;
	if (c == '%')
		t->literal = STR("%");
	else if (c == '_')
		t->literal = STR(" ");
	else if (c == '-')
		t->literal = STR("%20");
	else if (c != '{')
		return err_set(e, ERR_SYNTAX, "\"%%\" begins no macro");
	*rest = str_sub(*rest, 2, rest->n);
	return c != '{' || macro_take(rest, use, t, e);
}

/* Takes the next piece; rest is not empty. */
static bool
token_take(struct str *rest, enum spf_macro_use use, struct token *t, struct err *e)
{
	char least = use == SPF_MACRO_NAME ? 0x21 : 0x20;
	size_t i = 0;

	*t = (struct token){ 0 };
	if (rest->p[0] == '%')
		return percent_take(rest, use, t, e);
	while (i < rest->n && rest->p[i] != '%') {
		if (rest->p[i] < least || rest->p[i] > 0x7e)
			return err_set(e, ERR_SYNTAX, "octet 0x%02x may not stand there",
			    (unsigned char)rest->p[i]);
		i++;
	}
	t->literal = str_sub(*rest, 0, i);
	*rest = str_sub(*rest, i, rest->n);
	return true;
}

bool
spf_macro_check(struct str text, enum spf_macro_use use, struct err *e)
{
	struct token t;

	while (text.n > 0)
		if (!token_take(&text, use, &t, e))
			return false;
	return true;
}

/*
 * Either letters and digits with a letter among them, or with hyphens inside (RFC 7208 section
 * 12).
 */
static bool
is_toplabel(struct str s)
{
	bool alpha = false, hyphen = false;

	if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		alpha = alpha || ascii_isalpha(s.p[i]);
		hyphen = hyphen || s.p[i] == '-';
		if (!ascii_isalnum(s.p[i]) && s.p[i] != '-')
			return false;
	}
	return alpha || hyphen;
}

bool
spf_spec_check(struct str text, struct err *e)
{
	struct token last = { 0 };
	struct str rest = text, end;
	size_t dot;

	if (text.n == 0)
		return err_set(e, ERR_SYNTAX, "a domain is missing");
	if (text.n > SPF_SPEC_MAX)
		return err_set(e, ERR_LIMIT, "a domain of more than %d octets", SPF_SPEC_MAX);
	while (rest.n > 0)
		if (!token_take(&rest, SPF_MACRO_NAME, &last, e))
			return false;
	if (last.expand)
		return true;
	end = last.literal;
	if (str_ends(end, STR(".")))
		end.n--;
	dot = str_rfind(end, '.');
	if (dot == STR_NPOS || !is_toplabel(str_sub(end, dot + 1, end.n)))
		return err_set(e, ERR_SYNTAX, "\"%s\" is no domain", ESC(str_sub(text, 0, 64)));
	return true;
}

bool
spf_macro_uses(struct str text, const char *letters)
{
	struct token t;

	while (text.n > 0 && token_take(&text, SPF_MACRO_EXPLANATION, &t, NULL))
		if (t.letter != '\0' && strchr(letters, t.letter) != NULL)
			return true;
	return false;
}

static void
sink_put(struct sink *s, char c)
{
	if (s->n == s->max && s->tail) {
		s->n = s->max / 2;
		memmove(s->p, s->p + s->max - s->n, s->n);
	}
	if (s->n == s->max)
		s->full = true;
	else
		s->p[s->n++] = c;
}

static void
sink_add(struct sink *s, struct str text, bool escape)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n && !s->full; i++) {
		char c = text.p[i];

		if (!escape || ascii_isalnum(c) || (c != '\0' && strchr("-._~", c) != NULL)) {
			sink_put(s, c);
			continue;
		}
		sink_put(s, '%');
		sink_put(s, hex[(unsigned char)c >> 4]);
		sink_put(s, hex[(unsigned char)c & 15]);
	}
}

/* %{i}: dotted, an IPv6 address nibble by nibble. */
static struct str
address_text(const struct ip *ip, char *out, size_t size)
{
	size_t n = 0;

	if (ip->version != 6)
		return str_of(ip_print(ip, out));
	for (size_t i = 0; i < 16; i++)
		n += (size_t)snprintf(
		    out + n, size - n, "%s%X.%X", i ? "." : "", ip->b[i] >> 4, ip->b[i] & 15);
	return (struct str){ out, n };
}

/* May be put into out, of SPF_VALUE_MAX + 1 octets. */
static struct str
value_of(char letter, const struct spf_values *v, char *out)
{
	int n;

	switch (letter) {
	case 's':
		n = snprintf(
		    out, SPF_VALUE_MAX + 1, "%.*s@%.*s", STR_ARG(v->local), STR_ARG(v->domain));
		return (struct str){ out, n > SPF_VALUE_MAX ? SPF_VALUE_MAX : (size_t)n };
	case 'l':
		return v->local;
	case 'o':
		return v->domain;
	case 'd':
		return v->current;
	case 'i':
		return address_text(&v->client, out, SPF_VALUE_MAX + 1);
	case 'p':
		return v->validated;
	case 'v':
		return v->client.version == 6 ? STR("ip6") : STR("in-addr");
	case 'h':
		return v->helo;
	case 'c':
		return str_of(ip_print(&v->client, out));
	case 'r':
		return v->receiver;
	default:
		n = snprintf(out, SPF_VALUE_MAX + 1, "%lld", (long long)v->now);
		return (struct str){ out, (size_t)n };
	}
}

/* Split, reversed, cut to the parts at the right, joined by dots (7.3). */
static void
macro_add(struct sink *s, const struct token *t, const struct spf_values *v)
{
	char room[SPF_VALUE_MAX + 1];
	struct str value = str_sub(value_of(t->letter, v, room), 0, SPF_VALUE_MAX);
	struct str delimiters = t->delimiters.n ? t->delimiters : STR(".");
	struct str part[SPF_VALUE_MAX + 1];
	size_t n = 0, from = 0;

	for (size_t i = 0; i < value.n; i++)
		if (str_find(delimiters, value.p[i]) != STR_NPOS) {
			part[n++] = str_sub(value, from, i);
			from = i + 1;
		}
	part[n++] = str_sub(value, from, value.n);
	from = t->keep > 0 && t->keep < n ? n - t->keep : 0;
	for (size_t i = from; i < n && !s->full; i++) {
		if (i > from)
			sink_put(s, '.');
		sink_add(s, part[t->reverse ? n - 1 - i : i], t->escape);
	}
}

static void
expand(struct sink *s, struct str text, enum spf_macro_use use, const struct spf_values *v)
{
	struct token t;

	while (text.n > 0 && !s->full && token_take(&text, use, &t, NULL)) {
		if (t.letter != '\0')
			macro_add(s, &t, v);
		else
			sink_add(s, t.literal, false);
	}
}

struct str
spf_macro_name(struct arena *arena, struct str text, const struct spf_values *v)
{
	/* Twice as much as can be needed of the end, as half is dropped when it is full. */
	char room[4 * (DNS_NAME_MAX + 2)];
	struct sink s = { .p = room, .max = sizeof(room), .tail = true };
	struct str name;
	size_t dot;

	expand(&s, text, SPF_MACRO_NAME, v);
	name = (struct str){ room, s.n };
	if (str_ends(name, STR(".")))
		name.n--;
	while (name.n > DNS_NAME_MAX && (dot = str_find(name, '.')) != STR_NPOS)
		name = str_sub(name, dot + 1, name.n);
	return arena_lower(arena, name);
}

struct str
spf_macro_text(struct arena *arena, struct str text, const struct spf_values *v, size_t max)
{
	struct sink s = { .p = arena_alloc(arena, max + 1), .max = max };

	expand(&s, text, SPF_MACRO_EXPLANATION, v);
	return (struct str){ s.p, s.n };
}
