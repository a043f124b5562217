/*
 * cli: what the subcommands of `postern` share: where output goes, the options, errors, and how the
 * databases are found. A subcommand is one file with one const struct; their list is in cli.c.
 *
 * Whatever strangers wrote goes through base/escape.h before it is printed. Exit codes: CLI_FOUND,
 * CLI_NOTHING, CLI_ERROR.
 */
#ifndef POSTERN_CLI_CLI_H
#define POSTERN_CLI_CLI_H

#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "db/journal.h"
#include "db/store.h"
#include "rules/config.h"

enum cli_exit {
	CLI_FOUND = 0,   /* done, and there was something */
	CLI_NOTHING = 1, /* done, and there was nothing */
	CLI_ERROR = 2,   /* wrong use, or it could not be done */
};

struct cli {
	FILE *out, *err;
	const char *config;   /* the file */
	const char *database; /* the folder; NULL: the configuration's */
	bool json;
	bool utc;     /* times are read and shown in UTC, not in the local zone */
	bool dumb;    /* out is a terminal that can only print (TERM=dumb) */
	bool color;   /* out is another terminal, and NO_COLOR is not set */
	size_t width; /* of the terminal; 0: out is none, lines are as long as they get */
	int code;     /* to end with, when cli_options() says so */
};

enum cli_option_kind { OPTION_SWITCH, OPTION_TEXT, OPTION_TEXTS };

#define CLI_TEXTS 100

/* An option that may be given several times. */
struct cli_texts {
	const char *text[CLI_TEXTS];
	size_t n;
};

struct cli_option {
	const char *name; /* "since", for --since */
	enum cli_option_kind kind;
	size_t offset;     /* in the subcommand's struct: bool, const char *, struct cli_texts */
	const char *value; /* what stands behind it in the help: "TIME" */
	const char *help;
	char letter; /* 'w' for -w; 0: none */
};

struct command {
	const char *name;
	const char *arguments; /* in the usage line, besides options: "ID" */
	const char *summary;   /* one line, for the list */
	const char *help;      /* lines for `postern NAME --help`, each ended by \n */
	const struct cli_option *options;
	size_t n_options;
	/* argv[0] is the subcommand's name. */
	int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct command command_allow, command_backends, command_block, command_check,
    command_digest, command_explain, command_fmt, command_forget, command_greylist, command_lists,
    command_log, command_promote, command_demote, command_quota, command_replay, command_stats,
    command_store, command_test, command_why;

/* Whether out is a terminal, of which kind and how wide: it may be another width later. */
void cli_look_at_terminal(struct cli *cli);
/* The whole program. out and err are not closed. */
int cli_main(int argc, char **argv, FILE *out, FILE *err);

/*
 * Reads options, those all subcommands have among them, into *into; moves the other arguments to
 * the front of argv and counts them in *n. False: end with cli->code (an error was printed, or the
 * help).
 */
bool cli_options(struct cli *cli, const struct command *command, void *into, char **argv, int *n);
/* "postern: text" to err; returns CLI_ERROR. The text is printed as it is. */
int cli_fail(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The moment that --name says (cli/when.h); NULL text: 0. */
bool cli_time(struct cli *cli, const char *name, const char *text, int64_t *ms);
/* Those of --since and --until; it is wrong use if the one is not before the other. */
bool cli_span(struct cli *cli, const char *since, const char *until, struct journal_span *span);

/* The configuration with all its stages; its complaints are printed. NULL: it cannot be used. */
struct config *cli_config(struct cli *cli, const char *path);
/* The same, its complaints left out. */
struct config *cli_config_quiet(struct cli *cli, const char *path);
/* The same with the certificates and keys, which not everybody may read. */
struct config *cli_config_whole(struct cli *cli, const char *path);
/*
 * And with warnings of what can be loaded and is hardly meant. Nothing is printed: what was said is the caller's, to be freed in
 * either case.
 */
struct config *cli_config_linted(const char *path, struct complaints *complaints);
/* As they are printed for all others. */
void cli_complaints(struct cli *cli, const struct complaints *complaints);
/* The same as it would be with another text in the place of one file. */
struct config *cli_config_instead(
    struct cli *cli, const char *path, const struct config_instead *instead);
/*
 * Asks for a yes on the terminal. False: none, or there is nobody to be asked: then an error was printed that names --yes and
 * --dry-run.
 */
bool cli_confirm(struct cli *cli, const char *question);
/* The path of journal.db or store.db, malloc'ed; NULL: an error was printed. */
char *cli_database(struct cli *cli, const char *file);
struct journal *cli_journal(struct cli *cli);

/* An open store, with what it is asked by. */
struct cli_store {
	const struct store_backend *backend;
	struct store *store;
};

/*
 * Opens what is configured, or what is in the folder of --database. reads: nothing is changed by asking. False: an error was
 * printed.
 */
bool cli_store_open(struct cli *cli, bool reads, struct cli_store *out);
/* That of a folder, where posternd has made one; NULL: an error was printed. */
struct store *cli_sqlite_open(struct cli *cli, const char *folder, bool reads);
/* The shared store of a configuration. */
struct store *cli_redis_open(const struct config *config, bool reads, struct err *e);
void cli_store_close(struct cli_store *store);

#endif
