/*
 * milter_life: the life of a milter process, which libmilter knows only half of: it can neither listen on a
 * socket it is handed nor stop taking connections while it goes on with those it has. Both are
 * done behind its back, by putting another socket under the number of its descriptor.
 *
 * Once a process; libmilter's callbacks, on any thread, count sessions and messages here.
 */
#ifndef POSTERN_PROXY_MILTER_LIFE_H
#define POSTERN_PROXY_MILTER_LIFE_H

#include "base/err.h"
#include "rules/config.h"

struct milter_job {
	int fd; /* bound, listening, nonblocking */
	int family;
	const char *address; /* as configured, for the log */
	const char *engine_path;
	const struct config *config;
	int words; /* the pipe to the master (words.h) */
};

/*
 * After smfi_register(), before smfi_main(): opens libmilter's socket and puts the job's in its place,
 * enters the sandbox, then listens to the master: SIGNAL_LEAVE: no new sessions; the process ends
 * when the last one is over. SIGNAL_DRAIN: it ends when no message is under way.
 */
bool milter_life_begin(const struct milter_job *job, struct err *e);

void milter_life_session(int change); /* +1 or -1 */
void milter_life_message(int change);
void milter_life_waiting(int change); /* for a verdict */
/* For who waits already, and not only a moment: sessions that libmilter overlooks meanwhile are seen to. */
void milter_life_nudge(void);

#endif
