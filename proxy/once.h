/*
 * once: what makes two messages the same: a SHA-256 over the octets of the message as they were received, the
 * envelope sender, and the recipients that were accepted, in whatever order. Pure but for OpenSSL.
 */
#ifndef POSTERN_PROXY_ONCE_H
#define POSTERN_PROXY_ONCE_H

#include "db/store.h"
#include "mail/session.h"

struct once;

struct once *once_new(void);
void once_free(struct once **once);
void once_add(struct once *once, struct str octets);
/* Once, at the end of the message. */
void once_finish(
    struct once *once, const struct transaction *txn, unsigned char key[DELIVERED_KEY]);

#endif
