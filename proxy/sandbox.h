/*
 * sandbox: takes from a process of ours what it does not need, so that a mistake in it, or in one of
 * its libraries, gives little away: no new privileges, folders (landlock.h) and system calls (syscalls.h). For good:
 * threads that are started later are held too, so it is entered before the first.
 *
 * A kernel that lacks one of these is told of in the log, and the process goes on without. `sandbox
 * off` leaves only the first; so does a build with the address or thread sanitizer, which needs more of
 * the system than we do.
 */
#ifndef POSTERN_PROXY_SANDBOX_H
#define POSTERN_PROXY_SANDBOX_H

#include "rules/config.h"

enum sandbox {
	SANDBOX_MASTER, /* starts programs: only what no mail gate ever needs is refused */
	SANDBOX_WORKER,
	SANDBOX_MILTER,
	SANDBOX_NOTICES, /* speaks with servers */
	SANDBOX_COMMAND, /* runs a program of the administrator's, which may need anything: as MASTER */
};

void sandbox_enter(enum sandbox who, const struct config *config);

#endif
