/*
 * journal_id: the short id of a journal entry: six letters and digits that are its serial under a
 * key of the journal's own. So no two of 887 million entries in a row have the same, an id tells nobody without
 * the key how much mail there is, and the entry of an id is found by its serial: an index over ids, in
 * random order, would cost each entry a page of its own on the disk. Pure.
 */
#ifndef POSTERN_DB_JOURNAL_ID_H
#define POSTERN_DB_JOURNAL_ID_H

#include "base/str.h"

#define JOURNAL_IDS 887503681 /* 31^6; then they come again */

struct journal_key {
	uint64_t word[2];
};

/* serial: from 1 on. */
void journal_id_write(const struct journal_key *key, int64_t serial, char id[8]);
/* False: no entry ever had it. *serial: the first that has; the next is JOURNAL_IDS behind it. */
bool journal_id_read(const struct journal_key *key, struct str id, int64_t *serial);

#endif
