/*
 * signed: the tickets of `postern digest` (mail/ticket.h), as `postern allow --signed` takes them: of a page of the
 * administrator's, which had them from whoever got the digest. The key is that of `digest` in the configuration.
 */
#ifndef POSTERN_CLI_SIGNED_H
#define POSTERN_CLI_SIGNED_H

#include "cli/cli.h"
#include "mail/ticket.h"

/* False: it lets nothing in, and why was printed. Memory of arena. */
bool signed_read(struct cli *cli, const struct config *config, const char *text,
    struct arena *arena, struct ticket *out);

#endif
