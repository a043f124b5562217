/*
 * said: every reply that Postern has words of its own for, each with what it means and what is to be
 * done about it. What a front says comes from here (SAID_NAME), so that there is no reply without
 * its row; rules bring replies of their own, which mail/code.h explains by their enhanced code, and
 * what the mail server behind says is relayed. `postern explain` and docs/replies.md print the same
 * rows. Const tables, pure.
 */
#ifndef POSTERN_MAIL_SAID_H
#define POSTERN_MAIL_SAID_H

#include "base/buf.h"
#include "mail/explanation.h"
#include "mail/verdict.h"

enum said {
	/* yes */
	SAID_GREETING,
	SAID_HELO,
	SAID_OK,
	SAID_FORGOTTEN,
	SAID_SENDER_TAKEN,
	SAID_CHUNK_TAKEN,
	SAID_SEND_MESSAGE,
	SAID_GO_AHEAD,
	SAID_CANNOT_SAY,
	SAID_HELP,
	SAID_BYE,
	/* what is no command, or not well-formed */
	SAID_UNKNOWN_COMMAND,
	SAID_LINE_TOO_LONG,
	SAID_CONTROL_OCTETS,
	SAID_NOT_ASCII,
	SAID_NO_ARGUMENT,
	SAID_OF_WHOM,
	SAID_HELO_NAME,
	SAID_COMMAND_SYNTAX,
	SAID_SIZE_NUMBER,
	SAID_PARAMETER_SYNTAX,
	SAID_XCLIENT_SYNTAX,
	SAID_BDAT_SYNTAX,
	SAID_LINE_END,
	SAID_SENDER_SYNTAX,
	SAID_RECIPIENT_SYNTAX,
	SAID_FOREIGN,
	/* what is not here */
	SAID_NOT_OFFERED,
	SAID_PARAMETER_NOT_OFFERED,
	SAID_PARAMETER_UNKNOWN,
	SAID_UTF8_UNASKED,
	SAID_UTF8_NOT_OFFERED,
	/* what is not its turn */
	SAID_MAIL_ORDER,
	SAID_RCPT_ORDER,
	SAID_DATA_ORDER,
	SAID_AUTH_ORDER,
	SAID_IN_TRANSACTION,
	SAID_CHUNKS_BEGUN,
	SAID_REFUSED_BEFORE,
	SAID_NO_RECIPIENT,
	SAID_BINARYMIME_DATA,
	SAID_CHUNKING_HELO,
	SAID_TLS_ON,
	SAID_AUTHENTICATED,
	SAID_NO_EHLO,
	/* security */
	SAID_TLS_INJECTED,
	SAID_XCLIENT_UNTRUSTED,
	SAID_TLS_HANDSHAKE,
	SAID_NO_PROXY,
	SAID_NO_PROXY_HEADER,
	/* AUTH */
	SAID_AUTH_SYNTAX,
	SAID_AUTH_MECHANISM,
	SAID_AUTH_TLS,
	SAID_AUTH_FIRST,
	SAID_AUTH_BASE64,
	SAID_AUTH_LONG,
	SAID_AUTH_CANCELLED,
	SAID_AUTH_AWAY,
	SAID_AUTH_TOO_MANY,
	SAID_AUTH_TOO_MANY_SESSION,
	/* limits of a connection */
	SAID_SESSIONS,
	SAID_SHED,
	SAID_SESSIONS_CLIENT,
	SAID_SESSIONS_NETWORK,
	SAID_CONNECTIONS_MINUTE,
	SAID_MESSAGES_MINUTE,
	SAID_RECIPIENTS_MINUTE,
	SAID_ERRORS_AT_CONNECT,
	SAID_ERRORS_MINUTE,
	SAID_ERRORS,
	SAID_COMMAND_TIME,
	SAID_PAUSE,
	SAID_DATA_RATE,
	SAID_MESSAGE_TIME,
	SAID_SESSION_TIME,
	/* limits of a message */
	SAID_TOO_BIG,
	SAID_BDAT_TOO_MUCH,
	SAID_HEADER_TOO_BIG,
	SAID_HEADER_TOO_LARGE,
	SAID_TOO_MANY_FIELDS,
	SAID_HEADLESS,
	SAID_BARE_LINE_END,
	SAID_HOPS,
	SAID_RECIPIENTS,
	SAID_RECIPIENT_LMTP,
	SAID_RECIPIENT_ROUTE,
	SAID_RECIPIENT_POLICY,
	/* by hand */
	SAID_BLOCKED_CONNECT,
	SAID_BLOCKED,
	/* room and failures */
	SAID_NO_ROOM,
	SAID_NO_SPOOL,
	SAID_MUCH_SAID,
	SAID_NO_MEMORY,
	SAID_NO_MEMORY_EVER,
	SAID_MILTER_ROOM,
	SAID_MILTER_ROOM_EVER,
	SAID_QUESTIONS,
	SAID_DNS,
	SAID_STORE,
	SAID_STAGE,
	SAID_JOURNAL,
	/* the mail server behind */
	SAID_MTA_AWAY,
	SAID_MTA_LOST,
	SAID_MTA_GONE,
	SAID_MTA_BUSY,
	SAID_MTA_LOGIN,
	SAID_MTA_LACKS,
	SAID_SHUTDOWN,
	SAID_COUNT
};

struct saying {
	const char *name; /* "TOO_BIG" */
	int code;
	const char *enhanced; /* "" for none */
	const char *text;     /* one "%s" at most: what is filled in */
	const char *why; /* in the journal in a rule's place: "limit: size"; NULL: in no entry */
	const struct explanation *about;
};

/* Its row. */
const struct saying *said_row(enum said said);
/* The text with "..." where something is filled in. */
void said_print(enum said said, struct buf *out);
/* Its text, with fill in its place; NULL: nothing. */
void said_text(enum said said, const char *fill, struct buf *out);
/* The whole reply, for a client; likewise. */
void said_reply(enum said said, const char *fill, struct buf *out);
/* As a verdict with no id, its rule `why`. Of a text with a place to fill, what stands before it. */
struct verdict said_verdict(enum said said);
/*
 * The row of a journal's entry: by what stands in the rule's place, and by the code; SAID_COUNT: it
 * was not one of these.
 */
enum said said_find(struct str rule, int code);

/* What is relayed, in place of a row; the journal's rule begins with "backend". */
extern const struct explanation said_by_backend;

#endif
