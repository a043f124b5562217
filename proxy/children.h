/*
 * children: the master's processes: one worker, a milter process for each milter socket, and those that tell people
 * of plans, if the configuration wants them. Starts them,
 * hears from them, buries them, and starts again what died. Each child has a pipe to the master, on
 * which single octets tell how it is (enum word).
 */
#ifndef POSTERN_PROXY_CHILDREN_H
#define POSTERN_PROXY_CHILDREN_H

#include <signal.h>
#include <sys/types.h>

#include "proxy/notices.h"
#include "proxy/sockets.h"
#include "proxy/words.h"

/* What a child needs of the master. */
struct child_world {
	struct config **config; /* the newest */
	struct sockets *sockets;
	struct notices *notices;
	sigset_t signals_before;
	int64_t beat_ms;  /* how often the worker is to say that it lives; 0: never */
	int close_too[2]; /* descriptors of the master that are none of the child's; -1: none */
};

enum child_kind { CHILD_WORKER, CHILD_MILTER, CHILD_NOTICES };

struct child {
	enum child_kind kind;
	const struct milter_socket *milter; /* MILTER */
	enum notice_process process;        /* NOTICES */
	pid_t pid;                          /* 0: not running */
	int words;                          /* the pipe; -1: none */
	bool ready;
	bool hopeless; /* said at its first start that it cannot */
	int64_t started_ms, restart_ms;
	int64_t pause_ms; /* before the next start */
};

struct children {
	struct child_world world;
	struct child *child; /* the worker is the first */
	size_t n;
	bool ending; /* what dies is not started again */
};

/* None is started yet. */
void children_init(struct children *c, const struct child_world *world);
void children_free(struct children *c);
/* Starts what is due; says in how many ms the next one is. */
int64_t children_start_due(struct children *c);
/* The next word of one of them; false: there is none. */
bool children_hear(struct child *child, enum word *out);
/* Waits for a pid's death being handled: false, if it is none of ours. */
bool children_bury(struct children *c, pid_t pid, int status);
/* Sends each its signal; 0: none. Those for notices get none. */
void children_signal(const struct children *c, int worker, int milter);
void children_signal_notices(const struct children *c, int number);
bool children_any(const struct children *c);
/* Any but those for notices, which outlive the others. */
bool children_any_serving(const struct children *c);
bool children_any_milter(const struct children *c);
bool children_all_ready(const struct children *c);
/* Has one said, at its very first start, that it cannot? */
bool children_hopeless(const struct children *c);

#endif
