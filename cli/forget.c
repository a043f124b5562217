#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/escape.h"
#include "cli/cli.h"
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

/* What the machines share; *n: rows. */
static bool
forget_shared(struct errand *x, const struct config *config, int64_t *n)
{
	struct err e;
	struct store *store = cli_redis_open(config, x->person.look_only, &e);
	bool ok = store && store_redis_forget(store, x->person.address, x->person.look_only, n, &e);

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
		ok = store &&
		    store_sqlite_forget(store, x->person.address, x->person.look_only, n, &e);
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

static const struct cli_option rows[] = {
	{ "dry-run", OPTION_SWITCH, offsetof(struct options, dry_run), NULL,
	    "only count what would be forgotten" },
};

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	struct errand x = { .cli = cli };
	struct str address;
	int n;

	if (!cli_options(cli, &command_forget, &o, argv, &n))
		return cli->code;
	if (n != 1)
		return cli_fail(cli, "forget takes one address; see `postern forget --help`");
	address = str_of(argv[0]);
	if (str_find(address, '@') == STR_NPOS || address.n < 3 || address.n > 320)
		return cli_fail(cli, "forget: \"%s\" is no mail address", ESC(address));
	x.person = (struct journal_person){ address, asker(), o.dry_run };
	if (!forget_in_journal(&x) || !forget_in_store(&x))
		return CLI_ERROR;
	print(&x);
	return x.journal.entries + x.rows > 0 ? CLI_FOUND : CLI_NOTHING;
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
	    "Not touched: lists in files, the configuration, and what was written to the system's log.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
