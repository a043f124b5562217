/*
 * statements: the lines at the top of the file that are no rows: listen, resolver.
 * Backends, certificates and the store are in files of their own.
 */
#include "base/escape.h"
#include "rules/literal.h"
#include "rules/load.h"

const char *const statement_names[] = { "listen", "backend", "resolver", "store", "certificate",
	"digest", "notify", "tls", "trust", "list", "plan", "upstream", "stage", "at", "include",
	"define", NULL };

bool
cursor_port(struct cursor *c, uint16_t *out)
{
	int64_t port;

	if (!cursor_word(c, "port")) {
		COMPLAIN(c->load, c->t, "`port` belongs here, not %s", SHOW(c->t));
		return false;
	}
	if (c->t->kind != TOKEN_WORD || !literal_number(c->t->text, &port) || port < 1 ||
	    port > 65535) {
		COMPLAIN(c->load, c->t, "a port is a number from 1 to 65535, not %s", SHOW(c->t));
		return false;
	}
	*out = (uint16_t)port;
	c->t++;
	return true;
}

static bool
take_ip(struct cursor *c, struct ip *out)
{
	if (c->t->kind == TOKEN_WORD && ip_parse(c->t->text, out)) {
		c->t++;
		return true;
	}
	COMPLAIN(c->load, c->t, "an address such as 192.0.2.1 belongs here, not %s", SHOW(c->t));
	return false;
}

static bool
same_listen(const struct listen *a, const struct listen *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == LISTEN_MILTER)
		return strcmp(a->milter, b->milter) == 0;
	return ip_eq(&a->ip, &b->ip) && a->port == b->port;
}

static void
add_listen(struct load *load, const struct listen *new, const struct token *at)
{
	struct config *config = load->config;
	struct listen *more = ARENA_ARRAY(load->arena, struct listen, config->n_listen + 1);

	for (size_t i = 0; i < config->n_listen; i++) {
		if (same_listen(&config->listen[i], new)) {
			COMPLAIN(load, at, "it listens there already");
			return;
		}
		more[i] = config->listen[i];
	}
	more[config->n_listen++] = *new;
	config->listen = more;
}

static bool
take_listen_options(struct cursor *c, struct listen *new)
{
	for (;;) {
		if (!new->tls && token_is(c->t, "tls")) {
			if (c->load->secured == NULL)
				c->load->secured = c->t;
			new->tls = cursor_word(c, "tls");
		} else if (new->from_proxies || !cursor_word(c, "from")) {
			return true;
		} else if (!cursor_word(c, "proxies")) {
			COMPLAIN(
			    c->load, c->t, "`proxies` belongs behind `from`, not %s", SHOW(c->t));
			return false;
		} else {
			new->from_proxies = true;
		}
	}
}

static void
read_listen(struct cursor *c)
{
	const struct token *at = c->t;
	struct listen new = { 0 };

	if (cursor_word(c, "milter")) {
		new.kind = LISTEN_MILTER;
		if (c->t->kind != TOKEN_TEXT || c->t->text.n == 0) {
			COMPLAIN(c->load, c->t,
			    "a socket in quotes, such as \"inet:8891@127.0.0.1\", belongs here, "
			    "not %s",
			    SHOW(c->t));
			return;
		}
		new.milter = arena_dup(c->load->arena, token_value(c->t, c->load->arena)).p;
		c->t++;
	} else if (cursor_word(c, "proxy")) {
		new.kind = LISTEN_PROXY;
		if (!cursor_word(c, "*") && !take_ip(c, &new.ip))
			return;
		if (!cursor_port(c, &new.port) || !take_listen_options(c, &new))
			return;
	} else {
		COMPLAIN(c->load, c->t, "`proxy` or `milter` belongs here, not %s", SHOW(c->t));
		return;
	}
	if (!cursor_end(c))
		return;
	add_listen(c->load, &new, at);
	if (new.from_proxies && c->load->proxied == NULL)
		c->load->proxied = at;
	if (new.kind == LISTEN_PROXY && c->load->listens == NULL)
		c->load->listens = at;
}

bool
cursor_host(struct cursor *c, const char **out)
{
	struct str host = token_value(c->t, c->load->arena);
	bool ok = host.n > 0 && host.n < 254;

	for (size_t i = 0; i < host.n; i++)
		ok = ok && (ascii_isalnum(host.p[i]) || strchr(".-_:", host.p[i]) != NULL);
	if (!ok || (c->t->kind != TOKEN_WORD && c->t->kind != TOKEN_TEXT)) {
		COMPLAIN(
		    c->load, c->t, "a host name or an address belongs here, not %s", SHOW(c->t));
		return false;
	}
	*out = host.p;
	c->t++;
	return true;
}

static void
read_resolver(struct cursor *c)
{
	struct config_resolver new = { .port = 53 };
	struct ip ip;

	if (cursor_word(c, "recursive")) {
		cursor_end(c);
		return;
	}
	if (!cursor_word(c, "forward")) {
		COMPLAIN(c->load, c->t,
		    "`recursive` or `forward ADDRESS port NUMBER` belongs here, "
		    "not %s",
		    SHOW(c->t));
		return;
	}
	new.forward = true;
	if (!take_ip(c, &ip))
		return;
	new.host = arena_dup(c->load->arena, str_of(IP_TEXT(&ip))).p;
	if (c->t->kind != TOKEN_END && !cursor_port(c, &new.port))
		return;
	if (cursor_end(c))
		c->load->config->resolver = new;
}

bool
statement_read(struct load *load, const struct statement *s)
{
	static const struct {
		const char *name;
		void (*read)(struct cursor *c);
		bool once;
	} table[] = {
		{ "listen", read_listen, false },
		{ "backend", backend_read, false },
		{ "resolver", read_resolver, true },
		{ "store", store_read, true },
		{ "certificate", certificate_read, false },
	};
	const void *what[] = { NULL, NULL, &load->config->resolver, &table[3], NULL };
	struct cursor c = { load, s->token };

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (!cursor_word(&c, table[i].name))
			continue;
		if (!table[i].once || given_once(load, what[i], s->token, table[i].name))
			table[i].read(&c);
		return true;
	}
	return false;
}
