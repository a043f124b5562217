#include "mail/said.h"

#include <string.h>

#include "base/die.h"
#include "mail/reply.h"

#define TEXT_MAX 2048

/* --- what it means ------------------------------------------------------------------------------ */

#define NONE_SENDER "Nothing: all is well."
#define NONE_ADMIN "Nothing: all is well."
#define SOFTWARE \
	"Report it to whoever makes the program that sends your mail: it does not keep to SMTP."

static const struct explanation yes = {
	"A yes: the command was taken, or a question answered.",
	NONE_SENDER,
	NONE_ADMIN,
};
static const struct explanation syntax = {
	"The client said something that is no command of SMTP, or not written as RFC 5321 wants it.",
	SOFTWARE,
	"Nothing, as a rule. If it is a program of your own network, mend that. Too many errors end a "
	"session (`errors`), so guessing at commands leads nowhere.",
};
static const struct explanation line_end = {
	"A command line held a CR or LF that stands alone. In SMTP a line ends in CR LF, and in nothing "
	"else; what two servers read differently can smuggle mail past the first.",
	SOFTWARE,
	"Nothing: it is refused whatever is configured. A message is another matter, see "
	"`bare_newline`.",
};
static const struct explanation address = {
	"The address in MAIL or RCPT is not written as RFC 5321 wants it. The text of the reply says "
	"what is wrong with it.",
	"Look at the address for a typing error: a blank, a missing @, two dots in a row.",
	"Nothing, as a rule.",
};
static const struct explanation foreign = {
	"Another protocol was spoken: HTTP, a TLS handshake, a header of the PROXY protocol, or the "
	"lines of a message where commands belong. The session ends.",
	"Check host and port in the settings of the program that sends: this is SMTP.",
	"If it is your own load balancer, add `from proxies` to its `listen`; if clients are to begin "
	"with TLS, add `tls`.",
};
static const struct explanation not_offered = {
	"The command or parameter belongs to an extension that is not offered here, now. What is offered "
	"stands in the answer to EHLO: what both this server and the mail server behind it can do.",
	"Let the program use only what the answer to EHLO offers. " SOFTWARE,
	"`postern backends` shows what the mail servers offer; `vrfy`, `expn`, `etrn`, `help` and "
	"`auth` say what of it is passed on.",
};
static const struct explanation utf8 = {
	"An address has letters beyond ASCII. That needs the extension SMTPUTF8 (RFC 6531), asked for "
	"with MAIL, and a mail server behind that offers it.",
	"Use an address without such letters, or a program that knows SMTPUTF8.",
	"Turn SMTPUTF8 on in the mail server behind if it can do that; `postern backends` shows "
	"whether it is.",
};
static const struct explanation order = {
	"The command is right but its turn had not come: MAIL after EHLO, RCPT after MAIL, DATA after a "
	"recipient was taken.",
	"If one of your recipients was refused just before, that reply is the one that counts. "
	"Else: " SOFTWARE,
	"Nothing. The reason is in an earlier reply of the session: `postern log --ip ADDRESS`.",
};
static const struct explanation security = {
	"What the client did would make the session unsafe, or is for trusted clients only.",
	SOFTWARE,
	"A client that is to speak for others (XCLIENT) has to be named in `trust`. Octets in the clear "
	"behind STARTTLS are an attack or a broken program; there is no setting for them.",
};
static const struct explanation handshake = {
	"The TLS handshake did not succeed. Nothing was said: the connection was closed.",
	"Check that the program knows TLS 1.2 or newer, and what it says of the certificate.",
	"The log has the reason: look for event=tls-failed. See `tls { }` for versions and ciphers.",
};
static const struct explanation not_a_proxy = {
	"What listens there is for proxies, which say with the PROXY protocol for whom they speak; "
	"somebody else connected, or the header did not come.",
	"Send mail to the public address of this server, not to this one.",
	"Name the proxy in that `listen`, and let it send the header of the PROXY protocol.",
};
static const struct explanation auth = {
	"The dialogue of AUTH went wrong before any password was looked at.",
	"Check the settings of the account in the mail program: it has to use TLS, and a mechanism that "
	"is offered.",
	"`auth` and `auth in clear` say who may authenticate; the mail server behind says with which "
	"mechanisms, see `postern backends`.",
};
static const struct explanation auth_away = {
	"The mail server behind, which judges passwords, could not be asked.",
	"Try again in a few minutes. Your password is not at fault.",
	"See `postern backends`, and the log of the mail server and of what it authenticates with.",
};
static const struct explanation auth_guess = {
	"Too many authentications have failed, in this session or from this address.",
	"Check the password that the program has stored, on every device; after an hour it can be tried "
	"again.",
	"`postern log --rule \"backend: AUTH\"` shows which accounts were tried. `auth_failures`, "
	"`auth_failures_per_minute` and `auth_failures_per_hour` set how many there may be; who is in `trust` "
	"is exempt.",
};
static const struct explanation busy = {
	"There are as many connections as this server takes at a time.",
	"Nothing: a mail server tries again by itself. A program that opens connection after connection "
	"should send several messages over one.",
	"`sessions` sets how many there may be; `postern stats` shows whether it is met often.",
};
static const struct explanation too_many_connections = {
	"There were too many connections from one address or network, at a time or in a minute.",
	"Send several messages over one connection, and fewer connections at a time.",
	"`sessions_per_client`, `sessions_per_network` and `connections_per_minute` set how many there "
	"may be; whom you know put into `trust`.",
};
static const struct explanation too_many_messages = {
	"More messages or recipients came from one address in a minute than are allowed.",
	"Wait as long as the reply says, and send more slowly.",
	"`messages_per_minute` and `recipients_per_minute` set how many there may be. Whom you know put "
	"into `trust`, or let in with `accept session`.",
};
static const struct explanation too_many_errors = {
	"The client made too many errors: unknown commands, malformed addresses, recipients that do not "
	"exist.",
	"Clean the list of recipients, and look at the replies before this one: they name the errors.",
	"`errors` and `errors_per_minute` set how many there may be, `stress errors` how many under "
	"stress.",
};
static const struct explanation timeout = {
	"The client took too long: for a command, within a message, or for the session as a whole.",
	"Nothing: a mail server tries again by itself. If it happens each time, the line is too slow for "
	"a message of that size, or something on the way drops packets (often a firewall or a wrong "
	"MTU).",
	"The settings `timeout command`, `timeout data block`, `timeout message`, `timeout session` and "
	"`data_rate` set how long it may take; under stress `stress timeout` cuts them.",
};
static const struct explanation too_big = {
	"The message, or what its size was said to be, is larger than is taken here.",
	"Make the message smaller: leave attachments away, or put them where they can be fetched.",
	"`message_size` sets how large it may be; the mail server behind may set less (`postern "
	"backends`).",
};
static const struct explanation header = {
	"The message's header cannot be taken: it is too large, has too many fields, or does not begin "
	"with a field.",
	"Send the message anew instead of forwarding it once more: each forwarding adds to its header.",
	"`header_size` sets how large it may be.",
};
static const struct explanation bare = {
	"The message has a CR or LF that stands alone. In SMTP a line ends in CR LF; what two servers "
	"read differently can smuggle a second message past the first.",
	SOFTWARE " Mail from programs that write lines by themselves (scripts, devices) has this "
		 "fault most often.",
	"`bare_newline normalise` makes CR LF of them instead; that breaks signatures, but not safety.",
};
static const struct explanation loop = {
	"The message has passed more than a hundred servers: it goes in a circle.",
	"Check the forwardings of your mailbox and of the recipient's: one leads back to another.",
	"Look at the Received fields of the message for hosts that come again and again.",
};
static const struct explanation recipients = {
	"The message has more recipients than are taken in one go. Those before this one were taken.",
	"Nothing: a mail server sends to the others in another message by itself.",
	"`recipients` sets how many there may be.",
};
static const struct explanation apart = {
	"This recipient cannot share a message with those before: the mail server takes one at a time, "
	"it goes to another server, or other rules hold for it. That is no refusal.",
	"Nothing: a mail server sends to that recipient in another message by itself.",
	"Nothing. If it comes often, see `backend ... for`, and rules of `message` that test the "
	"recipient.",
};
static const struct explanation room = {
	"There was no room for the message at this moment: messages are held until the mail server has "
	"taken them, in memory and on disk, and both have bounds.",
	"Nothing: a mail server tries again by itself.",
	"`memory_held`, `disk_held` and `message_memory` set how much room there is; look whether the "
	"disk of `database` is full.",
};
static const struct explanation memory = {
	"What the transaction made this server remember (addresses, header, answers) passed its bound.",
	"Send the message to fewer recipients at a time; send it anew instead of forwarding it.",
	"`when memory short` says whether such a message is refused for good or for now.",
};
static const struct explanation questions = {
	"Checking this session would have needed more questions to the DNS and the store than one may "
	"ask.",
	"Try again, with fewer messages in one session.",
	"Look with `postern why ID` which stage asked how much: an SPF record or a signature may be "
	"made so that it costs.",
};
static const struct explanation blocked = {
	"An administrator has blocked the sender by hand: the client's address, or the domain that SPF or "
	"DKIM proves.",
	"Ask the recipient to tell the administrator, by another way than mail from the same sender. Sending "
	"again will not help.",
	"`postern lists` shows whom it is about, until when and why; `postern lists remove NUMBER`, with the "
	"number in the rule of the entry, undoes it.",
};
static const struct explanation dns = {
	"The DNS did not answer, and rules that need it were not to be passed over.",
	"Nothing: a mail server tries again by itself. If it stays so, the name servers of your domain "
	"may be down.",
	"`postern why ID` shows which question was not answered. `when dns unavailable pass` lets mail "
	"in then, unchecked; `resolver` says who is asked.",
};
static const struct explanation local = {
	"Something failed on this server: its database, or one of its checks.",
	"Nothing: a mail server tries again by itself.",
	"Look into the log for level=error. For the store, `when store unavailable pass` lets mail in "
	"then, uncounted; for a check, `when stage fails`. If the journal cannot be written nothing is "
	"refused for good: look whether the disk is full.",
};
static const struct explanation mta = {
	"The mail server behind could not be reached, or was lost on the way. Nothing was delivered, or "
	"it is not known, so the message stays with its sender.",
	"Nothing: a mail server tries again by itself.",
	"`postern backends` shows which of them are well and what is wrong with the others; "
	"`connections` of a `backend` sets how many it gets.",
};
static const struct explanation shutdown = {
	"The service is being stopped or started again.",
	"Nothing: a mail server tries again by itself, after a minute.",
	"Nothing.",
};
const struct explanation said_by_backend = {
	"The mail server behind refused it, or could not take it now. The text is its own, word for "
	"word.",
	"Do what that text says: most often the address does not exist, or the mailbox is full.",
	"The reason is in the log of the mail server. If it should have taken the message, mend it "
	"there; `postern backends` shows how it is.",
};

/* --- rows --------------------------------------------------------------------------------------- */

#define ROW(name, code, enhanced, text, why, about) \
	[SAID_##name] = { #name, code, enhanced, text, why, about }

static const struct saying rows[SAID_COUNT] = {
	ROW(GREETING, 220, "", "%s ESMTP", NULL, &yes),
	ROW(HELO, 250, "", "%s", NULL, &yes),
	ROW(OK, 250, "2.0.0", "Ok", NULL, &yes),
	ROW(FORGOTTEN, 250, "2.0.0", "Forgotten", NULL, &yes),
	ROW(SENDER_TAKEN, 250, "2.1.0", "Sender taken", NULL, &yes),
	ROW(CHUNK_TAKEN, 250, "2.0.0", "Go on", NULL, &yes),
	ROW(SEND_MESSAGE, 354, "", "End with a line that holds only a dot", NULL, &yes),
	ROW(GO_AHEAD, 220, "2.0.0", "Go ahead", NULL, &yes),
	ROW(CANNOT_SAY, 252, "2.1.5", "Cannot say; send it a message", NULL, &yes),
	ROW(HELP, 214, "2.0.0", "See RFC 5321", NULL, &yes),
	ROW(BYE, 221, "2.0.0", "Bye", NULL, &yes),

	ROW(UNKNOWN_COMMAND, 500, "5.5.2", "Unknown command", NULL, &syntax),
	ROW(LINE_TOO_LONG, 500, "5.5.2", "Line too long", "limit: line length", &syntax),
	ROW(CONTROL_OCTETS, 500, "5.5.2", "Control octets in a command", NULL, &syntax),
	ROW(NOT_ASCII, 500, "5.5.2", "A command is ASCII", NULL, &syntax),
	ROW(NO_ARGUMENT, 501, "5.5.4", "It takes no argument", NULL, &syntax),
	ROW(OF_WHOM, 501, "5.5.4", "Of whom?", NULL, &syntax),
	/* A reply to HELO or EHLO has no enhanced code (RFC 2034 3). */
	ROW(HELO_NAME, 501, "", "Give your host's name, or its address in brackets", NULL, &syntax),
	ROW(COMMAND_SYNTAX, 501, "5.5.4", "%s", NULL, &syntax),
	ROW(SIZE_NUMBER, 501, "5.5.4", "SIZE wants a number", NULL, &syntax),
	ROW(PARAMETER_SYNTAX, 501, "5.5.4", "%s", NULL, &syntax),
	ROW(XCLIENT_SYNTAX, 501, "5.5.4", "%s", NULL, &syntax),
	ROW(BDAT_SYNTAX, 501, "5.5.4", "BDAT wants a number, and nothing behind it but LAST", NULL,
	    &syntax),
	ROW(LINE_END, 500, "5.5.2", "A line ends in CR LF, and has neither within", NULL,
	    &line_end),
	ROW(SENDER_SYNTAX, 501, "5.1.7", "%s", NULL, &address),
	ROW(RECIPIENT_SYNTAX, 501, "5.1.3", "%s", NULL, &address),
	ROW(FOREIGN, 554, "5.5.1", "This is SMTP", NULL, &foreign),

	ROW(NOT_OFFERED, 502, "5.5.1", "Not offered here", NULL, &not_offered),
	ROW(PARAMETER_NOT_OFFERED, 555, "5.5.4", "%s is not offered here", NULL, &not_offered),
	ROW(PARAMETER_UNKNOWN, 555, "5.5.4", "The parameter %s is not known here", NULL,
	    &not_offered),
	ROW(UTF8_UNASKED, 553, "5.6.7", "An address in UTF-8 wants SMTPUTF8 with MAIL", NULL,
	    &utf8),
	ROW(UTF8_NOT_OFFERED, 553, "5.6.7", "SMTPUTF8 is not offered here", NULL, &utf8),

	ROW(MAIL_ORDER, 503, "5.5.1", "Say EHLO first, and one MAIL at a time", NULL, &order),
	ROW(RCPT_ORDER, 503, "5.5.1", "MAIL comes first", NULL, &order),
	ROW(DATA_ORDER, 503, "5.5.1", "MAIL and RCPT come first", NULL, &order),
	ROW(AUTH_ORDER, 503, "5.5.1", "Say EHLO first, and not within a transaction", NULL, &order),
	ROW(IN_TRANSACTION, 503, "5.5.1", "Not within a transaction", NULL, &order),
	ROW(CHUNKS_BEGUN, 503, "5.5.1", "The message has begun with BDAT", NULL, &order),
	ROW(REFUSED_BEFORE, 503, "5.5.1", "You were refused, say QUIT", NULL, &order),
	ROW(NO_RECIPIENT, 554, "5.5.1", "No recipient was taken", NULL, &order),
	ROW(BINARYMIME_DATA, 503, "5.5.1", "BINARYMIME wants BDAT", NULL, &order),
	ROW(CHUNKING_HELO, 503, "5.5.1", "CHUNKING is for those who said EHLO", NULL, &order),
	ROW(TLS_ON, 503, "5.5.1", "TLS is on already", NULL, &order),
	ROW(AUTHENTICATED, 503, "5.5.1", "You have authenticated already", NULL, &order),
	ROW(NO_EHLO, 503, "5.5.1", "Say EHLO first", NULL, &order),

	ROW(TLS_INJECTED, 554, "5.7.0", "Nothing may follow STARTTLS in the clear",
	    "limit: plaintext after STARTTLS", &security),
	ROW(XCLIENT_UNTRUSTED, 550, "5.7.0", "You are not trusted to speak for others", NULL,
	    &security),
	ROW(TLS_HANDSHAKE, 421, "4.7.0", "The TLS handshake failed", "limit: TLS handshake",
	    &handshake),
	ROW(NO_PROXY, 554, "5.7.1", "Only proxies may connect here", "limit: not a proxy",
	    &not_a_proxy),
	ROW(NO_PROXY_HEADER, 421, "4.7.0", "closed: no header of the PROXY protocol came",
	    "limit: proxy header", &not_a_proxy),

	ROW(AUTH_SYNTAX, 501, "5.5.4", "Syntax: AUTH mechanism [initial response]", NULL, &auth),
	ROW(AUTH_MECHANISM, 504, "5.5.4", "That mechanism is not offered here", NULL, &auth),
	ROW(AUTH_TLS, 538, "5.7.11", "Say STARTTLS first", NULL, &auth),
	ROW(AUTH_FIRST, 501, "5.5.2", "An initial response is base64, or =", NULL, &auth),
	ROW(AUTH_BASE64, 501, "5.5.2", "An answer of AUTH is base64, or *", NULL, &auth),
	ROW(AUTH_LONG, 500, "5.5.6", "An answer of AUTH is too long", NULL, &auth),
	ROW(AUTH_CANCELLED, 501, "5.7.0", "Authentication cancelled", NULL, &auth),
	ROW(AUTH_AWAY, 454, "4.7.0", "Temporary authentication failure, try again later", NULL,
	    &auth_away),
	ROW(AUTH_TOO_MANY, 454, "4.7.0", "Too many authentications failed, try again later",
	    "limit: auth failures of a client", &auth_guess),
	ROW(AUTH_TOO_MANY_SESSION, 421, "4.7.0", "Too many authentications failed",
	    "limit: auth failures", &auth_guess),

	ROW(SESSIONS, 421, "4.7.0", "Too many connections, try again later", "limit: sessions",
	    &busy),
	ROW(SHED, 421, "4.3.2", "Too many connections, try again later", NULL, &busy),
	ROW(SESSIONS_CLIENT, 421, "4.7.0",
	    "Too many connections from your address, try again later", "limit: sessions per client",
	    &too_many_connections),
	ROW(SESSIONS_NETWORK, 421, "4.7.0",
	    "Too many connections from your network, try again later",
	    "limit: sessions per network", &too_many_connections),
	ROW(CONNECTIONS_MINUTE, 421, "4.7.0",
	    "Too many connections from your address in a minute%s", "limit: connections per minute",
	    &too_many_connections),
	ROW(MESSAGES_MINUTE, 450, "4.7.1", "Too many messages in a minute%s",
	    "limit: messages per minute", &too_many_messages),
	ROW(RECIPIENTS_MINUTE, 450, "4.7.1", "Too many recipients in a minute%s",
	    "limit: recipients per minute", &too_many_messages),
	ROW(ERRORS_AT_CONNECT, 421, "4.7.0", "Too many errors from your address in a minute%s",
	    "limit: errors per minute, at connect", &too_many_errors),
	ROW(ERRORS_MINUTE, 421, "4.7.0", "Too many errors in a minute%s",
	    "limit: errors per minute", &too_many_errors),
	ROW(ERRORS, 421, "4.7.0", "Too many errors", "limit: errors", &too_many_errors),
	ROW(COMMAND_TIME, 421, "4.4.2", "Timeout, closing the connection", "limit: command time",
	    &timeout),
	ROW(PAUSE, 421, "4.4.2", "Timeout, closing the connection", "limit: pause in a message",
	    &timeout),
	ROW(DATA_RATE, 421, "4.4.2", "The message comes too slowly, closing the connection",
	    "limit: data rate", &timeout),
	ROW(MESSAGE_TIME, 421, "4.4.2", "The message takes too long, closing the connection",
	    "limit: message time", &timeout),
	ROW(SESSION_TIME, 421, "4.4.2", "The session lasts too long, closing the connection",
	    "limit: session time", &timeout),

	ROW(TOO_BIG, 552, "5.3.4", "The message is too big", "limit: size", &too_big),
	ROW(BDAT_TOO_MUCH, 552, "5.3.4", "So much is not even thrown away", NULL, &too_big),
	ROW(HEADER_TOO_BIG, 552, "5.3.4", "The message's header is too big", "limit: header size",
	    &header),
	ROW(HEADER_TOO_LARGE, 552, "5.3.4", "The header is too large", "limit: memory of a message",
	    &header),
	ROW(TOO_MANY_FIELDS, 550, "5.6.0", "The message's header has too many fields",
	    "limit: header fields", &header),
	ROW(HEADLESS, 550, "5.6.0", "The message begins with a continuation line",
	    "limit: header syntax", &header),
	ROW(BARE_LINE_END, 550, "5.6.11", "The message has a CR or LF that stands alone",
	    "limit: bare newline", &bare),
	ROW(HOPS, 554, "5.4.6", "The message went through too many hosts", "limit: hops", &loop),
	ROW(RECIPIENTS, 452, "4.5.3", "Too many recipients", "limit: recipients", &recipients),
	ROW(RECIPIENT_LMTP, 452, "4.5.3", "One recipient at a time", "limit: recipients of LMTP",
	    &apart),
	ROW(RECIPIENT_ROUTE, 452, "4.5.3",
	    "This recipient goes another way: in a message of its own",
	    "limit: recipients of one route", &apart),
	ROW(RECIPIENT_POLICY, 452, "4.5.3", "This recipient's policy differs, send again for it",
	    "policy", &apart),

	ROW(BLOCKED_CONNECT, 554, "5.7.1", "Blocked by the administrator", "exception", &blocked),
	ROW(BLOCKED, 550, "5.7.1", "Blocked by the administrator", "exception", &blocked),

	ROW(NO_ROOM, 452, "4.3.1", "There is no room for the message now, try again later",
	    "limit: messages held", &room),
	ROW(NO_SPOOL, 452, "4.3.1", "There is no room for the message now", "failure: spool",
	    &room),
	ROW(MUCH_SAID, 421, "4.3.2", "Too much was said in this session", NULL, &memory),
	ROW(NO_MEMORY, 452, "4.3.1", "The transaction takes too much memory", "limit: memory",
	    &memory),
	ROW(NO_MEMORY_EVER, 554, "5.3.4", "The transaction takes too much memory", "limit: memory",
	    &memory),
	ROW(MILTER_ROOM, 452, "4.3.1", "Out of room for this message, try again later",
	    "limit: memory of a message", &memory),
	ROW(MILTER_ROOM_EVER, 554, "5.3.4", "The message takes too much memory",
	    "limit: memory of a message", &memory),
	ROW(QUESTIONS, 451, "4.3.2", "Too much to check in this session, try again later",
	    "limit: questions", &questions),
	ROW(DNS, 451, "4.4.3", "The DNS does not answer, try again later", "failure: dns", &dns),
	ROW(STORE, 451, "4.3.0", "Local problem, try again later", "failure: store", &local),
	ROW(STAGE, 451, "4.3.0", "Local problem, try again later", "failure: stage", &local),
	ROW(JOURNAL, 451, "4.3.0", "Local problem, try again later", "failure: journal", &local),

	ROW(MTA_AWAY, 451, "4.3.0", "The mail server behind is not available, try again later",
	    "backend: away", &mta),
	ROW(MTA_LOST, 451, "4.3.0",
	    "The mail server behind did not take the message, try again later", "backend: away",
	    &mta),
	ROW(MTA_GONE, 451, "4.3.0", "The mail server behind went away, try again later",
	    "backend: away", &mta),
	ROW(MTA_BUSY, 421, "4.3.2", "The mail server behind is busy, try again later",
	    "limit: connections of backend", &mta),
	ROW(MTA_LOGIN, 421, "4.3.0", "The mail server behind went away, log in again", NULL, &mta),
	ROW(MTA_LACKS, 451, "4.3.0", "%s is not offered any more, try again", "backend: away",
	    &mta),
	ROW(SHUTDOWN, 421, "4.3.2", "Service is shutting down, try again later", NULL, &shutdown),
};

/* --- use ---------------------------------------------------------------------------------------- */

const struct saying *
said_row(enum said said)
{
	require(said < SAID_COUNT);
	return &rows[said];
}

/* What stands before the place to fill, and whether there is one. */
static struct str
before(const struct saying *row, bool *place)
{
	const char *at = strstr(row->text, "%s");

	*place = at != NULL;
	return at ? (struct str){ row->text, (size_t)(at - row->text) } : str_of(row->text);
}

void
said_print(enum said said, struct buf *out)
{
	const struct saying *row = said_row(said);
	bool place;
	struct str first = before(row, &place);

	buf_add(out, first);
	if (place) {
		buf_add(out, STR("..."));
		buf_add(out, str_of(row->text + first.n + 2));
	}
}

void
said_text(enum said said, const char *fill, struct buf *out)
{
	const struct saying *row = said_row(said);
	bool place;
	struct str first = before(row, &place);

	buf_add(out, first);
	if (place) {
		buf_add(out, str_of(fill));
		buf_add(out, str_of(row->text + first.n + 2));
	}
}

void
said_reply(enum said said, const char *fill, struct buf *out)
{
	const struct saying *row = said_row(said);
	struct buf text;

	buf_init(&text, TEXT_MAX);
	said_text(said, fill, &text);
	reply_write(out, row->code, row->enhanced, buf_str(&text));
	buf_free(&text);
}

struct verdict
said_verdict(enum said said)
{
	const struct saying *row = said_row(said);
	struct verdict v = {
		.kind = row->code < 500 ? VERDICT_TEMPFAIL : VERDICT_REJECT,
		.code = row->code,
		.rule = str_of(row->why),
	};
	bool place;

	v.text = before(row, &place);
	str_copy(str_of(row->enhanced), v.enhanced, sizeof(v.enhanced));
	return v;
}

/* Which of several it was: "exception 12". */
static struct str
without_number(struct str rule)
{
	size_t n = rule.n;

	while (n > 0 && ascii_isdigit(rule.p[n - 1]))
		n--;
	return n > 0 && n < rule.n && rule.p[n - 1] == ' ' ? str_sub(rule, 0, n - 1) : rule;
}

enum said
said_find(struct str rule, int code)
{
	enum said found = SAID_COUNT;

	rule = without_number(rule);
	if (str_starts(rule, STR("reply: ")))
		for (enum said said = 0; said < SAID_COUNT; said++)
			if (str_eq(str_sub(rule, 7, rule.n), str_of(rows[said].name)))
				return said;

	/* In place of a greeting it was said with 421, whatever the row has. */
	for (enum said said = 0; said < SAID_COUNT; said++)
		if (rows[said].why && str_eq(rule, str_of(rows[said].why)) &&
		    (found == SAID_COUNT || rows[said].code == code))
			found = said;
	return found;
}
