/*
 * quota: how much of a plan is used, and when it will be used up; sets other limits for a while, and begins counts
 * anew. Reads and writes the store beside a running posternd; each change is an entry of the journal.
 */
#include "cli/quota.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/propose.h"
#include "cli/pseudonyms.h"
#include "cli/when.h"
#include "rules/complaint.h"

#define ARENA_LIMIT (1 << 20)
#define TEN_YEARS (3650LL * 86400)
#define LIMIT_MAX 1000000000

static const char *const window_words[PLAN_WINDOWS] = { "minute", "hour", "day", "burst" };

/* --- changing ----------------------------------------------------------------------------------- */

static bool
journal_change(struct quota *x, struct str text)
{
	struct journal_record record = {
		.time_ms = x->now_ms,
		.front = "postern",
		.step = "quota",
		.verdict = "change",
		.account = str_eq(x->kind, STR("account")) ? x->name : STR(""),
		.client_ip = str_eq(x->kind, STR("client")) ? x->name : STR(""),
		.recipients = STR("[]"),
		.facts = STR("{}"),
		.trace = STR("[]"),
		.answers = STR("[]"),
		.rule = STR("command: quota"),
		.text = text,
	};

	return pseudonyms_journal(x->cli, &record);
}

/* In the journal first: what is not there has not been done. */
static int
change(struct quota *x, struct str text, const struct take_question *messages,
    const struct take_question *recipients)
{
	struct answer a;

	if (!journal_change(x, text))
		return CLI_ERROR;
	if ((messages && !quota_ask(x, PLAN_MESSAGES, *messages, &a)) ||
	    (recipients && !quota_ask(x, PLAN_RECIPIENTS, *recipients, &a)))
		return CLI_ERROR;
	if (!x->cli->json)
		fprintf(x->cli->out, "%s\n", ESC(text));
	return quota_show(x);
}

static bool
read_until(struct quota *x, int64_t *seconds)
{
	int64_t ms;

	*seconds = TEN_YEARS;
	if (x->options.until == NULL)
		return true;
	if (!cli_time(x->cli, "until", x->options.until, &ms))
		return false;
	*seconds = (ms - x->now_ms + 999) / 1000;
	if (*seconds > 0)
		return true;
	cli_fail(x->cli, "--until: that is no time to come");
	return false;
}

static size_t
word_index(const char *word, const char *const *words, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(word, words[i]) != 0)
		i++;
	return i;
}

/* A change of limits: into the questions of both counters. */
struct change {
	struct take_question q[2];
	bool given[2];
	bool raise; /* what is said comes on top of what is in force */
};

/* 2000 messages per day: four words. */
static bool
read_limit(struct quota *x, char **word, struct change *c)
{
	size_t what = word_index(word[1], quota_what, 2);
	size_t window = word_index(word[3], window_words, PLAN_WINDOWS);
	uint64_t most;

	if (what == 2 || window == PLAN_WINDOWS || strcmp(word[2], "per") != 0 ||
	    !str_to_u64(str_of(word[0]), LIMIT_MAX, &most) || most == 0) {
		cli_fail(x->cli, "a limit is written 2000 messages per day, not %s %s %s %s",
		    ESC(str_of(word[0])), ESC(str_of(word[1])), ESC(str_of(word[2])),
		    ESC(str_of(word[3])));
		return false;
	}
	struct take_limits *limit = &c->q[what].limit;
	int64_t *const place[PLAN_WINDOWS] = { &limit->minute, &limit->hour, &limit->day,
		&limit->burst };

	if (c->raise && *place[window] == 0) {
		cli_fail(x->cli, "%s has no limit of %s per %s, so there is none to raise",
		    ESC(x->who), word[1], word[3]);
		return false;
	}
	*place[window] = (c->raise ? *place[window] : 0) + (int64_t)most;
	c->given[what] = true;
	return true;
}

/* What is not said stays: as the plan has it, or, of what is raised, as it is now. */
static bool
begin_change(struct quota *x, int64_t seconds, struct change *c)
{
	struct answer now;

	for (int what = 0; what < 2; what++) {
		c->q[what] = (struct take_question){
			.what = TAKE_LOOK, .lasts = seconds, .limit = quota_limits(x, what)
		};
		if (c->raise) {
			if (!quota_ask(x, what, c->q[what], &now))
				return false;
			c->q[what].limit = now.take.limit;
		}
		c->q[what].what = TAKE_ALLOW;
	}
	return true;
}

static int
set(struct quota *x, bool raise, char **argv, int n)
{
	struct change c = { .raise = raise };
	char when[WHEN_SIZE];
	struct buf text;
	int64_t seconds;
	int code;

	if (x->plan == NULL)
		return cli_fail(
		    x->cli, "%s has no plan, so there are no limits to set", ESC(x->who));
	if (n == 0 || n % 4 != 0)
		return cli_fail(x->cli, "quota %s: which limit? As in 2000 messages per day",
		    raise ? "raise" : "set");
	if (raise && x->options.until == NULL)
		return cli_fail(x->cli, "quota raise: until when? As in --until 2026-12-31");
	if (!read_until(x, &seconds) || !begin_change(x, seconds, &c))
		return CLI_ERROR;
	buf_init(&text, 1000);
	buf_printf(&text, "%.*s:", STR_ARG(x->who));
	for (int i = 0; i < n; i++)
		buf_printf(&text, " %s%s", argv[i], raise && i % 4 == 0 ? " more" : "");
	if (x->options.until)
		buf_printf(&text, " until %s", when_local(x->now_ms + seconds * 1000, when));
	for (int i = 0; i < n; i += 4)
		if (!read_limit(x, argv + i, &c)) {
			buf_free(&text);
			return CLI_ERROR;
		}
	code = change(x, buf_str(&text), c.given[0] ? &c.q[0] : NULL, c.given[1] ? &c.q[1] : NULL);
	buf_free(&text);
	return code;
}

static int
both(struct quota *x, enum take_what what, const char *text)
{
	struct take_question q = { .what = what };

	return change(x, arena_printf(x->arena, "%.*s: %s", STR_ARG(x->who), text), &q, &q);
}

static int
propose(struct quota *x)
{
	struct propose p = { .who = x->who };

	if (str_eq(x->kind, STR("upstream")))
		return cli_fail(x->cli, "the journal does not tell what went out by an upstream");
	if (!cli_time(x->cli, "since", x->options.since ? x->options.since : "30d", &p.since_ms))
		return CLI_ERROR;
	if (str_eq(x->kind, STR("client")))
		p.client = x->name;
	else
		p.account = x->name;
	return propose_limits(x->cli, &p);
}

/* --- the subcommand ----------------------------------------------------------------------------- */

static int
act(struct quota *x, const char *action, char **argv, int n)
{
	if (strcmp(action, "set") == 0 || strcmp(action, "raise") == 0)
		return set(x, action[0] == 'r', argv, n);
	if (n > 0)
		return cli_fail(x->cli, "quota %s takes one: whom?", action);
	if (strcmp(action, "show") == 0)
		return quota_show(x);
	if (strcmp(action, "propose") == 0)
		return propose(x);
	if (strcmp(action, "unset") == 0)
		return both(x, TAKE_ALLOW, "the limits of the plan");
	return both(x, TAKE_RESET, "nothing is used");
}

/* An upstream has to be one of the configuration; accounts may be called anything. */
static bool
is_there(struct quota *x)
{
	const struct plans *plans = &x->config->plans;
	struct suggestion s;

	if (!str_eq(x->kind, STR("upstream")) || x->plan)
		return true;
	suggest_begin(&s, x->name);
	for (size_t i = 0; i < plans->n; i++)
		if (plans->plan[i].upstream)
			suggest(&s, plans->plan[i].name);
	cli_fail(x->cli, "there is no upstream \"%s\" in the configuration%s%s", ESC(x->name),
	    s.best.n > 0 ? "; did you mean upstream:" : "", ESC(s.best));
	return false;
}

/* Those that change nothing come first. */
enum { SHOW, LIST, PROPOSE };

static int
run(struct cli *cli, int argc, char **argv)
{
	static const char *const actions[] = { "show", "list", "propose", "set", "raise", "unset",
		"reset" };
	const int n_actions = sizeof(actions) / sizeof(actions[0]);
	struct quota x = { .cli = cli, .now_ms = clock_wall_ms() };
	int n, code = CLI_ERROR, i;

	if (!cli_options(cli, &command_quota, &x.options, argv, &n))
		return cli->code;
	/* Without a word: all of them. */
	i = n > 0 ? (int)word_index(argv[0], actions, (size_t)n_actions) : LIST;
	if (i == n_actions || (i == LIST ? n > 1 : n < 2 && i != PROPOSE))
		return cli_fail(cli,
		    "quota takes list, or show, propose, set, raise, unset or reset, and whom; see "
		    "`postern quota --help`");
	x.arena = arena_new(ARENA_LIMIT);
	x.config = cli_config(cli, cli->config);
	if (x.config && cli_store_open(cli, i <= PROPOSE, &x.at)) {
		if (n > 1)
			quota_take_who(&x, str_of(argv[1]));
		code = n > 1 && !is_there(&x) ? CLI_ERROR
		    : i == LIST               ? quota_list(&x)
				: act(&x, actions[i], argv + (n > 1 ? 2 : 1), n > 1 ? n - 2 : 0);
	}
	cli_store_close(&x.at);
	if (x.config)
		config_release(&x.config);
	arena_free(&x.arena);
	return code;
}

static const struct cli_option rows[] = {
	{ "since", OPTION_TEXT, offsetof(struct quota_options, since), "TIME",
	    "propose: from then on; default: 30d" },
	{ "until", OPTION_TEXT, offsetof(struct quota_options, until), "TIME",
	    "set, raise: until then, as 2026-12-31; set: default: for good" },
};

const struct command command_quota = {
	.name = "quota",
	.arguments = "[list] | show WHO | propose [WHO] | set|raise WHO N messages|recipients per "
		     "minute|hour|day|burst... | unset WHO | reset WHO",
	.summary = "how much of a plan is used, and other limits for a while",
	.help =
	    "WHO is an account, the address of a client, or upstream:NAME. list, or no word at\n"
	    "all, tells of every account that sent lately, and of every upstream, the plan and\n"
	    "the limit that is nearest. show tells what is used of all limits, when there is\n"
	    "room again, and when a limit is reached at the present rate.\n"
	    "propose tells limits that the past suggests, of WHO or of each account, and what each\n"
	    "would have stopped.\n"
	    "set gives other limits than the plan's, raise adds to those in force until a date,\n"
	    "unset gives back the plan's, reset begins the counts anew. Each change is an entry of the journal.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
