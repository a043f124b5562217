/*
 * quota: how much of a plan is used, and when it will be used up; sets other limits for a while, and begins counts
 * anew. Reads and writes the store beside a running posternd; each change is an entry of the journal.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/propose.h"
#include "cli/when.h"
#include "db/store_sqlite.h"
#include "filters/key.h"

#define ARENA_LIMIT (1 << 20)
#define TEN_YEARS (3650LL * 86400)
#define LIMIT_MAX 1000000000
#define WINDOWS 3
#define N_ACTIONS 5

static const char *const what_words[] = { "messages", "recipients" };
static const char *const window_words[WINDOWS] = { "minute", "hour", "day" };

struct options {
	const char *until, *since;
};

struct errand {
	struct cli *cli;
	struct arena *arena;
	struct config *config; /* NULL: there is none */
	struct store *store;
	int64_t now_ms;
	struct options options;
	struct str who;          /* as given */
	struct str kind, name;   /* "account", "alice": as in the keys of the store */
	const struct plan *plan; /* NULL: none */
};

/* --- who ---------------------------------------------------------------------------------------- */

static void
take_who(struct errand *x, const char *text)
{
	static const struct plans no_plans;
	const struct plans *plans = x->config ? &x->config->plans : &no_plans;
	struct ip ip;

	x->who = str_of(text);
	if (str_starts(x->who, STR("upstream:"))) {
		x->kind = STR("upstream");
		x->name = str_sub(x->who, 9, x->who.n);
		x->plan = plan_upstream(plans, x->name);
	} else if (ip_parse(x->who, &ip)) {
		x->kind = STR("client");
		x->name = arena_dup(x->arena, str_of(IP_TEXT(&ip)));
		x->plan = plan_of(plans, STR(""), &ip);
	} else {
		x->kind = STR("account");
		x->name = arena_lower(x->arena, x->who);
		x->plan = plan_of(plans, x->who, NULL);
	}
}

static struct take_limits
plan_limits(const struct plan *plan, enum plan_what what)
{
	struct take_limits limits = { 0 };
	int64_t *const place[WINDOWS] = { &limits.minute, &limits.hour, &limits.day };

	for (size_t i = 0; plan && i < plan->n_limits; i++)
		if (plan->limit[i].what == what)
			*place[plan->limit[i].window] = plan->limit[i].most;
	return limits;
}

/* --- asking the store --------------------------------------------------------------------------- */

static bool
ask(struct errand *x, enum plan_what what, struct take_question take, struct answer *out)
{
	struct store_ask one;
	struct err e;

	*out = (struct answer){ .question = { .kind = QUESTION_TAKE,
				    .name = key_bound(x->arena,
					arena_printf(x->arena, "rate:%s:%.*s:%.*s",
					    what_words[what], STR_ARG(x->kind), STR_ARG(x->name))),
				    .add = take.what == TAKE_LOOK,
				    .take = take } };
	one = (struct store_ask){ .question = &out->question, .answer = out };
	if (store_sqlite.ask(x->store, &one, 1, x->now_ms, &e))
		return true;
	cli_fail(x->cli, "%s", e.text);
	return false;
}

/* --- showing ------------------------------------------------------------------------------------ */

/* One limit, and how it is used. */
struct use {
	const char *what, *window;
	int64_t used, limit; /* limit 0: none */
	int64_t reached_ms;  /* at the rate of the shorter window; 0: not within its own */
	int64_t free_ms;     /* used up: until then, at most; 0: it is not */
	int64_t until_ms;    /* the limit was set until then; 0: it is the plan's */
};

static void
print_use(struct errand *x, const struct use *u)
{
	struct line line = { x->cli };
	char text[200], when[WHEN_SIZE];

	if (u->limit == 0)
		snprintf(text, sizeof(text), "  %" PRId64 " %s in the last %s", u->used, u->what,
		    u->window);
	else
		snprintf(text, sizeof(text),
		    "  %" PRId64 " of %" PRId64 " %s per %s used, %" PRId64 "%%", u->used, u->limit,
		    u->what, u->window, (int64_t)((double)u->used * 100 / (double)u->limit));
	line_add(&line, text, u->free_ms ? COLOR_RED : COLOR_NONE);
	if (u->free_ms) {
		line_add(&line, "; there is room again at ", COLOR_NONE);
		line_add(&line, when_local(u->free_ms, when), COLOR_NONE);
	}
	if (u->reached_ms) {
		line_add(&line, "; at this rate you reach it at ", COLOR_NONE);
		line_add(&line, when_local(u->reached_ms, when), COLOR_NONE);
	}
	if (u->until_ms) {
		line_add(&line, "; set until ", COLOR_NONE);
		line_add(&line, when_local(u->until_ms, when), COLOR_NONE);
	}
	line_end(&line);
}

static void
json_moment(struct buf *b, const char *name, int64_t ms)
{
	char when[WHEN_SIZE];

	if (ms)
		buf_printf(b, ",\"%s\":\"%s\"", name, when_utc(ms, when));
	else
		buf_printf(b, ",\"%s\":null", name);
}

static void
json_use(struct buf *b, const struct use *u)
{
	if (b->n > 0 && b->p[b->n - 1] == '}')
		buf_addc(b, ',');
	buf_printf(
	    b, "{\"what\":\"%s\",\"per\":\"%s\",\"used\":%" PRId64, u->what, u->window, u->used);
	if (u->limit)
		buf_printf(b, ",\"limit\":%" PRId64, u->limit);
	else
		buf_add(b, STR(",\"limit\":null"));
	json_moment(b, "free", u->free_ms);
	json_moment(b, "reached", u->reached_ms);
	json_moment(b, "set_until", u->until_ms);
	buf_addc(b, '}');
}

static bool
show_counter(struct errand *x, enum plan_what what, struct buf *b)
{
	struct take_limits limits = plan_limits(x->plan, what);
	struct answer a;

	if (!ask(x, what, (struct take_question){ .what = TAKE_LOOK, .limit = limits }, &a))
		return false;

	const int64_t used[WINDOWS] = { a.count.minute + a.take.held, a.count.hour + a.take.held,
		a.count.day + a.take.held };
	const int64_t limit[WINDOWS] = { a.take.limit.minute, a.take.limit.hour, a.take.limit.day };

	for (int i = 0; i < WINDOWS; i++) {
		int64_t seconds = limit[i] ? plan_forecast(used, i, limit[i]) : 0;
		bool full = limit[i] && used[i] >= limit[i];
		struct use u = { what_words[what], window_words[i], used[i], limit[i],
			seconds ? x->now_ms + seconds * 1000 : 0,
			full ? x->now_ms + a.take.free * 1000 : 0, a.take.until * 1000 };

		if (x->plan && limit[i] == 0)
			continue;
		if (x->cli->json)
			json_use(b, &u);
		else
			print_use(x, &u);
	}
	return true;
}

static int
show(struct errand *x)
{
	struct buf b;
	bool ok;

	buf_init(&b, 1 << 16);
	if (x->cli->json) {
		buf_add(&b, STR("{\"who\":"));
		escape_json(&b, x->who);
		buf_add(&b, STR(",\"plan\":"));
		if (x->plan)
			escape_json(&b, x->plan->name);
		else
			buf_add(&b, STR("null"));
		buf_add(&b, STR(",\"limits\":["));
	} else if (x->plan) {
		fprintf(x->cli->out, "%s: plan %s\n", ESC(x->who), ESC(x->plan->name));
	} else {
		fprintf(x->cli->out, "%s: no plan\n", ESC(x->who));
	}
	ok = show_counter(x, PLAN_MESSAGES, &b) && show_counter(x, PLAN_RECIPIENTS, &b);
	if (ok && x->cli->json)
		fprintf(x->cli->out, "%.*s]}\n", (int)b.n, b.p);
	buf_free(&b);
	return ok ? CLI_FOUND : CLI_ERROR;
}

/* --- changing ----------------------------------------------------------------------------------- */

static bool
journal_change(struct errand *x, struct str text)
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
	struct journal_record *one = &record;
	char *path = cli_database(x->cli, "journal.db");
	struct journal *journal;
	struct err e;
	bool ok;

	if (path == NULL)
		return false;
	journal = journal_open(path, &e);
	ok = journal && journal_append(journal, &one, 1, &e);
	if (!ok)
		cli_fail(x->cli, "%s", e.text);
	journal_close(&journal);
	free(path);
	return ok;
}

/* In the journal first: what is not there has not been done. */
static int
change(struct errand *x, struct str text, const struct take_question *messages,
    const struct take_question *recipients)
{
	struct answer a;

	if (!journal_change(x, text))
		return CLI_ERROR;
	if ((messages && !ask(x, PLAN_MESSAGES, *messages, &a)) ||
	    (recipients && !ask(x, PLAN_RECIPIENTS, *recipients, &a)))
		return CLI_ERROR;
	if (!x->cli->json)
		fprintf(x->cli->out, "%s\n", ESC(text));
	return show(x);
}

static bool
read_until(struct errand *x, int64_t *seconds)
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

/* 2000 messages per day: four words; into the question of its counter. */
static bool
read_limit(struct errand *x, char **word, struct take_question *q, bool *given)
{
	size_t what = word_index(word[1], what_words, 2);
	size_t window = word_index(word[3], window_words, WINDOWS);
	uint64_t most;

	if (what == 2 || window == WINDOWS || strcmp(word[2], "per") != 0 ||
	    !str_to_u64(str_of(word[0]), LIMIT_MAX, &most) || most == 0) {
		cli_fail(x->cli, "a limit is written 2000 messages per day, not %s %s %s %s",
		    ESC(str_of(word[0])), ESC(str_of(word[1])), ESC(str_of(word[2])),
		    ESC(str_of(word[3])));
		return false;
	}
	int64_t *const place[WINDOWS] = { &q[what].limit.minute, &q[what].limit.hour,
		&q[what].limit.day };

	*place[window] = (int64_t)most;
	given[what] = true;
	return true;
}

static int
set(struct errand *x, char **argv, int n)
{
	struct take_question q[2];
	bool given[2] = { false, false };
	char when[WHEN_SIZE];
	struct buf text;
	int64_t seconds;
	int code;

	if (x->plan == NULL)
		return cli_fail(
		    x->cli, "%s has no plan, so there are no limits to set", ESC(x->who));
	if (n == 0 || n % 4 != 0)
		return cli_fail(x->cli, "quota set: which limit? As in 2000 messages per day");
	if (!read_until(x, &seconds))
		return CLI_ERROR;
	/* What is not said stays as the plan has it. */
	for (int i = 0; i < 2; i++)
		q[i] = (struct take_question){
			.what = TAKE_ALLOW, .lasts = seconds, .limit = plan_limits(x->plan, i)
		};
	buf_init(&text, 1000);
	buf_printf(&text, "%.*s:", STR_ARG(x->who));
	for (int i = 0; i < n; i++)
		buf_printf(&text, " %s", argv[i]);
	if (x->options.until)
		buf_printf(&text, " until %s", when_local(x->now_ms + seconds * 1000, when));
	for (int i = 0; i < n; i += 4)
		if (!read_limit(x, argv + i, q, given)) {
			buf_free(&text);
			return CLI_ERROR;
		}
	code = change(x, buf_str(&text), given[0] ? &q[0] : NULL, given[1] ? &q[1] : NULL);
	buf_free(&text);
	return code;
}

static int
both(struct errand *x, enum take_what what, const char *text)
{
	struct take_question q = { .what = what };

	return change(x, arena_printf(x->arena, "%.*s: %s", STR_ARG(x->who), text), &q, &q);
}

static int
propose(struct errand *x)
{
	struct propose p = { .who = x->who };

	if (str_eq(x->kind, STR("upstream")))
		return cli_fail(x->cli, "the journal does not tell what went out by an upstream");
	if (!cli_time(x->cli, "since", x->options.since ? x->options.since : "30d", &p.since_ms))
		return CLI_ERROR;
	if (str_eq(x->kind, STR("account")))
		p.account = x->name;
	else
		p.client = x->name;
	return propose_limits(x->cli, &p);
}

/* --- the subcommand ----------------------------------------------------------------------------- */

static int
act(struct errand *x, const char *action, char **argv, int n)
{
	if (strcmp(action, "set") == 0)
		return set(x, argv, n);
	if (n > 0)
		return cli_fail(x->cli, "quota %s takes one: whom?", action);
	if (strcmp(action, "show") == 0)
		return show(x);
	if (strcmp(action, "propose") == 0)
		return propose(x);
	if (strcmp(action, "unset") == 0)
		return both(x, TAKE_ALLOW, "the limits of the plan");
	return both(x, TAKE_RESET, "nothing is used");
}

static bool
open_store(struct errand *x, bool writes)
{
	char *path = cli_database(x->cli, "store.db");
	struct err e;

	if (path == NULL)
		return false;
	if (access(path, F_OK) != 0)
		cli_fail(x->cli, "there is no %s: posternd makes it when it starts", path);
	else if ((x->store = writes ? store_sqlite.open(path, &e)
				    : store_sqlite_open_read(path, &e)) == NULL)
		cli_fail(x->cli, "%s", e.text);
	free(path);
	return x->store != NULL;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	static const char *const actions[] = { "show", "propose", "set", "unset", "reset" };
	struct errand x = { .cli = cli, .now_ms = clock_wall_ms() };
	int n, code = CLI_ERROR;
	size_t i;

	if (!cli_options(cli, &command_quota, &x.options, argv, &n))
		return cli->code;
	i = n > 0 ? word_index(argv[0], actions, N_ACTIONS) : N_ACTIONS;
	if (i == N_ACTIONS || n < 2)
		return cli_fail(cli,
		    "quota takes show, propose, set, unset or reset, and whom; see `postern quota --help`");
	x.arena = arena_new(ARENA_LIMIT);
	x.config = cli_config(cli, cli->config);
	if (x.config && open_store(&x, i > 1)) {
		take_who(&x, argv[1]);
		code = act(&x, actions[i], argv + 2, n - 2);
	}
	store_sqlite.close(&x.store);
	if (x.config)
		config_release(&x.config);
	arena_free(&x.arena);
	return code;
}

static const struct cli_option rows[] = {
	{ "since", OPTION_TEXT, offsetof(struct options, since), "TIME",
	    "propose: from then on; default: 30d" },
	{ "until", OPTION_TEXT, offsetof(struct options, until), "TIME",
	    "set: until then, as 2026-12-31; default: for good" },
};

const struct command command_quota = {
	.name = "quota",
	.arguments =
	    "show WHO | propose WHO | set WHO N messages|recipients per minute|hour|day... | unset WHO | "
	    "reset WHO",
	.summary = "how much of a plan is used, and other limits for a while",
	.help =
	    "WHO is an account, the address of a client, or upstream:NAME. show tells what is\n"
	    "used, when there is room again, and when a limit is reached at the present rate.\n"
	    "propose tells limits that the past suggests, and what each would have stopped.\n"
	    "set gives other limits than the plan's, unset gives back the plan's, reset begins\n"
	    "the counts anew. Each change is an entry of the journal.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
