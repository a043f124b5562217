/*
 * spool: where one message is held while its fate is decided. Its first octets lie in memory, up to
 * a limit; what comes after them goes to a temporary file that has no name, so that nothing is left
 * behind whatever happens. It stores octets and knows nothing of mail.
 *
 * All spools of a process count together what they hold. Once that is all that may be held in memory,
 * what comes goes to files; once it is all that may be held in files too, spool_add() fails.
 *
 * The owner is one session; one thread. spool_add() returns false when there is no room or the disk
 * fails: the message is lost to us, which the owner turns into a 452. Until the first octet is
 * added nothing is allocated but the struct.
 */
#ifndef POSTERN_PROXY_SPOOL_H
#define POSTERN_PROXY_SPOOL_H

#include "base/err.h"
#include "base/str.h"

struct spool;

/* What the spools of all threads hold; begins as zero. */
struct spool_total {
	_Atomic uint64_t memory, disk; /* octets */
};

struct spool_limits {
	struct spool_total *total;
	uint64_t memory, disk; /* octets that all may hold */
	size_t own;            /* octets that this one may hold in memory */
	const char *folder;    /* where the file is made, borrowed */
};

/* limits: copied. */
struct spool *spool_new(const struct spool_limits *limits);
/* Closes the file, which is then gone. */
void spool_free(struct spool **spool);
/* Whether a message of so many octets could be held now. */
bool spool_room(const struct spool_limits *limits, uint64_t octets);
/* After a failure every further call fails too. ERR_LIMIT: there is no room. */
bool spool_add(struct spool *spool, struct str octets, struct err *e);
uint64_t spool_size(const struct spool *spool);
/*
 * Octets from offset on, as many as are at hand in one piece, valid until the next call of any
 * function of this spool. Empty: the end, or (spool_failed) the file could not be read.
 */
struct str spool_at(struct spool *spool, uint64_t offset);
bool spool_failed(const struct spool *spool);

#endif
