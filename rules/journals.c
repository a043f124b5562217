/* journals: what the rows `journal ...` cannot say: the key under which addresses are hashed. */
#include <openssl/crypto.h>

#include "mail/pseudonym.h"
#include "rules/load.h"

#define KEY_MAX_OCTETS 4096

bool
config_pseudonym(
    const struct config *config, struct arena *arena, struct pseudonym **out, struct err *e)
{
	struct arena *secret;
	struct str key;
	bool ok;

	*out = NULL;
	if (config->core.journal_key[0] == '\0')
		return true;
	secret = arena_new(2 * KEY_MAX_OCTETS);
	ok = source_take(config->core.journal_key, KEY_MAX_OCTETS, secret, &key, e);
	if (ok && key.n < PSEUDONYM_KEY_LEAST)
		ok = err_set(e, ERR_LIMIT,
		    "%s has less than 32 octets; make one: head -c 32 /dev/urandom >FILE",
		    config->core.journal_key);
	else if (ok)
		*out = pseudonym_new(arena, key);
	if (*out)
		OPENSSL_cleanse((char *)(uintptr_t)key.p, key.n);
	arena_free(&secret);
	return ok;
}

/* The row of that name, where it was given; NULL. */
static const struct given *
given_row(const struct load *load, const char *name)
{
	for (size_t i = 0; i < n_config_settings; i++)
		if (strcmp(config_settings[i].name, name) == 0)
			return given_find(load, &config_settings[i]);
	return NULL;
}

void
journal_finish(struct load *load)
{
	const struct given *clear = given_row(load, "journal addresses");
	const struct given *hashed = given_row(load, "journal addresses hashed");
	struct err e;

	if (clear && hashed)
		COMPLAIN(load, &hashed->at,
		    "`journal addresses` was given already, on %s: they are clear or hashed",
		    PLACE(&clear->at, &hashed->at));
	/* Who only reads the journal may not be allowed to read it. */
	if (!config_pseudonym(load->config, load->arena, &load->config->pseudonym, &e) &&
	    load->vocabulary->certificates)
		COMPLAIN(
		    load, hashed ? &hashed->at : NULL, "`journal addresses hashed`: %s", e.text);
}
