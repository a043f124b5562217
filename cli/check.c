#include "base/escape.h"
#include "cli/check_cost.h"
#include "cli/check_hits.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "rules/ruleset.h"

#define JSON_LIMIT (16 << 20)

struct options {
	bool strict;
	const char *since;
};

/* What is told of one file. */
struct checking {
	const char *path;
	struct complaints complaints;
	struct config *config;   /* NULL: it cannot be used */
	struct check_hits *hits; /* NULL: not asked for */
};

static size_t
warnings(const struct complaints *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->item[i].warning;
	return n;
}

static int
code_of(const struct config *config, const struct complaints *c, const struct options *o)
{
	if (config == NULL)
		return CLI_ERROR;
	return o->strict && warnings(c) > 0 ? CLI_NOTHING : CLI_FOUND;
}

/* --- for a person ----------------------------------------------------------------------------------- */

static void
print_config(struct cli *cli, const struct config *c, size_t warned)
{
	fprintf(cli->out, "%s is fine: %zu rules, revision %s", ESC(str_of(c->path)),
	    ruleset_length(c->ruleset), c->revision);
	if (warned > 0)
		fprintf(cli->out, "; %zu warning%s", warned, warned == 1 ? "" : "s");
	fputc('\n', cli->out);
}

static void
print_cost(struct cli *cli, const struct config *config)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct cost_report report;

	cost_report(arena, config, &report);
	check_cost_print(cli, &report);
	arena_free(&arena);
}

/* --- for a program ---------------------------------------------------------------------------------- */

static void
json_complaint(struct buf *b, const struct complaint *c)
{
	buf_add(b, STR("{\"file\":"));
	escape_json(b, str_of(c->file));
	buf_printf(b, ",\"line\":%u,\"column\":%u,\"severity\":\"%s\"", c->line, c->column,
	    c->warning ? "warning" : "error");
	print_member(b, "lint", str_of(c->lint ? c->lint : ""));
	print_member(b, "text", str_of(c->text));
	print_member(b, "mend", str_of(c->mend));
	buf_addc(b, '}');
}

static void
json_cost(struct buf *b, const struct config *config)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct cost_report report;

	cost_report(arena, config, &report);
	check_cost_json(b, &report);
	arena_free(&arena);
}

/* One object, whether the file is usable or not. */
static void
json_all(struct cli *cli, const struct checking *k)
{
	const struct complaints *c = &k->complaints;
	struct buf b;

	buf_init(&b, JSON_LIMIT);
	buf_add(&b, STR("{\"file\":"));
	escape_json(&b, str_of(k->path));
	buf_printf(&b, ",\"ok\":%s", k->config ? "true" : "false");
	if (k->config)
		buf_printf(&b, ",\"rules\":%zu,\"revision\":\"%s\"",
		    ruleset_length(k->config->ruleset), k->config->revision);
	buf_printf(&b, ",\"errors\":%zu,\"warnings\":%zu,\"complaints\":[", c->errors, warnings(c));
	for (size_t i = 0; i < c->n; i++) {
		if (i > 0)
			buf_addc(&b, ',');
		json_complaint(&b, &c->item[i]);
	}
	buf_addc(&b, ']');
	if (k->config)
		json_cost(&b, k->config);
	if (k->hits)
		check_hits_json(&b, k->hits);
	buf_add(&b, STR("}\n"));
	fwrite(b.p, 1, b.n, cli->out);
	buf_free(&b);
}

/* --- the subcommand --------------------------------------------------------------------------------- */

static void
print_all(struct cli *cli, const struct checking *k)
{
	cli_complaints(cli, &k->complaints);
	if (k->config == NULL)
		return;
	print_config(cli, k->config, warnings(&k->complaints));
	if (k->hits)
		check_hits_print(cli, k->hits);
	else
		print_cost(cli, k->config);
}

/* False: the journal cannot be read, and that was said. */
static bool
count_hits(struct cli *cli, struct checking *k, const struct options *o)
{
	int64_t since_ms;

	if (o->since == NULL || k->config == NULL)
		return true;
	if (cli_time(cli, "since", o->since, &since_ms))
		k->hits = check_hits_read(cli, k->config, since_ms);
	return k->hits != NULL;
}

static int
check(struct cli *cli, struct checking *k, const struct options *o)
{
	int code = CLI_ERROR;

	k->config = cli_config_linted(k->path, &k->complaints);
	if (count_hits(cli, k, o)) {
		(cli->json ? json_all : print_all)(cli, k);
		code = code_of(k->config, &k->complaints, o);
	}
	if (k->hits)
		check_hits_free(&k->hits);
	complaints_free(&k->complaints);
	if (k->config)
		config_release(&k->config);
	return code;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct checking k = { 0 };
	struct options o = { 0 };
	int n;

	if (!cli_options(cli, &command_check, &o, argv, &n))
		return cli->code;
	if (n > 1)
		return cli_fail(cli, "check takes one file; see `postern check --help`");
	k.path = n == 1 ? argv[0] : cli->config;
	return check(cli, &k, &o);
}

static const struct cli_option rows[] = {
	{ "since", OPTION_TEXT, offsetof(struct options, since), "TIME",
	    "how often each rule is hit by the journal's mail from then on, such as 7d" },
	{ "strict", OPTION_SWITCH, offsetof(struct options, strict), NULL,
	    "end with 1 if there is a warning" },
};

const struct command command_check = {
	.name = "check",
	.arguments = "[FILE]",
	.summary = "is this configuration right, and what does it cost?",
	.help =
	    "Reads a configuration whole, as posternd would at its start, and tells all that is wrong with\n"
	    "it, with line and column and what would be right. It warns of what is right and hardly meant:\n"
	    "conditions that are always or never true, rules that another one always comes before, questions\n"
	    "that need not be asked of everybody, and what nothing uses. It tells how many questions to DNS\n"
	    "and store each step can cause; with --since, how often each rule would have been tried and hit\n"
	    "by the mail of the past, from the journal alone. Nothing is changed.\n"
	    "Ends with 0 if it can be used, 2 if not.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
