/*
 * networks: which networks the clients of refusals are in, for `postern stats`: /24 of IPv4, /64 of IPv6.
 */
#ifndef POSTERN_CLI_NETWORKS_H
#define POSTERN_CLI_NETWORKS_H

#include "cli/cli.h"

/* Calls row() for the `most` networks with the most refusals in the span, the first the one with the most. */
bool networks_top(struct journal *journal, const struct journal_ranking *ranking,
    void (*row)(void *owner, const struct journal_sum *sum), void *owner, struct err *e);

#endif
