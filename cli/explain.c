#include <inttypes.h>

#include "base/escape.h"
#include "cli/cli.h"
#include "cli/entry_id.h"
#include "cli/print.h"
#include "mail/code.h"
#include "mail/said.h"
#include "rules/complaint.h"

#define INDENT 10

/* --- for a person ------------------------------------------------------------------------------- */

static void
blank(struct cli *cli)
{
	fputc('\n', cli->out);
}

static void
paragraph(struct cli *cli, const char *label, const char *text)
{
	print_prose(cli, &(struct prose){ label, INDENT, COLOR_DIM, COLOR_NONE }, str_of(text));
}

static void
tell_about(struct cli *cli, const struct explanation *about)
{
	paragraph(cli, "means", about->meaning);
	paragraph(cli, "sender", about->sender);
	paragraph(cli, "admin", about->admin);
}

/* "552  5.3.4  The message is too big  limit: size" */
static void
tell_row(struct cli *cli, enum said said, enum color color)
{
	const struct saying *row = said_row(said);
	struct line line = { cli };
	char code[8];
	struct buf text;

	snprintf(code, sizeof(code), "%d", row->code);
	buf_init(&text, 1024);
	said_print(said, &text);
	line_cell(&line, str_of(code), 3, color);
	line_cell(&line, str_of(row->enhanced), 6, color);
	line_cell(&line, buf_str(&text), 0, color);
	if (row->why)
		line_cell(&line, str_of(row->why), 0, COLOR_DIM);
	line_end(&line);
	buf_free(&text);
}

static const char *
code_text(const struct code *code, char *out, size_t size)
{
	bool plain = code_find(str_of(code->code)) == code;

	snprintf(out, size, "%s%s", plain ? "" : "X.", code->code);
	return out;
}

static void
tell_code(struct cli *cli, const struct code *code, struct str as)
{
	struct line line = { cli };

	line_cell(&line, as, 0, COLOR_BOLD);
	line_cell(&line, str_of(code->title), 0, COLOR_BOLD);
	line_end(&line);
	tell_about(cli, &code->about);
}

/* --- for a program ------------------------------------------------------------------------------ */

static void
put(struct cli *cli, struct buf *b)
{
	buf_add(b, STR("}\n"));
	fwrite(b->p, 1, b->n, cli->out);
	buf_free(b);
}

static void
about_json(struct buf *b, const struct explanation *about)
{
	print_member(b, "meaning", str_of(about->meaning));
	print_member(b, "sender", str_of(about->sender));
	print_member(b, "admin", str_of(about->admin));
}

static void
row_json(struct cli *cli, enum said said)
{
	const struct saying *row = said_row(said);
	struct buf b, text;

	buf_init(&b, 1 << 16);
	buf_init(&text, 1024);
	said_print(said, &text);
	buf_printf(&b, "{\"reply\":%d", row->code);
	print_member(&b, "enhanced", str_of(row->enhanced));
	print_member(&b, "text", buf_str(&text));
	print_member(&b, "rule", str_of(row->why));
	about_json(&b, row->about);
	put(cli, &b);
	buf_free(&text);
}

static void
code_json(struct cli *cli, const struct code *code, struct str as)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_add(&b, STR("{\"code\":"));
	escape_json(&b, as);
	print_member(&b, "title", str_of(code->title));
	about_json(&b, &code->about);
	put(cli, &b);
}

/* --- which ones --------------------------------------------------------------------------------- */

/* What is asked for; all empty: everything. */
struct wanted {
	struct str code; /* of either kind */
	struct str with; /* behind that one; empty: any */
	struct str text; /* in the text, or what stands in a rule's place */
};

static bool
holds(const char *text, struct str part)
{
	for (struct str s = str_of(text); s.n >= part.n; s = str_sub(s, 1, s.n)) {
		if (str_startscase(s, part))
			return true;
		if (s.n == 0)
			break;
	}
	return false;
}

static bool
has_code(const struct saying *row, struct str text)
{
	char code[8];

	snprintf(code, sizeof(code), "%d", row->code);
	return str_eq(text, str_of(code)) || str_eq(text, str_of(row->enhanced));
}

static bool
row_fits(const struct saying *row, const struct wanted *w)
{
	if (w->code.n > 0)
		return has_code(row, w->code) && (w->with.n == 0 || has_code(row, w->with));
	return holds(row->text, w->text) || holds(row->why, w->text);
}

/* whole: each with its explanation, unless the one before it had the same. */
static size_t
tell_rows(struct cli *cli, const struct wanted *w, bool whole)
{
	size_t n = 0;

	for (enum said said = 0; said < SAID_COUNT; said++) {
		const struct saying *row = said_row(said);
		bool last = true;

		if (!row_fits(row, w))
			continue;
		n++;
		if (cli->json) {
			row_json(cli, said);
			continue;
		}
		tell_row(cli, said, whole ? COLOR_BOLD : COLOR_NONE);
		for (enum said next = said + 1; next < SAID_COUNT; next++) {
			if (!row_fits(said_row(next), w))
				continue;
			last = said_row(next)->about != row->about;
			break;
		}
		if (whole && last) {
			tell_about(cli, row->about);
			blank(cli);
		}
	}
	return n;
}

static int
list_all(struct cli *cli)
{
	const struct code *code;
	char text[16];

	for (size_t i = 0; (code = code_at(i)) != NULL; i++) {
		struct line line = { cli };

		code_text(code, text, sizeof(text));
		if (cli->json) {
			code_json(cli, code, str_of(text));
			continue;
		}
		line_cell(&line, str_of(text), 6, COLOR_BOLD);
		line_cell(&line, str_of(code->title), 0, COLOR_NONE);
		line_end(&line);
	}
	if (!cli->json)
		blank(cli);
	tell_rows(cli, &(struct wanted){ 0 }, false);
	return CLI_FOUND;
}

static int
unknown_code(struct cli *cli, struct str text)
{
	/* The class is kept; what stands behind it may be like another code's. */
	size_t class = text.n > 2 && text.p[1] == '.' ? 2 : 0;
	const struct code *code;
	struct suggestion s;

	suggest_begin(&s, str_sub(text, class, text.n));
	for (size_t i = 0; (code = code_at(i)) != NULL; i++)
		if ((code_find(str_of(code->code)) == code) == (class == 0))
			suggest(&s, str_of(code->code));
	if (s.best.n > 0)
		cli_fail(cli, "no code \"%s\"; did you mean %.*s%.*s? `postern explain` lists all",
		    ESC(text), (int)class, text.p, STR_ARG(s.best));
	else
		cli_fail(cli, "no code \"%s\"; `postern explain` lists all", ESC(text));
	return CLI_NOTHING;
}

static int
explain_code(struct cli *cli, struct str text)
{
	const struct code *code = code_find(text);

	if (code == NULL)
		return unknown_code(cli, text);
	if (cli->json)
		code_json(cli, code, text);
	else
		tell_code(cli, code, text);
	return CLI_FOUND;
}

static void
tell_own(struct cli *cli, struct wanted same)
{
	struct line line = { cli };
	bool any = false;

	if (cli->json) {
		tell_rows(cli, &same, true);
		return;
	}
	for (enum said said = 0; said < SAID_COUNT && !any; said++)
		any = row_fits(said_row(said), &same);
	if (any) {
		blank(cli);
		line_add(&line, "Replies of Postern's own with it:", COLOR_DIM);
		line_end(&line);
		blank(cli);
		tell_rows(cli, &same, true);
	}
}

/* --- the subcommand ------------------------------------------------------------------------------ */

/* As `postern why` tells the entry. */
static int
why(struct cli *cli, char *id)
{
	char name[] = "why", *argv[] = { name, id, NULL };

	return command_why.run(cli, 2, argv);
}

/* The codes that it begins with, "550 5.7.23"; what stands behind them is left in *text. */
static size_t
leading_codes(struct str *text)
{
	struct str rest = *text, word;
	size_t n = 0;

	while (str_pop(&rest, ' ', &word) && (word.n == 0 || code_looks_like(word))) {
		n += word.n > 0;
		*text = str_trim(rest);
	}
	return n;
}

/* "550 5.7.23": the replies that have both stand behind the two; else each code has its own behind it. */
static int
explain_codes(struct cli *cli, struct str text, size_t n)
{
	int code = CLI_FOUND, one;
	struct wanted same = { 0 };
	struct str word;

	while (n > 0 && str_pop(&text, ' ', &word)) {
		bool reply = word.n == 3 && n == 2;

		if (word.n == 0)
			continue;
		one = explain_code(cli, word);
		code = one > code ? one : code;
		same.code = word;
		if (one == CLI_FOUND && !reply)
			tell_own(cli, same);
		same.with = reply && one == CLI_FOUND ? word : STR("");
		if (--n > 0 && !cli->json)
			blank(cli);
	}
	return code;
}

/* Codes, a text, an id; or a reply, which has all three. */
static int
explain(struct cli *cli, struct str text)
{
	struct wanted in_text = { .text = text };
	size_t n = leading_codes(&in_text.text);
	char id[ENTRY_ID_SIZE + 1];

	if (in_text.text.n > 0 && tell_rows(cli, &in_text, true) > 0)
		return CLI_FOUND;
	if (entry_id_within(text, id) || entry_id_alone(text, id))
		return why(cli, id);
	if (n > 0)
		return explain_codes(cli, text, n);
	cli_fail(cli,
	    "\"%s\" is no code, no id, and in no text of a reply; `postern explain` lists all",
	    ESC(text));
	return CLI_NOTHING;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct buf text;
	int n, code;

	if (!cli_options(cli, &command_explain, NULL, argv, &n))
		return cli->code;
	if (n == 0)
		return list_all(cli);
	buf_init(&text, 1024);
	for (int i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(&text, ' ');
		buf_add(&text, str_of(argv[i]));
	}
	code = explain(cli, str_trim(buf_str(&text)));
	buf_free(&text);
	return code;
}

const struct command command_explain = {
	.name = "explain",
	.arguments = "[CODE ... | TEXT | ID]",
	.summary = "what a reply means, and what to do about it",
	.help =
	    "Tells what a code of SMTP means (451, 5.7.23), and each reply of Postern's own that has it:\n"
	    "what whoever sent the message can do, and what the administrator can. A text is\n"
	    "looked for in the replies and in what stands in the rule's place in the journal (\"limit:\n"
	    "size\"). An id is told as `postern why` does. With nothing, all are listed.\n",
	.run = run,
};
