/*
 * webhook: an HTTP POST of a JSON text, by libevent's client on an event base of its own. A status of 200 to 299 is a yes;
 * what else the server says is not read beyond a few KiB. https: its certificate has to be for the host and lead to
 * an authority. Waits; not for a loop.
 */
#ifndef POSTERN_POST_WEBHOOK_H
#define POSTERN_POST_WEBHOOK_H

#include "mail/url.h"
#include "post/wire.h"

struct webhook {
	struct url url;
	const struct tls_client *tls; /* for https */
};

/* forever: a status from 400 to 499, but for 408 and 429: trying again is of no use. */
bool webhook_post(const struct webhook *hook, struct str json, const struct wire_limit *limit,
    bool *forever, struct err *e);

#endif
