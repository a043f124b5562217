/*
 * milter_process: libmilter, in a process of its own. It takes part in no decision: its callbacks
 * pass events on to a loop of the worker (milter_talk.h) and wait only where a verdict is due, at
 * MAIL, RCPT and the end of the message. What was refused at connect or HELO is therefore told at
 * MAIL, as MTAs themselves do.
 *
 * When the worker cannot be reached or does not answer in time, the MTA is told to tempfail.
 *
 * BUGS: libmilter trusts the MTA: a macro without its value makes it read beyond its table. The
 * process is started again, but its sessions are lost; so only the MTA should reach the address.
 */
#ifndef POSTERN_PROXY_MILTER_PROCESS_H
#define POSTERN_PROXY_MILTER_PROCESS_H

#include "proxy/milter_life.h"

/*
 * Serves until told to end (milter_life.h), or SIGTERM, which ends sessions too. Once a process:
 * libmilter cannot be started twice. Returns the exit code.
 */
int milter_process_run(const struct milter_job *job);

#endif
