/*
 * store_row: a row of the store in the words of no backend, for moving state from one to the other, and what becomes of two
 * rows of the same key. Merging is idempotent and does not ask in which order: what was merged before
 * changes nothing when it comes again, so that a copy can be repeated, and made while both are in use. Pure.
 */
#ifndef POSTERN_DB_STORE_ROW_H
#define POSTERN_DB_STORE_ROW_H

#include "db/store.h"
#include "db/window.h"

/*
 * *there is the row of the same kind and key that is there; it becomes what it is to be. False: it is that already.
 *   SEEN       proven wins over waiting; of two alike the earliest first, the latest last and expiry, the most hits
 *   COUNTER    the larger of each bin: what both counted of the same mail is counted once, as is what each counted of its own
 *   SKETCH     what either saw
 *   LIMIT      the one that lasts longer
 *   DELIVERED  the reply that is there
 * Octets of *there may point into blob then.
 */
bool store_row_merge(
    struct store_row *there, const struct store_row *row, unsigned char blob[WINDOW_BLOB_MAX]);

#endif
