/*
 * print: how the subcommands print what a journal's record holds: lines of cells, escaped, coloured
 * and cut to the width of a terminal, if there is one; and the record as JSON.
 */
#ifndef POSTERN_CLI_PRINT_H
#define POSTERN_CLI_PRINT_H

#include "cli/cli.h"

enum color { COLOR_NONE, COLOR_BOLD, COLOR_DIM, COLOR_GREEN, COLOR_YELLOW, COLOR_RED };

/* A line on its way: columns used so far. Begin with { cli }. */
struct line {
	struct cli *cli;
	size_t used;
	size_t owed; /* blanks before the next cell */
};

/* Adds text by strangers, escaped; filled up with blanks to `width` (0: as it is) and two more. */
void line_cell(struct line *line, struct str text, size_t width, enum color color);
/* The same, cut to `width` on a terminal. */
void line_cut_cell(struct line *line, struct str text, size_t width, enum color color);
/* Adds text of our own, with no blanks behind it. */
void line_add(struct line *line, const char *text, enum color color);
/* Ends it. */
void line_end(struct line *line);
/* Adds sentences and ends it: they go on in lines of their own behind `indent` blanks, as in print_prose(). */
void line_prose(struct line *line, size_t indent, enum color color, struct str text);

/*
 * Sentences, broken at blanks: `indent` blanks in front of each line, as wide as the terminal (80 at
 * most, and where there is none). label stands in front of the first line, filled up to the indent.
 */
struct prose {
	const char *label; /* NULL: none */
	size_t indent;
	enum color label_color, color;
};
void print_prose(struct cli *cli, const struct prose *how, struct str text);

/* Columns that escaped text takes on a terminal. */
size_t print_width(struct str text);
enum color print_verdict_color(const char *verdict);
/* "a@b, c@d" of the JSON array; not escaped. */
void print_recipients(const struct journal_record *r, struct buf *out);
/*
 * One JSON object on one line. whole: with trace and answers. Texts of the record that should be
 * JSON and are none become empty ones.
 */
void print_record_json(struct cli *cli, const struct journal_record *r, bool whole);
/* ,"name":"text" */
void print_member(struct buf *b, const char *name, struct str text);
/* ,"name":"2026-01-31T11:00:59.123Z", or null where there is none: 0. */
void print_moment(struct buf *b, const char *name, int64_t ms);
/* The object of print_record_json() without its end, for whoever has more members. */
void print_record_open(struct buf *b, const struct journal_record *r);
/* The names of the columns of CSV, and a record in them: one line, but for what is in quotes. */
void print_csv_head(struct cli *cli);
void print_record_csv(struct cli *cli, const struct journal_record *r);

#endif
