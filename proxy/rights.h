/*
 * rights: what the master does about users, folders and limits before it reads a word from the
 * network: finds the user it is to become, gives folders and sockets to them, becomes them. The
 * sandbox (sandbox.h) takes away what is left.
 */
#ifndef POSTERN_PROXY_RIGHTS_H
#define POSTERN_PROXY_RIGHTS_H

#include <pwd.h>

#include "proxy/sockets.h"

/* NULL in *out: stay who we are (no `user`, or not started as root). */
bool rights_user(const struct config *config, const struct passwd **out, struct err *e);
/* Makes the folder if it is not there; it is the user's afterwards. */
bool rights_own_folder(const char *folder, const struct passwd *user, struct err *e);
/* Hands the local sockets to the user, then becomes them for good. */
bool rights_give_up(const struct config *config, const struct sockets *sockets,
    const struct passwd *user, struct err *e);
/* In a process that is about to become another program: that one shall have the rights we still have. */
void rights_pass_on(void);
/* Each session takes a descriptor or two, and so does each question to the DNS. */
void rights_allow_descriptors(void);

#endif
