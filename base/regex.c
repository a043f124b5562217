#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/regex.h"

#include <pcre2.h>
#include <stdlib.h>

#include "base/die.h"

#define DEPTH_MAX 1000   /* of a match */
#define HEAP_MAX 1024    /* KiB, of a match */
#define NESTING_LIMIT 32 /* parentheses of a pattern */
#define STRIDE 16        /* octets that are run through in the time of a step, or less */

/* Octets, a bit each. */
struct octets {
	uint64_t bit[4];
};

struct regex {
	/* what each match reads; where there is something to be found, there is one of each of these */
	struct octets first, last;
	pcre2_code *code;
	struct str pattern, flags;
};

struct regex_memory {
	pcre2_match_data *data;
	pcre2_match_context *limits;
	struct str text;   /* the last */
	struct octets has; /* what is in it */
	uint32_t all;      /* steps left for all matches, beyond the free ones of each */
	uint32_t left;     /* of the present match */
	size_t at;         /* where in the text it was at its last step */
};

static void
free_code(void *code)
{
	pcre2_code_free(code);
}

static void
octets_add(struct octets *octets, unsigned char c)
{
	octets->bit[c / 64] |= UINT64_C(1) << c % 64;
}

static bool
octets_meet(const struct octets *a, const struct octets *b)
{
	return ((a->bit[0] & b->bit[0]) | (a->bit[1] & b->bit[1]) | (a->bit[2] & b->bit[2]) |
		   (a->bit[3] & b->bit[3])) != 0;
}

static bool
take_flags(struct str flags, uint32_t *options, struct err *e)
{
	static const struct {
		char letter;
		uint32_t option;
	} table[] = { { 'i', PCRE2_CASELESS }, { 's', PCRE2_DOTALL }, { 'm', PCRE2_MULTILINE },
		{ 'x', PCRE2_EXTENDED } };

	for (size_t i = 0; i < flags.n; i++) {
		size_t k = 0;

		while (k < 4 && table[k].letter != flags.p[i])
			k++;
		if (k == 4)
			return err_set(e, ERR_SYNTAX,
			    "behind a regular expression stand i, m, s and x, not `%.*s`",
			    STR_ARG(flags));
		*options |= table[k].option;
	}
	return true;
}

/* It can match one place of a text in several ways. If it can not, a match takes as long as comparing it at each place, at most. */
static bool
has_ways(struct str pattern)
{
	for (size_t i = 0; i < pattern.n; i++)
		if (memchr("*+?{|(", pattern.p[i], 6))
			return true;
	return false;
}

static pcre2_code *
compile(struct str pattern, uint32_t options, size_t *at, struct err *e)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_UCHAR text[120];
	pcre2_code *code;
	PCRE2_SIZE where;
	int error;

	if (context == NULL)
		die("no memory for a regular expression");
	pcre2_set_max_pattern_length(context, REGEX_MAX);
	pcre2_set_parens_nest_limit(context, NESTING_LIMIT);
	code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &error, &where, context);
	pcre2_compile_context_free(context);
	if (code != NULL)
		return code;
	*at = where;
	pcre2_get_error_message(error, text, sizeof text);
	err_set(e, ERR_SYNTAX, "this is no regular expression: %s", (const char *)text);
	return NULL;
}

/* A letter in both cases: which of them PCRE2 accepts is not told. */
static struct octets
octets_of_unit(uint32_t unit)
{
	struct octets octets = { { 0 } };

	octets_add(&octets, (unsigned char)unit);
	if (ascii_isalpha((char)unit))
		octets_add(&octets, (unsigned char)(unit ^ 0x20));
	return octets;
}

/*
 * What PCRE2 found out about its pattern, and looks for itself before it matches. A text without it costs no call of
 * PCRE2 so, and what texts are made of is found out once for all the patterns.
 */
static void
learn_octets(struct regex *regex)
{
	static const struct octets all = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
	const uint8_t *bitmap = NULL;
	uint32_t type = 0, unit = 0;

	regex->first = regex->last = all;
	pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTBITMAP, &bitmap);
	pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTCODETYPE, &type);
	pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTCODEUNIT, &unit);
	if (type == 1) {
		regex->first = octets_of_unit(unit);
	} else if (bitmap != NULL) {
		regex->first = (struct octets){ { 0 } };
		for (unsigned c = 0; c < 256; c++)
			if (bitmap[c / 8] >> c % 8 & 1)
				octets_add(&regex->first, (unsigned char)c);
	}
	pcre2_pattern_info(regex->code, PCRE2_INFO_LASTCODETYPE, &type);
	pcre2_pattern_info(regex->code, PCRE2_INFO_LASTCODEUNIT, &unit);
	if (type == 1)
		regex->last = octets_of_unit(unit);
}

struct regex *
regex_new(struct arena *arena, struct str pattern, struct str flags, size_t *at, struct err *e)
{
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
	struct regex *regex;
	pcre2_code *code;

	*at = 0;
	if (pattern.n == 0 || pattern.n > REGEX_MAX) {
		err_set(e, ERR_LIMIT, "a regular expression has 1 to %d octets, not %zu", REGEX_MAX,
		    pattern.n);
		return NULL;
	}
	if (has_ways(pattern))
		options |= PCRE2_AUTO_CALLOUT;
	if (!take_flags(flags, &options, e))
		return NULL;
	code = compile(pattern, options, at, e);
	if (code == NULL)
		return NULL;
	regex = ARENA_NEW(arena, struct regex);
	regex->pattern = arena_dup(arena, pattern);
	regex->flags = arena_dup(arena, flags);
	regex->code = code;
	learn_octets(regex);
	arena_cleanup(arena, free_code, regex->code);
	return regex;
}

struct str
regex_pattern(const struct regex *regex)
{
	return regex->pattern;
}

struct str
regex_flags(const struct regex *regex)
{
	return regex->flags;
}

/*
 * Before each item of the pattern. PCRE2's own limit is that of a match from one place: it begins anew at each octet
 * of the text, so that a thousand of them cost a thousand times as much.
 */
static int
step(pcre2_callout_block *block, void *owner)
{
	struct regex_memory *m = owner;
	size_t at = block->current_position;
	size_t cost = 1 + (at > m->at ? at - m->at : m->at - at) / STRIDE;

	m->at = at;
	if (cost > m->left) {
		m->left = 0;
		return PCRE2_ERROR_MATCHLIMIT;
	}
	m->left -= (uint32_t)cost;
	return 0;
}

static struct regex_memory *
memory_new(void)
{
	struct regex_memory *m = xcalloc(1, sizeof(*m));

	/* where it was found is nobody's question: room for one pair */
	m->data = pcre2_match_data_create(1, NULL);
	m->limits = pcre2_match_context_create(NULL);
	if (m->data == NULL || m->limits == NULL)
		die("no memory for a match");
	pcre2_set_match_limit(m->limits, REGEX_STEPS);
	pcre2_set_depth_limit(m->limits, DEPTH_MAX);
	pcre2_set_heap_limit(m->limits, HEAP_MAX);
	pcre2_set_callout(m->limits, step, m);
	m->all = REGEX_STEPS_ALL;
	return m;
}

static void
look_at(struct regex_memory *memory, struct str text)
{
	memory->text = text;
	memory->has = (struct octets){ { 0 } };
	for (size_t i = 0; i < text.n; i++)
		octets_add(&memory->has, (unsigned char)text.p[i]);
}

/* In what is longer PCRE2 may not look for the last either, and give up where it is not. */
#define SHORT_MAX 1000

static bool
lacks(const struct regex *regex, const struct regex_memory *m)
{
	if (m->text.n == 0)
		return false;
	return !octets_meet(&regex->first, &m->has) ||
	    (m->text.n < SHORT_MAX && !octets_meet(&regex->last, &m->has));
}

enum regex_found
regex_match(const struct regex *regex, struct str text, struct regex_memory **memory)
{
	struct regex_memory *m = *memory ? *memory : memory_new();
	uint32_t more = REGEX_STEPS - REGEX_STEPS_FREE;
	int found;

	*memory = m;
	if (m->text.p != text.p || m->text.n != text.n)
		look_at(m, text);
	if (lacks(regex, m))
		return REGEX_NO;
	if (more > m->all)
		more = m->all;
	m->left = REGEX_STEPS_FREE + more;
	m->at = 0;
	found = pcre2_match(
	    regex->code, (PCRE2_SPTR)(text.n > 0 ? text.p : ""), text.n, 0, 0, m->data, m->limits);
	if (m->left < more)
		m->all -= more - m->left;
	if (found >= 0)
		return REGEX_YES;
	return found == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_GAVE_UP;
}

void
regex_memory_free(struct regex_memory **memory)
{
	struct regex_memory *m = *memory;

	*memory = NULL;
	if (m == NULL)
		return;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->limits);
	free(m);
}
