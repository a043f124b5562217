#include "filters/spf_record.h"

#include <arpa/inet.h>

#include "base/escape.h"
#include "filters/spf_macro.h"

enum shape {
	SHAPE_BARE,      /* all */
	SHAPE_SPEC,      /* ":" domain-spec */
	SHAPE_SPEC_MAY,  /* [ ":" domain-spec ] */
	SHAPE_SPEC_CIDR, /* [ ":" domain-spec ] [ dual-cidr-length ] */
	SHAPE_NETWORK,   /* ":" network [ cidr-length ] */
};

static const struct mechanism {
	const char *name;
	enum spf_kind kind;
	enum shape shape;
} mechanisms[] = {
	{ "all", SPF_ALL, SHAPE_BARE },
	{ "include", SPF_INCLUDE, SHAPE_SPEC },
	{ "a", SPF_A, SHAPE_SPEC_CIDR },
	{ "mx", SPF_MX, SHAPE_SPEC_CIDR },
	{ "ptr", SPF_PTR, SHAPE_SPEC_MAY },
	{ "ip4", SPF_IP4, SHAPE_NETWORK },
	{ "ip6", SPF_IP6, SHAPE_NETWORK },
	{ "exists", SPF_EXISTS, SHAPE_SPEC },
};

static const struct str version = { "v=spf1", 6 };

bool
spf_record_is(struct str text)
{
	return str_startscase(text, version) && (text.n == version.n || text.p[version.n] == ' ');
}

/* "0", or digits that do not begin with a zero. */
static bool
length_parse(struct str s, uint8_t max, uint8_t *out, struct err *e)
{
	uint64_t value;

	if ((s.n > 1 && s.p[0] == '0') || !str_to_u64(s, max, &value))
		return err_set(e, ERR_SYNTAX, "\"/%s\" is no prefix length of 0 to %u",
		    ESC(str_sub(s, 0, 16)), max);
	*out = (uint8_t)value;
	return true;
}

/* Takes slash and the digits behind it off the end, when they are there. */
static bool
length_take(struct str *s, struct str slash, struct str *digits)
{
	size_t from = s->n;

	while (from > 0 && ascii_isdigit(s->p[from - 1]))
		from--;
	if (from == s->n || !str_ends(str_sub(*s, 0, from), slash))
		return false;
	*digits = str_sub(*s, from, s->n);
	s->n = from - slash.n;
	return true;
}

/*
 * dual-cidr-length stands at the end. A domain-spec may hold slashes, but cannot end in one that is
 * followed by digits only, so there are no two ways to read it.
 */
static bool
lengths_take(struct str *arg, struct spf_term *t, struct err *e)
{
	struct str digits;

	if (length_take(arg, STR("//"), &digits) && !length_parse(digits, 128, &t->bits6, e))
		return false;
	return !length_take(arg, STR("/"), &digits) || length_parse(digits, 32, &t->bits4, e);
}

static bool
network_parse(struct str arg, struct spf_term *t, struct err *e)
{
	int family = t->kind == SPF_IP4 ? AF_INET : AF_INET6;
	uint8_t *bits = t->kind == SPF_IP4 ? &t->bits4 : &t->bits6;
	size_t slash = str_find(arg, '/');
	char text[IP_TEXT_SIZE];

	if (slash != STR_NPOS) {
		if (!length_parse(str_sub(arg, slash + 1, arg.n), *bits, bits, e))
			return false;
		arg = str_sub(arg, 0, slash);
	}
	/*
	 * WHY: not ip_parse(): that turns a mapped address into IPv4, but an ip6 term never
	 * matches a client that comes by IPv4 (RFC 7208 5.6, 5).
	 */
	if (!str_copy(arg, text, sizeof(text)) || inet_pton(family, text, t->network.b) != 1)
		return err_set(e, ERR_SYNTAX, "\"%s\" is no IPv%d address",
		    ESC(str_sub(arg, 0, IP_TEXT_SIZE)), family == AF_INET ? 4 : 6);
	t->network.version = family == AF_INET ? 4 : 6;
	return true;
}

/* arg: what follows the mechanism's name, its colon included. */
static bool
argument_parse(struct str arg, enum shape shape, struct spf_term *t, struct err *e)
{
	if (shape == SHAPE_SPEC_CIDR && !lengths_take(&arg, t, e))
		return false;
	if (arg.n == 0) {
		if (shape == SHAPE_SPEC || shape == SHAPE_NETWORK)
			return err_set(e, ERR_SYNTAX, "its argument is missing");
		return true;
	}
	if (shape == SHAPE_BARE)
		return err_set(e, ERR_SYNTAX, "takes no argument");
	if (arg.p[0] != ':')
		return err_set(e, ERR_SYNTAX, "no such prefix length");
	arg = str_sub(arg, 1, arg.n);
	if (shape == SHAPE_NETWORK)
		return network_parse(arg, t, e);
	t->spec = arg;
	return spf_spec_check(arg, e);
}

static bool
directive_parse(struct str word, struct spf_term *t, struct err *e)
{
	size_t n = 0;

	*t = (struct spf_term){ .qualifier = '+', .text = word, .bits4 = 32, .bits6 = 128 };
	if (strchr("+-~?", word.p[0]) != NULL && word.p[0] != '\0') {
		t->qualifier = word.p[0];
		word = str_sub(word, 1, word.n);
	}
	while (n < word.n && word.p[n] != ':' && word.p[n] != '/')
		n++;
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		const struct mechanism *m = &mechanisms[i];

		if (!str_eqcase(str_sub(word, 0, n), str_of(m->name)))
			continue;
		t->kind = m->kind;
		return argument_parse(str_sub(word, n, word.n), m->shape, t, e);
	}
	return err_set(e, ERR_SYNTAX, "unknown mechanism");
}

/* The name before the "=" of a modifier; STR_NPOS: the word is none. */
static size_t
modifier_name(struct str word)
{
	size_t n = 0;

	if (!ascii_isalpha(word.p[0]))
		return STR_NPOS;
	while (n < word.n &&
	    (ascii_isalnum(word.p[n]) || word.p[n] == '-' || word.p[n] == '_' || word.p[n] == '.'))
		n++;
	return n < word.n && word.p[n] == '=' ? n : STR_NPOS;
}

static bool
modifier_parse(struct str word, size_t n, struct spf_record *out, struct err *e)
{
	struct str name = str_sub(word, 0, n), value = str_sub(word, n + 1, word.n);

	if (str_eqcase(name, STR("redirect"))) {
		if (out->redirect.spec.p != NULL)
			return err_set(e, ERR_SYNTAX, "a second redirect");
		out->redirect = (struct spf_term){
			.kind = SPF_REDIRECT, .qualifier = '+', .text = word, .spec = value
		};
		return spf_spec_check(value, e);
	}
	if (str_eqcase(name, STR("exp"))) {
		if (out->exp.p != NULL)
			return err_set(e, ERR_SYNTAX, "a second exp");
		out->exp = value;
		return spf_spec_check(value, e);
	}
	return spf_macro_check(value, SPF_MACRO_NAME, e);
}

static size_t
words_count(struct str s)
{
	struct str word;
	size_t n = 0;

	while (str_pop(&s, ' ', &word))
		n += word.n > 0;
	return n;
}

bool
spf_record_parse(struct arena *arena, struct str text, struct spf_record *out, struct err *e)
{
	struct str rest = str_sub(text, version.n, text.n), word;
	size_t words = words_count(rest), n;
	struct spf_term *term;
	struct err why = { 0 };
	bool ok = true;

	*out = (struct spf_record){ 0 };
	if (text.n > SPF_RECORD_MAX)
		return err_set(e, ERR_LIMIT, "more than %d octets", SPF_RECORD_MAX);
	if (words > SPF_TERMS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d terms", SPF_TERMS_MAX);
	out->term = term = ARENA_ARRAY(arena, struct spf_term, words + 1);
	while (str_pop(&rest, ' ', &word) && ok) {
		if (word.n == 0)
			continue;
		n = modifier_name(word);
		if (n != STR_NPOS)
			ok = modifier_parse(word, n, out, &why);
		else
			ok = directive_parse(word, &term[out->n_terms++], &why);
		if (!ok)
			err_set(e, why.code, "\"%s\": %s", ESC(str_sub(word, 0, 64)), why.text);
	}
	return ok;
}
