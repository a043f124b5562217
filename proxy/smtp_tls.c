/*
 * STARTTLS (RFC 3207): 220 goes out in the clear, then nothing is read but by the handshake, then
 * the session is as new. Octets that came in the clear behind the command are never looked at
 * (CVE-2011-0411): if some are there before our 220, the session ends with 554; if they come
 * after it, the handshake takes them for its own and fails.
 */
#include "base/log.h"
#include "base/tls.h"
#include "proxy/smtp_server.h"

static const struct tls_server *
server_of(const struct client *c)
{
	return gate_session_config(c->gs)->tls_server;
}

bool
tls_offered(const struct client *c)
{
	return server_of(c) != NULL && io_ssl(c->io) == NULL;
}

static void
close_injected(struct client *c)
{
	client_close(c, "plaintext after STARTTLS");
}

void
tls_command(struct client *c)
{
	static const struct refusal injected = { STEP_HELO, SAID_TLS_INJECTED };

	if (io_ssl(c->io)) {
		client_error(c, SAID_TLS_ON);
	} else if (!tls_offered(c)) {
		client_error(c, SAID_NOT_OFFERED);
	} else if (io_pending(c->io)) {
		client_refuse(c, &injected, close_injected);
	} else {
		client_reply(c, SAID_GO_AHEAD);
		client_set_state(c, CLIENT_TLS);
	}
}

void
tls_at_once(struct client *c)
{
	c->tls_first = true;
	client_set_state(c, CLIENT_TLS);
	if (server_of(c) == NULL)
		tls_failed(c, "there is no certificate any more");
}

void
tls_turn(struct client *c)
{
	if (io_unsent(c->io) > 0)
		return;
	if (io_available(c->io) > 0) {
		tls_failed(c, "octets in the clear came before it");
		return;
	}
	c->shaking = true;
	io_tls(c->io, tls_server_session(server_of(c)));
}

static void
note_outcome(struct client *c)
{
	struct tls_outcome outcome;
	struct session_tls tls;

	tls_outcome(io_ssl(c->io), &outcome);
	tls = (struct session_tls){
		.on = true,
		.version = str_of(outcome.version),
		.cipher = str_of(outcome.cipher),
		.client_cert = str_of(outcome.peer),
		.client_fingerprint = str_of(outcome.fingerprint),
	};
	gate_reset(c->gs);
	session_secure(c->s, &tls);
	log_debug(c->s->id, "event=tls version=%s cipher=%s", outcome.version, outcome.cipher);
}

void
tls_secured(struct client *c)
{
	/* The mail server was told what was said in the clear. */
	auth_forget(c);
	mta_drop(c, NULL);
	note_outcome(c);
	c->offered = 0;
	c->timed = false;
	if (c->tls_first) {
		client_set_state(c, CLIENT_CONNECT);
		command_greet(c);
	} else {
		/* The rules of connect have passed it; what HELO brought about is void. */
		c->s->rules_over = c->rules_over;
		client_set_state(c, CLIENT_GREETED);
	}
}

void
tls_failed(struct client *c, const char *why)
{
	log_info(c->s->id, "event=tls-failed ip=%s why=\"%s\"", IP_TEXT(&c->peer), why);
	client_limit(c, SAID_TLS_HANDSHAKE);
	c->why = "TLS handshake failed";
	client_set_state(c, CLIENT_GONE);
}
