#include "db/journal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/die.h"
#include "base/escape.h"
#include "db/journal_file.h"
#include "db/journal_text.h"

/* --- opening ------------------------------------------------------------------------------------ */

/* in_network(address, network) for SQL: 1, 0. */
static void
in_network(sqlite3_context *context, int n, sqlite3_value **value)
{
	struct str text[2];
	struct cidr network;
	struct ip ip;

	for (int i = 0; i < n && i < 2; i++) {
		text[i].p = (const char *)sqlite3_value_text(value[i]);
		text[i].n = text[i].p ? (size_t)sqlite3_value_bytes(value[i]) : 0;
	}
	sqlite3_result_int(context,
	    ip_parse(text[0], &ip) && cidr_parse(text[1], &network, NULL) &&
		cidr_has(&network, &ip));
}

struct journal *
journal_open_read(const char *path, struct err *e)
{
	struct journal *j = xcalloc(1, sizeof(*j));
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

	j->head = -1;
	j->chain = chain_new();
	if (!dbfile_open_read(&j->file, path, &journal_kind, e)) {
		journal_close(&j);
		return NULL;
	}
	if (sqlite3_create_function_v2(j->file.handle, "in_network", 2, flags, NULL, in_network,
		NULL, NULL, NULL) != SQLITE_OK) {
		dbfile_failed(&j->file, e);
		journal_close(&j);
	} else if (!journal_read_key(j, e)) {
		journal_close(&j);
	}
	return j;
}

int64_t
journal_version(struct journal *j)
{
	sqlite3_stmt *stmt;
	int64_t version = -1;

	if (!dbfile_prepare(&j->file, "PRAGMA data_version", &stmt, NULL))
		return -1;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return version;
}

/* --- rows --------------------------------------------------------------------------------------- */

/* The static text that a column's words are in a record. */
static const char *
word(struct str text)
{
	static const char *const words[] = { "proxy", "milter", "connect", "helo", "mail", "rcpt",
		"message", "accept", "tempfail", "reject", "defer", "left", "postern", "change",
		"quota", "forget", "journal", "allow", "block", "lists", "" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_eq(text, str_of(words[i])))
			return words[i];
	return "unknown";
}

static void
fill(sqlite3_stmt *stmt, struct journal_record *r)
{
	*r = (struct journal_record){
		.serial = sqlite3_column_int64(stmt, COLUMN_SERIAL),
		.time_ms = sqlite3_column_int64(stmt, COLUMN_TIME),
		.front = word(dbfile_text(stmt, COLUMN_FRONT)),
		.step = word(dbfile_text(stmt, COLUMN_STEP)),
		.verdict = word(dbfile_text(stmt, COLUMN_VERDICT)),
		.code = sqlite3_column_int(stmt, COLUMN_CODE),
		.took_us = sqlite3_column_int(stmt, COLUMN_TOOK),
		.size = sqlite3_column_int64(stmt, COLUMN_SIZE),
		.times = sqlite3_column_int64(stmt, COLUMN_TIMES),
	};
	str_copy(dbfile_text(stmt, COLUMN_ID), r->id, sizeof(r->id));
	for (size_t i = 0; i < JOURNAL_TEXTS; i++)
		*journal_text_of(r, i) = dbfile_text(stmt, (int)journal_texts[i].column);
}

/* --- what is looked for ------------------------------------------------------------------------- */

/* Entries are copied out in lots: nobody's slow terminal holds a read transaction open. */
#define LOT 200

#define CONTAINS(column, n) column " LIKE ?" #n " ESCAPE '\\'"

/* What has no other form is NULL there, which is like nothing. */
#define EITHER(column, n, also) "(" CONTAINS(column, n) " OR " CONTAINS(column, also) ")"

/* Empty texts and zero times mean any. Parameters as in enum parameter. */
/* clang-format off */
#define MATCHES \
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

enum parameter {
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

static bool
patterns(struct search *s, struct err *e)
{
	const struct journal_filter *f = s->filter;
	struct cidr network;

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

static void
bind(sqlite3_stmt *stmt, const struct search *s)
{
	sqlite3_bind_int64(stmt, FIRST, s->first);
	sqlite3_bind_int64(stmt, LAST, s->last);
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

struct piece {
	int64_t first, last;
	bool indexed; /* and the index is attached */
};

#define FROM_ENTRIES "FROM entry WHERE "
#define FROM_WORDS \
	"FROM " JOURNAL_TEXT ".words CROSS JOIN entry ON serial = words.rowid " \
	"WHERE words MATCH ?16 AND words.rowid BETWEEN ?1 AND ?2 AND "

/* The first part of a span that is searched in one way; piece_end() after it. */
static struct piece
piece_begin(struct search *s, int64_t first, int64_t last)
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

static void
piece_end(struct search *s, const struct piece *p)
{
	if (p->indexed)
		journal_text_detach(s->journal);
}

/* --- the span of serials ------------------------------------------------------------------------ */

/* The serial behind one; a file that is not ours may hold the highest there is. */
static int64_t
after(int64_t serial)
{
	return serial < INT64_MAX ? serial + 1 : INT64_MAX;
}

/* Ends a statement of one row: its number to *out, or `none` when it is NULL or there is no row. */
static bool
one_number(struct journal *j, sqlite3_stmt *stmt, int64_t none, int64_t *out, struct err *e)
{
	int rc = sqlite3_step(stmt);

	*out = none;
	if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*out = sqlite3_column_int64(stmt, 0);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/*
 * Asked for the lowest serial since then, SQLite would read all entries from the first on; the index of times has only those that are asked for. Clocks
 * go back, so serials are not in its order. Where nearly all are asked for, one of the first entries is it.
 */
bool
journal_since(struct journal *j, int64_t since_ms, int64_t *first, struct err *e)
{
	static const char sql[] =
	    "SELECT ifnull((SELECT min(serial) FROM (SELECT serial, time_ms FROM entry ORDER BY serial LIMIT 1000) "
	    "WHERE time_ms >= ?1), (SELECT min(serial) FROM entry INDEXED BY entry_time WHERE time_ms >= ?1))";
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, since_ms);
	return one_number(j, stmt, INT64_MAX, first, e);
}

/* The highest serial before then; as above. */
static bool
until(struct journal *j, int64_t until_ms, int64_t *last, struct err *e)
{
	static const char sql[] =
	    "SELECT ifnull((SELECT max(serial) FROM (SELECT serial, time_ms FROM entry ORDER BY serial DESC LIMIT 1000) "
	    "WHERE time_ms < ?1), (SELECT max(serial) FROM entry INDEXED BY entry_time WHERE time_ms < ?1))";
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, until_ms);
	return one_number(j, stmt, 0, last, e);
}

static bool
span_times(struct search *s, struct err *e)
{
	const struct journal_filter *f = s->filter;
	int64_t first = s->first, last = s->last;

	if (f->since_ms > 0 && !journal_since(s->journal, f->since_ms, &first, e))
		return false;
	if (f->until_ms > 0 && !until(s->journal, f->until_ms, &last, e))
		return false;
	s->first = first > s->first ? first : s->first;
	s->last = last < s->last ? last : s->last;
	return true;
}

static bool
serial_of(struct search *s, const char *sql, int64_t serial, int64_t *out, struct err *e)
{
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&s->journal->file, sql, &stmt, e))
		return false;
	dbfile_bind(stmt, 1, s->filter->id);
	if (serial > 0)
		sqlite3_bind_int64(stmt, 2, serial);
	return one_number(s->journal, stmt, 0, out, e);
}

/* By the serial that it stands for; entries of before there was a key are searched for. */
static bool
span_id(struct search *s, struct err *e)
{
	int64_t newest = journal_newest(s->journal), serial = 0, found = 0;

	if (journal_id_read(&s->journal->key, s->filter->id, &serial) && serial <= newest) {
		serial += (newest - serial) / JOURNAL_IDS * JOURNAL_IDS;
		if (!serial_of(s, "SELECT serial FROM entry WHERE id = ?1 AND serial = ?2", serial,
			&found, e))
			return false;
	}
	if (found == 0 &&
	    !serial_of(s, "SELECT max(serial) FROM entry WHERE id = ?1", 0, &found, e))
		return false;
	if (found < s->first)
		s->first = INT64_MAX;
	else
		s->first = s->last = found;
	return true;
}

/* The newest of a piece: how many match, up to *left, which is counted down, and the first of them. */
static bool
newest_of(struct search *s, const struct piece *p, int64_t *left, int64_t *serial, struct err *e)
{
	static const char plain[] =
	    "SELECT count(*), min(serial) FROM (SELECT serial " FROM_ENTRIES MATCHES
	    " ORDER BY serial DESC LIMIT ?15)";
	static const char indexed[] =
	    "SELECT count(*), min(serial) FROM (SELECT serial " FROM_WORDS MATCHES
	    " ORDER BY words.rowid DESC LIMIT ?15)";
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(&s->journal->file, p->indexed ? indexed : plain, &stmt, e))
		return false;
	bind(stmt, s);
	sqlite3_bind_int64(stmt, FIRST, p->first);
	sqlite3_bind_int64(stmt, LAST, p->last);
	sqlite3_bind_int64(stmt, LIMIT, *left);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_int64(stmt, 0) > 0) {
		*left -= sqlite3_column_int64(stmt, 0);
		*serial = sqlite3_column_int64(stmt, 1);
	}
	if (rc != SQLITE_ROW)
		dbfile_failed(&s->journal->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW;
}

/* Moves the beginning on, so that only the newest are left: looks from the end, a file of the index at a time. */
static bool
span_newest(struct search *s, struct err *e)
{
	int64_t left = (int64_t)s->filter->last, found = INT64_MAX, last = s->last;
	bool ok = true;

	while (ok && left > 0 && last >= s->first) {
		int64_t first =
		    s->words.n > 0 ? last / JOURNAL_TEXT_SERIALS * JOURNAL_TEXT_SERIALS : s->first;
		struct piece p = piece_begin(s, first > s->first ? first : s->first, last);
		/* What the index does not have yet is newer. */
		struct piece tail = { p.last + 1, last, false };

		first = p.first;
		if (tail.first <= tail.last)
			ok = newest_of(s, &tail, &left, &found, e);
		if (ok && left > 0)
			ok = newest_of(s, &p, &left, &found, e);
		piece_end(s, &p);
		last = first - 1;
	}
	s->first = found;
	return ok;
}

static int64_t
serial(struct journal *j, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t serial;

	if (!dbfile_prepare(&j->file, sql, &stmt, NULL) || !one_number(j, stmt, 0, &serial, NULL))
		return 0;
	return serial;
}

int64_t
journal_newest(struct journal *j)
{
	return serial(j, "SELECT max(serial) FROM entry");
}

int64_t
journal_oldest(struct journal *j)
{
	return serial(j, "SELECT min(serial) FROM entry");
}

/* Entries that come while we read are left to the next reading: this one ends. */
static bool
span(struct search *s, struct err *e)
{
	const struct journal_filter *f = s->filter;
	sqlite3_stmt *stmt;

	s->first = after(f->after_serial);
	if (!dbfile_prepare(&s->journal->file, "SELECT max(serial) FROM entry", &stmt, e) ||
	    !one_number(s->journal, stmt, 0, &s->last, e))
		return false;
	if (!span_times(s, e))
		return false;
	if (f->id.n > 0 && !span_id(s, e))
		return false;
	return f->last == 0 || s->first > s->last || span_newest(s, e);
}

/* --- reading ------------------------------------------------------------------------------------ */

struct reader {
	bool (*row)(void *owner, const struct journal_record *r);
	void *owner;
};

/* The next lot; *n below LOT says that it was the last. */
static bool
lot(struct search *s, sqlite3_stmt *stmt, struct journal_record *out[LOT], size_t *n, struct err *e)
{
	struct journal_record r;
	int rc = SQLITE_DONE;

	bind(stmt, s);
	sqlite3_bind_int64(stmt, LIMIT, LOT);
	for (*n = 0; *n < LOT && (rc = sqlite3_step(stmt)) == SQLITE_ROW; (*n)++) {
		fill(stmt, &r);
		out[*n] = journal_record_copy(&r);
		s->first = after(r.serial);
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		dbfile_failed(&s->journal->file, e);
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* All of a piece; *more becomes false when row() wants no more. */
static bool
read_piece(
    struct search *s, const struct piece *p, const struct reader *reader, bool *more, struct err *e)
{
	static const char plain[] =
	    "SELECT " JOURNAL_COLUMNS " " FROM_ENTRIES MATCHES " ORDER BY serial LIMIT ?15";
	static const char indexed[] =
	    "SELECT " JOURNAL_COLUMNS " " FROM_WORDS MATCHES " ORDER BY words.rowid LIMIT ?15";
	struct search part = *s;
	struct journal_record *records[LOT];
	sqlite3_stmt *stmt;
	size_t n = LOT;
	bool ok;

	part.first = p->first;
	part.last = p->last;
	ok = dbfile_prepare(&s->journal->file, p->indexed ? indexed : plain, &stmt, e);
	while (ok && *more && n == LOT && part.first <= part.last) {
		ok = lot(&part, stmt, records, &n, e);
		for (size_t i = 0; i < n; i++) {
			*more = *more && reader->row(reader->owner, records[i]);
			free(records[i]);
		}
	}
	sqlite3_finalize(stmt);
	return ok;
}

static bool
read_all(struct search *s, const struct reader *reader, struct err *e)
{
	bool ok = true, more = true;

	while (ok && more && s->first <= s->last) {
		struct piece p = piece_begin(s, s->first, s->last);

		ok = read_piece(s, &p, reader, &more, e);
		piece_end(s, &p);
		s->first = after(p.last);
	}
	return ok;
}

bool
journal_read(struct journal *j, const struct journal_filter *filter,
    bool (*row)(void *owner, const struct journal_record *r), void *owner, struct err *e)
{
	struct search s = { .journal = j, .filter = filter };
	const struct reader reader = { row, owner };
	bool ok = patterns(&s, e) && span(&s, e) && read_all(&s, &reader, e);

	for (size_t i = 0; i < LIMIT; i++)
		buf_free(&s.pattern[i]);
	for (size_t i = 0; i < PARAMETERS - SENDER_ALSO; i++)
		buf_free(&s.also[i]);
	buf_free(&s.words);
	return ok;
}
