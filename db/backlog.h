/*
 * backlog: how much waits for the thread of the databases, and whether that is too much. Any thread may call all of this. The log has a
 * line at each change.
 */
#ifndef POSTERN_DB_BACKLOG_H
#define POSTERN_DB_BACKLOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* What makes it full, in requests unless set, and in octets. */
#define BACKLOG_REQUESTS 20000
#define BACKLOG_OCTETS (64 * 1024 * 1024)

struct backlog {
	size_t most; /* requests, before it is full */
	_Atomic size_t requests, octets;
	_Atomic bool full;
};

void backlog_in(struct backlog *b, size_t octets);
void backlog_out(struct backlog *b, size_t octets);
/* From `most` requests or BACKLOG_OCTETS on, until there is a quarter of that. */
bool backlog_full(struct backlog *b);

#endif
