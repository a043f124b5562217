/*
 * gate_private: what the files of the gate share. Fronts see gate.h only.
 */
#ifndef POSTERN_PROXY_GATE_PRIVATE_H
#define POSTERN_PROXY_GATE_PRIVATE_H

#include "mail/exception.h"
#include "proxy/gate.h"
#include "proxy/gate_record.h"
#include "proxy/notices.h"
#include "proxy/questions.h"
#include "proxy/shared_resolver.h"

struct gate_exceptions;

struct gate {
	struct event_base *base;
	struct db *db;
	struct db_link *link;
	struct tally *tally;
	struct gate_exceptions *exceptions;
	struct config *config;
	struct shared_resolver *resolver;
	struct arena *scratch;
	struct event *due_event;
	struct gate_session *due; /* sessions to resume, newest first */
	struct gate_counts counts;
	size_t sessions;
	const struct notices *notices; /* NULL: nobody is told of plans */
	struct gate_watch *watches;    /* plans that are being looked at (gate_notices.c) */
};

enum gate_state {
	GATE_IDLE,
	GATE_DECIDING,    /* rules lack answers */
	GATE_JOURNALLING, /* the verdict is on its way to the disk */
	GATE_JOURNALLED,
	GATE_DELAYING, /* the verdict is held back */
};

/* How long the reply of a step is held back. */
struct gate_delay {
	struct event *timer; /* NULL: nobody was delayed yet */
	int64_t ms;          /* 0: it is not */
	int64_t until_us;    /* monotonic */
	bool hurried;        /* it is not to be waited for */
	int64_t spent_ms;    /* milter: before it answers MAIL */
};

struct gate_session {
	struct session session;
	struct gate *gate;
	struct config *config;
	struct shared_resolver *resolver;
	struct questions questions;
	void (*resume)(void *owner);
	void *owner;
	enum gate_state state;
	enum step step;
	int64_t now; /* wall seconds of the decision */
	struct verdict verdict;
	struct db_request *journalling;
	struct gate_story story;
	struct gate_delay delay;
	struct event *budget; /* ends the waiting for the DNS; NULL: nothing waited yet */
	struct gate_session *due_next;
	bool due;
};

/* Sends what the session has asked; how much of it was answered at once. */
size_t gate_send_noted(struct gate_session *gs);
/* An entry that nobody waits for. */
void gate_journal(struct gate_session *gs, struct journal_record *record);

/* It is resumed from the loop. */
void gate_due(struct gate_session *gs);

/* ---- gate_notices.c ---- */

/* EVENT_ACCEPTED; and who is to know of a plan that is nearly used up will be told. */
void gate_accepted_event(struct gate_session *gs);
/* Once the link is gone. */
void gate_watches_free(struct gate *gate);

/* ---- gate_exceptions.c ---- */

/* Reads them at once, and from then on when they have changed. */
struct gate_exceptions *gate_exceptions_new(struct event_base *base, struct db_link *link);
/* Under which the journal hashes addresses from now on; NULL: it does not. Tells of exceptions that match nobody by that. */
void gate_exceptions_key(struct gate_exceptions *exceptions, const struct pseudonym *pseudonym);
void gate_exceptions_free(struct gate_exceptions **exceptions);
/* Good until the loop goes on; NULL: there are none. */
const struct exceptions *gate_exceptions_now(const struct gate_exceptions *exceptions);
/* Each of these has one hit more. */
void gate_exceptions_used(struct gate_exceptions *exceptions, const struct exception_use *used);

/* ---- gate_delay.c ---- */

/* The rules of the present step have said so; from now on. */
void gate_delay_begin(struct gate_session *gs, int64_t ms);
/* Whether the verdict is still to be held back; then the session will be due. */
bool gate_delay_waits(struct gate_session *gs);
/* It is told or given up. */
void gate_delay_end(struct gate_session *gs);
void gate_delay_free(struct gate_session *gs);

#endif
