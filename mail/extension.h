/*
 * extension: the SMTP extensions that are carried between a client and the MTA: the keyword each
 * has in the answer to EHLO, and the parameters that it adds to MAIL and RCPT, checked to the
 * letter. Which of them are offered is the front's; docs/extensions.md lists those that are not
 * carried, and why. Pure.
 */
#ifndef POSTERN_MAIL_EXTENSION_H
#define POSTERN_MAIL_EXTENSION_H

#include "mail/command.h"

/* A set of bits. */
enum extension {
	EXTENSION_8BITMIME = 1 << 0,    /* RFC 6152 */
	EXTENSION_DSN = 1 << 1,         /* RFC 3461 */
	EXTENSION_DELIVERBY = 1 << 2,   /* RFC 2852 */
	EXTENSION_MT_PRIORITY = 1 << 3, /* RFC 6710 */
	EXTENSION_SMTPUTF8 = 1 << 4,    /* RFC 6531 */
	EXTENSION_BINARYMIME = 1 << 5,  /* RFC 3030 */
	/* verbs that may be offered like extensions */
	EXTENSION_VRFY = 1 << 6, /* RFC 5321 3.5 */
	EXTENSION_EXPN = 1 << 7,
	EXTENSION_HELP = 1 << 8,
	EXTENSION_ETRN = 1 << 9,  /* RFC 1985 */
	EXTENSION_AUTH = 1 << 10, /* RFC 4954 */
};

/* The one whose keyword this is; 0: none that is carried. */
unsigned extension_find(struct str keyword);
/* The keyword of one. */
const char *extension_keyword(unsigned one);

enum parameter_kind {
	PARAMETER_UNKNOWN, /* of none that is carried */
	PARAMETER_INVALID, /* its value is not what the standard says */
	PARAMETER_VALID,
};

/*
 * A parameter of MAIL or RCPT (verb), SIZE excepted. *needs: the extensions it belongs to, also when
 * its value is not valid; 0 for what every MTA takes for granted. e, fit for a reply's text, tells
 * what is not valid.
 */
enum parameter_kind extension_parameter(
    enum verb verb, const struct parameter *p, unsigned *needs, struct err *e);

#endif
