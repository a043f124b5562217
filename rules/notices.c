/*
 * notices: `notify { ... }`: who is told when a plan's warning level is reached, and in which ways: by mail
 * (`mail via HOST port NUMBER ...`), by a command, by a web request. The rest of the block is rows.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "mail/letter.h"
#include "rules/load.h"

#define NOTIFY(member) offsetof(struct config_notify, member)
#define TEMPLATE_MAX (64 * 1024)
#define PASSWORD_MAX 256
#define TO_MAX 20
#define SECONDS(n) ((n)*INT64_C(1000))
#define DAYS(n) SECONDS((n)*INT64_C(86400))

/* clang-format off: rows */
const struct setting notify_settings[] = {
	{ "command", SETTING_TEXT, NOTIFY(command), 0, 0, "\"\"", NULL,
	    "A program that is run for each notice, by its whole path, without a shell: the letter on its "
	    "standard input, POSTERN_WHO and so on in its environment." },
	{ "webhook", SETTING_TEXT, NOTIFY(webhook_text), 0, 0, "\"\"", NULL,
	    "An address, http: or https:, that each notice is posted to as JSON." },
	{ "template", SETTING_FILE, NOTIFY(template), 0, 0, "\"\"", NULL,
	    "A file with the letter: a line Subject: ..., an empty line, a text, with ${names}; empty: "
	    "the one that comes with Postern." },
	{ "postmaster", SETTING_TEXT, NOTIFY(postmaster), 0, 0, "\"\"", NULL,
	    "Who is meant by postmaster; empty: postmaster at the owner domain." },
	{ "owner domain", SETTING_TEXT, NOTIFY(owner_domain), 0, 0, "\"\"", NULL,
	    "The domain of accounts that are no address; empty: that of hostname, without its first "
	    "label." },
	{ "owners", SETTING_FILE, NOTIFY(owners_file), 0, 0, "\"\"", NULL,
	    "A file of lines, ACCOUNT ADDRESS: where those are reached whom the owner domain does not "
	    "lead to, or networks that have a plan." },
	{ "again after", SETTING_DURATION, NOTIFY(again), SECONDS(60), DAYS(30), "1d", NULL,
	    "A level is told of once; if it is reached still, or once more, after this time, it is told "
	    "of again. It is never less than the window of the limit." },
	{ "timeout", SETTING_DURATION, NOTIFY(timeout), 100, SECONDS(300), "30s", NULL,
	    "How long one attempt to tell somebody may take." },
	{ "attempts", SETTING_NUMBER, NOTIFY(attempts), 1, 20, "6", NULL,
	    "How often it is tried, before the log says who was not told." },
	{ "retry after", SETTING_DURATION, NOTIFY(retry), 100, SECONDS(3600), "30s", NULL,
	    "How long the second attempt waits; each one after it twice as long as the one before." },
};
/* clang-format on */
const size_t n_notify_settings = sizeof notify_settings / sizeof *notify_settings;

enum { ROW_COMMAND, ROW_WEBHOOK, ROW_TEMPLATE, ROW_POSTMASTER, ROW_DOMAIN, ROW_OWNERS };

static struct config_part
notify_block(void)
{
	return (struct config_part){
		.name = "notify",
		.settings = notify_settings,
		.n_settings = n_notify_settings,
	};
}

bool
notify_default(struct load *load)
{
	return settings_default(
	    notify_settings, n_notify_settings, &load->config->notify, load->arena);
}

/* ---- mail via ... ---- */

static bool
take_address(struct cursor *c, const char **out)
{
	struct str address = token_value(c->t, c->load->arena);
	struct err e = { .text = "an address in quotes belongs here" };

	if (c->t->kind != TOKEN_TEXT || !letter_address(address, &e)) {
		COMPLAIN(c->load, c->t, "%s, not %s", e.text, SHOW(c->t));
		return false;
	}
	*out = arena_dup(c->load->arena, address).p;
	c->t++;
	return true;
}

/* `login "NAME" password file "FILE"` */
static bool
take_login(struct cursor *c, struct config_notify *n)
{
	struct token *file = ARENA_NEW(c->load->arena, struct token);

	if (c->t->kind != TOKEN_TEXT || c->t->text.n == 0) {
		COMPLAIN(c->load, c->t, "the name to log in with belongs here, in quotes, not %s",
		    SHOW(c->t));
		return false;
	}
	n->server.user = arena_dup(c->load->arena, token_value(c->t++, c->load->arena)).p;
	if (!cursor_word(c, "password") || !cursor_word(c, "file") || c->t->kind != TOKEN_TEXT) {
		COMPLAIN(
		    c->load, c->t, "`password file \"FILE\"` belongs here, not %s", SHOW(c->t));
		return false;
	}
	*file = *c->t++;
	c->load->password = file;
	return true;
}

/* `to owner, postmaster, "ADDRESS"` */
static bool
take_to(struct cursor *c, struct config_notify *n)
{
	const char **to = ARENA_ARRAY(c->load->arena, const char *, TO_MAX);

	n->to_owner = n->to_postmaster = false;
	n->to = to;
	do {
		if (cursor_word(c, "owner")) {
			n->to_owner = true;
		} else if (cursor_word(c, "postmaster")) {
			n->to_postmaster = true;
		} else if (n->n_to == TO_MAX) {
			COMPLAIN(c->load, c->t, "at most %d addresses can be told", TO_MAX);
			return false;
		} else if (c->t->kind != TOKEN_TEXT) {
			COMPLAIN(c->load, c->t,
			    "`owner`, `postmaster` or an address in quotes belongs here, not %s",
			    SHOW(c->t));
			return false;
		} else if (!take_address(c, &to[n->n_to])) {
			return false;
		} else {
			n->n_to++;
		}
	} while (cursor_kind(c, TOKEN_COMMA));
	return true;
}

/* In any order, each once: `starttls ...`, `login ...`, `from "ADDRESS"`, `to ...`. */
static bool
take_details(struct cursor *c, struct config_notify *n)
{
	struct backend server = { .host = n->server.host };
	bool tls = false, to = false;

	for (;;) {
		if (!tls && cursor_word(c, "starttls")) {
			if (!backend_starttls(c, &server))
				return false;
			n->server.tls = (enum submission_tls)server.starttls;
			n->server.name = server.name;
			tls = true;
		} else if (n->server.user == NULL && cursor_word(c, "login")) {
			if (!take_login(c, n))
				return false;
		} else if (n->from == NULL && cursor_word(c, "from")) {
			if (!take_address(c, &n->from))
				return false;
		} else if (!to && cursor_word(c, "to")) {
			if (!take_to(c, n))
				return false;
			to = true;
		} else {
			break;
		}
	}
	if (c->t->kind == TOKEN_END)
		return true;
	COMPLAIN(c->load, c->t,
	    "`starttls`, `login`, `from`, `to` or the end of the line belongs here, not %s",
	    SHOW(c->t));
	return false;
}

/* mail via 127.0.0.1 port 587 starttls verify from "postmaster@example.org" to owner, postmaster */
static void
read_mail(struct cursor *c)
{
	struct config_notify *n = &c->load->config->notify;
	struct config_notify new = *n;

	if (!given_once(c->load, &n->server.host, c->t - 1, "mail"))
		return;
	if (!cursor_word(c, "via")) {
		COMPLAIN(c->load, c->t,
		    "`mail` is written `mail via HOST port NUMBER`, not with %s", SHOW(c->t));
		return;
	}
	if (cursor_host(c, &new.server.host) && cursor_port(c, &new.server.port) &&
	    take_details(c, &new))
		*n = new;
}

void
notify_read(struct load *load, const struct statement *s)
{
	struct config_part block = notify_block();
	struct config_notify *n = &load->config->notify;

	if (!s->block || s->n > 1) {
		COMPLAIN(load, &s->token[s->n > 1],
		    "what belongs to `notify` stands in braces: `notify { ... }`");
		return;
	}
	if (!given_once(load, n, s->token, "notify"))
		return;
	n->given = true;
	n->to_owner = n->to_postmaster = true;
	load->notify_errors = load->complaints->errors;
	for (const struct statement *line = s->body; line; line = line->next) {
		struct cursor c = { load, line->token };

		if (line->bad)
			continue;
		if (cursor_word(&c, "mail"))
			read_mail(&c);
		else
			settings_read(load, &block, n, line);
	}
	load->notify_errors = load->complaints->errors - load->notify_errors;
}

/* ---- what it comes to ---- */

static void
complain_row(struct load *load, size_t row, const char *text)
{
	const struct given *g = given_find(load, &notify_settings[row]);

	COMPLAIN(load, g ? &g->at : NULL, "`%s`: %s", notify_settings[row].name, text);
}

static const char *
default_domain(struct load *load)
{
	struct str host = str_of(load->config->core.hostname), rest;
	size_t dot = str_find(host, '.');

	rest = dot == STR_NPOS ? host : str_sub(host, dot + 1, host.n);
	return arena_dup(load->arena, str_find(rest, '.') == STR_NPOS ? host : rest).p;
}

static void
finish_addresses(struct load *load)
{
	struct config_notify *n = &load->config->notify;
	const struct setting *domain = &notify_settings[ROW_DOMAIN];
	struct err e;

	if (n->owner_domain[0] == '\0')
		n->owner_domain = (char *)(uintptr_t)default_domain(load);
	if (n->postmaster[0] == '\0')
		n->postmaster =
		    (char *)(uintptr_t)arena_printf(load->arena, "postmaster@%s", n->owner_domain)
			.p;
	if (letter_address(str_of(n->postmaster), &e)) {
		if (n->from == NULL)
			n->from = n->postmaster;
	} else if (given_find(load, &notify_settings[ROW_POSTMASTER])) {
		complain_row(load, ROW_POSTMASTER, e.text);
	} else if (n->server.host) {
		complain_row(load, ROW_DOMAIN,
		    given_find(load, domain) ? "it is no domain"
					     : "say it, as `hostname` lies in no domain");
	}
}

static void
finish_template(struct load *load)
{
	struct config_notify *n = &load->config->notify;
	struct str text = str_of(default_notice);
	struct template_fault fault;
	struct suggestion near;
	struct err e;

	if (n->template[0] && !source_read(load, n->template, TEMPLATE_MAX, &text, &e)) {
		complain_row(load, ROW_TEMPLATE, e.text);
		return;
	}
	if (notice_template_read(text, load->arena, &n->letter, &fault))
		return;
	if (fault.line == 0) {
		complain_row(
		    load, ROW_TEMPLATE, "it begins with a line `Subject: ...` and an empty line");
		return;
	}
	suggest_begin(&near, fault.name);
	for (size_t i = 0; notice_names[i]; i++)
		suggest(&near, str_of(notice_names[i]));
	complain_row(load, ROW_TEMPLATE,
	    fault.name.n > 0
		? arena_printf(load->arena, "line %u, column %u: unknown name `%.*s`%s", fault.line,
		      fault.column, STR_ARG(str_sub(fault.name, 0, 80)), suggest_end(&near))
		      .p
		: arena_printf(load->arena, "line %u, column %u: the `}` of this `${` is missing",
		      fault.line, fault.column)
		      .p);
}

static int
compare_owners(const void *a, const void *b)
{
	const struct notify_owner *x = a, *y = b;

	return str_cmp(x->account, y->account);
}

/* One line: "ACCOUNT ADDRESS". */
static const char *
read_owner(struct load *load, struct str line, struct notify_owner *out)
{
	size_t blank;
	struct err e;

	for (blank = line.n; blank > 0 && line.p[blank - 1] != ' ' && line.p[blank - 1] != '\t';)
		blank--;
	if (blank == 0)
		return "a name and an address stand on a line";
	out->account = arena_lower(load->arena, str_trim(str_sub(line, 0, blank)));
	out->address = str_sub(line, blank, line.n);
	return letter_address(out->address, &e) ? NULL : arena_dup(load->arena, str_of(e.text)).p;
}

static const char *
read_owners(struct load *load, struct str text, struct notify_owner *owner, size_t *n)
{
	struct str line;

	for (size_t i = 1; str_pop(&text, '\n', &line); i++) {
		const char *wrong;

		line = str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		wrong = read_owner(load, line, &owner[*n]);
		if (wrong)
			return arena_printf(load->arena, "line %zu: %s", i, wrong).p;
		++*n;
	}
	return NULL;
}

const struct notify_owner *
owners_read(struct load *load, const char *path, size_t *n, const struct setting *row)
{
	const struct given *g = given_find(load, row);
	struct err e = { 0 };
	struct notify_owner *owner = NULL;
	const char *wrong = e.text;
	size_t lines = 1;
	struct str text;

	*n = 0;
	if (source_read(load, path, LIST_FILE_MAX, &text, &e)) {
		for (size_t i = 0; i < text.n; i++)
			lines += text.p[i] == '\n';
		owner = ARENA_ARRAY(load->arena, struct notify_owner, lines);
		wrong = read_owners(load, text, owner, n);
	}
	if (wrong)
		COMPLAIN(load, g ? &g->at : NULL, "`%s`: %s", row->name, wrong);
	if (*n > 0)
		qsort(owner, *n, sizeof *owner, compare_owners);
	return owner;
}

static void
finish_password(struct load *load)
{
	struct config_notify *n = &load->config->notify;
	const struct token *at = load->password;
	struct arena *arena = arena_new(PASSWORD_MAX);
	struct err e = { 0 };
	struct str text, line;

	if (at && load->vocabulary->certificates) {
		const char *path = source_path(load, token_value(at, load->arena));

		if (source_take(path, PASSWORD_MAX, arena, &text, &e)) {
			str_pop(&text, '\n', &line);
			n->server.password = arena_dup(load->arena, str_trim(line));
			OPENSSL_cleanse((char *)(uintptr_t)line.p, line.n);
		} else {
			COMPLAIN(load, at, "%s", e.text);
		}
		if (e.code == ERR_NONE && n->server.password.n == 0)
			COMPLAIN(load, at, "there is no password in it");
	}
	arena_free(&arena);
}

void
notify_finish(struct load *load)
{
	struct config_notify *n = &load->config->notify;
	const struct given *g = given_find(load, n);
	struct err e;

	n->server.helo = load->config->core.hostname;
	/* Others ask for the postmaster, too. */
	finish_addresses(load);
	if (!n->given)
		return;
	if (load->notify_errors == 0 && n->server.host == NULL && n->command[0] == '\0' &&
	    n->webhook_text[0] == '\0')
		COMPLAIN(load, g ? &g->at : NULL,
		    "`notify` tells nobody: say `mail via HOST port NUMBER`, `command` or `webhook`");
	if (n->command[0] && n->command[0] != '/')
		complain_row(
		    load, ROW_COMMAND, "the whole path of a program belongs here: \"/...\"");
	if (n->webhook_text[0] && !url_read(str_of(n->webhook_text), &n->webhook, &e))
		complain_row(load, ROW_WEBHOOK, e.text);
	finish_template(load);
	if (n->owners_file[0])
		n->owners =
		    owners_read(load, n->owners_file, &n->n_owners, &notify_settings[ROW_OWNERS]);
	finish_password(load);
}

/* ---- who is told ---- */

struct str
owner_find(const struct notify_owner *owner, size_t n, struct str name, struct arena *arena)
{
	const struct notify_owner wanted = { .account = arena_lower(arena, name) };
	const struct notify_owner *found = NULL;

	if (n > 0)
		found = bsearch(&wanted, owner, n, sizeof *owner, compare_owners);
	return found ? found->address : (struct str){ 0 };
}

struct str
notify_owner(const struct config_notify *n, struct str account, struct arena *arena)
{
	struct str address = owner_find(n->owners, n->n_owners, account, arena);
	struct err e;

	if (address.n > 0)
		return address;
	address = str_find(account, '@') != STR_NPOS
	    ? account
	    : arena_printf(arena, "%.*s@%s", STR_ARG(account), n->owner_domain);
	return letter_address(address, &e) ? address : (struct str){ 0 };
}
