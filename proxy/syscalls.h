/*
 * syscalls: the system calls that each process may use (seccomp). Worker and milter process have a
 * list of what they may; anything else kills them, which the kernel logs with the call's number. The
 * master, whose filter its successor inherits, has a list of what it may not.
 */
#ifndef POSTERN_PROXY_SYSCALLS_H
#define POSTERN_PROXY_SYSCALLS_H

#include "base/err.h"
#include "proxy/sandbox.h"

/* For this thread and those it starts from now on. False: the kernel cannot, nothing has changed. */
bool syscalls_enter(enum sandbox who, struct err *e);

#endif
