#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/when.h"
#include "filters/greylist.h"
#include "mail/mailbox_stem.h"
#include "filters/key.h"

#define ARENA_LIMIT (1 << 20)

/* For good, as far as a store goes. */
#define TEN_YEARS (INT64_C(3650) * 86400)

struct options {
	const char *how_long, *until;
	bool waiting, proven;
};

struct errand {
	struct cli *cli;
	struct options options;
	struct cli_store at;
	struct arena *arena;
	int64_t now_ms;
	int64_t bits4, bits6; /* of a network, as the settings say */
	struct str text;      /* list: what a row must hold */
	int64_t n;            /* rows that were shown, written or taken away */
};

/* --- rows --------------------------------------------------------------------------------------- */

/* What kind of row it is, by the beginning of its key; *what is the rest. */
static const char *
kind_of(struct str key, struct str *what)
{
	static const struct {
		const char *prefix, *kind;
	} kinds[] = {
		{ GREYLIST_ORIGIN, "origin" },
		{ GREYLIST_KNOWN, "known" },
		{ GREYLIST_PAIR, "pair" },
		{ GREYLIST_ROWS, "triplet" },
	};
	size_t i = 0;

	while (
	    i + 1 < sizeof(kinds) / sizeof(kinds[0]) && !str_starts(key, str_of(kinds[i].prefix)))
		i++;
	*what = str_sub(key, strlen(kinds[i].prefix), key.n);
	return kinds[i].kind;
}

static void
print_row(struct errand *x, const struct store_seen *row)
{
	struct line line = { x->cli };
	char first[WHEN_SIZE], until[WHEN_SIZE];
	struct str what;
	const char *kind = kind_of(row->key, &what);

	line_cell(&line, str_of(kind), 7, COLOR_NONE);
	line_cell(&line, row->proven ? STR("proven") : STR("waiting"), 7,
	    row->proven ? COLOR_GREEN : COLOR_YELLOW);
	line_cell(&line, str_of(when_local(row->first * 1000, first)), 19, COLOR_DIM);
	line_cell(&line, str_of(when_local(row->expires * 1000, until)), 19, COLOR_DIM);
	line_cell(&line, what, 0, COLOR_NONE);
	line_end(&line);
}

static void
print_row_json(struct errand *x, const struct store_seen *row)
{
	char first[WHEN_SIZE], last[WHEN_SIZE], until[WHEN_SIZE];
	struct str what;
	const char *kind = kind_of(row->key, &what);
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_printf(&b, "{\"kind\":\"%s\",\"what\":", kind);
	escape_json(&b, what);
	buf_printf(&b,
	    ",\"proven\":%s,\"first\":\"%s\",\"last\":\"%s\",\"until\":\"%s\",\"hits\":%" PRId64
	    "}",
	    row->proven ? "true" : "false", when_utc(row->first * 1000, first),
	    when_utc(row->last * 1000, last), when_utc(row->expires * 1000, until), row->hits);
	fprintf(x->cli->out, "%.*s\n", (int)b.n, b.p);
	buf_free(&b);
}

static bool
holds(struct str text, struct str part)
{
	for (size_t i = 0; i + part.n <= text.n; i++)
		if (str_eqcase(str_sub(text, i, i + part.n), part))
			return true;
	return false;
}

static bool
show(void *owner, const struct store_seen *row)
{
	struct errand *x = owner;

	if (row->expires < x->now_ms / 1000 || !holds(row->key, x->text))
		return true;
	if (x->options.waiting != x->options.proven && x->options.proven != row->proven)
		return true;
	x->n++;
	if (x->cli->json) {
		print_row_json(x, row);
		return !ferror(x->cli->out);
	}
	if (x->n == 1) {
		struct line line = { x->cli };

		line_add(&line, "kind     state    first                until                what",
		    COLOR_BOLD);
		line_end(&line);
	}
	print_row(x, row);
	return !ferror(x->cli->out);
}

static int
list(struct errand *x, char **argv, int n)
{
	struct err e;

	if (n > 1)
		return cli_fail(x->cli, "greylist list takes one text to look for");
	x->text = n == 1 ? str_of(argv[0]) : STR("");
	if (!x->at.backend->list(x->at.store, STR(GREYLIST_ROWS), show, x, &e))
		return cli_fail(x->cli, "%s", e.text);
	return x->n > 0 ? CLI_FOUND : CLI_NOTHING;
}

/* --- who ---------------------------------------------------------------------------------------- */

static bool
is_origin(struct str who)
{
	return str_starts(who, STR("spf:")) || str_starts(who, STR("dkim:")) ||
	    str_starts(who, STR("name:"));
}

static bool
network_key_of(struct errand *x, const struct cidr *network, struct str *key, struct err *e)
{
	int64_t bits = network->ip.version == 4 ? x->bits4 : x->bits6;
	bool whole = network->bits == (network->ip.version == 4 ? 32 : 128);

	if (!whole && network->bits != bits)
		return err_set(e, ERR_SYNTAX,
		    "a network has %d bits here, as `network ipv%d` of greylist says", (int)bits,
		    network->ip.version);
	*key = greylist_known_key(x->arena,
	    whole ? str_of(IP_TEXT(&network->ip))
		  : key_network(x->arena, &network->ip, x->bits4, x->bits6));
	return true;
}

/* The row that stands for an address, a network, a sender, a domain or an origin. */
static bool
key_of(struct errand *x, struct str who, struct str *key, struct err *e)
{
	struct str lower = arena_lower(x->arena, who), path;
	struct mailbox m;
	struct cidr network;

	if (is_origin(lower)) {
		*key = greylist_known_key(x->arena, lower);
		return true;
	}
	if (cidr_parse(who, &network, NULL))
		return network_key_of(x, &network, key, e);
	if (str_find(who, '@') != STR_NPOS) {
		path = arena_printf(x->arena, "<%.*s>", STR_ARG(who));
		if (!mailbox_take(&path, false, false, &m, e) || path.n > 0)
			return err_set(e, ERR_SYNTAX, "it is no address of a sender");
		*key = greylist_known_key(x->arena, mailbox_stem(x->arena, &m));
		return true;
	}
	if (!mail_domain_ok(who) || str_find(who, '.') == STR_NPOS)
		return err_set(e, ERR_SYNTAX,
		    "it is no address, network, sender, domain or origin (spf:, dkim:, name:)");
	*key = greylist_known_key(x->arena, lower);
	return true;
}

/* One question to the store, in a transaction of its own, beside whoever else writes there. */
static bool
ask(struct errand *x, struct str key, struct seen_question seen, struct seen_answer *out)
{
	struct question q = { .kind = QUESTION_SEEN, .name = key, .seen = seen };
	struct answer answer = { .question = q };
	struct store_ask one = { .question = &q, .answer = &answer };
	struct err e;

	if (!x->at.backend->ask(x->at.store, &one, 1, x->now_ms, &e)) {
		cli_fail(x->cli, "%s", e.text);
		return false;
	}
	*out = answer.seen;
	return true;
}

/* --- allowing and removing ---------------------------------------------------------------------- */

/* Seconds from now that --for or --until say. */
static bool
read_term(struct errand *x, int64_t *seconds)
{
	const char *text = x->options.how_long;
	struct cli *cli = x->cli;
	int64_t ms;
	struct err e;

	*seconds = TEN_YEARS;
	if (text && x->options.until) {
		cli_fail(cli, "--for and --until say the same thing: give one");
		return false;
	}
	if (text) {
		/* So long ago is so long to come. */
		if (strpbrk(text, "-:tZ") || !ascii_isdigit(text[0]) ||
		    !when_parse(str_of(text), x->now_ms, &ms, &e)) {
			cli_fail(
			    cli, "--for: \"%s\" is no time such as 12h or 30d", ESC(str_of(text)));
			return false;
		}
		*seconds = (x->now_ms - ms) / 1000;
	} else if (x->options.until) {
		if (!cli_time(cli, "until", x->options.until, &ms))
			return false;
		*seconds = (ms - x->now_ms + 999) / 1000;
	}
	if (*seconds <= 0) {
		cli_fail(cli, "--%s: that is no time to come", text ? "for" : "until");
		return false;
	}
	return true;
}

static void
told(struct errand *x, const char *what, struct str key)
{
	struct str rest;
	const char *kind = kind_of(key, &rest);
	struct buf b;

	x->n++;
	if (!x->cli->json) {
		fprintf(x->cli->out, "%s %s %s\n", what, kind, ESC(rest));
		return;
	}
	buf_init(&b, 1 << 16);
	escape_json(&b, rest);
	fprintf(x->cli->out, "{\"did\":\"%s\",\"kind\":\"%s\",\"what\":%.*s}\n", what, kind,
	    (int)b.n, b.p);
	buf_free(&b);
}

/* A row that was there is taken away first: what it was given may have been longer. */
static int
allow(struct errand *x, char **argv, int n)
{
	struct seen_question q = { .prove = true }, forget = { .forget = true };
	struct seen_answer answer;
	struct str key;
	struct err e;

	if (n != 1)
		return cli_fail(x->cli, "greylist allow takes one: whom?");
	if (!key_of(x, str_of(argv[0]), &key, &e))
		return cli_fail(x->cli, "\"%s\": %s", ESC(str_of(argv[0])), e.text);
	if (!read_term(x, &q.remember))
		return CLI_ERROR;
	if (!ask(x, key, forget, &answer))
		return CLI_ERROR;
	if (!ask(x, key, q, &answer))
		return CLI_ERROR;
	told(x, "allowed", key);
	return CLI_FOUND;
}

static bool
forget(struct errand *x, struct str key)
{
	struct seen_question q = { .forget = true, .retry = TEN_YEARS };
	struct seen_answer answer;

	if (!ask(x, key, q, &answer))
		return false;
	if (answer.state != SEEN_NEVER)
		told(x, "removed", key);
	return true;
}

/* What is named as allow takes it, or as list shows it. */
static int
forget_all(struct errand *x, char **argv, int n)
{
	if (n == 0)
		return cli_fail(x->cli, "greylist remove: what?");
	for (int i = 0; i < n; i++) {
		struct str what = str_of(argv[i]), key;

		if (key_of(x, what, &key, NULL) && !forget(x, key))
			return CLI_ERROR;
		if (!forget(x, greylist_origin_key(x->arena, what)))
			return CLI_ERROR;
		for (size_t k = 0; k < 2; k++) {
			key = arena_printf(
			    x->arena, "%s%.*s", k ? GREYLIST_PAIR : GREYLIST_ROWS, STR_ARG(what));
			if (!forget(x, key_bound(x->arena, key)))
				return CLI_ERROR;
		}
	}
	return x->n > 0 ? CLI_FOUND : CLI_NOTHING;
}

/* --- the subcommand ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(struct errand *x, char **argv, int n);
	bool writes;
} actions[] = {
	{ "list", list, false },
	{ "allow", allow, true },
	{ "remove", forget_all, true },
};

#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))

/* How wide networks are; without a configuration, as wide as the settings say when nothing is said. */
static bool
read_settings(struct errand *x)
{
	struct config *config;

	x->bits4 = 24;
	x->bits6 = 64;
	if (x->cli->database && access(x->cli->config, R_OK) != 0)
		return true;
	config = cli_config(x->cli, x->cli->config);
	if (config == NULL)
		return false;
	for (size_t i = 0; i < config->n_parts; i++) {
		const struct greylist_conf *conf = config->part_conf[i];

		if (config->part[i].stage != &greylist_stage)
			continue;
		x->bits4 = conf->network_ipv4;
		x->bits6 = conf->network_ipv6;
	}
	config_release(&config);
	return true;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct errand x = { .cli = cli, .now_ms = clock_wall_ms() };
	int n, code = CLI_ERROR;
	size_t i = 0;

	if (!cli_options(cli, &command_greylist, &x.options, argv, &n))
		return cli->code;
	while (n > 0 && i < N_ACTIONS && !str_eq(str_of(argv[0]), str_of(actions[i].name)))
		i++;
	if (n == 0 || i == N_ACTIONS)
		return cli_fail(cli,
		    "greylist takes list, allow or remove%s%s; see `postern greylist --help`",
		    n > 0 ? ", not " : "", n > 0 ? ESC(str_of(argv[0])) : "");
	x.arena = arena_new(ARENA_LIMIT);
	if (read_settings(&x) && cli_store_open(cli, !actions[i].writes, &x.at))
		code = actions[i].run(&x, argv + 1, n - 1);
	cli_store_close(&x.at);
	arena_free(&x.arena);
	return code;
}

static const struct cli_option rows[] = {
	{ "for", OPTION_TEXT, offsetof(struct options, how_long), "TIME",
	    "allow: for so long, as 12h, 30d; default: for good" },
	{ "until", OPTION_TEXT, offsetof(struct options, until), "TIME",
	    "allow: until then, as 2026-12-31" },
	{ "waiting", OPTION_SWITCH, offsetof(struct options, waiting), NULL,
	    "list: only what waits" },
	{ "proven", OPTION_SWITCH, offsetof(struct options, proven), NULL,
	    "list: only what is proven" },
};

const struct command command_greylist = {
	.name = "greylist",
	.arguments = "list [TEXT] | allow WHO | remove WHAT...",
	.summary = "what greylisting remembers; lets somebody in at once, or forgets",
	.help =
	    "list shows the rows that hold TEXT: origins and triplets, pairs of sender and recipient, and who\n"
	    "is known. allow spares WHO the wait: a client's address, its network, a sender's address, a\n"
	    "domain of senders, or an origin (spf:DOMAIN, dkim:DOMAIN, name:DOMAIN). remove takes away\n"
	    "what allow takes, or a row as list shows it. posternd may be running.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
