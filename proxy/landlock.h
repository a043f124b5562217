/*
 * landlock: holds the process to the folders it needs, by Landlock (Linux 5.13 and later). Writing: the
 * folders of the databases and of the sockets. Reading: these, the folders of the files that the configuration
 * names, of shared libraries and of the system's own settings.
 */
#ifndef POSTERN_PROXY_LANDLOCK_H
#define POSTERN_PROXY_LANDLOCK_H

#include "rules/config.h"

/*
 * For this thread and those it starts from now on. writes: may it write at all? False: the kernel cannot,
 * nothing has changed.
 */
bool landlock_enter(const struct config *config, bool writes, struct err *e);

#endif
