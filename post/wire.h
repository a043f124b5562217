/*
 * wire: a connection that waits: for the small processes that tell people something, and for the command line;
 * never for a loop. Every wait ends at the limit's moment, and at once when its descriptor has something to
 * read, so that whoever waits can be told to end. Owns its socket. Lines end in CR LF and are bounded.
 */
#ifndef POSTERN_POST_WIRE_H
#define POSTERN_POST_WIRE_H

#include "base/err.h"
#include "base/str.h"
#include "base/tls.h"

struct wire;

struct wire_limit {
	int64_t until_us; /* monotonic (base/clock.h) */
	int stop;         /* readable: nothing waits any more; -1: nobody says so */
};

/* host: a name or an address; the system's resolver is asked, for as long as it takes. */
struct wire *wire_open(
    const char *host, uint16_t port, const struct wire_limit *limit, struct err *e);
void wire_close(struct wire **wire);
/* The handshake of the client's side. Nothing may have been read ahead. */
bool wire_secure(
    struct wire *wire, const struct tls_client *tls, const char *name, bool verify, struct err *e);
bool wire_secured(const struct wire *wire);
bool wire_write(struct wire *wire, struct str octets, struct err *e);
/* The next line without its end; valid until the next call. */
bool wire_line(struct wire *wire, struct str *line, struct err *e);

#endif
