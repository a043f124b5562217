/*
 * xclient: what a trusted client says with XCLIENT about whom it speaks for: Postfix's extension, by
 * which proxies and test tools hand on a client's real address. Reads text only; who may say it is
 * smtp_command's.
 */
#ifndef POSTERN_PROXY_XCLIENT_H
#define POSTERN_PROXY_XCLIENT_H

#include "mail/session.h"

/* What we read, as our EHLO says it. */
#define XCLIENT_OFFER "XCLIENT NAME REVERSE_NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"

/*
 * Reads "ADDR=192.0.2.1 NAME=..." into the session; what is not named stays. PROTO and HELO are the
 * session's until a HELO or EHLO says otherwise. False: a word that is not known, or a value that
 * is not well-formed; e is fit for a reply's text.
 */
bool xclient_read(struct session *s, struct str attributes, struct err *e);

#endif
