#include "base/escape.h"
#include "cli/check_cost.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "rules/ruleset.h"

#define JSON_LIMIT (16 << 20)

struct options {
	bool strict;
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
json_all(struct cli *cli, const char *path, const struct config *config, const struct complaints *c)
{
	struct buf b;

	buf_init(&b, JSON_LIMIT);
	buf_add(&b, STR("{\"file\":"));
	escape_json(&b, str_of(path));
	buf_printf(&b, ",\"ok\":%s", config ? "true" : "false");
	if (config)
		buf_printf(&b, ",\"rules\":%zu,\"revision\":\"%s\"",
		    ruleset_length(config->ruleset), config->revision);
	buf_printf(&b, ",\"errors\":%zu,\"warnings\":%zu,\"complaints\":[", c->errors, warnings(c));
	for (size_t i = 0; i < c->n; i++) {
		if (i > 0)
			buf_addc(&b, ',');
		json_complaint(&b, &c->item[i]);
	}
	buf_addc(&b, ']');
	if (config)
		json_cost(&b, config);
	buf_add(&b, STR("}\n"));
	fwrite(b.p, 1, b.n, cli->out);
	buf_free(&b);
}

/* --- the subcommand --------------------------------------------------------------------------------- */

static int
run(struct cli *cli, int argc, char **argv)
{
	struct complaints complaints = { 0 };
	struct options o = { 0 };
	struct config *config;
	const char *path;
	int n, code;

	if (!cli_options(cli, &command_check, &o, argv, &n))
		return cli->code;
	if (n > 1)
		return cli_fail(cli, "check takes one file; see `postern check --help`");
	path = n == 1 ? argv[0] : cli->config;
	config = cli_config_linted(path, &complaints);
	if (cli->json)
		json_all(cli, path, config, &complaints);
	else
		cli_complaints(cli, &complaints);
	if (config && !cli->json) {
		print_config(cli, config, warnings(&complaints));
		print_cost(cli, config);
	}
	code = code_of(config, &complaints, &o);
	complaints_free(&complaints);
	if (config)
		config_release(&config);
	return code;
}

static const struct cli_option rows[] = {
	{ "strict", OPTION_SWITCH, offsetof(struct options, strict), NULL,
	    "end with 1 if there is a warning" },
};

const struct command command_check = {
	.name = "check",
	.arguments = "[FILE]",
	.summary = "is this configuration right?",
	.help =
	    "Reads a configuration whole, as posternd would at its start, and tells all that is wrong with\n"
	    "it, with line and column and what would be right. It warns of what is right and hardly meant:\n"
	    "conditions that are always or never true, rules that another one always comes before, questions\n"
	    "that need not be asked of everybody, and what nothing uses. Nothing is opened or changed.\n"
	    "Ends with 0 if it can be used, 2 if not.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
