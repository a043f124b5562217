/*
 * backends: the lines `backend HOST port NUMBER ...`.
 */
#include "base/buf.h"
#include "mail/list.h"
#include "rules/literal.h"
#include "rules/load.h"

#define REUSE_LEAST 100 /* ms */
#define REUSE_MOST 300000
#define ROUTE_TEXT_MAX 4096 /* of what is shown of it */

/* `starttls off | opportunistic | required | verify ["NAME"]` */
bool
backend_starttls(struct cursor *c, struct backend *new)
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

/* What may stand behind the ways. */
static bool
ends_ways(const struct token *t)
{
	static const char *const words[] = { "weight", "standby", "connections", "reuse", "for" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (token_is(t, words[i]))
			return true;
	return t->kind == TOKEN_END;
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
			if (!backend_starttls(c, new))
				return false;
			starttls = true;
		} else {
			break;
		}
	}
	if (new->lmtp || handoff || starttls || ends_ways(c->t))
		return true;
	COMPLAIN(c->load, c->t,
	    "`lmtp`, `xclient`, `proxy-protocol`, `tproxy`, `starttls` or the end of the line "
	    "belongs here, not %s",
	    SHOW(c->t));
	return false;
}

static bool
take_number(struct cursor *c, int64_t most, const char *what, int64_t *out)
{
	if (c->t->kind == TOKEN_WORD && literal_number(c->t->text, out) && *out >= 1 &&
	    *out <= most) {
		c->t++;
		return true;
	}
	COMPLAIN(c->load, c->t, "%s from 1 to %lld, not %s", what, (long long)most, SHOW(c->t));
	return false;
}

static bool
take_reuse(struct cursor *c, struct backend *new)
{
	if (new->handoff != HANDOFF_XCLIENT) {
		COMPLAIN(c->load, c->t - 1,
		    "`reuse` needs `xclient`: nothing else tells of another client on the same connection");
		return false;
	}
	if (c->t->kind != TOKEN_WORD || !literal_duration(c->t->text, &new->reuse) ||
	    new->reuse < REUSE_LEAST || new->reuse > REUSE_MOST) {
		COMPLAIN(
		    c->load, c->t, "`reuse` wants a duration from 100ms to 5m, not %s", SHOW(c->t));
		return false;
	}
	c->t++;
	return true;
}

/* In any order, each once: `weight N`, `standby`, `connections N`, `reuse DURATION`. */
static bool
take_share(struct cursor *c, struct backend *new)
{
	int64_t weight = 0;

	for (;;) {
		if (weight == 0 && cursor_word(c, "weight")) {
			if (!take_number(c, BACKEND_WEIGHT_MAX, "a weight is a number", &weight))
				return false;
			new->weight = (unsigned)weight;
		} else if (!new->standby && cursor_word(c, "standby")) {
			new->standby = true;
		} else if (new->connections == 0 && cursor_word(c, "connections")) {
			if (!take_number(c, BACKEND_CONNECTIONS_MAX, "`connections` wants a number",
				&new->connections))
				return false;
		} else if (new->reuse == 0 && cursor_word(c, "reuse")) {
			if (!take_reuse(c, new))
				return false;
		} else {
			return true;
		}
	}
}

static void
add_list(struct load *load, struct backend *new, const struct list *list)
{
	const struct list **more =
	    ARENA_ARRAY(load->arena, const struct list *, new->n_domains + 1);

	for (size_t i = 0; i < new->n_domains; i++)
		more[i] = new->domains[i];
	more[new->n_domains++] = list;
	new->domains = more;
}

/* The rest of the line. */
static const char *
route_text(struct load *load, const struct token *t)
{
	const char *text;
	struct buf b;

	buf_init(&b, ROUTE_TEXT_MAX);
	buf_add(&b, STR(""));
	for (; t->kind != TOKEN_END && !b.over; t++) {
		struct str word = t->kind == TOKEN_COMMA ? STR(", ") : token_value(t, load->arena);

		buf_add(&b, word);
	}
	text = arena_dup(load->arena, buf_str(&b)).p;
	buf_free(&b);
	return text;
}

/* `for ITEM, ITEM`: domains, and names of lists, up to the end of the line. */
static bool
take_domains(struct cursor *c, struct backend *new)
{
	struct list *own, *named;

	if (!cursor_word(c, "for"))
		return true;
	own = list_new(c->load->arena, STR(""));
	new->route = route_text(c->load, c->t);
	do {
		if (c->t->kind == TOKEN_TEXT || token_is(c->t, "file")) {
			if (!list_item(c, own))
				return false;
		} else if (c->t->kind == TOKEN_WORD) {
			named = list_take(c);
			if (named == NULL)
				return false;
			add_list(c->load, new, named);
		} else {
			COMPLAIN(c->load, c->t,
			    "a domain in quotes or the name of a list belongs here, not %s",
			    SHOW(c->t));
			return false;
		}
	} while (cursor_kind(c, TOKEN_COMMA));
	list_finish(own);
	if (list_length(own) > 0)
		add_list(c->load, new, own);
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
	struct backend new = { .weight = 1, .route = "" };

	c->load->backend_given = true;
	if (!cursor_host(c, &new.host) || !cursor_port(c, &new.port))
		return;
	new.lmtp = cursor_word(c, "lmtp");
	if (!take_ways(c, &new) || !take_share(c, &new) || !take_domains(c, &new) || !cursor_end(c))
		return;
	add_backend(c->load, &new, at);
	if (new.n_domains > 0)
		c->load->routed = at;
}

/* Somebody has to say no to what is nobody's, and that is the MTA's to say. */
void
backends_finish(struct load *load)
{
	const struct config *config = load->config;

	if (load->routed == NULL)
		return;
	for (size_t i = 0; i < config->n_backends; i++)
		if (config->backends[i].n_domains == 0)
			return;
	COMPLAIN(load, load->routed,
	    "every backend has `for`: one without it has to take the mail for all other domains");
}
