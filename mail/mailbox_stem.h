/*
 * mailbox_stem: a sender as it is remembered. Many envelope senders are made anew for each message: they carry a
 * signature, a date, a number or the recipient's address. What stays the same from message to message is what is kept, so
 * that a sender who is known is recognised. Pure.
 *
 *	prvs=0123ab45cd=jane@   jane@             BATV, and the dialects of it: msprvs1=, btv1==
 *	SRS0=HH=TT=a.org=jane@  srs0=a.org=jane@  hash and date of SRS left out; SRS1 the same
 *	jane+list@              jane@             a tag of the sender's own, as of VERP
 *	bounce-1234-ab12cd34@   bounce-#-#@       numbers, and long words of hexadecimal digits
 */
#ifndef POSTERN_MAIL_MAILBOX_STEM_H
#define POSTERN_MAIL_MAILBOX_STEM_H

#include "mail/mailbox.h"

/* "local@domain" in lower case, never empty; "<>" for the null sender. */
struct str mailbox_stem(struct arena *arena, const struct mailbox *m);

#endif
