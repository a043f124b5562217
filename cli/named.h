/*
 * named: mailboxes that the configuration or the command line names, found by what stands for them in a journal with hashed addresses
 * (mail/pseudonym.h). Whoever else a pseudonym stands for is not known. Texts are the caller's, and stay as long.
 */
#ifndef POSTERN_CLI_NAMED_H
#define POSTERN_CLI_NAMED_H

#include "mail/list.h"
#include "mail/pseudonym.h"

struct named;

/* p NULL: addresses are in clear, and nobody needs to be named. */
struct named *named_new(const struct pseudonym *p);
void named_free(struct named **named);
void named_add(struct named *named, struct str address);
/* All mailboxes of a list. */
void named_add_list(struct named *named, const struct list *list);
/* Behind the last addition. */
void named_finish(struct named *named);
/* The address that a recipient of the journal is: itself, if it is no pseudonym; "": it is not known. */
struct str named_address(const struct named *named, struct str recipient);

#endif
