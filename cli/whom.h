/*
 * whom: whom an administrator names on the command line: who has to be proven, and which recipients. Pure; texts are of the arena or
 * as they were given.
 */
#ifndef POSTERN_CLI_WHOM_H
#define POSTERN_CLI_WHOM_H

#include "cli/cli.h"
#include "mail/exception.h"

enum whom {
	WHOM_NAMED,
	WHOM_WRONG, /* e tells: it was meant to be somebody */
	WHOM_OTHER, /* it is an entry's id, perhaps */
};

/* "dkim:example.org", "spf:example.org", "192.0.2.0/24": fills the proof of x. */
enum whom whom_read(struct arena *arena, struct str text, struct exception *x, struct err *e);
/* What --for has, each domain in either script; "any" alone: leaves them as they are. */
bool whom_recipients(
    struct arena *arena, const struct cli_texts *given, struct exception *x, struct err *e);

#endif
