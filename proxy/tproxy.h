/*
 * tproxy: connections to the mail server that come from the client's own address (Linux's
 * IP_TRANSPARENT), and the one right that this takes: CAP_NET_RAW, kept when the master becomes
 * another user. The way back of the packets is the administrator's: docs/tproxy.md.
 */
#ifndef POSTERN_PROXY_TPROXY_H
#define POSTERN_PROXY_TPROXY_H

#include "base/addr.h"
#include "rules/config.h"

/*
 * A nonblocking socket of the family (AF_INET, AF_INET6) whose own address is `from`, its port
 * chosen when it connects. -1: *why, static, says what is in the way.
 */
int tproxy_socket(const struct ip *from, int family, const char **why);
/* Some backend is connected so. */
bool tproxy_wanted(const struct config *config);
/* Before and after the process becomes another user: the right stays, and no other. */
bool tproxy_keep_right(struct err *e);
bool tproxy_take_right(struct err *e);

#endif
