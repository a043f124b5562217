/*
 * redis_greeting: what is said first on a connection of a loop's, to Redis or to a Sentinel, and whether the replies are as they should be. Keeps
 * nothing; what becomes of a connection that is refused is redis_link.h's.
 */
#ifndef POSTERN_DB_REDIS_GREETING_H
#define POSTERN_DB_REDIS_GREETING_H

#include "db/redis_pipe.h"

/* To Redis; ends with a probe. */
void redis_greet(struct redis_pipe *pipe, const struct redis_settings *settings);
/* To a Sentinel: who is the master? */
void redis_greet_sentinel(struct redis_pipe *pipe, const struct redis_settings *settings);
/* Whether it answers, and that it writes, too: it may be full, or a replica by now. */
void redis_probe(struct redis_pipe *pipe, const struct redis_settings *settings);

/* Of the reply to any of these but to a Sentinel; c: for the names of the scripts. False: it cannot be used, and why. */
bool redis_greeted(const struct redis_sent *sent, const struct redisReply *reply,
    const struct redis_command *c, struct err *e);
/* Says in e what is wrong with the reply to this command. */
void redis_refusal(const char *command, const struct redisReply *reply, struct err *e);

#endif
