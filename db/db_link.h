/*
 * db_link: a loop's way to the store and the journal. Requests keep their order: those of one link come back in the order they were sent,
 * store and journal each for itself; done() is called on the loop, never from within db_send().
 *
 * With a shared store (redis_link.h) each link asks that itself, and the thread's own store is there for the status of the mail
 * servers and for the time that Redis is away: then counters, plans and what was delivered go on in it, if db_link_local()
 * says so, and everything else comes back `failed`.
 */
#ifndef POSTERN_DB_DB_LINK_H
#define POSTERN_DB_DB_LINK_H

#include "db/db_request.h"

struct db;
struct db_link;
struct event_base;

/* One per loop. */
struct db_link *db_link_new(struct db *db, struct event_base *base);
/*
 * From the loop's thread, but not from within done(). Requests that are out are freed without done()
 * being called; journal records among them are written all the same. Waits for the batch that the
 * thread is at: for the end of a loop, not for its life.
 */
void db_link_free(struct db_link **link);
/* While the shared store is away: do counters, plans and what was delivered go on here? Else they fail. At first they do. */
void db_link_local(struct db_link *link, bool local);
/*
 * Gives the request away until done() is called with it, from the loop. It leaves at the end of the loop's turn, with all
 * others of it, or a little later (no_hurry). A record without an id has one then.
 */
void db_send(struct db_link *link, struct db_request *request);
/*
 * Too much waits for the thread (db/backlog.h). Nothing is refused; who goes on sending makes it grow, so the fronts take nothing in
 * meanwhile. From any thread.
 */
bool db_full(struct db_link *link);
/*
 * From the thread of the databases, which is done with the request: it stays with its link until all links in *back, which
 * begins as NULL, are pushed.
 */
void db_link_return(struct db_request *request, bool ok, struct db_link **back);
void db_link_push(struct db_link **back);

#endif
