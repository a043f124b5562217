#include "cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "config.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/when.h"
#include "db/store_redis.h"
#include "db/store_sqlite.h"
#include "filters/vocabulary.h"
#include "rules/complaint.h"

#define CONFIG_FILE SYSCONFDIR "/postern/postern.conf"

static const struct command *const commands[] = {
	&command_log,
	&command_why,
	&command_explain,
	&command_stats,
	&command_backends,
	&command_check,
	&command_fmt,
	&command_test,
	&command_replay,
	&command_allow,
	&command_block,
	&command_lists,
	&command_promote,
	&command_demote,
	&command_greylist,
	&command_forget,
	&command_quota,
	&command_digest,
	&command_store,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The options that all have: into struct cli. */
static const struct cli_option common[] = {
	{ "config", OPTION_TEXT, offsetof(struct cli, config), "FILE",
	    "the configuration (-c FILE); default: " CONFIG_FILE },
	{ "database", OPTION_TEXT, offsetof(struct cli, database), "FOLDER",
	    "where journal.db and store.db are; default: as configured" },
	{ "json", OPTION_SWITCH, offsetof(struct cli, json), NULL, "for a program to read" },
	{ "utc", OPTION_SWITCH, offsetof(struct cli, utc), NULL,
	    "read and show times in UTC, not in the local zone" },
};

#define N_COMMON (sizeof(common) / sizeof(common[0]))

/* --- errors and help ---------------------------------------------------------------------------- */

int
cli_fail(struct cli *cli, const char *format, ...)
{
	va_list list;

	fflush(cli->out);
	fputs("postern: ", cli->err);
	va_start(list, format);
	vfprintf(cli->err, format, list);
	va_end(list);
	fputc('\n', cli->err);
	return CLI_ERROR;
}

static void
print_options(FILE *out, const struct cli_option *option, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", option[i].name, option[i].value ? " " : "",
		    option[i].value ? option[i].value : "");
		fprintf(out, "  %-18s %s\n", left, option[i].help);
	}
}

static void
print_command_help(FILE *out, const struct command *c)
{
	fprintf(out, "usage: postern %s [options]%s%s\n\n%s\n", c->name, c->arguments[0] ? " " : "",
	    c->arguments, c->help);
	print_options(out, c->options, c->n_options);
	print_options(out, common, N_COMMON);
	fputs("  --help             this text (-h)\n", out);
}

static void
print_help(FILE *out)
{
	fputs("usage: postern [-c FILE] COMMAND [options]\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n`postern COMMAND --help` tells more. Options of all commands:\n\n", out);
	print_options(out, common, N_COMMON);
	fputs("  --version          which Postern this is\n", out);
	fputs("\nIt ends with 0 when something was found, 1 when there was nothing, 2 on errors.\n",
	    out);
}

/* --- options ------------------------------------------------------------------------------------ */

/* The arguments being read, and those that are no options. */
struct arguments {
	struct cli *cli;
	const struct command *command; /* NULL: before the subcommand */
	void *into;
	char **next;
	int code; /* to end with, once something was wrong or help was asked for */
	bool end;
};

static const struct cli_option *
find_option(const struct arguments *a, struct str name, void **into)
{
	*into = a->into;
	for (size_t i = 0; a->command && i < a->command->n_options; i++)
		if (str_eq(name, str_of(a->command->options[i].name)))
			return &a->command->options[i];
	*into = a->cli;
	for (size_t i = 0; i < N_COMMON; i++)
		if (str_eq(name, str_of(common[i].name)))
			return &common[i];
	return NULL;
}

static void
end(struct arguments *a, int code)
{
	a->code = code;
	a->end = true;
}

static void
unknown_option(struct arguments *a, struct str name)
{
	struct suggestion s;

	suggest_begin(&s, name);
	for (size_t i = 0; a->command && i < a->command->n_options; i++)
		suggest(&s, str_of(a->command->options[i].name));
	for (size_t i = 0; i < N_COMMON; i++)
		suggest(&s, str_of(common[i].name));
	suggest(&s, STR("help"));
	if (s.best.n > 0)
		end(a,
		    cli_fail(a->cli, "unknown option \"--%s\"; did you mean \"--%.*s\"?", ESC(name),
			STR_ARG(s.best)));
	else
		end(a,
		    cli_fail(a->cli, "unknown option \"--%s\"; see `postern%s%s --help`", ESC(name),
			a->command ? " " : "", a->command ? a->command->name : ""));
}

static void
set_option(struct arguments *a, const struct cli_option *option, void *into, const char *value)
{
	void *field = (char *)into + option->offset;
	struct cli_texts *texts = field;

	if (option->kind == OPTION_SWITCH) {
		*(bool *)field = true;
	} else if (value == NULL) {
		end(a, cli_fail(a->cli, "--%s needs a value: %s", option->name, option->value));
	} else if (option->kind == OPTION_TEXT) {
		*(const char **)field = value;
	} else if (texts->n == CLI_TEXTS) {
		end(a,
		    cli_fail(a->cli, "--%s was given more than %d times", option->name, CLI_TEXTS));
	} else {
		texts->text[texts->n++] = value;
	}
}

/* "-w", or "-n value". */
static bool
short_option(struct arguments *a, const char *argument)
{
	for (size_t i = 0; a->command && i < a->command->n_options; i++) {
		const struct cli_option *option = &a->command->options[i];

		if (option->letter == '\0' || argument[1] != option->letter || argument[2] != '\0')
			continue;
		set_option(a, option, a->into,
		    option->kind != OPTION_SWITCH && *a->next ? *a->next++ : NULL);
		return true;
	}
	return false;
}

/* "--name", "--name=value" or "--name value". */
static void
long_option(struct arguments *a, const char *argument)
{
	struct str rest = str_of(argument + 2), name = rest;
	size_t equals = str_find(rest, '=');
	const struct cli_option *option;
	const char *value = NULL;
	void *into;

	if (equals != STR_NPOS) {
		name = str_sub(rest, 0, equals);
		value = argument + 2 + equals + 1;
	}
	option = find_option(a, name, &into);
	if (option == NULL) {
		unknown_option(a, name);
	} else if (option->kind == OPTION_SWITCH && value) {
		end(a, cli_fail(a->cli, "--%s takes no value", option->name));
	} else {
		if (option->kind != OPTION_SWITCH && value == NULL && *a->next)
			value = *a->next++;
		set_option(a, option, into, value);
	}
}

static void
option(struct arguments *a, const char *argument)
{
	if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
		if (a->command)
			print_command_help(a->cli->out, a->command);
		else
			print_help(a->cli->out);
		end(a, CLI_FOUND);
	} else if (strcmp(argument, "--version") == 0 && a->command == NULL) {
		fprintf(a->cli->out, "postern %s\n", PACKAGE_VERSION);
		end(a, CLI_FOUND);
	} else if (strncmp(argument, "--", 2) == 0) {
		long_option(a, argument);
	} else if (strcmp(argument, "-c") == 0) {
		set_option(a, &common[0], a->cli, *a->next ? *a->next++ : NULL);
	} else if (!short_option(a, argument)) {
		end(a,
		    cli_fail(a->cli, "unknown option \"%s\"; see `postern --help`",
			ESC(str_of(argument))));
	}
}

bool
cli_options(struct cli *cli, const struct command *command, void *into, char **argv, int *n)
{
	struct arguments a = { .cli = cli, .command = command, .into = into, .next = argv + 1 };
	bool only_others = false;

	*n = 0;
	while (*a.next && !a.end) {
		char *argument = *a.next++;

		if (!only_others && strcmp(argument, "--") == 0)
			only_others = true;
		else if (!only_others && argument[0] == '-' && argument[1] != '\0')
			option(&a, argument);
		else
			argv[(*n)++] = argument;
	}
	cli->code = a.code;
	if (cli->utc) {
		/* For this process alone, which lives as long as the command. */
		setenv("TZ", "UTC", 1);
		tzset();
	}
	return !a.end;
}

bool
cli_time(struct cli *cli, const char *name, const char *text, int64_t *ms)
{
	struct err e;

	*ms = 0;
	if (text == NULL || when_parse(str_of(text), clock_wall_ms(), ms, &e))
		return true;
	cli_fail(cli, "--%s: %s", name, e.text);
	return false;
}

bool
cli_span(struct cli *cli, const char *since, const char *until, struct journal_span *span)
{
	if (!cli_time(cli, "since", since, &span->since_ms) ||
	    !cli_time(cli, "until", until, &span->until_ms))
		return false;
	if (since == NULL || until == NULL || span->since_ms < span->until_ms)
		return true;
	cli_fail(cli, "--since %s: that is not before --until %s", ESC(str_of(since)),
	    ESC(str_of(until)));
	return false;
}

/* --- configuration and databases ---------------------------------------------------------------- */

struct loading {
	bool certificates;
	bool lint;
	const struct config_instead *instead;
};

void
cli_complaints(struct cli *cli, const struct complaints *complaints)
{
	fflush(cli->out);
	for (size_t i = 0; i < complaints->n; i++) {
		char *text = complaint_print(&complaints->item[i]);

		fputs(text, cli->err);
		fputc('\n', cli->err);
		free(text);
	}
}

static struct config *
take_config(const char *path, const struct loading *how, struct complaints *complaints)
{
	struct arena *arena = arena_new(1 << 20);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config;

	vocabulary.certificates = how->certificates;
	vocabulary.lint = how->lint;
	vocabulary.instead = how->instead;
	config = config_load(path, &vocabulary, complaints);
	arena_free(&arena);
	return config;
}

static struct config *
load_config(struct cli *cli, const char *path, const struct loading *how)
{
	struct complaints complaints = { 0 };
	struct config *config = take_config(path, how, &complaints);

	cli_complaints(cli, &complaints);
	complaints_free(&complaints);
	return config;
}

struct config *
cli_config(struct cli *cli, const char *path)
{
	return load_config(cli, path, &(struct loading){ 0 });
}

struct config *
cli_config_quiet(struct cli *cli, const char *path)
{
	struct complaints complaints = { 0 };
	struct config *config = take_config(path, &(struct loading){ 0 }, &complaints);

	complaints_free(&complaints);
	return config;
}

struct config *
cli_config_whole(struct cli *cli, const char *path)
{
	return load_config(cli, path, &(struct loading){ .certificates = true });
}

struct config *
cli_config_linted(const char *path, struct complaints *complaints)
{
	return take_config(
	    path, &(struct loading){ .certificates = true, .lint = true }, complaints);
}

struct config *
cli_config_instead(struct cli *cli, const char *path, const struct config_instead *instead)
{
	return load_config(cli, path, &(struct loading){ .instead = instead });
}

bool
cli_confirm(struct cli *cli, const char *question)
{
	char answer[16] = { 0 };

	if (cli->json || !isatty(STDIN_FILENO) || !isatty(fileno(cli->out))) {
		cli_fail(cli, "nothing was done: --yes does it, --dry-run only tells");
		return false;
	}
	fprintf(cli->out, "%s [y/N] ", question);
	fflush(cli->out);
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return true;
	cli_fail(cli, "nothing was done");
	return false;
}

char *
cli_database(struct cli *cli, const char *file)
{
	char *path = NULL;
	int n;

	if (cli->database) {
		n = asprintf(&path, "%s/%s", cli->database, file);
	} else {
		struct config *config = cli_config(cli, cli->config);

		if (config == NULL) {
			cli_fail(cli,
			    "%s cannot be used: mend it, or name the folder with --database",
			    cli->config);
			return NULL;
		}
		n = asprintf(&path, "%s/%s", config->core.database, file);
		config_release(&config);
	}
	if (n < 0)
		die("no memory for a path");
	return path;
}

struct journal *
cli_journal(struct cli *cli)
{
	char *path = cli_database(cli, "journal.db");
	struct journal *journal = NULL;
	struct err e;

	if (path) {
		journal = journal_open_read(path, &e);
		if (journal == NULL)
			cli_fail(cli, "%s", e.text);
	}
	free(path);
	return journal;
}

struct store *
cli_sqlite_open(struct cli *cli, const char *folder, bool reads)
{
	struct store *store = NULL;
	char *path = NULL;
	struct err e;

	if (asprintf(&path, "%s/store.db", folder) < 0)
		die("no memory for a path");
	if (access(path, F_OK) != 0)
		cli_fail(cli, "there is no %s: posternd makes it when it starts", path);
	else if ((store = reads ? store_sqlite_open_read(path, &e) : store_sqlite.open(path, &e)) ==
	    NULL)
		cli_fail(cli, "%s", e.text);
	free(path);
	return store;
}

/* hiredis writes without MSG_NOSIGNAL, and a Redis that goes away is an error like others. */
struct store *
cli_redis_open(const struct config *config, bool reads, struct err *e)
{
	signal(SIGPIPE, SIG_IGN);
	if (config->store_secret == NULL)
		return store_redis_open(config->redis, reads, e);
	err_set(e, ERR_SYSTEM, "%s", config->store_secret);
	return NULL;
}

bool
cli_store_open(struct cli *cli, bool reads, struct cli_store *out)
{
	struct config *config;
	struct err e;

	*out = (struct cli_store){ .backend = &store_sqlite };
	if (cli->database) {
		out->store = cli_sqlite_open(cli, cli->database, reads);
		return out->store != NULL;
	}
	config = cli_config(cli, cli->config);
	if (config == NULL) {
		cli_fail(cli, "%s cannot be used: mend it, or name the folder with --database",
		    cli->config);
	} else if (config->redis == NULL) {
		out->store = cli_sqlite_open(cli, config->core.database, reads);
	} else {
		out->backend = &store_redis;
		out->store = cli_redis_open(config, reads, &e);
		if (out->store == NULL)
			cli_fail(cli, "%s", e.text);
	}
	if (config)
		config_release(&config);
	return out->store != NULL;
}

void
cli_store_close(struct cli_store *store)
{
	if (store->store)
		store->backend->close(&store->store);
}

/* --- the program -------------------------------------------------------------------------------- */

void
cli_look_at_terminal(struct cli *cli)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;
	int fd = fileno(cli->out);

	if (fd < 0 || !isatty(fd))
		return;
	cli->dumb = term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0;
	cli->color = !cli->dumb && (no_color == NULL || no_color[0] == '\0');
	cli->width = 80;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
		cli->width = size.ws_col;
}

static const struct command *
find_command(struct cli *cli, struct str name)
{
	struct suggestion s;

	suggest_begin(&s, name);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (str_eq(name, str_of(commands[i]->name)))
			return commands[i];
		suggest(&s, str_of(commands[i]->name));
	}
	if (s.best.n > 0)
		cli_fail(cli, "unknown command \"%s\"; did you mean \"%.*s\"?", ESC(name),
		    STR_ARG(s.best));
	else
		cli_fail(cli, "unknown command \"%s\"; see `postern --help`", ESC(name));
	return NULL;
}

/* Reads what stands before the subcommand; *at: where that is. */
static bool
before_command(struct cli *cli, char **argv, int *at)
{
	struct arguments a = { .cli = cli, .next = argv + 1 };

	while (*a.next && (*a.next)[0] == '-' && !a.end)
		option(&a, *a.next++);
	*at = (int)(a.next - argv);
	cli->code = a.code;
	return !a.end;
}

int
cli_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct cli cli = { .out = out, .err = err, .config = CONFIG_FILE };
	const struct command *command;
	int at, code;

	cli_look_at_terminal(&cli);
	if (argc < 2) {
		print_help(err);
		return CLI_ERROR;
	}
	if (!before_command(&cli, argv, &at))
		return cli.code;
	if (argv[at] == NULL)
		return cli_fail(&cli, "no command was given; see `postern --help`");
	command = find_command(&cli, str_of(argv[at]));
	if (command == NULL)
		return CLI_ERROR;
	code = command->run(&cli, argc - at, argv + at);
	/* Whoever reads may be gone; that is no success. */
	return fflush(out) == 0 && !ferror(out) ? code : CLI_ERROR;
}
