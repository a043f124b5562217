/*
 * narrowest: the narrowest exception that turns one entry of the journal: who was proven best, the recipients it was about,
 * and the one rule that refused. A signature goes before SPF, and SPF before the client's address; but a signature by somebody
 * other than the sender or the author stands behind SPF, for whoever relays mail signs that of many. Where many senders share what is
 * proven, the domain that the sender claims is asked for, too. Never is there nothing but a claim. Pure.
 */
#ifndef POSTERN_CLI_NARROWEST_H
#define POSTERN_CLI_NARROWEST_H

#include "cli/evidence.h"

/* Fills proof and sender of x. by: "dkim", "spf" or "client", NULL: the best. False: that is not proven. */
bool narrowest_proof(struct arena *arena, const struct evidence *v, const char *by,
    struct exception *x, struct err *e);
/* Fills rule and place of x; what no rule refused cannot be excepted from one. */
bool narrowest_rule(
    const struct evidence *v, const struct journal_record *r, struct exception *x, struct err *e);

#endif
