/*
 * backends: the lines `backend HOST port NUMBER ...`.
 */
#include "rules/literal.h"
#include "rules/load.h"

/* `starttls off | opportunistic | required | verify ["NAME"]` */
static bool
take_starttls(struct cursor *c, struct backend *new)
{
	static const char *const words[] = { "off", "opportunistic", "required", "verify" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (!cursor_word(c, words[i]))
			continue;
		new->starttls = (enum starttls)i;
		new->name = new->host;
		return new->starttls != STARTTLS_VERIFY || c->t->kind != TOKEN_TEXT ||
		    cursor_host(c, &new->name);
	}
	COMPLAIN(c->load, c->t, "`starttls` wants off, opportunistic, required or verify, not %s",
	    SHOW(c->t));
	return false;
}

static bool
take_handoff(struct cursor *c, enum handoff *out)
{
	if (cursor_word(c, "xclient"))
		*out = HANDOFF_XCLIENT;
	else if (cursor_word(c, "proxy-protocol"))
		*out = cursor_word(c, "v2") ? HANDOFF_PROXY_PROTOCOL_V2 : HANDOFF_PROXY_PROTOCOL;
	else if (cursor_word(c, "tproxy"))
		*out = HANDOFF_TPROXY;
	else
		return false;
	return true;
}

/* In any order, each once: how the client is told of, and how the connection is secured. */
static bool
take_ways(struct cursor *c, struct backend *new)
{
	bool handoff = false, starttls = false;

	for (;;) {
		if (!handoff && take_handoff(c, &new->handoff)) {
			handoff = true;
		} else if (!starttls && cursor_word(c, "starttls")) {
			if (!take_starttls(c, new))
				return false;
			starttls = true;
		} else {
			break;
		}
	}
	if (new->lmtp || handoff || starttls || c->t->kind == TOKEN_END ||
	    token_is(c->t, "weight") || token_is(c->t, "standby"))
		return true;
	COMPLAIN(c->load, c->t,
	    "`lmtp`, `xclient`, `proxy-protocol`, `tproxy`, `starttls` or the end of the line "
	    "belongs here, not %s",
	    SHOW(c->t));
	return false;
}

/* `weight N`, `standby`: which one gets a connection. */
static bool
take_share(struct cursor *c, struct backend *new)
{
	int64_t weight;

	if (cursor_word(c, "weight")) {
		if (c->t->kind != TOKEN_WORD || !literal_number(c->t->text, &weight) ||
		    weight < 1 || weight > BACKEND_WEIGHT_MAX) {
			COMPLAIN(c->load, c->t, "a weight is a number from 1 to %d, not %s",
			    BACKEND_WEIGHT_MAX, SHOW(c->t));
			return false;
		}
		new->weight = (unsigned)weight;
		c->t++;
	}
	new->standby = cursor_word(c, "standby");
	return true;
}

static void
add_backend(struct load *load, const struct backend *new, const struct token *at)
{
	struct config *config = load->config;
	struct backend *more = ARENA_ARRAY(load->arena, struct backend, config->n_backends + 1);

	if (config->n_backends == BACKENDS_MAX) {
		COMPLAIN(load, at, "there can be at most %d backends", BACKENDS_MAX);
		return;
	}
	for (size_t i = 0; i < config->n_backends; i++) {
		more[i] = config->backends[i];
		if (strcmp(more[i].host, new->host) == 0 && more[i].port == new->port) {
			COMPLAIN(load, at, "this backend is there already");
			return;
		}
	}
	more[config->n_backends++] = *new;
	config->backends = more;
}

void
backend_read(struct cursor *c)
{
	const struct token *at = c->t;
	struct backend new = { .weight = 1 };

	c->load->backend_given = true;
	if (!cursor_host(c, &new.host) || !cursor_port(c, &new.port))
		return;
	new.lmtp = cursor_word(c, "lmtp");
	if (take_ways(c, &new) && take_share(c, &new) && cursor_end(c))
		add_backend(c->load, &new, at);
}
