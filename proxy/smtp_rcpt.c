#include "proxy/smtp_server.h"

#define COMMAND_LONGEST 4096 /* a client's command is shorter, and nothing is added but SIZE */

static bool
mta_refused(const struct client *c)
{
	int code = backend_reply(c->mta)->code;

	return code >= 400 && code <= 599;
}

/* ---- a recipient ---- */

static void
end_current(struct client *c, enum recipient_state state)
{
	c->s->txn.current->state = state;
	c->s->txn.current = NULL;
}

static void
rcpt_away(struct client *c)
{
	gate_backend_away(c->gs, STEP_RCPT, SAID_MTA_AWAY, NULL);
	c->journalled = true;
	client_reply(c, SAID_MTA_AWAY);
	end_current(c, RECIPIENT_REFUSED);
}

/* The MTA refused MAIL or RCPT, or said what makes no sense there. */
static void
rcpt_refused(struct client *c)
{
	const struct reply *reply = backend_reply(c->mta);

	if (!mta_refused(c)) {
		mta_drop(c, "it gave a reply that is none to this command");
		rcpt_away(c);
		return;
	}
	gate_backend_refused(c->gs, STEP_RCPT, reply->code, mta_text(c));
	mta_relay_reply(c);
	end_current(c, RECIPIENT_REFUSED);
}

static void
rcpt_answered(struct client *c)
{
	struct transaction *txn = &c->s->txn;
	int code;

	if (c->mta == NULL) {
		rcpt_away(c);
		return;
	}
	code = backend_reply(c->mta)->code;
	if (code == 250 || code == 251) {
		txn->current->state = RECIPIENT_ACCEPTED;
		txn->n_accepted++;
		gate_event(c->gs, EVENT_RCPT_TAKEN);
		mta_relay_reply(c);
		txn->current = NULL;
		client_set_state(c, CLIENT_RCPT);
	} else if (code >= 500 && code <= 599) {
		txn->current->state = RECIPIENT_UNKNOWN;
		txn->n_unknown++;
		gate_event(c->gs, EVENT_RCPT_UNKNOWN);
		gate_backend_refused(c->gs, STEP_RCPT, code, mta_text(c));
		mta_relay_reply(c);
		txn->current = NULL;
	} else {
		rcpt_refused(c);
	}
}

/*
 * The first extension that was offered to the client, and that this very connection lacks; 0: none.
 * When the client returns it is offered no more, for what was learnt here is what is offered then.
 */
static unsigned
missing(const struct client *c, unsigned needs)
{
	unsigned lacking = needs & ~backend_abilities(c->mta)->extensions;

	return lacking & -lacking;
}

static void
refuse_missing(struct client *c, unsigned extension)
{
	gate_backend_away(c->gs, STEP_RCPT, SAID_MTA_LACKS, extension_keyword(extension));
	c->journalled = true;
	client_reply_with(c, SAID_MTA_LACKS, extension_keyword(extension));
	end_current(c, RECIPIENT_REFUSED);
}

static void
send_rcpt(struct client *c)
{
	const struct recipient *r = c->s->txn.current;
	unsigned lacking = missing(c, r->needs);
	struct buf line;

	if (lacking) {
		refuse_missing(c, lacking);
		return;
	}
	buf_init(&line, COMMAND_LONGEST);
	buf_add(&line, STR("RCPT TO:<"));
	buf_add(&line, r->mailbox.address);
	buf_add(&line, STR(">"));
	buf_add(&line, r->parameters);
	mta_command(c, buf_str(&line), rcpt_answered);
	buf_free(&line);
}

static void
mail_answered(struct client *c)
{
	if (c->mta == NULL) {
		rcpt_away(c);
	} else if (backend_reply(c->mta)->code == 250) {
		c->mta_mail = true;
		backend_hold(c->mta, true);
		send_rcpt(c);
	} else {
		rcpt_refused(c);
	}
}

static void
send_mail(struct client *c)
{
	const struct transaction *txn = &c->s->txn;
	unsigned lacking = missing(c, txn->needs);
	struct buf line;

	if (lacking) {
		refuse_missing(c, lacking);
		return;
	}
	buf_init(&line, COMMAND_LONGEST);
	buf_add(&line, STR("MAIL FROM:<"));
	buf_add(&line, txn->sender.address);
	buf_add(&line, STR(">"));
	if (backend_abilities(c->mta)->size && txn->size_declared)
		buf_printf(&line, " SIZE=%llu", (unsigned long long)txn->size_declared);
	buf_add(&line, txn->parameters);
	mta_command(c, buf_str(&line), mail_answered);
	buf_free(&line);
}

static void
rset_answered(struct client *c)
{
	if (c->mta == NULL) {
		rcpt_away(c);
	} else if (backend_reply(c->mta)->code == 250) {
		c->mta_dirty = false;
		send_mail(c);
	} else {
		mta_drop(c, "it refused RSET");
		rcpt_away(c);
	}
}

static void
opened_for_rcpt(struct client *c)
{
	if (c->mta == NULL || !auth_holds(c))
		rcpt_away(c);
	else
		send_mail(c);
}

static void
refused_for_route(struct client *c)
{
	end_current(c, RECIPIENT_REFUSED);
}

/*
 * A transaction goes to one server. The first recipient that it takes decides which; others come again, and until then
 * the transaction can still go another way. True: nothing is to be done any more.
 */
static bool
leaves_route(struct client *c)
{
	static const struct refusal other_route = { STEP_RCPT, SAID_RECIPIENT_ROUTE };
	struct transaction *txn = &c->s->txn;

	if (c->mta == NULL || backend_bound(c->mta) ||
	    pool_serves(c->member, &txn->current->mailbox))
		return false;
	if (txn->n_accepted > 0) {
		client_refuse(c, &other_route, refused_for_route);
		return true;
	}
	mta_part(c);
	return false;
}

static void
ask_mta(struct client *c)
{
	if (leaves_route(c))
		return;
	if (c->mta_lost)
		rcpt_away(c);
	else if (c->mta == NULL)
		mta_open(c, opened_for_rcpt);
	else if (c->mta_mail)
		send_rcpt(c);
	else if (c->mta_dirty)
		mta_command(c, STR("RSET"), rset_answered);
	else
		send_mail(c);
}

void
rcpt_decide(struct client *c)
{
	struct verdict v;

	c->gate_next = NULL;
	if (gate_decide(c->gs, STEP_RCPT, &v) != DONE) {
		c->gate_next = rcpt_decide;
		return;
	}
	if (verdict_refuses(&v)) {
		client_reply_verdict(c, &v);
		end_current(c, RECIPIENT_REFUSED);
		return;
	}
	ask_mta(c);
}
