/*
 * dbfile: a SQLite file of ours: opened, recognised, brought to the newest schema, and its errors
 * put into words that name the file and what to do. What is in it is the business of journal.c and of
 * the store's tables. One thread at a time; readers of other processes are never in the way (WAL).
 */
#ifndef POSTERN_DB_DBFILE_H
#define POSTERN_DB_DBFILE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "db/migrate.h"

/* What kind of file it is; a const one for each. */
struct dbfile_kind {
	const char *name;   /* "journal" */
	int application_id; /* in the file's header: tells ours from others' */
	const char
	    *synchronous; /* "FULL": committed means on disk; "NORMAL": a crash of the machine may
				     * cost the newest transactions, never the file */
	int page_size;    /* octets, of a file that is made */
	const struct migration *migration;
	size_t n_migrations;
};

struct dbfile {
	const struct dbfile_kind *kind;
	char *path;
	sqlite3 *handle;
	bool reading; /* opened by dbfile_open_read() */
	dev_t device; /* of the file that was opened */
	ino_t inode;
	sqlite3_stmt *begin, *commit;
};

/* In the place of a path: a database of its own in memory, gone when it is closed. */
#define DBFILE_MEMORY ":memory:"
/* Creates the file (0640) if need be; the folder must be there. */
bool dbfile_open(struct dbfile *f, const char *path, const struct dbfile_kind *kind, struct err *e);
/* Nothing is written; the file must be there and of the newest schema. */
bool dbfile_open_read(
    struct dbfile *f, const char *path, const struct dbfile_kind *kind, struct err *e);
void dbfile_close(struct dbfile *f);
/* False when the path is gone or is another file by now: what is written would be lost. */
bool dbfile_in_place(const struct dbfile *f);

/* Fills e from SQLite's last error; returns false. */
bool dbfile_failed(const struct dbfile *f, struct err *e);
bool dbfile_prepare(const struct dbfile *f, const char *sql, sqlite3_stmt **out, struct err *e);
/* Several; those that fail to be are NULL. */
bool dbfile_prepare_all(
    const struct dbfile *f, const char *const *sql, size_t n, sqlite3_stmt **out, struct err *e);
void dbfile_finalize_all(sqlite3_stmt **stmt, size_t n);
/* Statements without results: pragmas. */
bool dbfile_exec(const struct dbfile *f, const char *sql, struct err *e);
/*
 * Brings all to the file and empties the write-ahead log, so that what was removed is in neither: what is freed in the file is
 * overwritten. False: somebody reads what was, and the log keeps it.
 */
bool dbfile_empty_log(const struct dbfile *f);
/* A transaction: of who writes, with the writer's lock from its beginning on. */
bool dbfile_begin(const struct dbfile *f, struct err *e);
bool dbfile_commit(const struct dbfile *f, struct err *e);
/* Rolls back if a transaction is open; never fails. */
void dbfile_rollback(const struct dbfile *f);

/*
 * Ends a statement's use: fills e unless ok, and lets go of what was bound, which is the caller's. Returns ok.
 */
bool dbfile_end(const struct dbfile *f, sqlite3_stmt *stmt, bool ok, struct err *e);
/* All of a statement without results, and the end of its use. */
bool dbfile_run(const struct dbfile *f, sqlite3_stmt *stmt, struct err *e);
/* Text that outlives the statement's use: nothing is copied. */
void dbfile_bind(sqlite3_stmt *stmt, int index, struct str text);
/* Borrowed until the next step. */
struct str dbfile_text(sqlite3_stmt *stmt, int column);

#endif
