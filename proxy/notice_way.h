/*
 * notice_way: one attempt to tell somebody: writes the letter of a notice, and hands it to the mail server, the
 * command or the webhook of the configuration. Waits; for the processes of notice_process.h.
 */
#ifndef POSTERN_PROXY_NOTICE_WAY_H
#define POSTERN_PROXY_NOTICE_WAY_H

#include "post/wire.h"
#include "rules/config.h"

/* n->way says how, and of mail n->to whom. forever: trying again is of no use. */
bool notice_tell(const struct config *config, const struct notice *n,
    const struct wire_limit *limit, bool *forever, struct err *e);

/* Whom a notice is mailed to: each once. Returns how many; memory of arena. */
#define NOTICE_RECIPIENTS 24
size_t notice_recipients(const struct config *config, const struct notice *n, struct arena *arena,
    struct str out[NOTICE_RECIPIENTS]);

#endif
