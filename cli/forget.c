#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/escape.h"
#include "cli/cli.h"
#include "cli/pseudonyms.h"
#include "db/person.h"
#include "db/store_redis.h"
#include "db/store_sqlite.h"
#include "mail/mailbox.h"

struct options {
	bool dry_run;
	const char *account;
};

struct errand {
	struct cli *cli;
	struct person named;
	struct journal_person person;
	struct journal_forgotten journal;
	struct store_forgotten here, shared;
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

/* What the machines share. */
static bool
forget_shared(struct errand *x, const struct config *config)
{
	struct err e;
	struct store *store = cli_redis_open(config, x->person.look_only, &e);
	bool ok =
	    store && store_redis_forget(store, &x->named, x->person.look_only, &x->shared, &e);

	if (!ok)
		cli_fail(x->cli, "%s", e.text);
	store_redis.close(&store);
	return ok;
}

/* A store that was never made has nothing to forget. */
static bool
forget_here(struct errand *x)
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
		    store_sqlite_forget(store, &x->named, x->person.look_only, &x->here, &e);
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
	bool ok = !config || !config->redis || forget_shared(x, config);

	ok = ok && forget_here(x);
	if (config)
		config_release(&config);
	return ok;
}

static int64_t
rows_of(const struct errand *x)
{
	return x->here.rows + x->shared.rows;
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
		    rows_of(x));
	else
		fprintf(out,
		    "%s: %" PRId64 " entries of the journal, %" PRId64 " rows of the store\n",
		    x->person.look_only ? "would be forgotten" : "forgotten", x->journal.entries,
		    rows_of(x));
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

/* Nor may what was removed be read out of the file beside it. */
static bool
tell_lingering(const struct errand *x)
{
	const char *const file = x->journal.lingers ? "journal.db" : "store.db";

	if (!x->journal.lingers && !x->here.lingers)
		return true;
	cli_fail(x->cli,
	    "%s-wal still holds what was removed, for somebody who reads %s as it was (such as `postern replay`, or a backup): run it again when that has ended",
	    file, file);
	return false;
}

static int
forget_all(struct errand *x)
{
	bool whole;

	/* First what may be away: so that nothing was done when it says so. */
	if (!forget_in_store(x) || !forget_in_journal(x))
		return CLI_ERROR;
	print(x);
	whole = tell_strangers(x);
	whole = tell_lingering(x) && whole;
	if (!whole)
		return CLI_ERROR;
	return x->journal.entries + rows_of(x) > 0 ? CLI_FOUND : CLI_NOTHING;
}

/* Local part and domain; <postmaster> is nobody. */
static bool
is_address(struct str text)
{
	char path[MAILBOX_PATH_MAX + 1];
	struct mailbox m;
	struct str rest = { path, 0 };
	struct err e;

	if (text.n + 2 >= sizeof(path))
		return false;
	rest.n = (size_t)snprintf(path, sizeof(path), "<%.*s>", STR_ARG(text));
	return mailbox_take(&rest, false, false, &m, &e) && rest.n == 0;
}

static const struct cli_option rows[] = {
	{ "account", OPTION_TEXT, offsetof(struct options, account), "NAME",
	    "instead of an address: an account, by its whole name" },
	{ "dry-run", OPTION_SWITCH, offsetof(struct options, dry_run), NULL,
	    "only count what would be forgotten" },
};

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	struct errand x = { .cli = cli };
	struct pseudonyms pseudonyms;
	int n, code = CLI_ERROR;

	if (!cli_options(cli, &command_forget, &o, argv, &n))
		return cli->code;
	if (n != (o.account ? 0 : 1))
		return cli_fail(cli,
		    "forget takes one address, or --account NAME; see `postern forget --help`");
	if (!o.account && !is_address(str_of(argv[0])))
		return cli_fail(cli,
		    "forget: \"%s\" is no mail address; --account forgets an account",
		    ESC(str_of(argv[0])));
	if (o.account && o.account[0] == '\0')
		return cli_fail(cli, "--account: which?");
	x.person =
	    (struct journal_person){ .person = &x.named, .by = asker(), .look_only = o.dry_run };
	if (pseudonyms_open(cli, &pseudonyms)) {
		if (pseudonyms.p)
			x.person.key = str_of(pseudonym_key(pseudonyms.p));
		if (o.account)
			person_fill_account(
			    &x.named, pseudonyms.arena, str_of(o.account), pseudonyms.p);
		else
			person_fill(&x.named, pseudonyms.arena, str_of(argv[0]), pseudonyms.p);
		code = forget_all(&x);
	}
	pseudonyms_close(&pseudonyms);
	return code;
}

const struct command command_forget = {
	.name = "forget",
	.arguments = "ADDRESS | --account NAME",
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
