/*
 * questions: what one session has asked of the outside and waits for. Takes the questions that were
 * noted in its answers, sends DNS ones to the loop's resolver and store ones to the db thread, and
 * puts what comes back where it was asked. It neither makes questions nor looks at answers.
 *
 * Belongs to one session on one loop. Answers lie in the session's arenas; whoever resets an arena
 * cancels its questions first. A store question that was cancelled is still carried out: only its
 * answer is dropped.
 */
#ifndef POSTERN_PROXY_QUESTIONS_H
#define POSTERN_PROXY_QUESTIONS_H

#include "base/resolver.h"
#include "db/db.h"

struct errand; /* one question on its way */

struct questions {
	struct resolver *resolver;
	struct db_link *link;
	void (*arrived)(
	    void *owner); /* at least one answer came; never called from within a call here */
	void *owner;
	struct errand *errands;
	size_t n_dns, n_store; /* on their way */
	bool no_hurry;         /* of what is sent now: nobody waits for it */
};

void questions_init(struct questions *q, struct resolver *resolver, struct db_link *link);
/*
 * Sends what is noted in table, whose answers live in arena. Returns how many of them were answered
 * at once.
 */
size_t questions_send(struct questions *q, struct answers *table, struct arena *arena);
/*
 * Time is up: DNS questions on their way, and those noted in table, are answered DNS_TEMPFAIL with
 * why (static text). Returns how many.
 */
size_t questions_give_up(struct questions *q, struct answers *table, const char *why);
/* Forgets what is on its way for table; NULL: for all. */
void questions_cancel(struct questions *q, const struct answers *table);

#endif
