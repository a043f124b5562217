/*
 * digests: `digest { ... }`: who gets the list of what was refused for them, by `postern digest`, and how they may let
 * it in. The server that takes the mail is that of `notify`.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "mail/letter.h"
#include "mail/ticket.h"
#include "mail/url.h"
#include "rules/load.h"

#define DIGEST(member) offsetof(struct config_digest, member)
#define KEY_MAX_OCTETS 4096
#define HOURS(n) ((n)*INT64_C(3600000))

static const char *const verdicts[] = { "reject", "all", NULL };

/* clang-format off: rows */
const struct setting digest_settings[] = {
	{ "refusals", SETTING_WORD, DIGEST(refusals), 0, 0, "reject", verdicts,
	    "What is listed: what was refused for good, or also what was told to come again." },
	{ "domains", SETTING_FILE, DIGEST(domains_file), 0, 0, "\"\"", NULL,
	    "A file of lines, DOMAIN ADDRESS: who owns a domain, and gets what was refused for it." },
	{ "link", SETTING_TEXT, DIGEST(link), 0, 0, "\"\"", NULL,
	    "The address of a page of yours, http: or https:, that lets in what its `ticket` names; the "
	    "digest then has such a link for each refusal." },
	{ "key", SETTING_FILE, DIGEST(key_file), 0, 0, "\"\"", NULL,
	    "The file with the key that links are signed with: 32 octets or more." },
	{ "valid", SETTING_DURATION, DIGEST(valid), HOURS(1), HOURS(24 * 90), "7d", NULL,
	    "How long a link can be used, and how long what it lets in is let in." },
};
/* clang-format on */
const size_t n_digest_settings = sizeof digest_settings / sizeof *digest_settings;

enum { ROW_REFUSALS, ROW_DOMAINS, ROW_LINK, ROW_KEY };

bool
digest_default(struct load *load)
{
	return settings_default(
	    digest_settings, n_digest_settings, &load->config->digest, load->arena);
}

/* `recipients in LIST` */
static void
read_recipients(struct cursor *c)
{
	struct config_digest *d = &c->load->config->digest;
	const struct list *list;

	if (!given_once(c->load, &d->recipients, c->t - 1, "recipients"))
		return;
	if (!cursor_word(c, "in")) {
		COMPLAIN(c->load, c->t, "`recipients` is written `recipients in LIST`, not with %s",
		    SHOW(c->t));
		return;
	}
	list = list_take(c);
	if (list && cursor_end(c))
		d->recipients = list;
}

void
digest_read(struct load *load, const struct statement *s)
{
	const struct config_part block = {
		.name = "digest", .settings = digest_settings, .n_settings = n_digest_settings
	};
	struct config_digest *d = &load->config->digest;

	if (!s->block || s->n > 1) {
		COMPLAIN(load, &s->token[s->n > 1],
		    "what belongs to `digest` stands in braces: `digest { ... }`");
		return;
	}
	if (!given_once(load, d, s->token, "digest"))
		return;
	for (const struct statement *line = s->body; line; line = line->next) {
		struct cursor c = { load, line->token };

		if (line->bad)
			continue;
		if (cursor_word(&c, "recipients"))
			read_recipients(&c);
		else
			settings_read(load, &block, d, line);
	}
}

static void
complain_row(struct load *load, size_t row, const char *text)
{
	const struct given *g = given_find(load, &digest_settings[row]);

	COMPLAIN(load, g ? &g->at : NULL, "`%s`: %s", digest_settings[row].name, text);
}

static void
finish_key(struct load *load)
{
	struct config_digest *d = &load->config->digest;
	struct arena *arena = arena_new(KEY_MAX_OCTETS);
	struct str key;
	struct err e;

	if (!source_take(d->key_file, KEY_MAX_OCTETS, arena, &key, &e)) {
		complain_row(load, ROW_KEY, e.text);
	} else {
		d->key = arena_dup(load->arena, key);
		if (key.n < TICKET_KEY_LEAST)
			complain_row(load, ROW_KEY,
			    "it has less than 32 octets; make one: head -c 32 /dev/urandom >FILE");
		OPENSSL_cleanse((char *)(uintptr_t)key.p, key.n);
	}
	arena_free(&arena);
}

void
digest_finish(struct load *load)
{
	struct config_digest *d = &load->config->digest;
	struct url url;
	struct err e;

	if (d->link[0] && !url_read(str_of(d->link), &url, &e))
		complain_row(load, ROW_LINK, e.text);
	if (d->link[0] && d->key_file[0] == '\0')
		complain_row(load, ROW_LINK, "it has to be signed: name the file of a `key` too");
	if (d->key_file[0] && load->vocabulary->certificates)
		finish_key(load);
	/* Whom a pseudonym stands for is known of those only who are named. */
	if (d->recipients && load->config->core.journal_key[0] && list_is_more(d->recipients))
		COMPLAIN(load, &given_find(load, &d->recipients)->at,
		    "`recipients`: addresses are hashed in the journal, so only mailboxes can be told that the "
		    "list names: name them instead of domains and regular expressions");
	if (d->domains_file[0])
		d->owners =
		    owners_read(load, d->domains_file, &d->n_owners, &digest_settings[ROW_DOMAINS]);
}
