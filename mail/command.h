/*
 * command: one SMTP command line, taken apart (RFC 5321 4.1, 2.4). Understands octets, not
 * sessions: which verb is legal when is the front's. Slices point into the line. Pure.
 */
#ifndef POSTERN_MAIL_COMMAND_H
#define POSTERN_MAIL_COMMAND_H

#include "mail/mailbox.h"

enum verb {
	VERB_UNKNOWN,
	VERB_HELO,
	VERB_EHLO,
	VERB_MAIL,
	VERB_RCPT,
	VERB_DATA,
	VERB_RSET,
	VERB_NOOP,
	VERB_QUIT,
	VERB_VRFY,
	VERB_EXPN,
	VERB_HELP,
	VERB_ETRN,
	VERB_AUTH,
	VERB_STARTTLS,
	VERB_BDAT,
	VERB_XCLIENT,
	VERB_XFORWARD,
	VERB_FOREIGN, /* GET, POST, CONNECT and the like: another protocol's client */
	VERB_COUNT
};

#define COMMAND_LINE_MAX 512  /* RFC 5321 4.5.3.1.4, with CRLF */
#define COMMAND_MAIL_MAX 2048 /* room for the parameters of the extensions we carry */
#define COMMAND_PARAMETERS 16

struct parameter {
	struct str keyword; /* as given */
	struct str value;   /* p == NULL: no "=" */
};

struct command {
	enum verb verb;
	struct str name; /* the verb as given */
	struct str rest; /* what follows it, trimmed of blanks at both ends */
	/* of MAIL and RCPT only, after command_path() */
	struct mailbox path;
	bool path_wrong; /* it failed because of the address itself, not of what is around it */
	struct parameter parameter[COMMAND_PARAMETERS];
	size_t n_parameters;
};

const char *verb_name(enum verb verb);
/*
 * line: without its CRLF. A control octet, a NUL or an octet above 0x7f in the verb makes it
 * VERB_UNKNOWN.
 */
void command_parse(struct str line, struct command *out);
/*
 * Reads "FROM:<path> params" of MAIL or "TO:<path> params" of RCPT out of rest; one blank after the
 * colon is forgiven. e: fit for a reply's text.
 */
bool command_path(struct command *c, struct err *e);
/* NULL when it is not there. */
const struct parameter *command_parameter(const struct command *c, const char *keyword);
/* xtext of RFC 3461 4, as in XCLIENT's values. */
struct str xtext_encode(struct arena *arena, struct str s);
bool xtext_decode(struct arena *arena, struct str s, struct str *out);
/* It is xtext, at least one octet, and what it stands for is printable ASCII. */
bool xtext_printable(struct str s);

#endif
