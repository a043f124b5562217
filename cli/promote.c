/*
 * promote: makes a rule that is only observed one that is enforced: tells what it would have refused, and takes the one word
 * away from the file it stands in; nothing else of it changes. The configuration is checked as it will be, before it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/observed.h"
#include "rules/complaint.h"
#include "rules/rule.h"

#define WORD "observe"
#define DAYS 30
#define SHOWN 10

struct options {
	bool yes, dry_run;
};

struct errand {
	struct cli *cli;
	struct options options;
	struct config *config;
	const struct rule *rule;
	char *path;      /* of its file, without links */
	struct str text; /* of that file, with the word */
	size_t at;       /* where it stands in it */
	size_t n;        /* how long it is, with the blanks behind it */
};

/* --- which rule ---------------------------------------------------------------------------------- */

static bool
is_headed(const struct rule *r)
{
	return !r->head && token_is(&r->at, WORD);
}

/* The blocks' heads are no rules to be promoted: each rule has its own word. */
static bool
find(struct errand *x, const char *name)
{
	const struct ruleset *rules = x->config->ruleset;
	const struct rule *there = NULL;
	struct suggestion near;
	size_t n = 0;

	suggest_begin(&near, str_of(name));
	for (size_t step = 0; step < STEP_COUNT; step++)
		for (size_t i = 0; i < rules->n[step]; i++) {
			const struct rule *r = rules->rule[step][i];

			if (is_headed(r))
				suggest(&near, r->shown.id);
			if (r->head || !str_eq(r->shown.id, str_of(name)))
				continue;
			there = r;
			if (is_headed(r) && n++ == 0)
				x->rule = r;
		}
	if (n == 1)
		return true;
	if (n > 1)
		cli_fail(x->cli,
		    "%zu observed rules stand on that line: write them on lines of their own", n);
	else if (there && rules->observe)
		cli_fail(x->cli,
		    "%s is observed by `mode observe`, as all rules are: take that line away to enforce them",
		    ESC(str_of(name)));
	else if (there)
		cli_fail(x->cli, "%s is enforced already", ESC(str_of(name)));
	else
		cli_fail(x->cli, "there is no rule %s%s%.*s%s", ESC(str_of(name)),
		    near.best.n ? "; did you mean " : "", STR_ARG(near.best),
		    near.best.n ? "?" : "");
	return false;
}

/* The word, with the blanks behind it, in the text of its file. */
static void
find_word(struct errand *x)
{
	const struct source *source = x->rule->at.source;
	struct str rest;

	x->text = source->text;
	x->at = (size_t)(x->rule->at.text.p - x->text.p);
	x->n = strlen(WORD);
	for (rest = str_sub(x->text, x->at + x->n, x->text.n);
	     rest.n > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t'); rest = str_sub(rest, 1, rest.n))
		x->n++;
}

/* --- the file ------------------------------------------------------------------------------------ */

static struct str
without(const struct errand *x, struct arena *arena)
{
	return arena_printf(arena, "%.*s%.*s", (int)x->at, x->text.p,
	    (int)(x->text.n - x->at - x->n), x->text.p + x->at + x->n);
}

static bool
write_all(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = str_sub(text, (size_t)n, text.n);
	}
	return true;
}

/* Its owner and mode are those of the file before. */
static bool
write_beside(const char *path, const char *beside, struct str text)
{
	struct stat st;
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = stat(path, &st) == 0 && (geteuid() != 0 || fchown(fd, st.st_uid, st.st_gid) == 0) &&
	    fchmod(fd, st.st_mode & 07777) == 0 && write_all(fd, text) && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	return ok;
}

static bool
replace(struct errand *x, struct str text)
{
	struct arena *arena = arena_new(1 << 16);
	size_t slash = str_rfind(str_of(x->path), '/');
	const char *beside =
	    arena_printf(arena, "%.*s/.%s.new", (int)slash, x->path, x->path + slash + 1).p;
	bool ok = write_beside(x->path, beside, text) && rename(beside, x->path) == 0;
	int error = errno;

	if (!ok && error != EEXIST)
		(void)unlink(beside);
	if (!ok && error == EEXIST)
		cli_fail(x->cli, "%s is there already: somebody else is at it, or was; remove it",
		    beside);
	else if (!ok)
		cli_fail(
		    x->cli, "%s cannot be replaced: %s", ESC(str_of(x->path)), strerror(error));
	arena_free(&arena);
	return ok;
}

/* --- the command --------------------------------------------------------------------------------- */

static bool
tell(struct errand *x)
{
	struct observed_question q = { .rule = x->rule->shown.id, .most = SHOWN };
	struct journal *journal = cli_journal(x->cli);
	int64_t n;
	bool ok;

	if (journal == NULL)
		return false;
	q.span.until_ms = clock_wall_ms() + 1;
	q.span.since_ms = q.span.until_ms - DAYS * INT64_C(86400000);
	ok = observed_print(x->cli, journal, &q, &n);
	journal_close(&journal);
	if (ok && n == 0 && !x->cli->json)
		fprintf(x->cli->out, "%s would have refused nothing in the past %d days\n",
		    ESC(x->rule->shown.id), DAYS);
	return ok;
}

static int
promote(struct errand *x)
{
	struct arena *arena = arena_new(8 << 20);
	struct str text = without(x, arena);
	struct config_instead instead = { x->path, text };
	struct config *config = cli_config_instead(x->cli, x->cli->config, &instead);
	int code = CLI_ERROR;

	if (config == NULL)
		cli_fail(x->cli, "so nothing was changed");
	else if (x->options.dry_run)
		code = CLI_FOUND;
	else if ((x->options.yes || cli_confirm(x->cli, "enforce it?")) && replace(x, text))
		code = CLI_FOUND;
	if (code == CLI_FOUND && !x->options.dry_run && !x->cli->json)
		fprintf(x->cli->out,
		    "%s is enforced once posternd has read it: systemctl reload posternd, or SIGHUP\n",
		    ESC(x->rule->shown.id));
	if (config)
		config_release(&config);
	arena_free(&arena);
	return code;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct errand x = { .cli = cli };
	int n, code = CLI_ERROR;

	if (!cli_options(cli, &command_promote, &x.options, argv, &n))
		return cli->code;
	if (n != 1)
		return cli_fail(cli,
		    "promote takes one rule, as postern.conf:12; see `postern promote --help`");
	x.config = cli_config(cli, cli->config);
	if (x.config == NULL)
		return CLI_ERROR;
	if (find(&x, argv[0])) {
		find_word(&x);
		x.path = realpath(x.rule->at.source->file, NULL);
		if (x.path == NULL)
			cli_fail(
			    cli, "%s: %s", ESC(str_of(x.rule->at.source->file)), strerror(errno));
		else if (tell(&x))
			code = promote(&x);
	}
	free(x.path);
	config_release(&x.config);
	return code;
}

static const struct cli_option rows[] = {
	{ "dry-run", OPTION_SWITCH, offsetof(struct options, dry_run), NULL,
	    "only tells the numbers, and whether the configuration would be right" },
	{ "yes", OPTION_SWITCH, offsetof(struct options, yes), NULL, "does it without asking" },
};

const struct command command_promote = {
	.name = "promote",
	.arguments = "RULE",
	.summary = "enforce a rule that was only observed",
	.help =
	    "Tells what the rule (postern.conf:12) would have refused in the past 30 days, with likely false\n"
	    "alarms, as `postern stats --observed` does. Then it takes the word `observe` away from the\n"
	    "file and changes nothing else; the configuration is checked before. posternd reads it when\n"
	    "it is told to reload.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
