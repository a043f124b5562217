/*
 * tally: refusals that come in floods and say the same each time: connections over a limit, lines
 * that are too long, commands that are none; and clients that were gone within a message. A record each would
 * let anybody fill the disk, so they are counted, and each interval's count goes to the journal as one entry. One loop; nobody waits for it.
 */
#ifndef POSTERN_PROXY_TALLY_H
#define POSTERN_PROXY_TALLY_H

#include "db/db.h"
#include "mail/said.h"
#include "mail/session.h"

struct tally;

struct tally_kind {
	enum step step;
	enum said said; /* each time */
};

struct tally *tally_new(struct event_base *base, struct db_link *link);
/* Sends what was counted, and frees. Before the link. */
void tally_free(struct tally **tally);
/* A limit that was met; the log tells of it too. */
void tally_count(struct tally *tally, const struct tally_kind *kind);
/* A reply that is a no, and has no entry of its own. */
void tally_reply(struct tally *tally, enum step step, enum said said);
/* A client that went away within a message, and was told nothing. */
void tally_left(struct tally *tally, enum step step);
/* Sends what was counted now; else it is done every ten seconds. */
void tally_send(struct tally *tally);

#endif
