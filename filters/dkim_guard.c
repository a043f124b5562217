#include "filters/dkim_guard.h"

#include "base/dns.h"
#include "filters/dkim_tags.h"

const char *
dkim_result_name(enum dkim_result result)
{
	static const char *const names[] = {
		[DKIM_RESULT_PASS] = "pass",
		[DKIM_RESULT_TEMPERROR] = "temperror",
		[DKIM_RESULT_POLICY] = "policy",
		[DKIM_RESULT_FAIL] = "fail",
		[DKIM_RESULT_NEUTRAL] = "neutral",
		[DKIM_RESULT_PERMERROR] = "permerror",
		[DKIM_RESULT_NONE] = "none",
	};

	return names[result];
}

bool
dkim_refuse(struct dkim_sig *sig, enum dkim_result result, const char *reason)
{
	sig->result = result;
	sig->reason = reason;
	return false;
}

bool
dkim_bad(struct dkim_sig *sig, const char *reason)
{
	return dkim_refuse(sig, DKIM_RESULT_PERMERROR, reason);
}

/* Hexadecimal digit of dkim-quoted-printable: upper case only (RFC 6376 2.11). */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* dkim-quoted-printable without its blanks; false when it is none, too long, or hides controls. */
static bool
qp_decode(struct str s, char *out, size_t max, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		if (c == '=') {
			int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = high * 16 + low;
			i += 2;
		}
		if (c < 0x21 || c > 0x7e || *n == max)
			return false;
		out[(*n)++] = (char)c;
	}
	return true;
}

/* Is name the domain itself, or below it? */
static bool
within(struct str name, struct str domain)
{
	if (!str_endscase(name, domain))
		return false;
	return name.n == domain.n || name.p[name.n - domain.n - 1] == '.';
}

static bool
check_identity(struct arena *arena, const struct dkim_tags *tags, struct dkim_sig *sig)
{
	const struct dkim_tag *i = dkim_tags_find(tags, "i");
	struct str identity;
	size_t at;

	if (!i) {
		sig->identity = arena_printf(arena, "@%.*s", STR_ARG(sig->domain));
		return true;
	}
	char *text = arena_alloc(arena, DKIM_IDENTITY_MAX);

	if (!qp_decode(i->value, text, DKIM_IDENTITY_MAX, &identity.n))
		return dkim_bad(sig, "i= is not well-formed, or too long");
	identity.p = text;
	at = str_find(identity, '@');
	/* The library looks for the first "@", raw and decoded: there must be no choice. */
	if (at == STR_NPOS || at != str_rfind(identity, '@') || str_find(i->value, '@') == STR_NPOS)
		return dkim_bad(sig, "i= is not an address with one @");
	if (!within(str_sub(identity, at + 1, identity.n), sig->domain))
		return dkim_bad(sig, "i= is outside of d=");
	sig->identity = identity;
	return true;
}

/* What is known to be safe in the library's hands, even of a signature that is worth nothing. */
static bool
harmless(const struct dkim_tags *tags)
{
	const struct dkim_tag *i = dkim_tags_find(tags, "i");
	char text[DKIM_IDENTITY_MAX];
	size_t n;

	return !i || qp_decode(i->value, text, sizeof(text), &n);
}

static bool
check_names(struct arena *arena, const struct dkim_tags *tags, struct dkim_sig *sig)
{
	struct str d = dkim_tags_value(tags, "d"), s = dkim_tags_value(tags, "s");

	if (!d.p || !s.p)
		return dkim_bad(sig, !d.p ? "d= is missing" : "s= is missing");
	if (!dkim_name_ok(d))
		return dkim_bad(sig, "d= is not a domain name");
	if (!dkim_name_ok(s))
		return dkim_bad(sig, "s= is not a selector");
	if (s.n + sizeof("._domainkey.") - 1 + d.n > DNS_NAME_MAX)
		return dkim_bad(sig, "s= and d= make too long a name");
	sig->domain = arena_lower(arena, d);
	sig->selector = arena_lower(arena, s);
	if (str_find(d, '.') == STR_NPOS)
		return dkim_bad(sig, "d= is a top-level domain");
	return check_identity(arena, tags, sig);
}

static bool
check_algorithm(struct arena *arena, const struct dkim_tags *tags, struct dkim_sig *sig)
{
	struct str a = dkim_tags_value(tags, "a");

	if (!a.p)
		return dkim_bad(sig, "a= is missing");
	if (a.n > 32)
		return dkim_bad(sig, "a= is not known");
	sig->algorithm_name = arena_lower(arena, a);
	if (str_eq(a, STR("rsa-sha1")))
		return dkim_bad(sig, "rsa-sha1 is not to be used (RFC 8301)");
	if (str_eq(a, STR("rsa-sha256")))
		sig->algorithm = DKIM_RSA_SHA256;
	else if (str_eq(a, STR("ed25519-sha256")))
		sig->algorithm = DKIM_ED25519_SHA256;
	else
		return dkim_bad(sig, "a= is not known");
	return true;
}

static bool
check_canonicalization(const struct dkim_tags *tags, struct dkim_sig *sig)
{
	static const struct {
		const char *text;
		bool relaxed_body;
	} known[] = {
		{ "simple", false },
		{ "relaxed", false },
		{ "simple/simple", false },
		{ "relaxed/simple", false },
		{ "simple/relaxed", true },
		{ "relaxed/relaxed", true },
	};
	const struct dkim_tag *c = dkim_tags_find(tags, "c");

	if (!c)
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_eq(c->value, str_of(known[i].text))) {
			sig->relaxed_body = known[i].relaxed_body;
			return true;
		}
	return dkim_bad(sig, "c= is not known");
}

static bool
field_name_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < 0x21 || name.p[i] > 0x7e)
			return false;
	return name.n > 0;
}

static bool
check_header_list(struct arena *arena, const struct dkim_tags *tags, struct dkim_sig *sig)
{
	struct str h = dkim_tags_value(tags, "h"), name;
	bool from = false;

	if (!h.p || h.n == 0)
		return dkim_bad(sig, "h= is missing");
	if (h.n > DKIM_NAMES_LENGTH)
		return dkim_bad(sig, "h= is too long");
	sig->covers = ARENA_ARRAY(arena, struct str, DKIM_NAMES_MAX);
	while (dkim_list_pop(&h, &name)) {
		if (!field_name_ok(name))
			return dkim_bad(sig, "h= is not a list of field names");
		if (sig->n_covers == DKIM_NAMES_MAX)
			return dkim_bad(sig, "h= has too many names");
		sig->covers[sig->n_covers++] = name;
		from = from || str_eqcase(name, STR("from"));
	}
	return from || dkim_bad(sig, "h= does not name From");
}

/* Times have up to 12 digits (RFC 6376 3.5, x=). */
static bool
number(struct str s, uint64_t most, uint64_t *out)
{
	return str_to_u64(s, most, out);
}

#define TIME_MOST 999999999999ull
/* l= has up to 76 digits by the grammar; no body is longer than this. */
#define LENGTH_MOST (1ull << 48)

/*
 * The library compares with time(), ours is the time of the decision: two clocks would make a
 * verdict that cannot be repeated. So it gets a drift of ten years, and this decides. It also
 * subtracts that drift from t= without a sign, for which reason t= of before 1980 has to go.
 */
static bool
check_times(const struct dkim_tags *tags, const struct dkim_clock *clock, struct dkim_sig *sig)
{
	struct str t = dkim_tags_value(tags, "t"), x = dkim_tags_value(tags, "x");
	uint64_t made = 0, ends = 0;

	if (t.p && !number(t, TIME_MOST, &made))
		return dkim_bad(sig, "t= is not a time");
	if (x.p && !number(x, TIME_MOST, &ends))
		return dkim_bad(sig, "x= is not a time");
	if (t.p && made < DKIM_LIBRARY_DRIFT)
		return dkim_bad(sig, "t= is before there was mail like this");
	if (t.p && x.p && ends <= made)
		return dkim_bad(sig, "x= is not after t=");
	if (t.p && (int64_t)made > clock->now + clock->drift)
		return dkim_bad(sig, "made in the future");
	if (x.p && (int64_t)ends + clock->drift < clock->now)
		return dkim_bad(sig, "expired");
	return true;
}

static bool
check_rest(const struct dkim_tags *tags, struct dkim_sig *sig)
{
	const struct dkim_tag *q = dkim_tags_find(tags, "q"), *l = dkim_tags_find(tags, "l");

	if (q && !dkim_list_has(q->value, STR("dns/txt")))
		return dkim_bad(sig, "q= names no way that is known to the key");
	if (l && !number(l->value, LENGTH_MOST, &sig->length))
		return dkim_bad(sig, "l= is not a length");
	sig->has_length = l;
	if (!dkim_base64_ok(dkim_tags_value(tags, "bh")))
		return dkim_bad(sig, "bh= is missing or no base64");
	if (!dkim_base64_ok(dkim_tags_value(tags, "b")))
		return dkim_bad(sig, "b= is missing or no base64");
	return true;
}

/* The library empties b= where it finds "b=", and so in every tag whose name ends in b. */
static bool
check_library(const struct dkim_tags *tags, struct dkim_sig *sig)
{
	for (size_t i = 0; i < tags->n; i++) {
		const struct dkim_tag *tag = &tags->tag[i];
		bool is_b = str_eq(tag->name, STR("b"));

		if (is_b ? tag->blank : tag->name.p[tag->name.n - 1] == 'b')
			return dkim_refuse(sig, DKIM_RESULT_NEUTRAL,
			    "well-formed, but not in a way that can be verified here");
	}
	return true;
}

static void
take_b(struct arena *arena, const struct dkim_tags *tags, struct dkim_sig *sig)
{
	struct str b = dkim_tags_value(tags, "b");
	char *text = arena_alloc(arena, 8);
	size_t n = 0;

	if (!dkim_base64_ok(b))
		return;
	for (size_t i = 0; i < b.n && n < 8; i++)
		if (!memchr(" \t\r\n", b.p[i], 4))
			text[n++] = b.p[i];
	sig->b = (struct str){ text, n };
}

static bool
check_version(const struct dkim_tags *tags, struct dkim_sig *sig)
{
	struct str v = dkim_tags_value(tags, "v");

	if (!v.p)
		return dkim_bad(sig, "v= is missing");
	return str_eq(v, STR("1")) || dkim_bad(sig, "v= is not 1");
}

bool
dkim_guard_check(struct arena *arena, const struct field *field, const struct dkim_clock *clock,
    struct dkim_sig *out)
{
	struct dkim_tags tags;
	const char *why;

	*out = (struct dkim_sig){
		.field = field,
		.result = DKIM_RESULT_PASS,
		.reason = "",
		.domain = STR(""),
		.selector = STR(""),
		.identity = STR(""),
		.algorithm_name = STR(""),
		.b = STR(""),
	};
	if (field->raw.n > DKIM_FIELD_MAX)
		return dkim_bad(out, "the field is too long");
	why = dkim_tags_parse(field->value, &tags);
	if (why)
		return dkim_bad(out, why);
	out->harmless = harmless(&tags);
	take_b(arena, &tags, out);
	/* Names first: a signature that is refused for something else still says whose it is. */
	return check_names(arena, &tags, out) && check_version(&tags, out) &&
	    check_algorithm(arena, &tags, out) && check_canonicalization(&tags, out) &&
	    check_header_list(arena, &tags, out) && check_times(&tags, clock, out) &&
	    check_rest(&tags, out) && check_library(&tags, out);
}
