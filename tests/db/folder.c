#include "tests/db/folder.h"

#include <ftw.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

void
folder_make(struct folder *f)
{
	const char *top = getenv("TMPDIR");

	snprintf(f->path, sizeof(f->path), "%s/postern-db-XXXXXX", top ? top : "/tmp");
	assert_non_null(mkdtemp(f->path));
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void
folder_remove(struct folder *f)
{
	nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
folder_file(struct folder *f, const char *name)
{
	snprintf(f->file, sizeof(f->file), "%s/%s", f->path, name);
	return f->file;
}

void
folder_write(struct folder *f, const char *name, const void *p, size_t n)
{
	FILE *file = fopen(folder_file(f, name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(p, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

int64_t
folder_number(struct folder *f, const char *name, const char *sql)
{
	sqlite3_stmt *stmt;
	sqlite3 *handle;
	int64_t n;

	assert_int_equal(sqlite3_open(folder_file(f, name), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(handle);
	return n;
}
