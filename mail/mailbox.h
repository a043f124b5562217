/*
 * mailbox: a path of RFC 5321 4.1.2 (reverse-path or forward-path), taken apart. Slices point into
 * the text that was given. The null reverse-path is a mailbox with `null` set. Pure.
 */
#ifndef POSTERN_MAIL_MAILBOX_H
#define POSTERN_MAIL_MAILBOX_H

#include "base/arena.h"
#include "base/err.h"

struct mailbox {
	bool null; /* <> */
	bool utf8; /* holds octets above 0x7e: SMTPUTF8 (RFC 6531) */
	/* as given, without <> and source route: local@domain, or "postmaster" */
	struct str address;
	struct str local; /* as given, quotes kept */
	/* as given, or "" for <postmaster>; an address literal keeps its brackets */
	struct str domain;
};

#define MAILBOX_LOCAL_MAX \
	64 /* RFC 5321 4.5.3.1.1; longer ones (VERP, SRS) are taken if the path is not too long */
#define MAILBOX_DOMAIN_MAX 255 /* RFC 5321 4.5.3.1.2 */
#define MAILBOX_PATH_MAX 256   /* RFC 5321 4.5.3.1.3, with its angle brackets */

/*
 * Takes one path off the front of *rest, "<...>" in full RFC 5321 syntax (a source route is
 * accepted and dropped, a missing pair of brackets is not). Control octets never pass. null_ok:
 * "<>" may stand there. postmaster_ok: <postmaster> without a domain may. On failure e tells what
 * is wrong, fit for a reply's text.
 */
bool mailbox_take(
    struct str *rest, bool null_ok, bool postmaster_ok, struct mailbox *out, struct err *e);
/*
 * "local@domain" with the domain in lower case and the local part as it is: the form used in keys.
 */
struct str mailbox_key(struct arena *arena, const struct mailbox *m);
/*
 * A domain name of letters, digits, hyphens (and underscores, as found in the wild), or an address
 * literal.
 */
bool mail_domain_ok(struct str domain);

#endif
