#include "filters/dmarc_record.h"

#include "base/die.h"

static const char *const policies[] = { "none", "quarantine", "reject", NULL };
static const char *const psds[] = { "u", "n", "y", NULL };
static const char *const yes_or_no[] = { "n", "y", NULL };
static const char *const modes[] = { "r", "s", NULL };

const char *
dmarc_policy_name(enum dmarc_policy policy)
{
	return policies[policy];
}

enum dmarc_policy
dmarc_policy_tested(enum dmarc_policy policy)
{
	return policy == DMARC_REJECT ? DMARC_QUARANTINE : DMARC_NONE;
}

/* --- tags ------------------------------------------------------------------------------------- */

/* "name = value" without the blanks around both; false: there is no "=", or a name that is none. */
static bool
split_tag(struct str tag, struct str *name, struct str *value)
{
	size_t equals = str_find(tag, '=');

	if (equals == STR_NPOS)
		return false;
	*name = str_trim(str_sub(tag, 0, equals));
	*value = str_trim(str_sub(tag, equals + 1, tag.n));
	for (size_t i = 0; i < name->n; i++)
		if (!ascii_isalpha(name->p[i]))
			return false;
	return name->n > 0;
}

bool
dmarc_record_is(struct str text)
{
	struct str tag, name, value;

	return str_pop(&text, ';', &tag) && tag.n > 0 && ascii_isalpha(tag.p[0]) &&
	    split_tag(tag, &name, &value) && str_eqcase(name, STR("v")) &&
	    str_eq(value, STR("DMARC1"));
}

enum tag {
	TAG_P,
	TAG_SP,
	TAG_NP,
	TAG_PSD,
	TAG_T,
	TAG_ADKIM,
	TAG_ASPF,
	TAG_RUA,
	TAG_PCT,
	TAG_COUNT
};

static const struct {
	const char *name;
	const char *const *words; /* NULL: no word */
} tags[TAG_COUNT] = {
	[TAG_P] = { "p", policies },
	[TAG_SP] = { "sp", policies },
	[TAG_NP] = { "np", policies },
	[TAG_PSD] = { "psd", psds },
	[TAG_T] = { "t", yes_or_no },
	[TAG_ADKIM] = { "adkim", modes },
	[TAG_ASPF] = { "aspf", modes },
	[TAG_RUA] = { "rua", NULL },
	[TAG_PCT] = { "pct", NULL },
};

#define WORD_BAD (-1) /* there, but no word of its tag; or there twice, and not the same */

/* What was found of the tags: a word's index, or the number of pct. */
struct found {
	bool given[TAG_COUNT];
	int word[TAG_COUNT];
	bool reports; /* rua= has a URI */
};

static int
word_index(struct str value, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (str_eqcase(value, str_of(words[i])))
			return i;
	return WORD_BAD;
}

static int
read_percent(struct str value)
{
	int percent = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (!ascii_isdigit(value.p[i]))
			return WORD_BAD;
		percent = percent * 10 + (value.p[i] - '0');
		if (percent > 100)
			return WORD_BAD;
	}
	return value.n > 0 ? percent : WORD_BAD;
}

static void
read_tag(struct found *found, struct str text)
{
	struct str name, value;
	int word = 0;
	size_t i = 0;

	if (!split_tag(text, &name, &value))
		return;
	while (i < TAG_COUNT && !str_eqcase(name, str_of(tags[i].name)))
		i++;
	if (i == TAG_COUNT)
		return;
	if (i == TAG_RUA)
		found->reports = found->reports || dmarc_uris_ok(value);
	else if (i == TAG_PCT)
		word = read_percent(value);
	else
		word = word_index(value, tags[i].words);
	/* Which of two that differ is meant nobody knows. */
	if (found->given[i] && found->word[i] != word)
		word = WORD_BAD;
	found->given[i] = true;
	found->word[i] = word;
}

/* The word, or the first one (the default) when it is not there or cannot be read. */
static int
word_or_first(const struct found *found, enum tag tag)
{
	return found->given[tag] && found->word[tag] != WORD_BAD ? found->word[tag] : 0;
}

static bool
is_bad(const struct found *found, enum tag tag)
{
	return found->given[tag] && found->word[tag] == WORD_BAD;
}

void
dmarc_record_parse(struct str text, struct dmarc_record *out)
{
	struct found found = { 0 };
	struct str tag;
	bool readable;

	require(dmarc_record_is(text));
	*out = (struct dmarc_record){ .percent = DMARC_PERCENT_NONE };
	str_pop(&text, ';', &tag);
	while (str_pop(&text, ';', &tag))
		read_tag(&found, tag);
	out->psd = (enum dmarc_psd)word_or_first(&found, TAG_PSD);
	out->testing = word_or_first(&found, TAG_T) == 1;
	out->strict_dkim = word_or_first(&found, TAG_ADKIM) == 1;
	out->strict_spf = word_or_first(&found, TAG_ASPF) == 1;
	if (found.given[TAG_PCT] && found.word[TAG_PCT] != WORD_BAD)
		out->percent = found.word[TAG_PCT];
	/* 4.10.1: with reports wanted it is as if it said p=none and no more. */
	readable = found.given[TAG_P] && !is_bad(&found, TAG_P) && !is_bad(&found, TAG_SP) &&
	    !is_bad(&found, TAG_NP);
	out->usable = readable || found.reports;
	if (!readable)
		return;
	out->policy = out->sub = (enum dmarc_policy)found.word[TAG_P];
	if (found.given[TAG_SP])
		out->sub = (enum dmarc_policy)found.word[TAG_SP];
	out->absent = out->sub;
	if (found.given[TAG_NP])
		out->absent = (enum dmarc_policy)found.word[TAG_NP];
}

/* --- URIs ------------------------------------------------------------------------------------- */

static bool
is_uri_char(char c)
{
	return ascii_isalnum(c) || (c > ' ' && c < 0x7f && strchr("-._~:/?#[]@!$&'()*+;=%", c));
}

/* RFC 3986 3: a scheme and something behind it, of the characters that a URI has. */
static bool
uri_ok(struct str uri)
{
	size_t colon = str_find(uri, ':');
	struct str scheme, rest;

	if (colon == STR_NPOS || colon == 0 || !ascii_isalpha(uri.p[0]))
		return false;
	scheme = str_sub(uri, 0, colon);
	rest = str_sub(uri, colon + 1, uri.n);
	for (size_t i = 0; i < scheme.n; i++)
		if (!is_uri_char(scheme.p[i]) ||
		    (!ascii_isalnum(scheme.p[i]) && strchr("+-.", scheme.p[i]) == NULL))
			return false;
	for (size_t i = 0; i < rest.n; i++)
		if (!is_uri_char(rest.p[i]))
			return false;
	/* An address needs both its halves (RFC 6068). */
	if (str_eqcase(scheme, STR("mailto"))) {
		size_t at = str_find(rest, '@');

		return at != STR_NPOS && at > 0 && at + 1 < rest.n;
	}
	return rest.n > 0;
}

bool
dmarc_uris_ok(struct str list)
{
	struct str uri;

	while (str_pop(&list, ',', &uri))
		if (uri_ok(str_trim(uri)))
			return true;
	return false;
}
