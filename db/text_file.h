/*
 * text_file: one file of the index that searching asks (journal_text.h): which entries have which three letters in a row, in SQLite's FTS5. FTS5 keeps what
 * each transaction adds in a piece of its own and merges pieces; that is done here, a little at a time, and not by FTS5 itself, which merges a lot where it likes.
 * While a file is being filled nobody waits for the disk: when the machine goes down meanwhile it is not to be trusted, which
 * shows by the machine's name for the time it has been up, and it is made anew from the entries. A file that is whole is one piece, and on the disk.
 *
 * One thread at a time. For the files journal_*.c only.
 */
#ifndef POSTERN_DB_TEXT_FILE_H
#define POSTERN_DB_TEXT_FILE_H

#include "base/str.h"

struct text_file;

/* How a step went. */
enum text_step {
	TEXT_DONE,
	TEXT_NOTHING, /* there was nothing to do */
	TEXT_LATER,   /* somebody reads it: to be tried again */
	TEXT_BROKEN,  /* of no use: it is to be closed and removed */
};

/* What is searched in, as SQL: the texts that `text` of struct journal_filter names, and the client's address. */
#define TEXT_BODY(entry) \
	entry "sender || char(10) || " entry "recipients || char(10) || " entry \
	      "text || char(10) || " entry "rule || char(10) || " entry \
	      "client_name || char(10) || iif(" entry "helo = " entry "client_name, '', " entry \
	      "helo) || char(10) || " entry "client_ip || char(10) || " entry \
	      "account || char(10) || " entry "subject"

/* Opens or makes the file, whose entries are in the journal of that path. The object is there however it went. */
struct text_file *text_file_open(const char *path, const char *journal, enum text_step *went);
void text_file_close(struct text_file **file);
/* Why it is of no use. */
const char *text_file_problem(const struct text_file *file);

/* The last serial that it has; 0: none. */
int64_t text_file_last(struct text_file *file);
bool text_file_whole(struct text_file *file);
/* Adds the entries from first to last, which are behind those it has. */
enum text_step text_file_add(struct text_file *file, int64_t first, int64_t last);
/* Merges some pages: of pieces that are many, or, when it is full, of all. */
enum text_step text_file_merge(struct text_file *file, bool full);
/* Waits for the disk, and then says in the file that it is whole. */
enum text_step text_file_finish(struct text_file *file);

#define TEXT_BOOT_SIZE 40
/* The machine's name for the time since it was started; "": not known, and then files are filled with waiting. */
void text_file_boot(char out[TEXT_BOOT_SIZE]);

#endif
