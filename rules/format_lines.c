#include "rules/format_lines.h"

#include "rules/format.h"
#include "rules/rule.h"

#define INDENT 4
/* blocks of one line each, 16 deep: what an octet can become is bounded by blanks before it */
#define FORMAT_MAX (256 * 1024 * 1024)
#define ALIGN_MAX 40 /* blanks that alignment may add */

/* Tokens from..to-1, and the comment behind them. */
struct line {
	size_t from, to;
	size_t comment; /* SIZE_MAX: none */
	size_t indent;
	size_t condition; /* the `if` of a rule that stands on this line alone; 0: none */
	size_t pad;       /* blanks more before it */
	bool blank;       /* an empty line before it */
};

struct lines {
	struct format *f;
	struct line *line;
	size_t n;
};

/* --- widths ----------------------------------------------------------------------------------------- */

static bool
is_tight(const struct token *a, const struct token *b)
{
	if (a->kind == TOKEN_LEFT || b->kind == TOKEN_RIGHT || b->kind == TOKEN_COMMA ||
	    b->kind == TOKEN_SEMICOLON)
		return true;
	/* a fact and its arguments */
	return b->kind == TOKEN_LEFT && a->kind == TOKEN_WORD && !is_reserved(a) && !arith_is_op(a);
}

/* What stands between two items on one line. */
static struct str
joint(const struct format *f, size_t i)
{
	const struct item *a = &f->item[i - 1], *b = &f->item[i];

	if (b->start && !a->opens && !a->closes)
		return STR("; ");
	if (b->start && a->closes && !token_is(&b->t, "else"))
		return STR("; ");
	return is_tight(&a->t, &b->t) ? STR("") : STR(" ");
}

static size_t
width(const struct format *f, size_t from, size_t to)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++)
		n += (i > from ? joint(f, i).n : 0) + token_raw(&f->item[i].t).n;
	return n;
}

/* --- blocks ----------------------------------------------------------------------------------------- */

/* A block has lines of its own when somebody gave it some, or when it does not fit into one. */
static void
measure_blocks(struct format *f)
{
	size_t depth = 0, head = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct item *item = &f->item[i];
		bool several = false;

		if (item->start)
			head = i;
		if (item->closes)
			depth -= item->several;
		if (!item->opens)
			continue;
		for (size_t k = i + 1; k <= item->partner && !several; k++)
			several = f->item[k].newlines > 0 || f->item[k].t.kind == TOKEN_COMMENT;
		several =
		    several || depth * INDENT + width(f, head, item->partner + 1) > FORMAT_WIDTH;
		item->several = f->item[item->partner].several = several && item->partner > i + 1;
		depth += item->several;
	}
}

/* --- lines ------------------------------------------------------------------------------------------ */

/* Where a line is broken that is too long: before its `if`; else before each `and` and `or`; else behind commas. */
enum breaks { BREAK_IF, BREAK_JOINTS, BREAK_COMMAS };

static bool
breaks_before(const struct format *f, size_t i, enum breaks breaks, size_t parens, size_t lists)
{
	const struct token *t = &f->item[i].t;

	switch (breaks) {
	case BREAK_IF:
		return token_is(t, "if") && parens + lists == 0 &&
		    !token_is(&f->item[i - 1].t, "else");
	case BREAK_JOINTS:
		return (token_is(t, "and") || token_is(t, "or")) && parens + lists == 0;
	default:
		return f->item[i - 1].t.kind == TOKEN_COMMA && parens == 0;
	}
}

static void
add_line(struct lines *l, struct line line)
{
	l->line[l->n++] = line;
}

static void add_broken(struct lines *l, struct line line, size_t further, enum breaks breaks);

static void
add_fitting(struct lines *l, struct line line, size_t further, enum breaks breaks)
{
	if (line.indent + width(l->f, line.from, line.to) <= FORMAT_WIDTH || breaks > BREAK_COMMAS)
		add_line(l, line);
	else
		add_broken(l, line, further, breaks);
}

/* further: how far its continuation is indented. */
static void
add_broken(struct lines *l, struct line line, size_t further, enum breaks breaks)
{
	const struct format *f = l->f;
	struct line part = line;
	size_t parens = 0, lists = 0;

	for (size_t i = line.from; i < line.to; i++) {
		const struct item *item = &f->item[i];
		bool here = i > part.from && breaks_before(f, i, breaks, parens, lists);

		/* commas only where there is no more room */
		if (here && breaks == BREAK_COMMAS) {
			size_t next = i + 1;

			while (next < line.to && f->item[next - 1].t.kind != TOKEN_COMMA)
				next++;
			here = part.indent + width(f, part.from, next) > FORMAT_WIDTH;
		}
		if (here) {
			part.to = i;
			part.comment = SIZE_MAX;
			add_fitting(l, part, further, breaks + 1);
			part = (struct line){ .from = i, .indent = further };
		}
		parens += item->t.kind == TOKEN_LEFT;
		parens -= item->t.kind == TOKEN_RIGHT && parens > 0;
		lists += item->t.kind == TOKEN_OPEN && !item->opens;
		lists -= item->t.kind == TOKEN_CLOSE && !item->closes && lists > 0;
	}
	part.to = line.to;
	part.comment = line.comment;
	add_fitting(l, part, further, breaks + 1);
}

/* Whether blocks begin and end in it: then it is no rule's alone, and stays in one piece. */
static bool
has_block(const struct format *f, const struct line *line)
{
	for (size_t i = line->from; i < line->to; i++)
		if ((f->item[i].opens || f->item[i].closes) && !f->item[i].several)
			return true;
	return false;
}

static size_t
condition_of(const struct format *f, const struct line *line)
{
	if (!f->item[line->from].start)
		return 0;
	for (size_t i = line->from + 1; i < line->to; i++)
		if (token_is(&f->item[i].t, "if") && !token_is(&f->item[i - 1].t, "else"))
			return i;
	return 0;
}

/* further: of what goes on behind it. */
static void
finish_line(struct lines *l, struct line line, size_t further)
{
	size_t first = l->n;

	if (line.from == line.to && line.comment == SIZE_MAX)
		return;
	if (line.from == line.to || has_block(l->f, &line)) {
		add_line(l, line);
		return;
	}
	/* an `if` that begins a line and ends with a brace would be another statement */
	add_fitting(l, line, further, l->f->item[line.to - 1].opens ? BREAK_JOINTS : BREAK_IF);
	if (l->n == first + 1)
		l->line[first].condition = condition_of(l->f, &line);
}

/* Whether an item begins a line, where its blocks have lines of their own. */
static bool
begins_line(const struct format *f, size_t i, bool several)
{
	const struct item *before = &f->item[i - 1], *item = &f->item[i];

	if (before->t.kind == TOKEN_COMMENT)
		return true;
	if (item->t.kind == TOKEN_COMMENT)
		return item->newlines > 0;
	if (item->opens)
		return false;
	if (item->closes)
		return item->several;
	if (item->start)
		return several && !(token_is(&item->t, "else") && before->closes);
	return item->newlines > 0;
}

/* How deep in blocks with lines of their own, whether the latest block has them, and whether it is a list. */
struct place {
	size_t depth, open;
	bool several[BLOCKS_MAX + 1], list[BLOCKS_MAX + 1];
};

static void
enter(struct place *p, const struct format *f, size_t i, size_t head)
{
	p->open++;
	p->several[p->open] = f->item[i].several;
	p->list[p->open] = token_is(&f->item[head].t, "list");
	p->depth += f->item[i].several;
}

static void
lay_out(struct lines *l)
{
	struct format *f = l->f;
	struct place p = { .several = { true } };
	struct line line = { .comment = SIZE_MAX };
	size_t further = INDENT, head = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct item *item = &f->item[i];

		if (item->closes)
			p.depth -= item->several;
		if (item->start)
			head = i;
		if (i > 0 && begins_line(f, i, p.several[p.open])) {
			bool opened = f->item[i - 1].opens, comment = item->t.kind == TOKEN_COMMENT;
			bool goes_on = !item->start && !item->closes && !comment;

			finish_line(l, line, further);
			further = p.depth * INDENT + (p.list[p.open] ? 0 : INDENT);
			line = (struct line){ .from = i,
				.to = i,
				.comment = SIZE_MAX,
				.indent = goes_on ? further : p.depth * INDENT,
				.blank =
				    item->newlines > 1 && !opened && !goes_on && !item->closes };
		}
		if (item->closes)
			p.open--;
		if (item->t.kind == TOKEN_COMMENT)
			line.comment = i;
		else
			line.to = i + 1;
		if (item->opens)
			enter(&p, f, i, head);
	}
	finish_line(l, line, further);
}

/* --- alignment -------------------------------------------------------------------------------------- */

static size_t
width_of(const struct lines *l, const struct line *line)
{
	return line->from == line->to
	    ? 0
	    : line->indent + width(l->f, line->from, line->to) + line->pad;
}

/* The `if` of rules that stand one below the other, where all fit. */
static void
align_conditions(struct lines *l)
{
	for (size_t i = 0, end; i < l->n; i = end) {
		size_t least = SIZE_MAX, most = 0, longest = 0;

		for (end = i; end < l->n; end++) {
			const struct line *line = &l->line[end];
			size_t n;

			if (line->condition == 0 || (end > i && line->blank) ||
			    line->indent != l->line[i].indent)
				break;
			n = width(l->f, line->from, line->condition);
			least = n < least ? n : least;
			most = n > most ? n : most;
			n = width(l->f, line->condition, line->to);
			longest = n > longest ? n : longest;
		}
		if (end > i + 1 && most - least <= ALIGN_MAX &&
		    l->line[i].indent + most + 1 + longest <= FORMAT_WIDTH)
			for (size_t k = i; k < end; k++)
				l->line[k].pad =
				    most - width(l->f, l->line[k].from, l->line[k].condition);
		end += end == i;
	}
}

static bool
has_trailing(const struct line *line)
{
	return line->comment != SIZE_MAX && line->from < line->to;
}

/* --- text ------------------------------------------------------------------------------------------- */

static void
blanks(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

/* column: where its comment stands, if it has one behind it. */
static void
print_line(const struct lines *l, const struct line *line, size_t column, struct buf *out)
{
	const struct format *f = l->f;

	if (line->blank)
		buf_addc(out, '\n');
	blanks(out, line->indent);
	for (size_t i = line->from; i < line->to; i++) {
		if (i > line->from)
			buf_add(out, joint(f, i));
		if (i == line->condition)
			blanks(out, line->pad);
		buf_add(out, token_raw(&f->item[i].t));
	}
	if (has_trailing(line))
		blanks(out, column - width_of(l, line));
	if (line->comment != SIZE_MAX)
		buf_add(out, f->item[line->comment].t.text);
	buf_addc(out, '\n');
}

/* Comments behind lines that follow each other stand one below the other. */
static void
print_lines(const struct lines *l, struct buf *out)
{
	for (size_t i = 0, end; i < l->n; i = end) {
		size_t most = 0;

		for (end = i; end < l->n && has_trailing(&l->line[end]); end++) {
			size_t n = width_of(l, &l->line[end]);

			if (end > i && l->line[end].blank)
				break;
			most = n > most ? n : most;
		}
		for (size_t k = i; k < end; k++)
			print_line(l, &l->line[k], most + 2, out);
		if (end == i)
			print_line(l, &l->line[end++], 0, out);
	}
}

struct str
format_lines(struct format *f)
{
	struct lines lines = { .f = f };
	struct str text;
	struct buf out;

	measure_blocks(f);
	/* each item begins one line at most */
	lines.line = ARENA_ARRAY(f->arena, struct line, f->n + 1);
	lay_out(&lines);
	align_conditions(&lines);
	buf_init(&out, FORMAT_MAX);
	print_lines(&lines, &out);
	text = arena_dup(f->arena, buf_str(&out));
	buf_free(&out);
	return text;
}
