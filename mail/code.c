#include "mail/code.h"

#define SYNTAX_SENDER \
	"Report it to whoever makes the program that sends your mail, with the text of the reply."
#define WAIT_SENDER "Nothing: a mail server tries again by itself, for days. The text says why."
#define FINAL_SENDER \
	"Do what the text says. Sending the same message again in the same way will not help."
#define TEXT_ADMIN \
	"`postern why ID` tells where it comes from; the id stands in brackets behind it."

static const struct code plain[] = {
	{ "211", "status",
	    { "An answer to a question about the system.", "Nothing.", "Nothing." } },
	{ "214", "help", { "An answer to HELP.", "Nothing.", "Nothing." } },
	{ "220", "ready",
	    { "The server is ready: the greeting, or the go-ahead for TLS.", "Nothing.",
		"Nothing." } },
	{ "221", "goodbye", { "The answer to QUIT.", "Nothing.", "Nothing." } },
	{ "235", "authenticated",
	    { "The mail server behind has accepted name and password.", "Nothing.", "Nothing." } },
	{ "250", "done",
	    { "The command was carried out. Behind the message it says that the mail server behind has "
	      "taken it, and is answerable for it from then on.",
		"Nothing.", "Nothing." } },
	{ "251", "forwarded",
	    { "The recipient is elsewhere; the mail server behind forwards to it.", "Nothing.",
		"Nothing." } },
	{ "252", "cannot say",
	    { "VRFY tells nobody which addresses there are.", "Send a message to find out.",
		"`vrfy` passes the question on to the mail server." } },
	{ "334", "challenge",
	    { "A step of AUTH: the server asks, the client answers.", "Nothing.", "Nothing." } },
	{ "354", "send the message",
	    { "The answer to DATA: the message may come now.", "Nothing.", "Nothing." } },
	{ "421", "not now, and goodbye",
	    { "The session ends here; another one may succeed. It is said when the server stops, when "
	      "there are too many connections or errors, when a client takes too long, and in place of "
	      "the greeting when this server wants the client to come back later.",
		WAIT_SENDER, TEXT_ADMIN } },
	{ "432", "a password must be set first",
	    { "The account needs another form of its password for this mechanism (RFC 4954).",
		"Log in once with another mechanism, or set the password anew.",
		"It comes from the mail server behind." } },
	{ "450", "not now: mailbox or client",
	    { "It was not taken this time: the mailbox is busy, or the client has sent too much of "
	      "something.",
		WAIT_SENDER, TEXT_ADMIN } },
	{ "451", "not now",
	    { "It was not taken this time: greylisting, a check that could not be made, a failure of "
	      "this server or the one behind. The sender keeps the message.",
		WAIT_SENDER, TEXT_ADMIN } },
	{ "452", "not now: too much",
	    { "There is no room for it at this moment, or the message has more recipients than are taken "
	      "in one go; the others are sent to in another message.",
		WAIT_SENDER, TEXT_ADMIN } },
	{ "454", "not now: TLS or authentication",
	    { "TLS or authentication is not available at the moment.",
		"Try again in a few minutes; the password is not at fault.", TEXT_ADMIN } },
	{ "455", "parameters not now",
	    { "A parameter of MAIL or RCPT cannot be honoured at the moment.", WAIT_SENDER,
		"It comes from the mail server behind." } },
	{ "500", "no such command",
	    { "The line was no command, or longer than allowed.", SYNTAX_SENDER, TEXT_ADMIN } },
	{ "501", "malformed argument",
	    { "The command is known, and what stands behind it is not written as it should be.",
		"If the text names an address, look for a typing error in it. Else: " SYNTAX_SENDER,
		TEXT_ADMIN } },
	{ "502", "not here",
	    { "The command exists, and is not offered by this server.", SYNTAX_SENDER,
		TEXT_ADMIN } },
	{ "503", "not its turn",
	    { "The commands came in the wrong order, often because an earlier one was refused.",
		"Look for the refusal before it: that one counts.", TEXT_ADMIN } },
	{ "504", "argument not here",
	    { "The command is offered, but not with this argument: a mechanism of AUTH, as a rule.",
		"Choose another kind of authentication in the mail program.",
		"`postern backends` shows which mechanisms the mail servers offer." } },
	{ "521", "no mail here",
	    { "The host takes no mail at all (RFC 7504).",
		"Check the domain behind the @ of the address.", TEXT_ADMIN } },
	{ "523", "larger than the recipient takes",
	    { "The message is larger than is taken for this recipient.", "Send a smaller one.",
		"It comes from the mail server behind." } },
	{ "530", "log in first, or STARTTLS first",
	    { "Mail is taken from those only who have authenticated, or who use TLS.",
		"Turn on authentication (or TLS) for outgoing mail in the mail program.",
		TEXT_ADMIN } },
	{ "534", "mechanism too weak",
	    { "This kind of authentication is too weak for the account.",
		"Choose another one in the mail program.",
		"It comes from the mail server behind." } },
	{ "535", "wrong name or password",
	    { "The mail server behind did not accept name and password.",
		"Check both in the mail program, on every device.",
		"`postern log --rule \"backend: AUTH\"` shows who failed." } },
	{ "538", "TLS first",
	    { "This kind of authentication is for connections with TLS.",
		"Turn on TLS (STARTTLS) for outgoing mail in the mail program.",
		"`auth in clear` allows it without; better do not." } },
	{ "550", "refused",
	    { "It is refused for good: no such mailbox, or the policy of this server. The text says "
	      "which, and the enhanced code behind it more exactly.",
		FINAL_SENDER, TEXT_ADMIN } },
	{ "551", "not here",
	    { "The recipient is elsewhere, and nobody forwards to it.",
		"Use the address that the text names.", "It comes from the mail server behind." } },
	{ "552", "too much",
	    { "The message is too big, or the mailbox is full.",
		"Send a smaller message, or tell the recipient in another way that the mailbox is full.",
		TEXT_ADMIN } },
	{ "553", "mailbox name",
	    { "The address cannot be one: its syntax, or letters that are not taken here.",
		"Look at the address for a typing error.", TEXT_ADMIN } },
	{ "554", "refused as a whole",
	    { "The transaction, or in place of a greeting the session, is refused for good. The text "
	      "says why.",
		FINAL_SENDER, TEXT_ADMIN } },
	{ "555", "parameters",
	    { "A parameter of MAIL or RCPT is not known or not offered here.", SYNTAX_SENDER,
		TEXT_ADMIN } },
	{ "556", "domain takes no mail",
	    { "The domain says in the DNS that it takes no mail (RFC 7504).",
		"Check the domain behind the @ of the address.", TEXT_ADMIN } },
};

#define N_PLAIN (sizeof(plain) / sizeof(plain[0]))

const struct code *
code_at(size_t i)
{
	if (i < N_PLAIN)
		return &plain[i];
	return i - N_PLAIN < n_code_enhanced ? &code_enhanced[i - N_PLAIN] : NULL;
}

/* A class and a point: "5.", "X."; then it is an enhanced one. */
static bool
take_class(struct str *text)
{
	if (text->n < 2 || text->p[1] != '.' || str_find(STR("245Xx"), text->p[0]) == STR_NPOS)
		return false;
	*text = str_sub(*text, 2, text->n);
	return true;
}

const struct code *
code_find(struct str text)
{
	bool enhanced = take_class(&text);
	const struct code *code;

	for (size_t i = enhanced ? N_PLAIN : 0; (code = code_at(i)) != NULL; i++)
		if ((enhanced || i < N_PLAIN) && str_eq(text, str_of(code->code)))
			return code;
	return NULL;
}

bool
code_looks_like(struct str text)
{
	bool enhanced = take_class(&text);

	for (size_t i = 0; i < text.n; i++)
		if (!ascii_isdigit(text.p[i]) && !(enhanced && text.p[i] == '.'))
			return false;
	return text.n > 0 && (enhanced || text.n == 3);
}
