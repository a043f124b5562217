/*
 * journal_search: what a reader looks for: a filter (journal.h) as a condition in SQL, as a question to the index, and as the span of
 * serials in which entries can match. A span is searched in pieces: in each either the index is asked, or all entries are looked at.
 *
 * For the files journal_*.c only.
 */
#ifndef POSTERN_DB_JOURNAL_SEARCH_H
#define POSTERN_DB_JOURNAL_SEARCH_H

#include "base/buf.h"
#include "db/journal_file.h"
#include "db/journal_text.h"

/* Parameters of the statements below. */
enum search_parameter {
	FIRST = 1,
	LAST,
	SINCE,
	UNTIL,
	VERDICT,
	NETWORK,
	NAME,
	SENDER,
	RECIPIENT,
	ACCOUNT,
	RULE,
	SUBJECT,
	ANY,
	ANY_JSON,
	LIMIT,
	WORDS,
	OBSERVED,
	SENDER_ALSO,
	RECIPIENT_ALSO,
	ACCOUNT_ALSO,
	ANY_ALSO,
	PARAMETERS
};

struct search {
	struct journal *journal;
	const struct journal_filter *filter;
	int64_t first, last;                       /* serials */
	struct buf pattern[LIMIT];                 /* of NAME to ANY_JSON: for LIKE */
	struct buf also[PARAMETERS - SENDER_ALSO]; /* the other forms; empty: none */
	struct buf words;                          /* what the index is asked for; empty: nothing */
};

/* Makes patterns of a filter, which is borrowed until search_end(). */
bool search_begin(
    struct search *s, struct journal *j, const struct journal_filter *filter, struct err *e);
void search_end(struct search *s);
/* journal_span.c: from the first to the last serial that can match; none when they are the other way round. */
bool search_span(struct search *s, struct err *e);

struct piece {
	int64_t first, last;
	bool indexed; /* and the index is attached */
};

/* The first part of a span that is searched in one way; search_piece_end() after it. */
struct piece search_piece(struct search *s, int64_t first, int64_t last);
void search_piece_end(struct search *s, const struct piece *p);

#define CONTAINS(column, n) column " LIKE ?" #n " ESCAPE '\\'"

/* What has no other form is NULL there, which is like nothing. */
#define EITHER(column, n, also) "(" CONTAINS(column, n) " OR " CONTAINS(column, also) ")"

/* Empty texts and zero times mean any. Parameters as in enum search_parameter. */
/* clang-format off */
#define SEARCH_MATCHES \
	"serial BETWEEN ?1 AND ?2 AND (?3 = 0 OR time_ms >= ?3) AND (?4 = 0 OR time_ms < ?4) " \
	"AND (?5 = '' OR verdict = ?5) " \
	"AND (?6 = '' OR in_network(client_ip, ?6)) " \
	"AND (?7 = '' OR " CONTAINS("client_name", 7) ") " \
	"AND (?8 = '' OR " EITHER("sender", 8, 18) ") " \
	"AND (?9 = '' OR " EITHER("recipients", 9, 19) ") " \
	"AND (?10 = '' OR " EITHER("account", 10, 20) ") " \
	"AND (?11 = '' OR " CONTAINS("rule", 11) ") " \
	"AND (?12 = '' OR " CONTAINS("subject", 12) ") " \
	"AND (?13 = '' OR " EITHER("sender", 13, 21) " OR " EITHER("recipients", 14, 21) \
	" OR " EITHER("account", 13, 21) " OR " EITHER("text", 13, 21) " OR " CONTAINS("rule", 13) \
	" OR " CONTAINS("client_name", 13) " OR " CONTAINS("helo", 13) \
	" OR " EITHER("subject", 13, 21) ") " \
	"AND (?17 = 0 OR observed <> '')"
/* clang-format on */

/* Columns of what matches in a piece, by serial or, with "DESC", from the last: of one that is not indexed, and of one that is. */
#define SEARCH_ENTRIES(columns, order) \
	"SELECT " columns " FROM entry WHERE " SEARCH_MATCHES " ORDER BY serial " order " LIMIT ?15"
#define SEARCH_WORDS(columns, order) \
	"SELECT " columns " FROM " JOURNAL_TEXT ".words CROSS JOIN entry ON serial = words.rowid " \
	"WHERE words MATCH ?16 AND words.rowid BETWEEN ?1 AND ?2 AND " SEARCH_MATCHES \
	" ORDER BY words.rowid " order " LIMIT ?15"

/* Binds what the conditions ask, within a piece, and how many rows are wanted at most. */
void search_bind(sqlite3_stmt *stmt, const struct search *s, const struct piece *p, int64_t most);

/* The serial behind one; a file that is not ours may hold the highest there is. */
static inline int64_t
search_after(int64_t serial)
{
	return serial < INT64_MAX ? serial + 1 : INT64_MAX;
}

#endif
