/*
 * journal_file: what journal.c (writing) and journal_read.c (reading) share: the inside of a
 * journal. For these two files only.
 */
#ifndef POSTERN_DB_JOURNAL_FILE_H
#define POSTERN_DB_JOURNAL_FILE_H

#include "db/dbfile.h"
#include "db/journal.h"
#include "db/journal_id.h"

struct journal {
	struct dbfile file;
	struct journal_key key; /* of its ids */
	/* Writing; NULL in a journal opened for reading. */
	sqlite3_stmt *append, *get_serial, *keep_serial, *clean;
};

/* The columns of a record, in the order of JOURNAL_COLUMNS. */
enum journal_column {
	COLUMN_SERIAL,
	COLUMN_ID,
	COLUMN_TIME,
	COLUMN_FRONT,
	COLUMN_STEP,
	COLUMN_VERDICT,
	COLUMN_CODE,
	COLUMN_TOOK,
	COLUMN_SIZE,
	COLUMN_TIMES,
	COLUMN_SESSION,
	COLUMN_CLIENT_IP,
	COLUMN_CLIENT_NAME,
	COLUMN_HELO,
	COLUMN_ACCOUNT,
	COLUMN_SENDER,
	COLUMN_RECIPIENTS,
	COLUMN_ENHANCED,
	COLUMN_TEXT,
	COLUMN_RULE,
	COLUMN_QUEUE_ID,
	COLUMN_FACTS,
	COLUMN_TRACE,
	COLUMN_ANSWERS,
	COLUMN_OBSERVED,
	COLUMN_CONFIG,
	COLUMNS,
};

#define JOURNAL_COLUMNS \
	"serial, id, time_ms, front, step, verdict, code, took_us, size, times, session, client_ip, " \
	"client_name, helo, account, sender, recipients, enhanced, text, rule, queue_id, facts, " \
	"trace, answers, observed, config"

/* The texts of a record and their columns: one table for binding, reading and copying. */
struct journal_text {
	enum journal_column column;
	size_t offset; /* of the struct str in struct journal_record */
};

#define JOURNAL_TEXTS 16
extern const struct journal_text journal_texts[JOURNAL_TEXTS];

static inline struct str *
journal_text_of(struct journal_record *r, size_t i)
{
	return (struct str *)((char *)r + journal_texts[i].offset);
}

static inline const struct str *
journal_text_const(const struct journal_record *r, size_t i)
{
	return (const struct str *)((const char *)r + journal_texts[i].offset);
}

extern const struct dbfile_kind journal_kind;

/* journal.c: after opening, for either purpose. */
bool journal_read_key(struct journal *j, struct err *e);

#endif
