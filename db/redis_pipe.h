/*
 * redis_pipe: one connection to Redis or to a Sentinel, with the list of what was said in it and has no reply yet. Replies come in the order of
 * commands; each is handed to the owner together with the command it belongs to, its size and its shape within bounds. What is to be said,
 * and what a reply means, is redis_link.c's business, and so are all deadlines. On one loop.
 *
 * What breaks, or says what nobody asked for, is told to the owner, who closes; closing leaves the list as it is, for whoever waits in it
 * has to be told.
 */
#ifndef POSTERN_DB_REDIS_PIPE_H
#define POSTERN_DB_REDIS_PIPE_H

#include "db/redis.h"
#include "db/redis_script.h"

struct event_base;
struct redis_errand;
struct redis_pipe;

/* Commands without a reply, a power of two. */
#define REDIS_PIPE_MAX 32768

enum redis_sent_what {
	SENT_AUTH,
	SENT_SELECT,
	SENT_ROLE,
	SENT_LOAD,
	SENT_PROBE,
	SENT_MASTER, /* to a Sentinel: where is it? */
	SENT_ASK,
};

struct redis_sent {
	enum redis_sent_what what;
	bool whole;                  /* ASK: the script, not its digest */
	bool rows;                   /* ASK: the answer may be large */
	enum redis_script script;    /* LOAD */
	struct redis_errand *errand; /* ASK: NULL once nobody waits */
	int64_t sent_us;
};

/* The owner's part; each may close the pipe, or open it again. */
struct redis_pipe_user {
	void (*connected)(void *owner);
	void (*replied)(void *owner, const struct redis_sent *sent, const struct redisReply *reply);
	void (*broken)(void *owner, const char *problem);
};

struct redis_pipe *redis_pipe_new(
    struct event_base *base, const struct redis_pipe_user *user, void *owner);
void redis_pipe_free(struct redis_pipe **pipe);
/* Begins to connect; the pipe is closed. */
bool redis_pipe_open(struct redis_pipe *pipe, const struct redis_place *place, struct err *e);
void redis_pipe_close(struct redis_pipe *pipe);

/* length: NULL: they are texts. False: REDIS_PIPE_MAX are out. */
bool redis_pipe_say(struct redis_pipe *pipe, const struct redis_sent *sent, int n,
    const char **argument, const size_t *length);
/* Reads what has come, as the loop would if it had the time. */
void redis_pipe_receive(struct redis_pipe *pipe);
/* Writes and reads, without the loop, until nothing is out any more, the pipe is closed, or it is end_us. */
void redis_pipe_drain(struct redis_pipe *pipe, int64_t end_us);

/* How many are out, from the oldest; the i-th of them; takes the oldest out. */
size_t redis_pipe_out(const struct redis_pipe *pipe);
struct redis_sent *redis_pipe_at(struct redis_pipe *pipe, size_t i);
struct redis_sent redis_pipe_shift(struct redis_pipe *pipe);

#endif
