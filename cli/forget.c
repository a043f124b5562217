#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/escape.h"
#include "cli/cli.h"
#include "cli/pseudonyms.h"
#include "db/store_redis.h"
#include "db/store_sqlite.h"

struct options {
	bool dry_run;
};

struct errand {
	struct cli *cli;
	struct journal_person person;
	struct journal_forgotten journal;
	int64_t rows;
};

/* Who asks, for the entry that tells of it. */
static struct str
asker(void)
{
	const char *name = getenv("SUDO_USER");
	const struct passwd *user = name == NULL || name[0] == '\0' ? getpwuid(getuid()) : NULL;

	if (user)
		name = user->pw_name;
	return name && name[0] ? str_sub(str_of(name), 0, 64) : STR("unknown");
}

static bool
forget_in_journal(struct errand *x)
{
	char *path = cli_database(x->cli, "journal.db");
	struct journal *journal = NULL;
	struct err e;
	bool ok;

	if (path == NULL)
		return false;
	if (access(path, F_OK) != 0)
		err_set(&e, ERR_DB, "there is no %s: posternd makes it when it starts", path);
	else
		journal = journal_open(path, &e);
	free(path);
	ok = journal && journal_forget(journal, &x->person, &x->journal, &e);
	if (!ok)
		cli_fail(x->cli, "%s", e.text);
	journal_close(&journal);
	return ok;
}

/* A store goes by addresses; exceptions may name what stands for one in the journal. */
static bool
forget_forms(struct errand *x,
    bool (*forget)(
	struct store *store, struct str address, bool look_only, int64_t *n, struct err *e),
    struct store *store, int64_t *n, struct err *e)
{
	const struct str forms[] = { x->person.address, x->person.hashed, x->person.beginning };
	int64_t rows;

	*n = 0;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].n == 0)
			continue;
		if (!forget(store, forms[i], x->person.look_only, &rows, e))
			return false;
		*n += rows;
	}
	return true;
}

/* What the machines share; *n: rows. */
static bool
forget_shared(struct errand *x, const struct config *config, int64_t *n)
{
	struct err e;
	struct store *store = cli_redis_open(config, x->person.look_only, &e);
	bool ok = store && forget_forms(x, store_redis_forget, store, n, &e);

	if (!ok)
		cli_fail(x->cli, "%s", e.text);
	store_redis.close(&store);
	return ok;
}

/* A store that was never made has nothing to forget. */
static bool
forget_here(struct errand *x, int64_t *n)
{
	char *path = cli_database(x->cli, "store.db");
	struct store *store = NULL;
	struct err e;
	bool ok = path != NULL, there = ok && access(path, F_OK) == 0;

	if (there)
		store = store_sqlite.open(path, &e);
	free(path);
	if (there)
		ok = store && forget_forms(x, store_sqlite_forget, store, n, &e);
	if (there && !ok)
		cli_fail(x->cli, "%s", e.text);
	store_sqlite.close(&store);
	return ok;
}

/* With a shared store there is something here too: of the time that it was away. */
static bool
forget_in_store(struct errand *x)
{
	struct config *config = x->cli->database ? NULL : cli_config(x->cli, x->cli->config);
	int64_t shared = 0;
	bool ok = forget_here(x, &x->rows);

	if (ok && config && config->redis)
		ok = forget_shared(x, config, &shared);
	x->rows += shared;
	if (config)
		config_release(&config);
	return ok;
}

static void
print(struct errand *x)
{
	FILE *out = x->cli->out;

	if (x->cli->json)
		fprintf(out,
		    "{\"did\":%s,\"entries\":%" PRId64 ",\"sums\":%" PRId64 ",\"store\":%" PRId64
		    "}\n",
		    x->person.look_only ? "false" : "true", x->journal.entries, x->journal.sums,
		    x->rows);
	else
		fprintf(out,
		    "%s: %" PRId64 " entries of the journal, %" PRId64 " rows of the store\n",
		    x->person.look_only ? "would be forgotten" : "forgotten", x->journal.entries,
		    x->rows);
}

/* Whoever asked has to know that more may be there. */
static bool
tell_strangers(const struct errand *x)
{
	if (x->journal.strangers == 0)
		return true;
	cli_fail(x->cli,
	    "%" PRId64
	    " entries are hashed under %s: whether they name the address cannot be known; name their key with `journal addresses hashed` and run it again",
	    x->journal.strangers,
	    x->person.key.n > 0 ? "another key" : "a key that the configuration does not name");
	return false;
}

/* What stands for the address where addresses are hashed. A tag behind it is left out of its stem. */
static void
fill_hashed(struct errand *x, const struct pseudonyms *pseudonyms)
{
	struct str hashed = pseudonyms_of(pseudonyms, x->person.address);
	struct str local = str_sub(hashed, 0, str_rfind(hashed, '@'));

	if (hashed.n == 0)
		return;
	x->person.key = str_of(pseudonym_key(pseudonyms->p));
	x->person.hashed = hashed;
	if (str_find(local, '+') == STR_NPOS)
		x->person.beginning = arena_printf(pseudonyms->arena, "%.*s+", STR_ARG(local));
}

static int
forget_all(struct errand *x)
{
	if (!forget_in_journal(x) || !forget_in_store(x))
		return CLI_ERROR;
	print(x);
	if (!tell_strangers(x))
		return CLI_ERROR;
	return x->journal.entries + x->rows > 0 ? CLI_FOUND : CLI_NOTHING;
}

static const struct cli_option rows[] = {
	{ "dry-run", OPTION_SWITCH, offsetof(struct options, dry_run), NULL,
	    "only count what would be forgotten" },
};

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	struct errand x = { .cli = cli };
	struct pseudonyms pseudonyms;
	struct str address;
	int n, code = CLI_ERROR;

	if (!cli_options(cli, &command_forget, &o, argv, &n))
		return cli->code;
	if (n != 1)
		return cli_fail(cli, "forget takes one address; see `postern forget --help`");
	address = str_of(argv[0]);
	if (str_find(address, '@') == STR_NPOS || address.n < 3 || address.n > 320)
		return cli_fail(cli, "forget: \"%s\" is no mail address", ESC(address));
	x.person =
	    (struct journal_person){ .address = address, .by = asker(), .look_only = o.dry_run };
	if (pseudonyms_open(cli, &pseudonyms)) {
		fill_hashed(&x, &pseudonyms);
		code = forget_all(&x);
	}
	pseudonyms_close(&pseudonyms);
	return code;
}

const struct command command_forget = {
	.name = "forget",
	.arguments = "ADDRESS",
	.summary = "removes a person's mail address from journal and store",
	.help =
	    "Empties the entries of the journal that name the address, and removes the rows of the store that do:\n"
	    "greylisting, counters, limits, exceptions. Of an entry its number, time, verdict, code and rule stay;\n"
	    "an entry tells which were emptied, when and by whom, and names the address only as a hash, so that\n"
	    "`postern log --verify` finds the journal whole. All of the journal is read; posternd may be running.\n"
	    "Where addresses are hashed, their key has to be named by the configuration; entries that have the address\n"
	    "with a tag behind it (name+tag@) are emptied with it then.\n"
	    "Not touched: lists in files, the configuration, and what was written to the system's log.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
