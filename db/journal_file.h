/*
 * journal_file: what the files journal_*.c share: the inside of a journal. For these files only.
 */
#ifndef POSTERN_DB_JOURNAL_FILE_H
#define POSTERN_DB_JOURNAL_FILE_H

#include "db/dbfile.h"
#include "db/journal.h"
#include "db/journal_chain.h"
#include "db/journal_head.h"
#include "db/journal_id.h"

/* A row of `configuration`, as links cover it. */
struct config_row {
	char revision[16]; /* "": none */
	bool there;        /* the journal has it */
	struct chain_hash digest;
	/* while verifying */
	bool fits;           /* an entry's link covers it */
	int64_t first, last; /* serials of entries whose link does not; 0: none */
	int64_t time_ms;     /* of the first */
};

/* Those that were looked for last; born zeroed. */
#define CONFIG_ROWS 16
struct config_rows {
	struct config_row row[CONFIG_ROWS];
	size_t next; /* to be filled: the one that was filled longest ago */
};

struct journal {
	struct dbfile file;
	struct journal_key key; /* of its ids */
	uint64_t itself;        /* tells it from others, in the head */
	char *head_path;
	struct chain *chain;
	struct config_rows rows; /* of entries that are appended */
	struct head known;       /* the newest, when we saw it last; serial 0: nothing is known */
	int head;                /* descriptor; -1: reading, or it could not be opened */
	bool head_failing;
	/* The index for searching, in files of a number each; for writing. */
	struct text_file *text; /* at hand; NULL: none is */
	int64_t text_segment;   /* its number */
	bool text_merged;       /* there is nothing to merge in it */
	int64_t text_forgets;   /* how often something was forgotten, when it was looked at last */
	int64_t text_next;      /* serial to go on with */
	int64_t text_oldest;    /* the first number; -1: nobody looked yet */
	int64_t text_joined;    /* numbers before it are one piece each */
	int64_t text_whole;     /* numbers before it are whole */
	/* Writing; NULL in a journal opened for reading. */
	sqlite3_stmt *append, *newest, *add_hour, *latest, *clock_back;
};

/* The columns of a record, in the order of JOURNAL_COLUMNS. The chain knows them by these numbers: add at the end. */
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
	COLUMN_SUBJECT,
	COLUMNS,
	COLUMN_CHAIN = COLUMNS, /* behind them */
};

#define JOURNAL_COLUMNS \
	"serial, id, time_ms, front, step, verdict, code, took_us, size, times, session, client_ip, " \
	"client_name, helo, account, sender, recipients, enhanced, text, rule, queue_id, facts, " \
	"trace, answers, observed, config, subject"

/* The texts of a record and their columns: one table for binding, reading and copying. */
struct journal_text {
	enum journal_column column;
	size_t offset; /* of the struct str in struct journal_record */
};

#define JOURNAL_TEXTS 17
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

/* Rules of entries that tell of the journal itself. */
#define JOURNAL_TORN "journal: torn"
#define JOURNAL_FORGET "command: forget"

extern const struct dbfile_kind journal_kind;

/* journal.c: after opening, for either purpose. */
bool journal_read_key(struct journal *j, struct err *e);
/* The columns of a row that was selected by JOURNAL_COLUMNS, as they are in the file, whatever that is. */
void journal_cells(sqlite3_stmt *row, struct chain_cell cell[COLUMNS]);
/* The lowest serial there is, 0 when there is none. */
int64_t journal_oldest(struct journal *j);
/* The lowest serial of an entry since then; INT64_MAX when there is none. */
bool journal_since(struct journal *j, int64_t since_ms, int64_t *first, struct err *e);
/* The newest entry, or where the chain begins. */
bool journal_get_newest(struct journal *j, struct head *out, struct err *e);
/* The hash in a column; false: it is none. */
bool journal_hash(sqlite3_stmt *stmt, int column, struct chain_hash *out);

/* journal_config.c: the row of an entry's revision, if it is among rows; NULL: it is not. */
struct config_row *config_rows_find(struct config_rows *rows, struct str revision);
/* Reads it in the place of the one that was filled longest ago; NULL: failed. */
struct config_row *config_rows_read(
    struct journal *j, struct config_rows *rows, struct str revision, struct err *e);

/* journal_clock.c: at the start of writing, and with each append, before it. */
bool journal_clock_prepare(struct journal *j, struct err *e);
bool journal_clock_note(
    struct journal *j, struct journal_record *const *records, size_t n, struct err *e);

/* journal_torn.c: at the start of writing: says what is missing at the end, so that it is never numbered again. */
bool journal_mend(struct journal *j, struct err *e);
/* The same by what was known to be the newest entry; outside of a transaction. */
bool journal_compare(
    struct journal *j, const struct head *newest, const struct head *known, struct err *e);

/* What is done before appending, in the same transaction: a statement of ours and a call with the next serial; NULL: none. */
struct journal_also {
	const char *sql;
	bool (*call)(void *owner, int64_t next, struct err *e);
	void *owner;
};
/* journal.c: journal_append() with what is done before it; also may be NULL. */
bool journal_append_and(struct journal *j, struct journal_record *const *records, size_t n,
    const struct journal_also *also, struct err *e);
/* After a commit. */
void journal_write_head(struct journal *j, const struct head *newest);

#endif
