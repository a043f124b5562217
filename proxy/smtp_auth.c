/*
 * smtp_auth: AUTH (RFC 4954), which the mail server judges: its challenges and the client's answers pass
 * through, and when it has said 235 the client is authenticated here too, as whom mail/sasl.h has learnt.
 *
 * AUTH is the one command that opens the connection to the mail server before a recipient has passed; the rules of
 * connect and helo have run. From its success on the session is bound to that connection: whoever loses it hears
 * 421, for on another one it would be a stranger. Only where the server takes the account
 * from us (XCLIENT with LOGIN) can another connection take its place.
 *
 * What the client says here may be its password. It is in no log, entry or error text, and overwritten as
 * soon as it has been passed on; nor is what the mail server replies kept, which might repeat it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "mail/sasl.h"
#include "proxy/smtp_server.h"

struct auth {
	struct sasl sasl;
	struct buf first;   /* the initial response, as long as it was not sent */
	bool has_first;     /* which may be empty */
	struct buf decoded; /* the message that is looked at */
	/* we have sent "*"; the client is told this then, or with SAID_COUNT what the server says */
	bool cancelled;
	enum said said;
};

static void answered(struct client *c);

static void
wipe(struct buf *b)
{
	buf_wipe(b);
	buf_free(b);
}

void
auth_free(struct auth **auth)
{
	struct auth *a = *auth;

	if (a == NULL)
		return;
	wipe(&a->first);
	wipe(&a->decoded);
	explicit_bzero(a, sizeof(*a));
	free(a);
	*auth = NULL;
}

static void
end(struct client *c)
{
	auth_free(&c->auth);
	if (c->state == CLIENT_AUTH)
		client_set_state(c, CLIENT_READY);
}

static void
away(struct client *c)
{
	end(c);
	client_reply(c, SAID_AUTH_AWAY);
}

/* ---- to the mail server ---- */

static void
learn(struct auth *a, struct str base64)
{
	if (sasl_decode(base64, &a->decoded))
		sasl_take(&a->sasl, buf_str(&a->decoded));
	buf_wipe(&a->decoded);
}

static void
send_line(struct client *c, struct str line)
{
	c->mta_next = answered;
	backend_auth(c->mta, line);
}

/* RFC 4954 4: where the command would be too long with it, the initial response waits to be asked for. */
static void
send_command(struct client *c)
{
	struct auth *a = c->auth;
	struct buf line;

	buf_init(&line, COMMAND_LINE_MAX);
	buf_reserve(&line, COMMAND_LINE_MAX - 2);
	buf_printf(&line, "AUTH %s", a->sasl.mechanism);
	if (a->has_first && line.n + 1 + a->first.n + 2 <= COMMAND_LINE_MAX) {
		buf_addc(&line, ' ');
		buf_add(&line, a->first.n > 0 ? buf_str(&a->first) : STR("="));
		learn(a, buf_str(&a->first));
		wipe(&a->first);
		a->has_first = false;
	}
	send_line(c, buf_str(&line));
	wipe(&line);
}

/* Ends the dialogue; SAID_COUNT: by the client's wish. */
static void
cancel(struct client *c, enum said said)
{
	struct auth *a = c->auth;

	a->cancelled = true;
	a->said = said;
	send_line(c, STR("*"));
}

/* ---- how it ends ---- */

/* It might repeat what the client said. */
static void
relay(struct client *c)
{
	io_write_secret(c->io, buf_str(&backend_reply(c->mta)->raw));
}

static void
log_result(const struct client *c, const char *result, int code)
{
	const struct sasl *sasl = &c->auth->sasl;

	log_info(c->s->id, "event=auth result=%s code=%d ip=%s mechanism=%s account=\"%s\"", result,
	    code, IP_TEXT(&c->s->client_ip), sasl->mechanism, ESC(str_of(sasl->account)));
}

static void
succeeded(struct client *c)
{
	const struct sasl *sasl = &c->auth->sasl;
	struct str account = sasl_account(sasl);

	session_authenticate(c->s, account, str_of(sasl->mechanism));
	c->bound = true;
	c->portable = account.n > 0 && !sasl->for_another && backend_login_offered(c->mta);
	backend_hold(c->mta, true);
	log_result(c, "ok", 235);
	relay(c);
	end(c);
}

/* A no that says that name and password do not fit; others say nothing of them. */
static bool
is_guess(int code)
{
	return code > 504 && code != 530 && code != 534 && code != 538;
}

/* as: what it is counted as; SAID_COUNT: it has an entry of its own. */
static void
say_no(struct client *c, int code, enum said as)
{
	if (code == 421) {
		client_reply(c, SAID_AUTH_AWAY);
	} else if (code < 500 || client_mta_error(c)) {
		if (as != SAID_COUNT)
			client_relayed(c, as);
		relay(c);
	}
}

static void
failed(struct client *c)
{
	const struct reply *reply = backend_reply(c->mta);
	int code = reply->code;

	log_result(c, "failed", code);
	if (code >= 500)
		gate_auth_failed(c->gs, code, reply_enhanced(reply),
		    str_of(c->auth->sasl.mechanism), str_of(c->auth->sasl.account));
	if (is_guess(code))
		guess_count(c, str_of(c->auth->sasl.account));
	say_no(c, code, code < 500 ? SAID_AUTH_AWAY : SAID_COUNT);
	end(c);
	if (is_guess(code))
		guess_failed(c);
}

/* The server's answer to our "*", which is a no whatever it is. */
static void
cancelled(struct client *c)
{
	struct auth *a = c->auth;
	int code = backend_reply(c->mta)->code;

	if (code < 400) {
		mta_drop(c, "it did not let AUTH be cancelled");
		if (a->said == SAID_COUNT)
			a->said = SAID_AUTH_CANCELLED;
	}
	if (a->said == SAID_COUNT)
		say_no(c, code, SAID_AUTH_CANCELLED);
	else
		client_error(c, a->said);
	end(c);
}

/* ---- challenges ---- */

static void
challenged(struct client *c)
{
	struct auth *a = c->auth;

	if (backend_reply(c->mta)->lines != 1) {
		cancel(c, SAID_AUTH_AWAY);
	} else if (a->has_first) {
		a->has_first = false;
		learn(a, buf_str(&a->first));
		send_line(c, buf_str(&a->first));
		wipe(&a->first);
	} else {
		relay(c);
		if (c->state == CLIENT_READY)
			client_set_state(c, CLIENT_AUTH);
	}
}

static void
answered(struct client *c)
{
	int code = c->mta ? backend_reply(c->mta)->code : 0;

	if (c->mta == NULL) {
		away(c);
	} else if (c->auth->cancelled) {
		cancelled(c);
	} else if (code == 334 && backend_usable(c->mta)) {
		challenged(c);
	} else if (code == 235) {
		succeeded(c);
	} else if (code >= 400 && code <= 599) {
		failed(c);
	} else {
		mta_drop(c, "it gave a reply that is none to AUTH");
		away(c);
	}
}

/* The length is at fault, or octets that are none of a line. */
static bool
refuse_line(struct client *c, enum io_line kind, struct str line)
{
	if (kind == IO_LINE_LONG)
		cancel(c, SAID_AUTH_LONG);
	else if (kind == IO_LINE_BARE)
		cancel(c, SAID_LINE_END);
	else if (str_eq(line, STR("*")))
		cancel(c, SAID_COUNT);
	else if (!sasl_base64_ok(line))
		cancel(c, SAID_AUTH_BASE64);
	else
		return false;
	return true;
}

void
auth_line(struct client *c, enum io_line kind, struct str line)
{
	once_said(c);
	if (c->mta == NULL) {
		away(c);
	} else if (!refuse_line(c, kind, line)) {
		learn(c->auth, line);
		send_line(c, line);
	}
}

/* ---- the command ---- */

static void
opened(struct client *c)
{
	if (c->mta &&
	    !sasl_lists(str_of(backend_abilities(c->mta)->auth), str_of(c->auth->sasl.mechanism))) {
		mta_drop(c, "it does not offer that mechanism of AUTH any more");
	}
	if (c->mta == NULL)
		away(c);
	else
		send_command(c);
}

static void
open_mta(struct client *c)
{
	/* It would want RSET first, or has begun with a keepalive. */
	if (c->mta && (c->mta_dirty || !backend_idle(c->mta)))
		mta_drop(c, NULL);
	if (c->mta)
		opened(c);
	else
		mta_open(c, opened);
}

static void
refused_for_guessing(struct client *c)
{
	end(c);
	client_error(c, SAID_AUTH_TOO_MANY);
}

bool
auth_offered(const struct client *c)
{
	return c->core->auth == 0 && c->s->esmtp && (c->s->tls.on || c->core->auth_in_clear);
}

/* Why there is no AUTH for this client now; false: there is. */
static bool
refuse_command(struct client *c)
{
	if (c->core->auth != 0 || (c->s->esmtp && !auth_offered(c) && !tls_offered(c)))
		client_error(c, SAID_NOT_OFFERED);
	else if (c->s->account.n > 0 || c->s->auth_mechanism.n > 0)
		client_error(c, SAID_AUTHENTICATED);
	else if (!c->s->esmtp)
		client_error(c, SAID_NO_EHLO);
	else if (!auth_offered(c))
		client_error(c, SAID_AUTH_TLS);
	else if (!(c->offered & EXTENSION_AUTH))
		client_error(c, SAID_NOT_OFFERED);
	else
		return false;
	return true;
}

void
auth_command(struct client *c, struct command *command)
{
	const struct abilities mta = pool_abilities(c->front->pool);
	struct str first = command->rest, name;
	bool has_first;

	if (refuse_command(c))
		return;
	str_pop(&first, ' ', &name);
	has_first = first.p != NULL;
	if (str_eq(first, STR("=")))
		first = STR("");
	else if (has_first && first.n == 0)
		name.n = 0;
	if (!sasl_mechanism_ok(name)) {
		client_error(c, SAID_AUTH_SYNTAX);
	} else if (!sasl_lists(str_of(mta.auth), name)) {
		client_error(c, SAID_AUTH_MECHANISM);
	} else if (!sasl_base64_ok(first)) {
		client_error(c, SAID_AUTH_FIRST);
	} else {
		c->auth = xcalloc(1, sizeof(*c->auth));
		sasl_begin(&c->auth->sasl, name);
		buf_init(&c->auth->first, SASL_LINE_MAX);
		buf_init(&c->auth->decoded, SASL_LINE_MAX);
		buf_add(&c->auth->first, first);
		c->auth->has_first = has_first;
		guess_check(c, open_mta, refused_for_guessing);
	}
}

/* ---- afterwards ---- */

void
auth_forget(struct client *c)
{
	c->bound = c->portable = c->auth_lost = false;
	if (c->s->auth_mechanism.n > 0)
		session_authenticate(c->s, STR(""), STR(""));
}

void
auth_link_lost(struct client *c)
{
	if (c->bound && !c->portable)
		c->auth_lost = true;
	c->bound = false;
}

bool
auth_holds(struct client *c)
{
	if (c->s->auth_mechanism.n == 0 || c->bound || backend_login_told(c->mta))
		return true;
	mta_drop(c, "it does not take the account of an authenticated client");
	c->auth_lost = true;
	return false;
}
