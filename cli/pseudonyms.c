#include "cli/pseudonyms.h"

#include <stdlib.h>

#include "rules/record_pseudonyms.h"

#define ARENA_LIMIT (4 * 1024 * 1024)

/* Releases the configuration. */
static bool
open_with(struct config *config, struct pseudonyms *out, struct err *e)
{
	bool ok = config && config_pseudonym(config, out->arena, &out->p, e);

	out->known = ok;
	out->hashed = config && config->core.journal_key[0] != '\0';
	if (config)
		config_release(&config);
	return ok;
}

bool
pseudonyms_open(struct cli *cli, struct pseudonyms *out)
{
	struct config *config;
	struct err e;

	*out = (struct pseudonyms){ .arena = arena_new(ARENA_LIMIT) };
	if (cli->database)
		return true;
	config = cli_config(cli, cli->config);
	if (config == NULL)
		return false;
	return open_with(config, out, &e) ||
	    cli_fail(cli, "`journal addresses hashed`: %s", e.text) == CLI_FOUND;
}

void
pseudonyms_try(struct cli *cli, struct pseudonyms *out)
{
	struct err e;

	*out = (struct pseudonyms){ .arena = arena_new(ARENA_LIMIT) };
	if (cli->database == NULL)
		(void)open_with(cli_config_quiet(cli, cli->config), out, &e);
}

void
pseudonyms_close(struct pseudonyms *x)
{
	arena_free(&x->arena);
	x->p = NULL;
}

struct str
pseudonyms_of(const struct pseudonyms *x, struct str address)
{
	size_t at = str_rfind(address, '@');

	if (x->p == NULL || at == STR_NPOS || at == 0 || at + 1 == address.n)
		return STR("");
	return pseudonym_of(x->p, x->arena, address);
}

struct str
pseudonyms_of_account(const struct pseudonyms *x, struct str name)
{
	if (x->p == NULL || str_find(name, '@') != STR_NPOS)
		return pseudonyms_of(x, name);
	return pseudonym_of(x->p, x->arena, name);
}

bool
pseudonyms_journal(struct cli *cli, struct journal_record *record)
{
	struct pseudonyms x;
	struct journal *journal = NULL;
	char *path = NULL;
	struct err e;
	bool ok = pseudonyms_open(cli, &x) && (path = cli_database(cli, "journal.db")) != NULL;

	if (ok) {
		if (x.p)
			record_pseudonyms(x.p, x.arena, record);
		journal = journal_open(path, &e);
		ok = journal && journal_append(journal, &record, 1, &e);
		if (!ok)
			cli_fail(cli, "%s", e.text);
	}
	journal_close(&journal);
	free(path);
	pseudonyms_close(&x);
	return ok;
}
