/*
 * proxied: a connection from a proxy in front of us, until its header has told whom it comes from.
 * No octet behind the header is taken off the socket: what is there belongs to the session, be it
 * SMTP or TLS. Inside of the proxy front only. Who sends anything else, or nothing for too long, is
 * logged, counted and closed; nothing is said, for a health check that only connects expects
 * nothing. One loop.
 */
#ifndef POSTERN_PROXY_PROXIED_H
#define POSTERN_PROXY_PROXIED_H

#include "proxy/smtp_server.h"

/*
 * Takes fd over, counts it as one of the front's clients, and calls front_admit() when the header is
 * there.
 */
void proxied_new(
    struct proxy_front *front, int fd, const struct endpoints *direct, const struct listen *how);
/* Closes it. */
void proxied_free(struct proxied *p);

#endif
