/*
 * run: calls the command line with streams of its own, and makes a journal for it to read.
 */
#ifndef POSTERN_TESTS_CLI_RUN_H
#define POSTERN_TESTS_CLI_RUN_H

#include "db/journal.h"
#include "tests/db/folder.h"

struct run {
	struct folder folder;
	struct journal *journal;
	char *out, *err; /* what the last command printed */
	int code;
};

/* For cmocka: *state is a struct run with an empty journal in its folder. */
int run_setup(void **state);
int run_teardown(void **state);

/*
 * `postern --database FOLDER words...`; words are split at blanks, those in single quotes are one.
 */
void run_cli(struct run *r, const char *words);
/* The same without --database. */
void run_bare(struct run *r, const char *words);
/* Asserts what was printed and the exit code; NULL: anything. */
void run_is(struct run *r, int code, const char *out, const char *err);
/* Asserts that it printed this somewhere. */
void run_has(struct run *r, const char *text);

/* A refusal at 2026-01-31 12:00:00 UTC with all texts filled; to be changed and appended. */
struct journal_record run_record(void);
void run_append(struct run *r, struct journal_record *record);
/* Stores what the journal keeps of the configuration in this file of the folder, as that of run_record(). */
void run_configuration(struct run *r, const char *name);
/* The same as that of another revision. */
void run_configuration_as(struct run *r, const char *name, const char *revision);

#endif
