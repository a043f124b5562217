/*
 * greylist_name: how much of a client's confirmed name stands for all machines of its owner. out3.mail.example.org and
 * out7.mail.example.org are one sender; c-192-0-2-7.isp.example is one customer of many, and says nothing of the others.
 * There is no list of public suffixes here, so the answer errs on the narrow side: one label is taken off at most, and where it
 * is not clear that those below the rest belong together, nothing is. Pure.
 */
#ifndef POSTERN_FILTERS_GREYLIST_NAME_H
#define POSTERN_FILTERS_GREYLIST_NAME_H

#include "base/addr.h"
#include "base/arena.h"

/*
 * The name without its first label, or all of it where that leaves no owner: "mail.example.org" and "example.org"
 * are "example.org", "mx.abc.de" is itself, since abc.de could be what co.uk is. An empty text when the name looks as if it had been
 * given to an address rather than to a server: it holds parts of the address, many digits, or a word such as "dyn" or
 * "pool".
 */
struct str greylist_parent(struct arena *arena, struct str name, const struct ip *ip);

#endif
