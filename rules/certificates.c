/*
 * certificates: what the file says of TLS: `certificate`, the block `tls`, and the contexts (base/tls.h)
 * that come of them. The contexts belong to the configuration, so a reload brings new certificates
 * to new sessions and takes none from an old one.
 */
#include <openssl/crypto.h>

#include "base/tls.h"
#include "rules/load.h"

#define CERTIFICATE_FILE_MAX (256 * 1024)
#define KEY_FILE_MAX (64 * 1024)
#define CA_FILE_MAX (4 * 1024 * 1024)

#define TLS(member) offsetof(struct config_tls, member)

static const char *const versions[] = { "1.2", "1.3", NULL };

/* clang-format off: rows */
const struct setting tls_settings[] = {
	{ "minimum", SETTING_WORD, TLS(minimum), 0, 0, "1.2", versions,
	    "The oldest version of TLS that is spoken, to clients and to the mail server." },
	{ "ciphers", SETTING_TEXT, TLS(ciphers), 0, 0, TLS_CIPHERS, NULL,
	    "The ciphers of TLS 1.2, in the notation of OpenSSL; those of TLS 1.3 are all good." },
	{ "ca", SETTING_TEXT, TLS(ca), 0, 0, "\"\"", NULL,
	    "A file of certificates of authorities, PEM, that certificates are checked against; "
	    "empty: the system's." },
	{ "ask client certificate", SETTING_SWITCH, TLS(ask_client), 0, 0, "off", NULL,
	    "Whether clients are asked for a certificate. None is turned away for having none." },
};
/* clang-format on */
const size_t n_tls_settings = sizeof tls_settings / sizeof *tls_settings;

static struct config_part
tls_block(void)
{
	return (struct config_part){
		.name = "tls",
		.settings = tls_settings,
		.n_settings = n_tls_settings,
	};
}

bool
tls_default(struct load *load)
{
	return settings_default(tls_settings, n_tls_settings, &load->config->tls, load->arena);
}

/* `tls { ... }`, or one of its settings in a line: `tls minimum 1.3`. */
void
tls_read(struct load *load, const struct statement *s)
{
	struct config_part block = tls_block();
	struct statement rest = *s;

	if (s->block && s->n == 1) {
		for (const struct statement *line = s->body; line; line = line->next)
			if (!line->bad)
				settings_read(load, &block, &load->config->tls, line);
		return;
	}
	rest.token++;
	rest.n--;
	if (s->block || rest.n == 0)
		COMPLAIN(load, rest.token, "the settings of `tls` stand in braces: `tls { ... }`");
	else
		settings_read(load, &block, &load->config->tls, &rest);
}

static bool
take_file(struct cursor *c, struct token *out)
{
	if (c->t->kind != TOKEN_TEXT || c->t->text.n == 0) {
		COMPLAIN(c->load, c->t, "the path of a PEM file in quotes belongs here, not %s",
		    SHOW(c->t));
		return false;
	}
	*out = *c->t++;
	return true;
}

void
certificate_read(struct cursor *c)
{
	struct load *load = c->load;
	struct certificate *new = ARENA_NEW(load->arena, struct certificate);

	if (!take_file(c, &new->chain))
		return;
	if (!cursor_word(c, "key")) {
		COMPLAIN(
		    load, c->t, "`key` and the path of its key belong here, not %s", SHOW(c->t));
		return;
	}
	if (!take_file(c, &new->key) || !cursor_end(c))
		return;
	if (load->certificates_end == NULL)
		load->certificates_end = &load->certificates;
	*load->certificates_end = new;
	load->certificates_end = &new->next;
}

/* ---- contexts ---- */

static bool
read_file(
    struct load *load, const struct token *at, size_t max, struct arena *arena, struct str *out)
{
	const char *path = source_path(load, token_value(at, load->arena));
	struct err e;

	if (source_take(path, max, arena, out, &e))
		return true;
	COMPLAIN(load, at, "%s", e.text);
	return false;
}

static void
warn(struct load *load, const struct token *at, const struct tls_notice *notice)
{
	if (notice->expired)
		REMARK(load, at, LINT_CERTIFICATE,
		    "this certificate has expired; clients that check it will not go on");
	if (notice->not_yet)
		REMARK(load, at, LINT_CERTIFICATE,
		    "this certificate is not valid yet; " MEND "is the clock right?");
}

static void
add_certificate(struct load *load, const struct certificate *c)
{
	struct arena *arena = arena_new(CERTIFICATE_FILE_MAX + KEY_FILE_MAX);
	struct tls_notice notice;
	struct str chain, key = { 0 };
	struct err e;

	if (read_file(load, &c->chain, CERTIFICATE_FILE_MAX, arena, &chain) &&
	    read_file(load, &c->key, KEY_FILE_MAX, arena, &key)) {
		if (tls_server_add(load->config->tls_server, chain, key, &notice, &e))
			warn(load, &c->chain, &notice);
		else
			COMPLAIN(load, &c->chain, "%s", e.text);
		OPENSSL_cleanse((char *)(uintptr_t)key.p, key.n);
	}
	arena_free(&arena);
}

static void
free_server(void *object)
{
	struct tls_server *server = object;

	tls_server_free(&server);
}

static void
free_client(void *object)
{
	struct tls_client *client = object;

	tls_client_release(&client);
}

enum { ROW_CIPHERS = 1, ROW_CA = 2 };

/* At the line of the setting that it comes of, if that was given. */
static void
complain_of(struct load *load, size_t row, const char *text)
{
	const struct given *g = given_find(load, &tls_settings[row]);

	COMPLAIN(load, g ? &g->at : NULL, "`tls`: `%s`: %s", tls_settings[row].name, text);
}

/* No context came of the settings. */
static void
complain_of_context(struct load *load, const struct err *e)
{
	complain_of(load, e->code == ERR_SYNTAX ? ROW_CIPHERS : ROW_CA, e->text);
}

/* False: complained about. */
static bool
take_settings(struct load *load, struct tls_settings *out)
{
	const struct config_tls *tls = &load->config->tls;
	struct err e;

	*out = (struct tls_settings){
		.only_13 = tls->minimum == 1,
		.ciphers = tls->ciphers,
		.ask_client = tls->ask_client,
	};
	if (tls->ca[0] == '\0')
		return true;
	if (source_take(source_path(load, str_of(tls->ca)), CA_FILE_MAX, load->arena, &out->ca, &e))
		return true;
	complain_of(load, ROW_CA, e.text);
	return false;
}

static void
make_server(struct load *load, const struct tls_settings *settings)
{
	struct config *config = load->config;
	struct err e;

	config->tls_server = tls_server_new(settings, &e);
	if (config->tls_server == NULL) {
		complain_of_context(load, &e);
		return;
	}
	arena_cleanup(load->arena, free_server, config->tls_server);
	for (const struct certificate *c = load->certificates; c; c = c->next)
		add_certificate(load, c);
}

static void
make_client(struct load *load, const struct tls_settings *settings)
{
	struct config *config = load->config;
	struct err e;

	config->tls_client = tls_client_new(settings, &e);
	config->notify.server.client = config->tls_client;
	if (config->tls_client)
		arena_cleanup(load->arena, free_client, config->tls_client);
	else
		complain_of_context(load, &e);
}

void
tls_finish(struct load *load)
{
	struct tls_settings *settings = ARENA_NEW(load->arena, struct tls_settings);
	bool server = load->certificates != NULL;
	const struct config_notify *notify = &load->config->notify;
	bool client = notify->server.tls != SUBMISSION_CLEAR || notify->webhook.secure;

	for (size_t i = 0; i < load->config->n_backends; i++)
		client = client || load->config->backends[i].starttls != STARTTLS_OFF;
	if (load->secured != NULL && !server)
		COMPLAIN(load, load->secured,
		    "TLS needs a certificate: `certificate \"FILE\" key \"FILE\"`");
	if (!load->vocabulary->certificates || (!server && !client) ||
	    !take_settings(load, settings))
		return;
	if (server)
		make_server(load, settings);
	if (client && (!server || load->config->tls_server != NULL))
		make_client(load, settings);
}
