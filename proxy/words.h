/*
 * words: the octets that a child of the master writes into its pipe, and the signals and the exit code
 * by which master and children understand each other.
 */
#ifndef POSTERN_PROXY_WORDS_H
#define POSTERN_PROXY_WORDS_H

#include <signal.h>

enum word {
	WORD_READY = 'r',  /* mail can come */
	WORD_BEAT = 'b',   /* every loop of the worker has answered since the last one */
	WORD_LOADED = 'l', /* the configuration was read again and is in force */
	WORD_KEPT = 'k',   /* it has errors: the one before stays */
};

/* To the worker besides SIGHUP and SIGTERM, to a milter process besides its SIGTERM, which is libmilter's. */
#define SIGNAL_LEAVE SIGUSR1 /* a successor took over: no new connections, the open ones go on */
#define SIGNAL_ALONE SIGUSR2 /* the worker's: the milter processes are gone too */
#define SIGNAL_LISTS \
	SIGIO /* the worker's: files of lists changed; SIGHUP, but for what is being written */
#define SIGNAL_DRAIN SIGUSR2 /* a milter process's: ends when no message is under way */

#define SIGNAL_AGAIN \
	SIGHUP /* a process for notices: ends, and another begins with a new configuration */

/* Exit code of a child that could not even start; the master does not try that again. */
#define CANNOT_START 78

#endif
