#include "db/dbfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"

/* A file up to this size is checked whole when it is opened: some tens of milliseconds. */
#define CHECK_MAX (8 << 20)

/* So much is written ahead before it is brought into the file. */
#define WAL_OCTETS (4 << 20)

/* --- errors ------------------------------------------------------------------------------------- */

/* What to do about an error of SQLite. */
static const char *
remedy(const struct dbfile *f, int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return "make room on that disk";
	case SQLITE_NOTADB:
		return "it is no SQLite database: move it away, a new one is made at the next start";
	case SQLITE_CORRUPT:
		return "it is damaged: stop posternd, save what can be read with sqlite3's .recover, "
		       "move it away; a new one is made at the next start";
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
	case SQLITE_AUTH:
		if (f->reading)
			return "become root or the user of posternd";
		return "let the user of posternd write to the file and its folder";
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return "another program keeps it locked: end that program";
	case SQLITE_IOERR:
		return "look for errors of the disk in the kernel's log, and for room on it";
	default:
		return "if it lasts, start posternd again";
	}
}

bool
dbfile_failed(const struct dbfile *f, struct err *e)
{
	int code = sqlite3_extended_errcode(f->handle);

	return err_set(e, ERR_DB, "%s: %s (%d): %s", f->path, sqlite3_errmsg(f->handle), code,
	    remedy(f, code));
}

/* --- statements --------------------------------------------------------------------------------- */

bool
dbfile_prepare(const struct dbfile *f, const char *sql, sqlite3_stmt **out, struct err *e)
{
	if (sqlite3_prepare_v3(f->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) !=
	    SQLITE_OK)
		return dbfile_failed(f, e);
	return true;
}

bool
dbfile_prepare_all(
    const struct dbfile *f, const char *const *sql, size_t n, sqlite3_stmt **out, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		out[i] = NULL;
	for (size_t i = 0; i < n; i++)
		if (!dbfile_prepare(f, sql[i], &out[i], e))
			return false;
	return true;
}

void
dbfile_finalize_all(sqlite3_stmt **stmt, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sqlite3_finalize(stmt[i]);
		stmt[i] = NULL;
	}
}

bool
dbfile_exec(const struct dbfile *f, const char *sql, struct err *e)
{
	if (sqlite3_exec(f->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return dbfile_failed(f, e);
	return true;
}

bool
dbfile_empty_log(const struct dbfile *f)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(f, "PRAGMA wal_checkpoint(TRUNCATE)", &stmt, NULL))
		return false;
	/* The first column: whether it was kept from it. */
	ok = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 0;
	sqlite3_finalize(stmt);
	return ok;
}

bool
dbfile_begin(const struct dbfile *f, struct err *e)
{
	return dbfile_run(f, f->begin, e);
}

bool
dbfile_commit(const struct dbfile *f, struct err *e)
{
	return dbfile_run(f, f->commit, e);
}

void
dbfile_rollback(const struct dbfile *f)
{
	if (!sqlite3_get_autocommit(f->handle))
		sqlite3_exec(f->handle, "ROLLBACK", NULL, NULL, NULL);
}

bool
dbfile_end(const struct dbfile *f, sqlite3_stmt *stmt, bool ok, struct err *e)
{
	if (!ok)
		dbfile_failed(f, e);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return ok;
}

bool
dbfile_run(const struct dbfile *f, sqlite3_stmt *stmt, struct err *e)
{
	return dbfile_end(f, stmt, sqlite3_step(stmt) == SQLITE_DONE, e);
}

void
dbfile_bind(sqlite3_stmt *stmt, int index, struct str text)
{
	/* A NULL pointer would bind NULL. */
	sqlite3_bind_text64(stmt, index, text.p ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

struct str
dbfile_text(sqlite3_stmt *stmt, int column)
{
	const char *p = (const char *)sqlite3_column_text(stmt, column);

	if (p == NULL)
		return STR("");
	return (struct str){ p, (size_t)sqlite3_column_bytes(stmt, column) };
}

/* One number; false when there is none. */
static bool
number(const struct dbfile *f, const char *sql, int64_t *out, struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(f, sql, &stmt, e))
		return false;
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	if (ok)
		*out = sqlite3_column_int64(stmt, 0);
	else
		dbfile_failed(f, e);
	sqlite3_finalize(stmt);
	return ok;
}

/* --- before opening ----------------------------------------------------------------------------- */

static bool
folder_usable(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];
	struct stat st;

	if (slash == NULL)
		str_copy(STR("."), folder, sizeof(folder));
	else if (!str_copy((struct str){ path, slash == path ? 1 : (size_t)(slash - path) }, folder,
		     sizeof(folder)))
		return err_set(e, ERR_DB, "%.100s...: this path is too long", path);
	if (stat(folder, &st) != 0)
		return err_set(e, ERR_DB,
		    "%s: %s: make the folder and give it to the user of posternd", folder,
		    strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_DB, "%s: is no folder: name one in `database`", folder);
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
		return err_set(e, ERR_DB, "%s: %s: let the user of posternd write to this folder",
		    folder, strerror(errno));
	return true;
}

/*
 * A new file is made by us, for its mode: the journal tells who wrote to whom. An old one is not
 * opened here: closing it would drop the locks that SQLite may hold in this process.
 */
static bool
file_usable(const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (stat(path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return err_set(e, ERR_DB, "%s: is no file: move it away", path);
		if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
			return err_set(e, ERR_DB,
			    "%s: %s: let the user of posternd read and write it", path,
			    strerror(errno));
		return true;
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 && errno != EEXIST)
		return err_set(e, ERR_DB,
		    "%s: cannot be made: %s: let the user of posternd write to the folder", path,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	return true;
}

/* --- opening ------------------------------------------------------------------------------------ */

static bool
in_memory(const struct dbfile *f)
{
	return strcmp(f->path, DBFILE_MEMORY) == 0;
}

static bool
connect_to(struct dbfile *f, int flags, struct err *e)
{
	struct stat st;

	flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
	if (sqlite3_open_v2(f->path, &f->handle, flags, NULL) != SQLITE_OK) {
		if (f->handle == NULL)
			die("no memory for a database connection");
		return dbfile_failed(f, e);
	}
	sqlite3_busy_timeout(f->handle, 5000);
	sqlite3_db_config(f->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(f->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* We have none: somebody put them there, to have us do or read what is not ours. */
	sqlite3_db_config(f->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(f->handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	if (in_memory(f))
		return true;
	if (stat(f->path, &st) != 0)
		return err_set(e, ERR_DB, "%s: %s", f->path, strerror(errno));
	f->device = st.st_dev;
	f->inode = st.st_ino;
	return true;
}

/* Is it ours, and not of the future? *version: its number, 0 for an empty file. */
static bool
recognise(const struct dbfile *f, int *version, struct err *e)
{
	int64_t objects, application;
	int newest = (int)f->kind->n_migrations;

	if (!number(f, "SELECT count(*) FROM sqlite_schema", &objects, e) ||
	    !number(f, "PRAGMA application_id", &application, e))
		return false;
	*version = migrate_version(f->handle);
	if (*version < 0)
		return dbfile_failed(f, e);
	if (objects > 0 && application != f->kind->application_id)
		return err_set(e, ERR_DB,
		    "%s: is a database, but no %s of Postern: move it away, or name another folder "
		    "in `database`",
		    f->path, f->kind->name);
	if (*version > newest)
		return err_set(e, ERR_DB,
		    "%s: was written by a newer Postern (schema %d, this one knows %d): install that "
		    "one again, or move the file away",
		    f->path, *version, newest);
	return true;
}

static bool
quick_check(const struct dbfile *f, struct err *e)
{
	sqlite3_stmt *stmt;
	struct str found;
	bool ok;

	if (!dbfile_prepare(f, "PRAGMA quick_check(1)", &stmt, e))
		return false;
	if (sqlite3_step(stmt) != SQLITE_ROW) {
		dbfile_failed(f, e);
		sqlite3_finalize(stmt);
		return false;
	}
	found = dbfile_text(stmt, 0);
	ok = str_eq(found, STR("ok"));
	if (!ok)
		err_set(e, ERR_DB, "%s: %.*s: %s", f->path, found.n > 150 ? 150 : (int)found.n,
		    found.p, remedy(f, SQLITE_CORRUPT));
	sqlite3_finalize(stmt);
	return ok;
}

/* A large file is not read whole at every start: the newest row of each table has to do. */
static bool
healthy(const struct dbfile *f, struct err *e)
{
	sqlite3_stmt *tables = NULL;
	struct stat st;
	bool ok = true;

	if (stat(f->path, &st) == 0 && st.st_size <= CHECK_MAX)
		return quick_check(f, e);
	if (!dbfile_prepare(f, "SELECT name FROM sqlite_schema WHERE type = 'table'", &tables, e))
		return false;
	while (ok && sqlite3_step(tables) == SQLITE_ROW) {
		/* Names out of our own schema: recognised before. */
		char *sql = sqlite3_mprintf(
		    "SELECT 1 FROM \"%w\" ORDER BY 1 DESC LIMIT 1", sqlite3_column_text(tables, 0));

		if (sql == NULL)
			die("no memory for a statement");
		ok = dbfile_exec(f, sql, e);
		sqlite3_free(sql);
	}
	sqlite3_finalize(tables);
	return ok;
}

static bool
prepare_file(const struct dbfile *f, struct err *e)
{
	char sql[256];
	int version, page_size = f->kind->page_size;

	if (!recognise(f, &version, e))
		return false;
	if (version > 0 && !healthy(f, e))
		return false;
	/* The first two take effect only before anything else is written. */
	snprintf(sql, sizeof(sql),
	    "PRAGMA page_size = %d; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d",
	    page_size, f->kind->application_id);
	if (version == 0 && !dbfile_exec(f, sql, e))
		return false;
	snprintf(sql, sizeof(sql),
	    "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s; "
	    "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; "
	    "PRAGMA secure_delete = ON; "
	    "PRAGMA wal_autocheckpoint = %d",
	    f->kind->synchronous, WAL_OCTETS / page_size);
	return dbfile_exec(f, sql, e);
}

static bool
open_file(struct dbfile *f, struct err *e)
{
	struct err why;

	if (!in_memory(f) && (!folder_usable(f->path, e) || !file_usable(f->path, e)))
		return false;
	if (!connect_to(f, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e) || !prepare_file(f, e))
		return false;
	if (migrate(f->handle, f->kind->migration, f->kind->n_migrations, &why))
		return true;
	return err_set(e, ERR_DB, "%s: %.200s: %s", f->path, why.text,
	    remedy(f, sqlite3_extended_errcode(f->handle)));
}

/* Once, for there is one a batch. */
static bool
prepare_transaction(struct dbfile *f, struct err *e)
{
	return dbfile_prepare(f, f->reading ? "BEGIN" : "BEGIN IMMEDIATE", &f->begin, e) &&
	    dbfile_prepare(f, "COMMIT", &f->commit, e);
}

bool
dbfile_open(struct dbfile *f, const char *path, const struct dbfile_kind *kind, struct err *e)
{
	*f = (struct dbfile){ .kind = kind, .path = xstrdup(path) };
	if (open_file(f, e) && prepare_transaction(f, e))
		return true;
	dbfile_close(f);
	return false;
}

static bool
open_file_read(struct dbfile *f, struct err *e)
{
	int version;

	if (faccessat(AT_FDCWD, f->path, F_OK, AT_EACCESS) != 0)
		return err_set(e, ERR_DB,
		    "%s: %s: has posternd been started with this `database` folder?", f->path,
		    strerror(errno));
	if (faccessat(AT_FDCWD, f->path, R_OK, AT_EACCESS) != 0)
		return err_set(e, ERR_DB, "%s: %s: become root or the user of posternd", f->path,
		    strerror(errno));
	if (!connect_to(f, SQLITE_OPEN_READONLY, e) || !recognise(f, &version, e))
		return false;
	if (version < (int)f->kind->n_migrations)
		return err_set(e, ERR_DB,
		    "%s: is of an older version (schema %d, not %d): start "
		    "posternd once, it brings it up to date",
		    f->path, version, (int)f->kind->n_migrations);
	return true;
}

bool
dbfile_open_read(struct dbfile *f, const char *path, const struct dbfile_kind *kind, struct err *e)
{
	*f = (struct dbfile){ .kind = kind, .path = xstrdup(path), .reading = true };
	if (open_file_read(f, e) && prepare_transaction(f, e))
		return true;
	dbfile_close(f);
	return false;
}

void
dbfile_close(struct dbfile *f)
{
	sqlite3_finalize(f->begin);
	sqlite3_finalize(f->commit);
	/* All others are finalized by now; _v2 would hide it if not. */
	if (f->handle && sqlite3_close(f->handle) != SQLITE_OK)
		panic("%s: closed with statements open", f->path);
	free(f->path);
	*f = (struct dbfile){ 0 };
}

bool
dbfile_in_place(const struct dbfile *f)
{
	struct stat st;

	return stat(f->path, &st) == 0 && st.st_dev == f->device && st.st_ino == f->inode;
}
