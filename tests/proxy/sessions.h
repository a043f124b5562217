/*
 * sessions: random sessions through the real gate, with the stages, both databases and a name server on loopback. What comes of them
 * is for replay to find in the journal.
 */
#ifndef POSTERN_TESTS_PROXY_SESSIONS_H
#define POSTERN_TESTS_PROXY_SESSIONS_H

#include "proxy/gate.h"
#include "tests/proxy/load.h"
#include "tests/proxy/names.h"

struct world {
	struct event_base *base;
	struct names names;
	struct folder folder;
	uint16_t port;
	struct db *db;
	struct gate *gate;
	struct gate_session *gs;
	uint64_t random;
	/* what is to come of other rules */
	unsigned n_sessions, at_connect, of_score_2;
	bool frozen, hashed;
};

/* What they are decided by, behind settings of which the last line is the number 9. */
extern const char world_rules[];

/* The journal's addresses hashed, or in clear. */
void world_begin(struct world *w, bool hashed);
void world_end(struct world *w);
/* These rules behind the settings; may be called again and again. */
struct config *world_load(struct world *w, const char *text);
/* One session, of up to two messages. */
void world_play_session(struct world *w);
/* A session as it is told, of one message. */
void world_play_one(
    struct world *w, const char *client, const char *helo, const char *from, const char *rcpt);

#endif
