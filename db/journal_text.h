/*
 * journal_text: full-text search. Beside the journal lie files that hold which entries have which three letters in a row (FTS5,
 * trigram), each for JOURNAL_TEXT_SERIALS serials: so retention takes a whole file away, and each can be made anew
 * from the entries. They are written a little behind the entries, when no mail waits; what they do not have yet is
 * searched by reading. They find candidates only: whoever reads looks at each entry itself.
 *
 * For the files journal_*.c only.
 */
#ifndef POSTERN_DB_JOURNAL_TEXT_H
#define POSTERN_DB_JOURNAL_TEXT_H

#include "base/buf.h"
#include "db/journal_file.h"

/* A file more is to be opened for so many; a file less means more merging at once, up to its end. */
#define JOURNAL_TEXT_SERIALS (1 << 17)
/* The name under which journal_text_attach() attaches it. */
#define JOURNAL_TEXT "text_index"

/* The file of a number; to be freed. */
char *journal_text_path(const struct journal *j, int64_t segment);

/* Writing. */
void journal_text_close(struct journal *j);
/* Takes the files away that have these serials; posternd makes them anew once journal_text_again() has said so. */
void journal_text_forget(struct journal *j, const int64_t *serial, size_t n);
bool journal_text_again(struct journal *j, struct err *e);

/*
 * Reading. Adds to *match what texts that hold `text` hold too, joined by AND; false: nothing can be said of it (too short), it
 * has to be searched for by reading.
 */
bool journal_text_match(struct journal *j, struct str text, struct buf *match);
/* Attaches the file that has a serial. The last serial it has so far; 0: it has none, and nothing is attached. */
int64_t journal_text_attach(struct journal *j, int64_t serial);
void journal_text_detach(struct journal *j);

#endif
