/*
 * fmt: configurations in their usual form. A file with mistakes is left alone; one that is written is replaced
 * whole, so that nobody ever reads half of it.
 */
#include <stdlib.h>

#include "base/escape.h"
#include "cli/cli.h"
#include "cli/rewrite.h"
#include "rules/format.h"
#include "rules/load.h"

struct options {
	bool write, check;
};

static void
print_complaints(struct cli *cli, const struct complaints *c)
{
	fflush(cli->out);
	for (size_t i = 0; i < c->n; i++) {
		char *text = complaint_print(&c->item[i]);

		fprintf(cli->err, "%s\n", text);
		free(text);
	}
}

static void
print_json(struct cli *cli, const char *path, bool changes)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	escape_json(&b, str_of(path));
	fprintf(cli->out, "{\"file\":%s,\"formatted\":%s}\n", b.p, changes ? "false" : "true");
	buf_free(&b);
}

/* What is done with the text, by the options. */
static int
tell(struct cli *cli, const struct options *o, const char *path, const struct rewriting *w)
{
	bool changes = !str_eq(w->before, w->after);
	struct err e;

	if (cli->json)
		print_json(cli, path, changes);
	if (o->write && changes && !rewrite_file(path, w, &e))
		return cli_fail(cli, "%s", e.text);
	if (o->check && changes && !cli->json)
		fprintf(cli->out, "%s\n", ESC(str_of(path)));
	if (!o->write && !o->check && !cli->json)
		fwrite(w->after.p, 1, w->after.n, cli->out);
	return o->check && changes ? CLI_NOTHING : CLI_FOUND;
}

static int
format_file(struct cli *cli, const struct options *o, const char *path)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct source source = { .file = path, .name = str_of(path) };
	struct complaints complaints = { 0 };
	struct str text;
	struct err e;
	int code = CLI_ERROR;

	if (!source_take(path, CONFIG_FILE_MAX, arena, &source.text, &e))
		code = cli_fail(cli, "%s", e.text);
	else if (!format_text(&source, &complaints, arena, &text))
		print_complaints(cli, &complaints);
	else
		code = tell(cli, o, path, &(struct rewriting){ source.text, text });
	complaints_free(&complaints);
	arena_free(&arena);
	return code;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	int n, code = CLI_FOUND;

	if (!cli_options(cli, &command_fmt, &o, argv, &n))
		return cli->code;
	if (n == 0)
		return cli_fail(cli, "fmt wants the files to format; see `postern fmt --help`");
	for (int i = 0; i < n; i++) {
		int one = format_file(cli, &o, argv[i]);

		code = one > code ? one : code;
	}
	return code;
}

static const struct cli_option options[] = {
	{ "write", OPTION_SWITCH, offsetof(struct options, write), NULL,
	    "replace the files whose form is another one (-w)", 'w' },
	{ "check", OPTION_SWITCH, offsetof(struct options, check), NULL,
	    "name these files instead; ends with 1 if there are any" },
};

const struct command command_fmt = {
	.name = "fmt",
	.arguments = "FILE...",
	.summary = "bring configurations into their usual form",
	.help =
	    "Prints the files with blanks, indentation and long lines as they usually are. Line ends that are there\n"
	    "stay, and so do comments. What a file says is not changed; one with mistakes is left alone.\n"
	    "Files that others include can be named as well.\n",
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
