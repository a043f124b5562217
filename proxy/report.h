/*
 * report: tells the store what this loop knows of its mail servers and its resolver, for `postern backends` and
 * `postern stats` (db/status.h): a
 * second after something has changed at the latest, and at intervals. Nobody waits for it; a store that
 * fails shows in the age of what it last took. One loop.
 */
#ifndef POSTERN_PROXY_REPORT_H
#define POSTERN_PROXY_REPORT_H

#include "proxy/gate.h"
#include "proxy/pool.h"

struct report;

/* pool: where the newest one stands. Both must outlive the report. */
struct report *report_new(struct gate *gate, struct pool *const *pool);
/* Takes what was told away. */
void report_free(struct report **report);

#endif
