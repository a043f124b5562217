#include "cli/print.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/escape.h"
#include "cli/columns.h"
#include "cli/when.h"
#include "db/json.h"

/* A cell's text, escaped: more is cut with "...". */
#define CELL_MAX 4096

/* --- lines -------------------------------------------------------------------------------------- */

static const char *
escaped(struct str text, char out[CELL_MAX])
{
	return escape_terminal(text, out, CELL_MAX);
}

size_t
print_width(struct str text)
{
	char cell[CELL_MAX];

	return columns_of(str_of(escaped(text, cell)));
}

/* Prints escaped text, as much as the terminal has room for. */
static void
add(struct line *line, const char *text, enum color color)
{
	static const char *const codes[] = { "", "\033[1m", "\033[2m", "\033[32m", "\033[33m",
		"\033[31m" };
	FILE *out = line->cli->out;
	size_t width = line->cli->width, n = strlen(text), blanks = line->owed;

	line->owed = 0;
	if (width > 0) {
		size_t left = width > line->used ? width - line->used : 0;

		blanks = blanks < left ? blanks : left;
		n = columns_fit(str_of(text), left - blanks);
	}
	if (n == 0 && blanks == 0)
		return;
	fprintf(out, "%*s", (int)blanks, "");
	color = line->cli->color ? color : COLOR_NONE;
	fputs(codes[color], out);
	fwrite(text, 1, n, out);
	fputs(color == COLOR_NONE ? "" : "\033[0m", out);
	line->used += blanks + columns_of(str_of(text));
}

static void
cell(struct line *line, const char *text, size_t width, enum color color)
{
	size_t used = columns_of(str_of(text));

	add(line, text, color);
	line->owed += (used < width ? width - used : 0) + 2;
}

void
line_cell(struct line *line, struct str text, size_t width, enum color color)
{
	char shown[CELL_MAX];

	cell(line, escaped(text, shown), width, color);
}

void
line_cut_cell(struct line *line, struct str text, size_t width, enum color color)
{
	char shown[CELL_MAX];

	escaped(text, shown);
	if (line->cli->width > 0 && columns_of(str_of(shown)) > width) {
		size_t n = columns_fit(str_of(shown), width > 2 ? width - 2 : 0);

		memcpy(shown + n, "..", 3);
	}
	cell(line, shown, width, color);
}

void
line_add(struct line *line, const char *text, enum color color)
{
	add(line, text, color);
}

void
line_end(struct line *line)
{
	/* Blanks at the end of a line are left out. */
	fputc('\n', line->cli->out);
	line->used = line->owed = 0;
}

/* --- sentences ---------------------------------------------------------------------------------- */

#define PROSE_WIDTH 80

void
line_prose(struct line *line, size_t indent, enum color color, struct str text)
{
	size_t width =
	    line->cli->width > 0 && line->cli->width < PROSE_WIDTH ? line->cli->width : PROSE_WIDTH;
	char shown[CELL_MAX], run[CELL_MAX];
	struct str rest = str_of(escaped(text, shown)), word;
	size_t n = 0, used = line->used + line->owed;

	while (str_pop(&rest, ' ', &word)) {
		size_t more = columns_of(word);

		if (n > 0 && used + 1 + more > width) {
			run[n] = '\0';
			add(line, run, color);
			line_end(line);
			line->owed = used = indent;
			n = 0;
		}
		if (n > 0)
			run[n++] = ' ';
		used += more + (n > 0);
		memcpy(run + n, word.p, word.n);
		n += word.n;
	}
	run[n] = '\0';
	add(line, run, color);
	line_end(line);
}

void
print_prose(struct cli *cli, const struct prose *how, struct str text)
{
	struct line line = { cli };
	size_t used = columns_of(str_of(how->label));

	add(&line, how->label ? how->label : "", how->label_color);
	line.owed = how->indent > used ? how->indent - used : 0;
	line_prose(&line, how->indent, how->color, text);
}

enum color
print_verdict_color(const char *verdict)
{
	if (strcmp(verdict, "reject") == 0)
		return COLOR_RED;
	if (strcmp(verdict, "tempfail") == 0)
		return COLOR_YELLOW;
	return strcmp(verdict, "accept") == 0 ? COLOR_GREEN : COLOR_DIM;
}

/* --- records ------------------------------------------------------------------------------------ */

void
print_recipients(const struct journal_record *r, struct buf *out)
{
	struct arena *arena = arena_new(1 << 20);
	const struct json *list = json_parse(arena, r->recipients, NULL);

	if (list && list->type == JSON_ARRAY) {
		for (const struct json *item = list->first; item; item = item->next) {
			if (item != list->first)
				buf_add(out, STR(", "));
			buf_add(out, item->text);
		}
	} else {
		buf_add(out, r->recipients);
	}
	arena_free(&arena);
}

void
print_member(struct buf *b, const char *name, struct str text)
{
	buf_printf(b, ",\"%s\":", name);
	escape_json(b, text);
}

void
print_moment(struct buf *b, const char *name, int64_t ms)
{
	char when[WHEN_SIZE];

	if (ms > 0)
		buf_printf(b, ",\"%s\":\"%s\"", name, when_utc(ms, when));
	else
		buf_printf(b, ",\"%s\":null", name);
}

/* Read and written anew, so that nothing but JSON comes out whatever the file held. */
static void
json_member(struct buf *b, const char *name, struct str text, enum json_type type)
{
	struct arena *arena = arena_new(1 << 20);
	const struct json *value = json_parse(arena, text, NULL);

	buf_printf(b, ",\"%s\":", name);
	if (value && value->type == type)
		json_write(value, b);
	else
		buf_add(b, type == JSON_OBJECT ? STR("{}") : STR("[]"));
	arena_free(&arena);
}

static void
add_members(struct buf *b, const struct journal_record *r)
{
	char time[WHEN_SIZE];

	buf_add(b, STR("{\"id\":"));
	escape_json(b, str_of(r->id));
	buf_printf(
	    b, ",\"serial\":%" PRId64 ",\"time\":\"%s\"", r->serial, when_utc(r->time_ms, time));
	print_member(b, "front", str_of(r->front));
	print_member(b, "session", r->session);
	print_member(b, "step", str_of(r->step));
	print_member(b, "client_ip", r->client_ip);
	print_member(b, "client_name", r->client_name);
	print_member(b, "helo", r->helo);
	print_member(b, "account", r->account);
	print_member(b, "sender", r->sender);
	json_member(b, "recipients", r->recipients, JSON_ARRAY);
	print_member(b, "verdict", str_of(r->verdict));
	buf_printf(b, ",\"code\":%d", r->code);
	print_member(b, "enhanced", r->enhanced);
	print_member(b, "text", r->text);
	print_member(b, "rule", r->rule);
	print_member(b, "observed", r->observed);
	print_member(b, "queue_id", r->queue_id);
	print_member(b, "subject", r->subject);
	buf_printf(b, ",\"size\":%" PRId64 ",\"times\":%" PRId64 ",\"took_us\":%d", r->size,
	    r->times > 0 ? r->times : 1, r->took_us);
	print_member(b, "config", r->config);
	json_member(b, "facts", r->facts, JSON_OBJECT);
}

static void
add_trace(struct buf *b, const struct journal_record *r)
{
	json_member(b, "trace", r->trace, JSON_ARRAY);
	json_member(b, "answers", r->answers, JSON_ARRAY);
}

void
print_record_open(struct buf *b, const struct journal_record *r)
{
	add_members(b, r);
	add_trace(b, r);
}

void
print_record_json(struct cli *cli, const struct journal_record *r, bool whole)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	add_members(&b, r);
	if (whole)
		add_trace(&b, r);
	buf_add(&b, STR("}\n"));
	fwrite(b.p, 1, b.n, cli->out);
	buf_free(&b);
}

/* --- CSV ---------------------------------------------------------------------------------------- */

/* The names are those of the JSON. */
static const struct {
	const char *name;
	size_t offset;
} csv_texts[] = {
	{ "client_ip", offsetof(struct journal_record, client_ip) },
	{ "client_name", offsetof(struct journal_record, client_name) },
	{ "helo", offsetof(struct journal_record, helo) },
	{ "account", offsetof(struct journal_record, account) },
	{ "sender", offsetof(struct journal_record, sender) },
	{ "enhanced", offsetof(struct journal_record, enhanced) },
	{ "text", offsetof(struct journal_record, text) },
	{ "rule", offsetof(struct journal_record, rule) },
	{ "observed", offsetof(struct journal_record, observed) },
	{ "queue_id", offsetof(struct journal_record, queue_id) },
	{ "session", offsetof(struct journal_record, session) },
	{ "subject", offsetof(struct journal_record, subject) },
};

#define N_CSV_TEXTS (sizeof(csv_texts) / sizeof(csv_texts[0]))

void
print_csv_head(struct cli *cli)
{
	fputs("id,time,front,step,verdict,code,size,times,recipients", cli->out);
	for (size_t i = 0; i < N_CSV_TEXTS; i++)
		fprintf(cli->out, ",%s", csv_texts[i].name);
	fputs("\r\n", cli->out);
}

void
print_record_csv(struct cli *cli, const struct journal_record *r)
{
	char time[WHEN_SIZE];
	struct buf b, recipients;

	buf_init(&b, 16 << 20);
	buf_init(&recipients, 1 << 20);
	print_recipients(r, &recipients);
	buf_printf(&b, "%s,%s,%s,%s,%s,%d,%" PRId64 ",%" PRId64 ",", r->id,
	    when_utc(r->time_ms, time), r->front, r->step, r->verdict, r->code, r->size,
	    r->times > 0 ? r->times : 1);
	escape_csv(&b, buf_str(&recipients));
	for (size_t i = 0; i < N_CSV_TEXTS; i++) {
		buf_addc(&b, ',');
		escape_csv(&b, *(const struct str *)((const char *)r + csv_texts[i].offset));
	}
	buf_add(&b, STR("\r\n"));
	fwrite(b.p, 1, b.n, cli->out);
	buf_free(&recipients);
	buf_free(&b);
}
