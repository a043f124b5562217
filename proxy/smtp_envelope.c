#include <stdio.h>

#include "proxy/smtp_server.h"

#define SIZE_DIGITS 20 /* RFC 1870 4 */

/* The parameters of one command. */
struct envelope {
	unsigned needs;  /* set of enum extension */
	struct buf text; /* as they go to the MTA */
};

/* ---- parameters ---- */

/* One that no variable holds is a number all the same. */
static bool
read_size(struct str digits, uint64_t *out)
{
	if (digits.n == 0 || digits.n > SIZE_DIGITS)
		return false;
	for (size_t i = 0; i < digits.n; i++)
		if (!ascii_isdigit(digits.p[i]))
			return false;
	if (!str_to_u64(digits, UINT64_MAX, out))
		*out = UINT64_MAX;
	return true;
}

/* The limit that EHLO tells: of ours and the MTA's the smaller one. */
static uint64_t
largest(const struct client *c)
{
	struct abilities mta = pool_abilities(c->front->pool);
	uint64_t ours = (uint64_t)c->core->message_size;

	return mta.size && mta.size_max > 0 && mta.size_max < ours ? mta.size_max : ours;
}

static bool
mail_size(struct client *c, struct str value)
{
	static const struct refusal too_big = { STEP_MAIL, SAID_TOO_BIG };

	if (!read_size(value, &c->s->txn.size_declared)) {
		client_error(c, SAID_SIZE_NUMBER);
		return false;
	}
	if (c->s->txn.size_declared > largest(c)) {
		client_refuse(c, &too_big, client_reset);
		return false;
	}
	return true;
}

static void
refuse_parameter(struct client *c, const struct parameter *p, unsigned needs)
{
	char keyword[41];

	snprintf(keyword, sizeof(keyword), "%.*s", STR_ARG(p->keyword));
	if (needs)
		client_error_with(c, SAID_PARAMETER_NOT_OFFERED, extension_keyword(needs & -needs));
	else
		client_error_with(c, SAID_PARAMETER_UNKNOWN, keyword);
}

/* UTF-8 in an address, in a transaction that has not asked for it (RFC 6531 3.5). */
static void
refuse_utf8(struct client *c)
{
	client_error(
	    c, c->offered & EXTENSION_SMTPUTF8 ? SAID_UTF8_UNASKED : SAID_UTF8_NOT_OFFERED);
}

/* One that an extension adds. What only the default is made explicit with is not passed on. */
static bool
take_parameter(struct client *c, enum verb verb, const struct parameter *p, struct envelope *out)
{
	unsigned needs;
	struct str value = p->value;
	struct err e;
	enum parameter_kind kind = extension_parameter(verb, p, &needs, &e);

	unsigned offered = c->offered;

	/* Within a transaction it has to have been asked for. */
	if (verb == VERB_RCPT && !(c->s->txn.needs & EXTENSION_SMTPUTF8))
		offered &= ~(unsigned)EXTENSION_SMTPUTF8;
	if (kind == PARAMETER_UNKNOWN || !c->s->esmtp || (needs & ~offered)) {
		refuse_parameter(c, p, needs & ~offered);
		return false;
	}
	if (kind == PARAMETER_INVALID) {
		client_error_with(c, SAID_PARAMETER_SYNTAX, e.text);
		return false;
	}
	if (needs == 0)
		return true;
	/* RFC 4954 5: who has proven nothing speaks for nobody. */
	if ((needs & EXTENSION_AUTH) && !session_authenticated(c->s))
		value = STR("<>");
	out->needs |= needs;
	buf_addc(&out->text, ' ');
	buf_add(&out->text, p->keyword);
	if (value.p) {
		buf_addc(&out->text, '=');
		buf_add(&out->text, value);
	}
	return true;
}

/* False: the refusal was said, or is on its way. */
static bool
take_parameters(struct client *c, const struct command *command, struct envelope *out)
{
	for (size_t i = 0; i < command->n_parameters; i++) {
		const struct parameter *p = &command->parameter[i];
		bool size = command->verb == VERB_MAIL && c->s->esmtp &&
		    str_eqcase(p->keyword, STR("SIZE"));

		if (size ? !mail_size(c, p->value) : !take_parameter(c, command->verb, p, out))
			return false;
	}
	return true;
}

/* ---- MAIL ---- */

static void
mail_decide(struct client *c)
{
	struct verdict v;

	c->gate_next = NULL;
	if (gate_decide(c->gs, STEP_MAIL, &v) != DONE) {
		c->gate_next = mail_decide;
		return;
	}
	if (verdict_refuses(&v)) {
		client_reply_verdict(c, &v);
		client_reset(c);
		return;
	}
	c->s->txn.open = true;
	c->unwanted = (struct unwanted){ 0 };
	client_set_state(c, CLIENT_MAIL);
	client_reply(c, SAID_SENDER_TAKEN);
}

void
envelope_mail(struct client *c, struct command *command)
{
	struct envelope envelope = { 0 };
	struct err e;

	if (!command_path(command, &e)) {
		client_error_with(
		    c, command->path_wrong ? SAID_SENDER_SYNTAX : SAID_COMMAND_SYNTAX, e.text);
		return;
	}
	if (!limit_mail(c))
		return;
	gate_reset(c->gs);
	session_mail(c->s, &command->path);
	buf_init(&envelope.text, COMMAND_MAIL_MAX);
	if (!take_parameters(c, command, &envelope)) {
		/* It is refused already. */
	} else if (command->path.utf8 && !(envelope.needs & EXTENSION_SMTPUTF8)) {
		refuse_utf8(c);
	} else {
		c->s->txn.needs = envelope.needs;
		c->s->txn.parameters = arena_dup(c->s->txn.arena, buf_str(&envelope.text));
		mail_decide(c);
	}
	buf_free(&envelope.text);
}

/* ---- RCPT ---- */

uint64_t
envelope_recipients(const struct client *c)
{
	const struct plan *plan =
	    c->s->plans ? plan_of(c->s->plans, c->s->account, &c->s->client_ip) : NULL;
	int64_t most = c->core->recipients;

	if (plan && plan->recipients_per_message > 0 && plan->recipients_per_message < most)
		most = plan->recipients_per_message;
	return (uint64_t)most;
}

static void
rcpt_refused(struct client *c)
{
}

static void
take_recipient(struct client *c, const struct command *command)
{
	struct envelope envelope = { 0 };
	struct recipient *r;

	buf_init(&envelope.text, COMMAND_MAIL_MAX);
	if (take_parameters(c, command, &envelope)) {
		r = session_rcpt(c->s, &command->path);
		r->needs = envelope.needs;
		r->parameters = arena_dup(c->s->txn.arena, buf_str(&envelope.text));
		rcpt_decide(c);
	}
	buf_free(&envelope.text);
}

/* False: a limit refuses it, and the client was told. */
static bool
may_take(struct client *c)
{
	static const struct refusal too_many = { STEP_RCPT, SAID_RECIPIENTS };
	static const struct refusal one_only = { STEP_RCPT, SAID_RECIPIENT_LMTP };
	/* By `when memory short`. */
	static const struct refusal memory[] = { { STEP_RCPT, SAID_NO_MEMORY },
		{ STEP_RCPT, SAID_NO_MEMORY_EVER } };

	if (c->s->txn.n_accepted >= (size_t)c->core->recipients)
		client_refuse(c, &too_many, rcpt_refused);
	else if (c->s->txn.n_accepted > 0 && c->mta && backend_lmtp(c->mta))
		client_refuse(c, &one_only, rcpt_refused);
	else if (arena_over(c->s->txn.arena))
		client_refuse(c, &memory[c->core->when_memory], client_reset);
	else
		return limit_rcpt(c);
	return false;
}

void
envelope_rcpt(struct client *c, struct command *command)
{
	/* The entry of a refusal names it; it is none of the transaction's, whose memory has its bound. */
	struct recipient asked = { 0 };
	struct err e;
	bool may;

	if (!command_path(command, &e)) {
		client_error_with(
		    c, command->path_wrong ? SAID_RECIPIENT_SYNTAX : SAID_COMMAND_SYNTAX, e.text);
	} else if (command->path.utf8 && !(c->s->txn.needs & EXTENSION_SMTPUTF8)) {
		refuse_utf8(c);
	} else {
		asked.mailbox = command->path;
		c->s->txn.current = &asked;
		may = may_take(c);
		c->s->txn.current = NULL;
		if (may)
			take_recipient(c, command);
	}
}
