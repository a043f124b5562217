/*
 * journal_sums: the sums of hours (journal_sums.c). For the files journal_*.c only; what reads them is in journal.h.
 */
#ifndef POSTERN_DB_JOURNAL_SUMS_H
#define POSTERN_DB_JOURNAL_SUMS_H

#include "db/journal_file.h"

#define JOURNAL_SUMS 16 /* hours and verdicts of one batch that are gathered */

struct journal_hour_sum {
	int64_t hour;
	const char *verdict; /* borrowed */
	int64_t times;
};

/* Of a batch that is being appended. Begin with zeros. */
struct journal_sums {
	struct journal_hour_sum sum[JOURNAL_SUMS];
	size_t n;
};

bool journal_sums_prepare(struct journal *j, struct err *e);
/* Adds an entry that is in the transaction. */
bool journal_sums_add(
    struct journal *j, struct journal_sums *sums, const struct journal_record *r, struct err *e);
/* Writes what was gathered. */
bool journal_sums_write(struct journal *j, struct journal_sums *sums, struct err *e);

#endif
