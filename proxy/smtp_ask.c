#include "proxy/smtp_server.h"

/* What is said of a verb that is not relayed. */
static const struct ask_row {
	enum verb verb;
	unsigned extension;
	size_t setting; /* in struct config_core */
	enum said said;
} rows[] = {
	{ VERB_VRFY, EXTENSION_VRFY, offsetof(struct config_core, vrfy), SAID_CANNOT_SAY },
	{ VERB_EXPN, EXTENSION_EXPN, offsetof(struct config_core, expn), SAID_NOT_OFFERED },
	{ VERB_HELP, EXTENSION_HELP, offsetof(struct config_core, help), SAID_HELP },
	{ VERB_ETRN, EXTENSION_ETRN, offsetof(struct config_core, etrn), SAID_NOT_OFFERED },
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static bool
relays(const struct client *c, const struct ask_row *row)
{
	return *(const int64_t *)(const void *)((const char *)c->core + row->setting) != 0;
}

unsigned
ask_carried(const struct client *c, unsigned extensions)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (!relays(c, &rows[i]))
			extensions &= ~rows[i].extension;
	return extensions;
}

static void
away(struct client *c)
{
	buf_free(&c->asked);
	client_reply(c, SAID_MTA_AWAY);
}

/* The MTA's words, but each no is an error of the client's: guessing at names has an end. */
static void
answered(struct client *c)
{
	int code;

	if (c->mta == NULL) {
		away(c);
		return;
	}
	code = backend_reply(c->mta)->code;
	if (code >= 500)
		gate_asked_in_vain(c->gs, str_sub(buf_str(&c->asked), 0, 4), code, mta_text(c));
	else if (code >= 400 && code != 421)
		client_relayed(c, SAID_MTA_AWAY);
	buf_free(&c->asked);
	if (code / 100 == 3)
		mta_drop(c, "it gave a reply that is none to this command");
	if (code / 100 == 3 || code == 421)
		away(c);
	else if (code < 500 || client_mta_error(c))
		mta_relay_reply(c);
}

static void
opened(struct client *c)
{
	if (c->mta == NULL)
		away(c);
	else
		mta_command(c, buf_str(&c->asked), answered);
}

/* The MTA is still in the transaction that the client has left: it would answer for that one. */
static void
reset_answered(struct client *c)
{
	if (c->mta && backend_reply(c->mta)->code != 250)
		mta_drop(c, "it refused RSET");
	if (c->mta)
		c->mta_dirty = false;
	opened(c);
}

static void
relay(struct client *c, const struct command *command)
{
	buf_init(&c->asked, COMMAND_LINE_MAX);
	buf_add(&c->asked, str_of(verb_name(command->verb)));
	if (command->rest.n > 0) {
		buf_addc(&c->asked, ' ');
		buf_add(&c->asked, command->rest);
	}
	if (c->mta && c->mta_dirty)
		mta_command(c, STR("RSET"), reset_answered);
	else if (c->mta)
		opened(c);
	else if (c->mta_lost)
		away(c);
	else
		mta_open(c, opened);
}

void
ask_command(struct client *c, struct command *command)
{
	const struct ask_row *row = rows;

	while (row->verb != command->verb)
		row++;
	if (command->rest.n == 0 && command->verb != VERB_HELP)
		client_error(c, SAID_OF_WHOM);
	else if (relays(c, row) && c->state != CLIENT_GREETED)
		relay(c, command);
	else if (said_row(row->said)->code >= 500)
		client_error(c, row->said);
	else
		client_reply(c, row->said);
}
