#include "base/escape.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/story.h"
#include "db/journal_config.h"
#include "rules/record.h"

struct telling {
	struct cli *cli;
	struct journal *journal;
	bool found;
};

static bool
tell(void *owner, const struct journal_record *r)
{
	struct telling *t = owner;
	struct arena *arena = arena_new(1 << 20);
	struct journal_record whole = *r;
	struct str configuration;

	t->found = true;
	/* Without it the rules that were tried have no names; the rest can be told all the same. */
	journal_configuration(t->journal, arena, r->config, &configuration, NULL);
	whole.trace = record_expand(arena, configuration, r->facts, r->trace);
	if (t->cli->json) {
		print_record_json(t->cli, &whole, true);
	} else {
		story_head(t->cli, &whole);
		story_rules(t->cli, &whole);
		story_facts(t->cli, &whole);
		story_answers(t->cli, &whole);
	}
	arena_free(&arena);
	return true;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct telling t = { cli };
	struct journal *journal;
	struct err e;
	bool ok;
	int n;

	if (!cli_options(cli, &command_why, NULL, argv, &n))
		return cli->code;
	if (n != 1)
		return cli_fail(cli, "why takes one id; see `postern why --help`");
	journal = cli_journal(cli);
	if (journal == NULL)
		return CLI_ERROR;
	t.journal = journal;
	ok = journal_read(journal, &(struct journal_filter){ .id = str_of(argv[0]) }, tell, &t, &e);
	journal_close(&journal);
	if (!ok)
		return cli_fail(cli, "%s", e.text);
	if (!t.found)
		cli_fail(cli,
		    "no entry \"%s\" in the journal (entries are removed after some time)",
		    ESC(str_of(argv[0])));
	return t.found ? CLI_FOUND : CLI_NOTHING;
}

const struct command command_why = {
	.name = "why",
	.arguments = "ID",
	.summary = "the whole story of one entry: rules, facts, answers",
	.help =
	    "Tells how the verdict with this id came about. The id stands at the end of the reply that\n"
	    "the client got, and in `postern log`. For each rule: whether it was true, and the facts\n"
	    "it asked for with the time each took to compute; then all facts, and what DNS\n"
	    "and store answered with the time that took. The rule that decided is marked with \">\".\n",
	.run = run,
};
