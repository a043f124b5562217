/*
 * notice_process: a small process that tells people of plans (notices.h): one by mail and webhook, one by
 * running the command, which alone may start programs. It does one thing at a time and waits for it; mail does not
 * wait for it. What cannot be told is tried again, later each time, and at last the log says who was not told.
 *
 * It never reads the databases, and what it sends is counted in no plan: it goes to the mail server directly, with
 * an empty sender.
 */
#ifndef POSTERN_PROXY_NOTICE_PROCESS_H
#define POSTERN_PROXY_NOTICE_PROCESS_H

#include "proxy/notices.h"

struct notice_job {
	enum notice_process process;
	struct notices *notices;
	const struct config *config;
	int words; /* the pipe to the master (words.h) */
};

/*
 * Until SIGTERM: what waits is tried once more, for some seconds, and what is left is told of in the log. SIGNAL_AGAIN
 * (words.h): what waits goes back into the socket, for the process that comes next. Returns the exit code.
 */
int notice_process_run(const struct notice_job *job);

#endif
