/*
 * server: the mail server of the fuzz targets that have connections: listens on loopback on the
 * target's own event base, has one connection at a time, and leaves what is heard and said to the
 * target. Beside it what both such targets need: the pieces of an input, and a limit of time
 * beyond which a target that should have come to an end has failed.
 */
#ifndef POSTERN_TESTS_FUZZ_SERVER_H
#define POSTERN_TESTS_FUZZ_SERVER_H

#include <stdint.h>

#include "base/buf.h"

struct event_base;
struct server;

struct server *server_new(struct event_base *base, void (*opened)(void *owner),
    void (*heard)(void *owner, struct buf *input), void *owner);
void server_free(struct server **server);
uint16_t server_port(const struct server *server);
/* How often something came from the other side: the same number twice means that all is still. */
unsigned long server_moves(const struct server *server);
/* Says so much, if anybody is there. */
void server_say(struct server *server, struct str octets);
/* Closes; the other side's end is then over, too, and waits nowhere in the kernel. */
void server_close(struct server *server);

/* Takes the next piece off an input; an octet of 0xff ends one, two of them are one of the piece's. */
bool piece_take(struct str *input, struct buf *piece);

/* Turns the loop until done(owner), which has to come about within seconds: else abort(). */
void turn_until(struct event_base *base, bool (*done)(void *owner), void *owner);

#endif
