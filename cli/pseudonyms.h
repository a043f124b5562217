/*
 * pseudonyms: what the subcommands need to work with a journal in which addresses are hashed (mail/pseudonym.h): the key that the
 * configuration names. With --database there is no configuration, and so no key.
 */
#ifndef POSTERN_CLI_PSEUDONYMS_H
#define POSTERN_CLI_PSEUDONYMS_H

#include "cli/cli.h"
#include "mail/pseudonym.h"

struct pseudonyms {
	struct arena *arena;
	bool known;          /* what the configuration says, and what its key is */
	bool hashed;         /* it names a key */
	struct pseudonym *p; /* NULL: there is none, or it could not be read */
};

/* False: an error was printed: the configuration or the key cannot be read. Closed in either case. */
bool pseudonyms_open(struct cli *cli, struct pseudonyms *out);
/* The same; what cannot be read is as if it were not there. */
void pseudonyms_try(struct cli *cli, struct pseudonyms *out);
void pseudonyms_close(struct pseudonyms *x);

/* What stands for a whole address; "" when there is no key or it is none. Memory as of x. */
struct str pseudonyms_of(const struct pseudonyms *x, struct str address);
/* The same of the whole name of an account, which need not be an address. */
struct str pseudonyms_of_account(const struct pseudonyms *x, struct str name);

/* Appends an administrator's act to the journal, which is hashed as posternd's are. False: an error was printed. */
bool pseudonyms_journal(struct cli *cli, struct journal_record *record);

#endif
