#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "proxy/smtp_server.h"
#include "mail/sasl.h"
#include "proxy/xclient.h"

#define IN(state) (1u << (state))
#define GREETED IN(CLIENT_GREETED)
#define READY IN(CLIENT_READY)
#define IN_TRANSACTION (IN(CLIENT_MAIL) | IN(CLIENT_RCPT))
#define ANY (GREETED | READY | IN_TRANSACTION | IN(CLIENT_CHUNKS))

enum {
	NO_ARGUMENT = 1 << 0,
	ENDS_SESSION = 1 << 1, /* and may be said by a client that was refused */
	HAS_PAYLOAD = 1 << 2,  /* what follows it may be no commands */
};

struct verb_row {
	unsigned states; /* where it is legal */
	unsigned flags;
	enum said wrong; /* what is said where it is not */
	void (*run)(struct client *c, struct command *command);
};

/* ---- connect ---- */

/*
 * It is ours to speak now. TLS may have octets of its own under way. What was heard once stays: a new HELO
 * does not mend it.
 */
static void
watch_turn(struct client *c)
{
	const struct config *config = gate_session_config(c->gs);
	const struct fact_entry *fact = fact_find(&config->facts, STR("client.early"));

	/* Looking costs a system call. */
	if (!fact || !config->part_used[fact->stage])
		return;
	if (io_pending(c->io) && !io_ssl(c->io))
		c->s->turn = TURN_BROKEN;
	else if (c->s->turn == TURN_UNKNOWN)
		c->s->turn = TURN_KEPT;
}

static void
greet_decided(struct client *c, const struct verdict *v)
{
	if (!verdict_refuses(v)) {
		c->rules_over = c->s->rules_over;
		watch_turn(c);
		client_set_state(c, CLIENT_GREETED);
		client_reply_with(c, SAID_GREETING, c->core->hostname);
		return;
	}
	client_reply_verdict(c, v);
	if (v->kind == VERDICT_TEMPFAIL)
		client_close(c, "tempfail at connect");
	else
		client_set_state(c, CLIENT_REFUSED);
}

void
command_greet(struct client *c)
{
	struct verdict v;

	c->gate_next = NULL;
	if (gate_decide(c->gs, STEP_CONNECT, &v) != DONE)
		c->gate_next = command_greet;
	else
		greet_decided(c, &v);
}

/* ---- HELO, EHLO ---- */

static void
reply_helo(struct client *c)
{
	struct abilities mta = pool_abilities(c->front->pool);
	struct buf *out = &c->front->out;
	const char *ours[4];
	size_t n = 0;
	struct offer offer = {
		.hostname = c->core->hostname,
		.size_max = (uint64_t)c->core->message_size,
		.rcpt_max = envelope_recipients(c),
		.ours = ours,
	};

	if (tls_offered(c))
		ours[n++] = "STARTTLS";
	mta.extensions = ask_carried(c, mta.extensions);
	if (!auth_offered(c))
		mta.extensions &= ~(unsigned)EXTENSION_AUTH;
	ours[n++] = "CHUNKING";
	if (c->peer_trusted)
		ours[n++] = XCLIENT_OFFER;
	ours[n] = NULL;
	c->offered = c->s->esmtp ? mta.extensions : 0;
	if (c->s->esmtp)
		abilities_write(&mta, &offer, out);
	else
		said_reply(SAID_HELO, c->core->hostname, out);
	io_write(c->io, buf_str(out));
	buf_clear(out);
}

static void
helo_decide(struct client *c)
{
	struct verdict v;

	c->gate_next = NULL;
	if (gate_decide(c->gs, STEP_HELO, &v) != DONE) {
		c->gate_next = helo_decide;
		return;
	}
	if (verdict_refuses(&v)) {
		client_reply_verdict(c, &v);
		client_set_state(c, CLIENT_GREETED);
		return;
	}
	reply_helo(c);
	client_set_state(c, CLIENT_READY);
}

static void
run_helo(struct client *c, struct command *command)
{
	if (!mail_domain_ok(command->rest)) {
		client_error(c, SAID_HELO_NAME);
		return;
	}
	if (arena_over(c->s->conn)) {
		client_reply(c, SAID_MUCH_SAID);
		client_close(c, "memory");
		return;
	}
	if (c->state > CLIENT_READY)
		client_reset(c);
	else
		gate_reset(c->gs);
	/* The MTA was told another name; where the client is authenticated, it keeps that one. */
	if (!c->bound && !str_eq(c->s->helo, command->rest))
		mta_drop(c, NULL);
	session_helo(c->s, command->rest, command->verb == VERB_EHLO);
	if (c->s->esmtp)
		watch_turn(c);
	helo_decide(c);
}

/* ---- DATA ---- */

/*
 * A client that does not wait for 354 has its message in our input already. After 354 that is what
 * it is taken for. After a refusal it would be run as commands, so the session ends there.
 */
static void
refuse_data(struct client *c, enum said said)
{
	client_error(c, said);
	if (io_available(c->io) > 0 && !c->gate_next && c->state < CLIENT_CLOSING)
		client_close(c, "sent a message without being asked");
}

static void
run_data(struct client *c, struct command *command)
{
	if (c->state != CLIENT_RCPT) {
		refuse_data(c, SAID_NO_RECIPIENT);
	} else if (c->s->txn.needs & EXTENSION_BINARYMIME) {
		refuse_data(c, SAID_BINARYMIME_DATA);
	} else if (c->mta_lost || c->mta == NULL) {
		gate_backend_away(c->gs, STEP_MESSAGE, SAID_MTA_GONE, NULL);
		c->journalled = true;
		client_reply(c, SAID_MTA_GONE);
		client_reset(c);
		if (io_available(c->io) > 0)
			client_close(c, "sent a message without being asked");
	} else if (!limit_room(c)) {
		client_reply(c, limit_no_room(c));
		client_reset(c);
		if (io_available(c->io) > 0)
			client_close(c, "sent a message without being asked");
	} else {
		data_begin(c);
	}
}

/* ---- the small ones ---- */

static void
run_rset(struct client *c, struct command *command)
{
	if (c->state > CLIENT_READY)
		client_reset(c);
	client_reply(c, SAID_FORGOTTEN);
}

static void
run_noop(struct client *c, struct command *command)
{
	client_reply(c, SAID_OK);
}

static void
run_quit(struct client *c, struct command *command)
{
	client_reply(c, SAID_BYE);
	client_close(c, "quit");
}

/* A client that speaks for another one: from here on it is that one, in a session of its own. */
static void
run_xclient(struct client *c, struct command *command)
{
	struct err e;

	if (!c->peer_trusted) {
		log_warn(c->s->id, "event=xclient ip=%s result=refused: it is not in `trust`",
		    IP_TEXT(&c->peer));
		client_error(c, SAID_XCLIENT_UNTRUSTED);
	} else if (!client_become(c, command->rest, &e)) {
		client_error_with(c, SAID_XCLIENT_SYNTAX, e.text);
	} else {
		command_greet(c);
	}
}

static void
run_not_offered(struct client *c, struct command *command)
{
	client_error(c, SAID_NOT_OFFERED);
}

static void
run_starttls(struct client *c, struct command *command)
{
	tls_command(c);
}

/* A browser, or whoever makes one speak to us: its next lines may be commands that it was fed. */
void
command_foreign(struct client *c, const char *why)
{
	log_warn(c->s->id, "event=foreign ip=%s what=\"%s\"", IP_TEXT(&c->peer), why);
	client_reply(c, SAID_FOREIGN);
	client_close(c, why);
}

static void
run_foreign(struct client *c, struct command *command)
{
	command_foreign(c, "another protocol");
}

static void
run_unknown(struct client *c, struct command *command)
{
	client_error(c, SAID_UNKNOWN_COMMAND);
}

static const struct verb_row verbs[VERB_COUNT] = {
	[VERB_UNKNOWN] = { ANY, 0, 0, run_unknown },
	[VERB_HELO] = { ANY, 0, 0, run_helo },
	[VERB_EHLO] = { ANY, 0, 0, run_helo },
	[VERB_MAIL] = { READY, 0, SAID_MAIL_ORDER, envelope_mail },
	[VERB_RCPT] = { IN_TRANSACTION, 0, SAID_RCPT_ORDER, envelope_rcpt },
	[VERB_DATA] = { IN_TRANSACTION, NO_ARGUMENT | HAS_PAYLOAD, SAID_DATA_ORDER, run_data },
	[VERB_RSET] = { ANY, NO_ARGUMENT, 0, run_rset },
	[VERB_NOOP] = { ANY, 0, 0, run_noop },
	[VERB_QUIT] = { ANY, NO_ARGUMENT | ENDS_SESSION, 0, run_quit },
	[VERB_VRFY] = { ANY, 0, 0, ask_command },
	[VERB_EXPN] = { ANY, 0, 0, ask_command },
	[VERB_HELP] = { ANY, 0, 0, ask_command },
	[VERB_ETRN] = { ANY, 0, 0, ask_command },
	[VERB_AUTH] = { READY, 0, SAID_AUTH_ORDER, auth_command },
	[VERB_STARTTLS] = { GREETED | READY, NO_ARGUMENT, SAID_IN_TRANSACTION, run_starttls },
	[VERB_BDAT] = { ANY | IN(CLIENT_REFUSED), 0, 0, bdat_command },
	[VERB_XCLIENT] = { GREETED | READY, 0, SAID_IN_TRANSACTION, run_xclient },
	[VERB_XFORWARD] = { ANY, 0, 0, run_not_offered },
	[VERB_FOREIGN] = { ANY, 0, 0, run_foreign },
};

static void
run_row(struct client *c, struct command *command)
{
	const struct verb_row *row = &verbs[command->verb];
	enum said wrong = c->state == CLIENT_CHUNKS ? SAID_CHUNKS_BEGUN : row->wrong;

	if (c->state == CLIENT_REFUSED && !(row->flags & ENDS_SESSION) &&
	    !(row->states & IN(CLIENT_REFUSED)))
		client_error(c, SAID_REFUSED_BEFORE);
	else if (c->state != CLIENT_REFUSED && !(row->states & IN(c->state)))
		(row->flags & HAS_PAYLOAD ? refuse_data : client_error)(c, wrong);
	else if ((row->flags & NO_ARGUMENT) && command->rest.n > 0)
		client_error(c, SAID_NO_ARGUMENT);
	else
		row->run(c, command);
}

/* What a command line may consist of: printable ASCII. */
static bool
octets_ok(struct str line, bool *eight_bit)
{
	bool ok = true;

	*eight_bit = false;
	for (size_t i = 0; i < line.n; i++) {
		unsigned char octet = (unsigned char)line.p[i];

		if (octet >= 0x80)
			*eight_bit = true;
		else if (octet < 0x20 || octet == 0x7f)
			ok = false;
	}
	return ok;
}

static void
refuse_long(struct client *c)
{
	client_limit(c, SAID_LINE_TOO_LONG);
	client_error(c, SAID_LINE_TOO_LONG);
}

/* With its CRLF. */
static size_t
line_longest(enum verb verb)
{
	switch (verb) {
	case VERB_MAIL:
	case VERB_RCPT:
		return COMMAND_MAIL_MAX;
	case VERB_AUTH:
		return SASL_LINE_MAX;
	default:
		return COMMAND_LINE_MAX;
	}
}

void
command_line(struct client *c, enum io_line kind, struct str line)
{
	struct command command;
	bool eight_bit, clean;
	size_t longest;

	once_said(c);
	if (kind == IO_LINE_LONG) {
		refuse_long(c);
		return;
	}
	command_parse(line, &command);
	longest = line_longest(command.verb);
	if (line.n + 2 > COMMAND_MAIL_MAX && longest < line.n + 2) {
		refuse_long(c);
		return;
	}
	clean = octets_ok(line, &eight_bit);
	if (command.verb == VERB_FOREIGN)
		command_foreign(c, "another protocol");
	else if (command.verb == VERB_UNKNOWN && str_find(command.name, ':') != STR_NPOS)
		/* Of a client that goes on with its message after a refused DATA, for one. */
		command_foreign(c, "a line of a message's header");
	else if (str_eqcase(command.name, STR("PROXY")))
		command_foreign(c, "a PROXY header, but its listener is not `from proxies`");
	else if (command.verb == VERB_BDAT &&
	    (kind == IO_LINE_BARE || !clean || eight_bit || line.n + 2 > COMMAND_LINE_MAX))
		bdat_broken(c);
	else if (kind == IO_LINE_BARE)
		client_error(c, SAID_LINE_END);
	else if (!clean)
		client_error(c, SAID_CONTROL_OCTETS);
	else if (eight_bit && command.verb != VERB_MAIL && command.verb != VERB_RCPT)
		client_error(c, SAID_NOT_ASCII);
	else if (line.n + 2 > longest)
		refuse_long(c);
	else
		run_row(c, &command);
}
