/*
 * folder: a folder for the files of one test, gone at its end.
 */
#ifndef POSTERN_TESTS_DB_FOLDER_H
#define POSTERN_TESTS_DB_FOLDER_H

#include <stddef.h>
#include <stdint.h>

struct folder {
	char path[256];
	char file[512]; /* the last one that folder_file() named */
};

void folder_make(struct folder *f);
void folder_remove(struct folder *f);
/* The path of a file in it; valid until the next call. */
const char *folder_file(struct folder *f, const char *name);
/* Writes a file with this content. */
void folder_write(struct folder *f, const char *name, const void *p, size_t n);
/* The number that a statement finds first in a database in it. */
int64_t folder_number(struct folder *f, const char *name, const char *sql);

#endif
