#include "base/escape.h"
#include "cli/cli.h"
#include "rules/ruleset.h"

static void
print_config(struct cli *cli, const struct config *c)
{
	struct buf b;

	if (!cli->json) {
		fprintf(cli->out, "%s is fine: %zu rules, revision %s\n", ESC(str_of(c->path)),
		    ruleset_length(c->ruleset), c->revision);
		return;
	}
	buf_init(&b, 1 << 16);
	escape_json(&b, str_of(c->path));
	fprintf(cli->out, "{\"file\":%s,\"ok\":true,\"rules\":%zu,\"revision\":\"%s\"}\n", b.p,
	    ruleset_length(c->ruleset), c->revision);
	buf_free(&b);
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct config *config;
	int n;

	if (!cli_options(cli, &command_check, NULL, argv, &n))
		return cli->code;
	if (n > 1)
		return cli_fail(cli, "check takes one file; see `postern check --help`");
	config = cli_config_linted(cli, n == 1 ? argv[0] : cli->config);
	if (config == NULL)
		return CLI_ERROR;
	print_config(cli, config);
	config_release(&config);
	return CLI_FOUND;
}

const struct command command_check = {
	.name = "check",
	.arguments = "[FILE]",
	.summary = "is this configuration right?",
	.help =
	    "Reads a configuration whole, as posternd would at its start, and tells all that is wrong with\n"
	    "it, with line and column and what would be right. It warns of what is right and hardly meant:\n"
	    "conditions that are always or never true, rules that another one always comes before, questions\n"
	    "that need not be asked of everybody, and what nothing uses. Nothing is opened or changed.\n",
	.run = run,
};
