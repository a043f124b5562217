/*
 * milter_address: libmilter's notation of where a milter listens, `inet:PORT@HOST`, `inet6:PORT@HOST`,
 * `unix:PATH` or a path alone, read as libmilter itself reads it. Needed because the master
 * binds that socket, as it binds all others: before it gives up its rights, and once for all
 * milter processes that follow each other.
 */
#ifndef POSTERN_PROXY_MILTER_ADDRESS_H
#define POSTERN_PROXY_MILTER_ADDRESS_H

#include "base/err.h"
#include "base/str.h"
#include "proxy/inherit.h"

/* HOST may be a name, which is looked up; PORT the name of a service. */
bool milter_address_parse(const char *text, struct endpoint *out, struct err *e);

#endif
