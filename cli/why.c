#include <unistd.h>

#include "base/escape.h"
#include "cli/cli.h"
#include "cli/entry_id.h"
#include "cli/for_sender.h"
#include "cli/print.h"
#include "cli/story.h"
#include "db/journal_config.h"
#include "rules/record.h"

struct options {
	bool for_sender;
};

struct telling {
	struct cli *cli;
	struct journal *journal;
	const struct options *options;
	struct config *config; /* today's; NULL: it cannot be used */
	bool found;            /* the entry that was asked for last */
	int code;              /* of what there was to be told of it */
	bool told;             /* one was, before */
};

/* Whoever wants to read an entry need not have a configuration; one that is broken is told of by others. */
static struct config *
todays_config(struct cli *cli)
{
	return access(cli->config, R_OK) == 0 ? cli_config_quiet(cli, cli->config) : NULL;
}

static void
tell_json(const struct tale *t)
{
	const struct explanation *about = tale_explanation(t);
	struct tale_stage stage[TALE_STAGES];
	size_t n = tale_stages(t, stage);
	struct buf b;

	buf_init(&b, 64 << 20);
	print_record_open(&b, t->r);
	if (about) {
		print_member(&b, "meaning", str_of(about->meaning));
		print_member(&b, "sender_remedy", str_of(about->sender));
		print_member(&b, "admin_remedy", str_of(about->admin));
	}
	buf_add(&b, STR(",\"changes\":"));
	story_changes_json(t, &b);
	story_searched_json(t, &b);
	buf_add(&b, STR(",\"stages\":["));
	for (size_t i = 0; i < n; i++) {
		buf_add(&b, i > 0 ? STR(",{\"stage\":") : STR("{\"stage\":"));
		escape_json(&b, stage[i].name);
		buf_printf(&b, ",\"us\":%lld,\"questions\":%lld,\"longest_us\":%lld}",
		    (long long)stage[i].us, (long long)stage[i].questions,
		    (long long)stage[i].waited_us);
	}
	buf_add(&b, STR("]}\n"));
	fwrite(b.p, 1, b.n, t->cli->out);
	buf_free(&b);
}

static void
tell_story(const struct tale *t)
{
	story_head(t);
	story_changes(t);
	story_meaning(t);
	story_rules(t);
	story_facts(t);
	story_answers(t);
	story_stages(t);
}

static int
not_mail(struct cli *cli, const char *id)
{
	cli_fail(cli, "%s is no mail but a change by an administrator", id);
	return CLI_NOTHING;
}

static bool
tell(void *owner, const struct journal_record *r)
{
	struct telling *telling = owner;
	struct arena *arena = arena_new(4 << 20);
	struct journal_record whole = *r;
	struct str configuration = STR("");
	struct tale t;

	if (telling->told && !telling->cli->json)
		fputc('\n', telling->cli->out);
	telling->found = telling->told = true;
	telling->code = CLI_FOUND;
	/* Without it the rules that were tried have no names; the rest can be told all the same. */
	journal_configuration(telling->journal, arena, r->config, &configuration, NULL);
	whole.trace = record_expand(arena, configuration, r->facts, r->trace);
	tale_open(&t, telling->cli, &whole);
	tale_changes(&t, telling->config, r, configuration);
	if (telling->options->for_sender && tale_is_command(&t))
		telling->code = not_mail(telling->cli, r->id);
	else if (telling->options->for_sender && telling->cli->json)
		for_sender_json(&t);
	else if (telling->options->for_sender)
		for_sender(&t);
	else if (telling->cli->json)
		tell_json(&t);
	else
		tell_story(&t);
	tale_close(&t);
	arena_free(&arena);
	return true;
}

static int
read_entry(struct telling *t, const char *id)
{
	const struct journal_filter filter = { .id = str_of(id) };
	struct err e;

	t->found = false;
	if (!journal_read(t->journal, &filter, tell, t, &e))
		return cli_fail(t->cli, "%s", e.text);
	if (!t->found)
		cli_fail(t->cli,
		    "no entry \"%s\" in the journal (entries are removed after some time)", id);
	return t->found ? t->code : CLI_NOTHING;
}

static int
read_entries(struct telling *t, char **argv, int n)
{
	bool pasted = false;
	char id[ENTRY_ID_SIZE + 1];
	int code = CLI_FOUND, one;

	for (int i = 0; i < n; i++)
		pasted = pasted || entry_id_within(str_of(argv[i]), id);
	for (int i = 0; i < n && code != CLI_ERROR; i++) {
		struct str text = str_of(argv[i]);

		/* Words around it are those of a reply. */
		if (!entry_id_within(text, id) && pasted)
			continue;
		if (!pasted && !entry_id_alone(text, id))
			return cli_fail(t->cli,
			    "\"%s\" is no id; that is six letters and digits, as in brackets at the end of a reply",
			    ESC(text));
		one = read_entry(t, id);
		code = one > code ? one : code;
	}
	return code;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options options = { 0 };
	struct telling t = { .cli = cli, .options = &options };
	int n, code = CLI_ERROR;

	if (!cli_options(cli, &command_why, &options, argv, &n))
		return cli->code;
	if (n == 0)
		return cli_fail(cli, "why wants an id; see `postern why --help`");
	t.journal = cli_journal(cli);
	if (t.journal) {
		t.config = todays_config(cli);
		code = read_entries(&t, argv, n);
	}
	config_release(&t.config);
	journal_close(&t.journal);
	return code;
}

static const struct cli_option rows[] = {
	{ "for-sender", OPTION_SWITCH, offsetof(struct options, for_sender), NULL,
	    "in words that can be sent to the one who complains" },
};

const struct command command_why = {
	.name = "why",
	.arguments = "ID ...",
	.summary = "the whole story of one entry: rules, facts, answers",
	.help =
	    "Tells how the verdict with this id came about. The id stands at the end of the reply that\n"
	    "the client got, and in `postern log`; the whole reply can be given as well. First in a\n"
	    "sentence; then what would have let it pass, as found by trying it with the rules of the\n"
	    "configuration; what the reply means; each rule that was tried, with the facts it asked\n"
	    "for and the time each took to compute; all facts; what DNS and store answered; and the\n"
	    "time of each stage. The rule that decided is marked with \">\".\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
