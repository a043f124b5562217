/*
 * journal_head: the small file beside the journal that names its newest entry: serial and link of the chain. Whoever
 * appends writes it behind each commit, so it never knows more than was committed: when the journal ends before it,
 * entries that had been written are gone (a disk that lost what it had confirmed, a write-ahead log that was cut, a
 * hand). It may know less, after a crash between the two. One line of a fixed size, with a checksum.
 */
#ifndef POSTERN_DB_JOURNAL_HEAD_H
#define POSTERN_DB_JOURNAL_HEAD_H

#include "db/journal_chain.h"

struct head {
	uint64_t journal; /* tells journals apart */
	int64_t serial;
	struct chain_hash link;
};

enum head_found { HEAD_NONE, HEAD_GOOD, HEAD_BROKEN };

/* The descriptor of the file, made if need be; -1: it could not be. */
int head_open(const char *path);
enum head_found head_read(int fd, struct head *out);
/* The same without making it; one that may not be read is BROKEN. */
enum head_found head_look(const char *path, struct head *out);
bool head_write(int fd, const struct head *head);

/* The line. */
#define HEAD_SIZE 128
void head_print(const struct head *head, char line[HEAD_SIZE]);
bool head_parse(struct str line, struct head *out);

#endif
