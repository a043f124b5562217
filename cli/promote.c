/*
 * promote: makes a rule that is only observed one that is enforced: tells what it would have refused, and takes the one word
 * away from the file it stands in; nothing else of it changes. The configuration is checked as it will be, before it is. And
 * demote: the way back, which tells what the rule did refuse, and puts the word in front of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/observed.h"
#include "cli/print.h"
#include "cli/rewrite.h"
#include "cli/stood.h"
#include "rules/complaint.h"
#include "rules/load.h"
#include "rules/rule.h"

#define WORD "observe"
#define DAYS 30
#define SHOWN 10

struct options {
	bool yes, dry_run;
};

/* What the two directions have of their own. */
struct direction {
	const struct command *command;
	bool observed;       /* the rules that can be taken are */
	const char *kind;    /* of these rules */
	const char *already; /* of the others */
	const char *insert;  /* in front of the rule, in the place of the word if it is there */
	const char *nothing; /* was done by the rule in these days */
	const char *question;
	const char *done;
};

static const struct direction upward = {
	.command = &command_promote,
	.observed = true,
	.kind = "observed",
	.already = "enforced already",
	.insert = "",
	.nothing = "would have refused nothing",
	.question = "enforce it?",
	.done = "enforced",
};
static const struct direction downward = {
	.command = &command_demote,
	.observed = false,
	.kind = "enforced",
	.already = "only observed already",
	.insert = WORD " ",
	.nothing = "refused nothing",
	.question = "only observe it?",
	.done = "only observed",
};

struct errand {
	struct cli *cli;
	const struct direction *to;
	struct options options;
	struct config *config;
	const struct rule *rule;
	char *path;      /* of its file, without links */
	struct str text; /* of that file, as it is */
	size_t at;       /* where the rule begins in it */
	size_t n; /* how long the word is there, with the blanks behind it; 0: it is not there */
};

struct search {
	struct errand *x;
	struct str name; /* as the administrator has it */
	bool is_place;   /* and it is file:line */
	struct str file;
	uint64_t line;
	bool there;                       /* a rule is, if only one that cannot be taken */
	size_t n;                         /* so many can */
	const struct rule *above, *below; /* that can, nearest in that file */
	struct suggestion alike;
};

/* --- which rule ---------------------------------------------------------------------------------- */

/* The blocks' heads are no rules to be changed: each rule has its own word. */
static bool
is_wanted(const struct errand *x, const struct rule *r)
{
	return !r->head && token_is(&r->at, WORD) == x->to->observed;
}

/* "postern.conf:12": file and line; false: it is not written so. */
static bool
split(struct str place, struct str *file, uint64_t *line)
{
	size_t colon = str_rfind(place, ':');

	if (colon == STR_NPOS)
		return false;
	*file = str_sub(place, 0, colon);
	return str_to_u64(str_sub(place, colon + 1, place.n), UINT32_MAX, line);
}

/* A rule that could be taken. */
static void
consider(struct search *s, const struct rule *r)
{
	suggest(&s->alike, r->shown.id);
	if (!s->is_place || !str_eq(r->at.source->name, s->file))
		return;
	if (r->at.line <= s->line && (!s->above || s->above->at.line < r->at.line))
		s->above = r;
	if (r->at.line > s->line && (!s->below || s->below->at.line > r->at.line))
		s->below = r;
}

static void
look(struct search *s)
{
	struct errand *x = s->x;
	const struct ruleset *rules = x->config->ruleset;

	for (size_t step = 0; step < STEP_COUNT; step++)
		for (size_t i = 0; i < rules->n[step]; i++) {
			const struct rule *r = rules->rule[step][i];

			if (is_wanted(x, r))
				consider(s, r);
			if (r->head || !str_eq(r->shown.id, s->name))
				continue;
			s->there = true;
			if (is_wanted(x, r) && s->n++ == 0)
				x->rule = r;
		}
}

/* Behind an error, so that whoever has the number of a line from yesterday finds the rule. */
static void
tell_nearest(const struct search *s)
{
	const struct rule *near[] = { s->above, s->below };
	char shown[160];

	if (s->above || s->below)
		fprintf(s->x->cli->err, "the nearest %s:\n", s->x->to->kind);
	for (size_t i = 0; i < 2; i++)
		if (near[i])
			fprintf(s->x->cli->err, "  %s  %s\n", ESC(near[i]->shown.id),
			    escape_terminal(near[i]->shown.source, shown, sizeof(shown)));
}

static bool
find(struct errand *x, const char *name)
{
	const bool all = x->config->ruleset->observe;
	struct search s = { .x = x, .name = str_of(name) };

	suggest_begin(&s.alike, s.name);
	s.is_place = split(s.name, &s.file, &s.line);
	look(&s);
	if (s.there && all && (s.n == 0 || !x->to->observed)) {
		cli_fail(x->cli,
		    "%s is observed by `mode observe`, as all rules are: take that line away to enforce them",
		    ESC(s.name));
	} else if (s.n == 1) {
		return true;
	} else if (s.n > 1) {
		cli_fail(x->cli,
		    "%zu %s rules stand on that line: write them on lines of their own", s.n,
		    x->to->kind);
	} else if (s.there) {
		cli_fail(x->cli, "%s is %s", ESC(s.name), x->to->already);
		tell_nearest(&s);
	} else if (s.above || s.below) {
		cli_fail(x->cli, "there is no rule %s", ESC(s.name));
		tell_nearest(&s);
	} else {
		cli_fail(x->cli, "there is no rule %s%s%s%s", ESC(s.name),
		    s.alike.best.n ? "; did you mean " : "", ESC(s.alike.best),
		    s.alike.best.n ? "?" : "");
	}
	return false;
}

/* Where it stands; the word, if it is there, with the blanks behind it. */
static bool
locate(struct errand *x)
{
	const struct source *source = x->rule->at.source;
	struct str rest;

	if (source->text.p == default_rules) {
		cli_fail(x->cli,
		    "%s is built in: copy " PKGDATADIR
		    "/default.rules beside the configuration and `include` that",
		    ESC(x->rule->shown.id));
		return false;
	}
	x->text = source->text;
	x->at = (size_t)(x->rule->at.text.p - x->text.p);
	x->n = x->to->observed ? strlen(WORD) : 0;
	for (rest = str_sub(x->text, x->at + x->n, x->text.n);
	     x->n > 0 && rest.n > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t');
	     rest = str_sub(rest, 1, rest.n))
		x->n++;
	x->path = realpath(source->file, NULL);
	if (x->path == NULL)
		cli_fail(x->cli, "%s: %s", ESC(str_of(source->file)), strerror(errno));
	return x->path != NULL;
}

/* --- the file ------------------------------------------------------------------------------------ */

static struct str
edited(const struct errand *x, struct arena *arena)
{
	struct str text;
	struct buf b;

	buf_init(&b, CONFIG_FILE_MAX + 100);
	buf_add(&b, str_sub(x->text, 0, x->at));
	buf_add(&b, str_of(x->to->insert));
	buf_add(&b, str_sub(x->text, x->at + x->n, x->text.n));
	text = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return text;
}

static bool
replace(struct errand *x, struct str text)
{
	const struct rewriting w = { x->text, text };
	struct err e;
	bool ok = rewrite_file(x->path, &w, &e);

	if (!ok)
		cli_fail(x->cli, "%s", e.text);
	return ok;
}

/* --- the command --------------------------------------------------------------------------------- */

/* The rule, and the blocks that it is in: a line's number alone may be one from yesterday. */
static void
print_rule(struct errand *x, const struct rule *r)
{
	struct line line = { x->cli };
	char indent[2 * 16 + 1];

	if (r->outer)
		print_rule(x, r->outer);
	snprintf(indent, sizeof(indent), "%*s", r->depth < 16 ? 2 * r->depth : 32, "");
	line_cell(&line, r->shown.id, 18, r->head ? COLOR_DIM : COLOR_BOLD);
	line_add(&line, indent, COLOR_NONE);
	line_cell(&line, r->shown.source, 0, r->head ? COLOR_DIM : COLOR_NONE);
	line_end(&line);
}

static bool
where_it_stood(struct errand *x, struct journal *journal, struct stood *out)
{
	const struct stood_question q = { x->config, x->rule, x->to->observed };
	struct err e;

	if (stood_find(journal, &q, out, &e))
		return true;
	cli_fail(x->cli, "%s", e.text);
	return false;
}

static bool
tell(struct errand *x)
{
	struct observed_question q = {
		.rule = x->rule->shown.id, .most = SHOWN, .refused = !x->to->observed
	};
	struct journal *journal = cli_journal(x->cli);
	struct stood stood;
	int64_t n;
	bool ok;

	if (!x->cli->json)
		print_rule(x, x->rule);
	if (journal == NULL)
		return false;
	q.span.until_ms = clock_wall_ms() + 1;
	q.span.since_ms = q.span.until_ms - DAYS * INT64_C(86400000);
	ok = where_it_stood(x, journal, &stood);
	q.stood = &stood;
	ok = ok && observed_print(x->cli, journal, &q, &n);
	stood_free(&stood);
	journal_close(&journal);
	if (ok && n == 0 && !x->cli->json)
		fprintf(x->cli->out, "%s %s in the past %d days\n", ESC(x->rule->shown.id),
		    x->to->nothing, DAYS);
	return ok;
}

static int
change(struct errand *x)
{
	struct arena *arena = arena_new(8 << 20);
	struct str text = edited(x, arena);
	struct config_instead instead = { x->path, text };
	struct config *config = cli_config_instead(x->cli, x->cli->config, &instead);
	int code = CLI_ERROR;

	if (config == NULL)
		cli_fail(x->cli, "so nothing was changed");
	else if (x->options.dry_run)
		code = CLI_FOUND;
	else if ((x->options.yes || cli_confirm(x->cli, x->to->question)) && replace(x, text))
		code = CLI_FOUND;
	if (code == CLI_FOUND && !x->options.dry_run && !x->cli->json)
		fprintf(x->cli->out,
		    "%s is %s once posternd has read it%s: systemctl reload posternd, or SIGHUP\n",
		    ESC(x->rule->shown.id), x->to->done,
		    x->config->ruleset->observe ? ", and `mode observe` is gone" : "");
	if (config)
		config_release(&config);
	arena_free(&arena);
	return code;
}

static int
run(struct cli *cli, char **argv, const struct direction *to)
{
	struct errand x = { .cli = cli, .to = to };
	const char *name = to->command->name;
	int n, code = CLI_ERROR;

	if (!cli_options(cli, to->command, &x.options, argv, &n))
		return cli->code;
	if (n != 1)
		return cli_fail(cli,
		    "%s takes one rule, as postern.conf:12; see `postern %s --help`", name, name);
	x.config = cli_config(cli, cli->config);
	if (x.config == NULL)
		return CLI_ERROR;
	if (find(&x, argv[0]) && locate(&x) && tell(&x))
		code = change(&x);
	free(x.path);
	config_release(&x.config);
	return code;
}

static int
run_promote(struct cli *cli, int argc, char **argv)
{
	return run(cli, argv, &upward);
}

static int
run_demote(struct cli *cli, int argc, char **argv)
{
	return run(cli, argv, &downward);
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
	    "Shows the rule (postern.conf:12) and tells what it would have refused in the past 30 days, with\n"
	    "likely false alarms, as `postern stats --observed` does; what another rule did that stood on the\n"
	    "line before, or this one with other blocks around it, or when a name in it stood for something\n"
	    "else, is left out, which is said. Then it takes the word `observe` away from the file and\n"
	    "changes nothing else; the configuration is checked before. posternd reads it when it is told\n"
	    "to reload.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run_promote,
};

const struct command command_demote = {
	.name = "demote",
	.arguments = "RULE",
	.summary = "only observe a rule that was enforced",
	.help =
	    "Shows the rule (postern.conf:12) and tells what it refused in the past 30 days, with likely false\n"
	    "alarms; what another rule did that stood on the line before, or this one with other blocks\n"
	    "around it, or when a name in it stood for something else, is left out, which is said. Then it\n"
	    "puts the word `observe` in front of the rule in its file and changes nothing else; the\n"
	    "configuration is checked before. posternd reads it when it is told to reload.\n"
	    "`postern promote` is the way back.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run_demote,
};
