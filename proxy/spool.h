/*
 * spool: where one message is held while its fate is decided. Its first octets lie in memory, up to
 * a limit; what comes after them goes to a temporary file that has no name, so that nothing is left
 * behind whatever happens. It stores octets and knows nothing of mail.
 *
 * The owner is one session; one thread. Only the disk can fail: spool_add() then returns false and
 * the message is lost to us, which the owner turns into a 452. Until the first octet is added
 * nothing is allocated but the struct.
 */
#ifndef POSTERN_PROXY_SPOOL_H
#define POSTERN_PROXY_SPOOL_H

#include "base/err.h"
#include "base/str.h"

struct spool;

/* memory: octets held in memory at most; folder: where the file is made, borrowed. */
struct spool *spool_new(size_t memory, const char *folder);
/* Closes the file, which is then gone. */
void spool_free(struct spool **spool);
/* After a failure every further call fails too. */
bool spool_add(struct spool *spool, struct str octets, struct err *e);
uint64_t spool_size(const struct spool *spool);
/*
 * Octets from offset on, as many as are at hand in one piece, valid until the next call of any
 * function of this spool. Empty: the end, or (spool_failed) the file could not be read.
 */
struct str spool_at(struct spool *spool, uint64_t offset);
bool spool_failed(const struct spool *spool);

#endif
