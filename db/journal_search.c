#include "db/journal_search.h"

#include "base/addr.h"
#include "base/escape.h"

/* --- patterns and words ------------------------------------------------------------------------- */

/* Adds text to a pattern for LIKE, its wildcards as themselves. */
static void
literal(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '%' || text.p[i] == '_' || text.p[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, text.p[i]);
	}
}

static void
contains(struct buf *b, struct str text)
{
	if (text.n == 0)
		return;
	buf_addc(b, '%');
	literal(b, text);
	buf_addc(b, '%');
}

/* The same for a column that holds JSON, where the text has been escaped. */
static void
contains_json(struct buf *b, struct str text)
{
	struct buf json;
	struct str inside;

	buf_init(&json, 8192);
	escape_json(&json, text);
	inside = buf_str(&json);
	if (json.over)
		b->over = true;
	else
		contains(b, str_sub(inside, 1, inside.n - 1));
	buf_free(&json);
}

/* ":12" and "file:12" are an end of file:line, anything else is a beginning. */
static void
rule_pattern(struct buf *b, struct str rule)
{
	size_t colon = str_rfind(rule, ':');
	uint64_t line;

	if (rule.n == 0)
		return;
	if (colon != STR_NPOS && str_to_u64(str_sub(rule, colon + 1, rule.n), INT32_MAX, &line)) {
		buf_addc(b, '%');
		literal(b, rule);
	} else {
		literal(b, rule);
		buf_addc(b, '%');
	}
}

/* An address, or as much of it as a network of whole octets holds. */
static void
words_of_network(struct search *s, const struct cidr *network)
{
	struct str text = str_of(IP_TEXT(&network->ip));
	bool v4 = network->ip.version == 4;
	int octets = network->bits / 8;

	if (network->bits == (v4 ? 32 : 128)) {
		journal_text_match(s->journal, text, &s->words);
	} else if (v4 && octets > 0) {
		size_t n = 0;

		while (octets > 0)
			octets -= text.p[n++] == '.';
		journal_text_match(s->journal, str_sub(text, 0, n), &s->words);
	}
}

/* Of a text, or of its other form. */
static void
words_of(struct search *s, struct str text, struct str also)
{
	struct buf one, other;

	if (also.n == 0) {
		journal_text_match(s->journal, text, &s->words);
		return;
	}
	buf_init(&one, 8192);
	buf_init(&other, 8192);
	if (journal_text_match(s->journal, text, &one) &&
	    journal_text_match(s->journal, also, &other))
		buf_printf(&s->words, "%s((%.*s) OR (%.*s))", s->words.n > 0 ? " AND " : "",
		    STR_ARG(buf_str(&one)), STR_ARG(buf_str(&other)));
	buf_free(&one);
	buf_free(&other);
}

static void
words(struct search *s)
{
	const struct journal_filter *f = s->filter;
	struct cidr network;

	if (f->client.n > 0 && cidr_parse(f->client, &network, NULL))
		words_of_network(s, &network);
	else
		journal_text_match(s->journal, f->client, &s->words);
	words_of(s, f->sender, f->sender_also);
	words_of(s, f->recipient, f->recipient_also);
	words_of(s, f->account, f->account_also);
	journal_text_match(s->journal, f->subject, &s->words);
	words_of(s, f->text, f->text_also);
}

bool
search_begin(
    struct search *s, struct journal *j, const struct journal_filter *filter, struct err *e)
{
	const struct journal_filter *f = filter;
	struct cidr network;

	*s = (struct search){ .journal = j, .filter = filter };
	for (size_t i = 0; i < LIMIT; i++)
		buf_init(&s->pattern[i], 16384);
	buf_init(&s->words, 16384);
	words(s);
	if (cidr_parse(f->client, &network, NULL))
		buf_add(&s->pattern[NETWORK], f->client);
	else
		contains(&s->pattern[NAME], f->client);
	contains(&s->pattern[SENDER], f->sender);
	contains_json(&s->pattern[RECIPIENT], f->recipient);
	contains(&s->pattern[ACCOUNT], f->account);
	rule_pattern(&s->pattern[RULE], f->rule);
	contains(&s->pattern[SUBJECT], f->subject);
	contains(&s->pattern[ANY], f->text);
	contains_json(&s->pattern[ANY_JSON], f->text);
	for (size_t i = 0; i < PARAMETERS - SENDER_ALSO; i++)
		buf_init(&s->also[i], 16384);
	contains(&s->also[0], f->sender_also);
	contains(&s->also[RECIPIENT_ALSO - SENDER_ALSO], f->recipient_also);
	contains(&s->also[ACCOUNT_ALSO - SENDER_ALSO], f->account_also);
	contains(&s->also[ANY_ALSO - SENDER_ALSO], f->text_also);
	for (size_t i = 0; i < LIMIT; i++)
		if (s->pattern[i].over)
			return err_set(e, ERR_LIMIT, "the text to look for is too long");
	return true;
}

void
search_end(struct search *s)
{
	for (size_t i = 0; i < LIMIT; i++)
		buf_free(&s->pattern[i]);
	for (size_t i = 0; i < PARAMETERS - SENDER_ALSO; i++)
		buf_free(&s->also[i]);
	buf_free(&s->words);
}

void
search_bind(sqlite3_stmt *stmt, const struct search *s, const struct piece *p, int64_t most)
{
	sqlite3_bind_int64(stmt, FIRST, p->first);
	sqlite3_bind_int64(stmt, LAST, p->last);
	sqlite3_bind_int64(stmt, LIMIT, most);
	sqlite3_bind_int64(stmt, SINCE, s->filter->since_ms);
	sqlite3_bind_int64(stmt, UNTIL, s->filter->until_ms);
	sqlite3_bind_int64(stmt, OBSERVED, s->filter->observed);
	dbfile_bind(stmt, VERDICT, s->filter->verdict);
	for (int i = NETWORK; i < LIMIT; i++)
		dbfile_bind(stmt, i, buf_str(&s->pattern[i]));
	for (int i = SENDER_ALSO; i < PARAMETERS; i++)
		if (s->also[i - SENDER_ALSO].n > 0)
			dbfile_bind(stmt, i, buf_str(&s->also[i - SENDER_ALSO]));
	if (sqlite3_bind_parameter_count(stmt) >= WORDS)
		dbfile_bind(stmt, WORDS, buf_str(&s->words));
}

/* --- pieces: with the index, or without --------------------------------------------------------- */

struct piece
search_piece(struct search *s, int64_t first, int64_t last)
{
	struct piece p = { first, last, false };
	int64_t done, end = (first / JOURNAL_TEXT_SERIALS + 1) * JOURNAL_TEXT_SERIALS - 1;

	if (s->words.n == 0)
		return p;
	done = journal_text_attach(s->journal, first);
	p.indexed = done > 0;
	if (p.indexed)
		end = done;
	if (end < p.last)
		p.last = end;
	return p;
}

void
search_piece_end(struct search *s, const struct piece *p)
{
	if (p->indexed)
		journal_text_detach(s->journal);
}
