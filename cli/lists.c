/*
 * lists: the subcommand `lists`: the exceptions that an administrator has made, with how often each was hit, and the lists
 * of the configuration with how much is in them; takes exceptions away.
 */
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/exceptions.h"
#include "cli/print.h"
#include "cli/pseudonyms.h"
#include "cli/when.h"

#define ARENA_LIMIT EXCEPTIONS_MEMORY

struct errand {
	struct cli *cli;
	struct arena *arena;
	int64_t now_ms;
	struct exception_row *rows;
	struct pseudonyms pseudonyms; /* while they are shown */
	size_t shown, idle;
};

/* --- showing ------------------------------------------------------------------------------------- */

static void
print_hits(struct line *line, const struct store_exception *s)
{
	char text[64], when[WHEN_SIZE];

	if (s->hits == 0)
		snprintf(text, sizeof(text), "not hit yet");
	else
		snprintf(text, sizeof(text), "%" PRId64 " hit%s, last %s", s->hits,
		    s->hits == 1 ? "" : "s", when_local(s->last * 1000, when));
	line_cell(line, str_of(text), 0, s->hits > 0 ? COLOR_BOLD : COLOR_DIM);
}

/* It names somebody by what only another key makes of addresses. */
static bool
is_idle(const struct errand *x, const struct exception_row *row)
{
	const struct pseudonyms *p = &x->pseudonyms;

	return p->known && row->hashed.n > 0 &&
	    (p->p == NULL || !str_eq(row->hashed, str_of(pseudonym_key(p->p))));
}

/* Why, and what is to be done: once for all of them. */
static void
tell_idle(struct errand *x)
{
	if (x->idle == 0 || x->cli->json)
		return;
	fprintf(x->cli->err,
	    "postern: %zu of these %s: recipients are hashed there under a key that `journal addresses hashed` "
	    "in %s does not name now. Name it again, or remove (`postern lists remove NUMBER`) and make anew "
	    "(--for ADDRESS) what is still wanted\n",
	    x->idle, x->idle == 1 ? "matches nobody" : "match nobody", ESC(str_of(x->cli->config)));
}

static void
print_row(struct errand *x, const struct exception_row *row)
{
	bool block = row->x.kind == EXCEPTION_BLOCK;
	struct line line = { x->cli };
	char number[24];
	struct buf text;

	snprintf(number, sizeof(number), "%" PRId64, row->stored->number);
	buf_init(&text, 16384);
	line_cell(&line, str_of(number), 4, COLOR_NONE);
	line_cell(&line, block ? STR("block") : STR("allow"), 5, block ? COLOR_RED : COLOR_GREEN);
	if (row->unreadable)
		buf_add(&text, STR("of a newer Postern, and idle here"));
	else
		exception_print(&row->x, &text);
	line_cell(&line, buf_str(&text), 0, COLOR_NONE);
	if (is_idle(x, row))
		line_cell(&line, STR("matches nobody: hashed under another key"), 0, COLOR_RED);
	buf_clear(&text);
	exception_print_until(row->x.expires, &text);
	line_cell(&line, buf_str(&text), 0, COLOR_DIM);
	print_hits(&line, row->stored);
	buf_clear(&text);
	buf_add(&text, STR("by "));
	buf_add(&text, row->by);
	if (row->entry.n > 0)
		buf_printf(&text, ", of %.*s", STR_ARG(row->entry));
	if (row->note.n > 0)
		buf_printf(&text, ": %.*s", STR_ARG(row->note));
	line_cell(&line, buf_str(&text), 0, COLOR_NONE);
	line_end(&line);
	buf_free(&text);
}

static void
print_row_json(struct errand *x, const struct exception_row *row)
{
	const struct store_exception *s = row->stored;
	struct buf b;

	buf_init(&b, 1 << 17);
	buf_printf(&b, "{\"number\":%" PRId64 ",", s->number);
	if (row->unreadable)
		buf_add(&b, STR("\"kind\":null"));
	else
		exception_json(&row->x, &b);
	print_moment(&b, "made", s->made * 1000);
	buf_printf(&b, ",\"hits\":%" PRId64, s->hits);
	print_moment(&b, "last", s->last * 1000);
	if (row->hashed.n > 0)
		buf_printf(&b, ",\"idle\":%s",
		    !x->pseudonyms.known  ? "null"
			: is_idle(x, row) ? "true"
					  : "false");
	buf_add(&b, STR(",\"by\":"));
	escape_json(&b, row->by);
	buf_add(&b, STR(",\"entry\":"));
	escape_json(&b, row->entry);
	buf_add(&b, STR(",\"note\":"));
	escape_json(&b, row->note);
	fprintf(x->cli->out, "%.*s}\n", (int)b.n, b.p);
	buf_free(&b);
}

static void
print_list(struct errand *x, const struct list *list)
{
	struct str name = list_name(list);
	size_t n = list_length(list);
	struct buf b;

	x->shown++;
	if (!x->cli->json) {
		fprintf(x->cli->out, "list  %s  %zu %s\n", ESC(name), n, n == 1 ? "item" : "items");
		return;
	}
	buf_init(&b, 4096);
	escape_json(&b, name);
	fprintf(x->cli->out, "{\"list\":%.*s,\"items\":%zu}\n", (int)b.n, b.p, n);
	buf_free(&b);
}

static void
print_lists(struct errand *x)
{
	struct config *config;

	if (x->cli->database && access(x->cli->config, R_OK) != 0)
		return;
	config = cli_config(x->cli, x->cli->config);
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->n_lists; i++)
		print_list(x, config->lists[i]);
	config_release(&config);
}

static int
show(struct errand *x)
{
	pseudonyms_try(x->cli, &x->pseudonyms);
	for (const struct exception_row *row = x->rows; row; row = row->next) {
		x->shown++;
		x->idle += is_idle(x, row);
		if (x->cli->json)
			print_row_json(x, row);
		else
			print_row(x, row);
	}
	if (x->rows == NULL && !x->cli->json)
		fputs("there are no exceptions; `postern allow` and `postern block` make them\n",
		    x->cli->out);
	print_lists(x);
	tell_idle(x);
	pseudonyms_close(&x->pseudonyms);
	return x->shown > 0 ? CLI_FOUND : CLI_NOTHING;
}

/* --- taking away --------------------------------------------------------------------------------- */

static struct exception_row *
find(const struct errand *x, const char *text)
{
	uint64_t number;

	if (!str_to_u64(str_of(text), INT64_MAX, &number))
		return NULL;
	for (struct exception_row *row = x->rows; row; row = row->next)
		if (row->stored->number == (int64_t)number)
			return row;
	return NULL;
}

/* All of them are looked for before any is taken away. */
static int
remove_all(struct errand *x, char **argv, int n)
{
	if (n == 0)
		return cli_fail(x->cli, "lists remove: which number?");
	for (int i = 0; i < n; i++)
		if (find(x, argv[i]) == NULL)
			return cli_fail(x->cli,
			    "there is no exception %s; `postern lists` shows those there are",
			    ESC(str_of(argv[i])));
	for (int i = 0; i < n; i++) {
		struct exception_row *row = find(x, argv[i]);

		if (!row->removed && !exceptions_drop(x->cli, row, x->now_ms))
			return CLI_ERROR;
		row->removed = true;
	}
	return CLI_FOUND;
}

/* --- the subcommand ------------------------------------------------------------------------------ */

static int
run(struct cli *cli, int argc, char **argv)
{
	struct errand x = { .cli = cli, .now_ms = clock_wall_ms() };
	int n, code = CLI_ERROR;
	bool removes;

	if (!cli_options(cli, &command_lists, NULL, argv, &n))
		return cli->code;
	removes = n > 0 && strcmp(argv[0], "remove") == 0;
	if (n > 0 && !removes)
		return cli_fail(cli,
		    "lists takes nothing, or remove NUMBER, not %s; see `postern lists --help`",
		    ESC(str_of(argv[0])));
	x.arena = arena_new(ARENA_LIMIT);
	if (exceptions_read(cli, x.arena, x.now_ms, &x.rows))
		code = removes ? remove_all(&x, argv + 1, n - 1) : show(&x);
	arena_free(&x.arena);
	return code;
}

const struct command command_lists = {
	.name = "lists",
	.arguments = "[remove NUMBER...]",
	.summary = "who is let in or kept out by hand, and what lists hold",
	.help =
	    "Shows the exceptions that `allow` and `block` have made: number, whom, until when, how often\n"
	    "it was hit and when last, by whom it was made, of which entry, and why. Then the lists\n"
	    "of the configuration, with how many items each has. remove takes exceptions away, within\n"
	    "a second; each is an entry of the journal.\n",
	.run = run,
};
