#include "rules/complaint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/escape.h"

#define SOURCE_SHOWN 400

/* The line a token stands on, for the caret under it; what is after the shown part is left out. */
static const char *
source_line(struct complaints *c, const struct source *source, unsigned line)
{
	struct str rest = source->text, part = { NULL, 0 };

	while (line > 0 && str_pop(&rest, '\n', &part))
		line--;
	if (line > 0)
		return NULL;
	if (part.n > 0 && part.p[part.n - 1] == '\r')
		part.n--;
	/* columns are counted from behind it */
	if (part.p == source->text.p && str_starts(part, STR(BYTE_ORDER_MARK)))
		part = str_sub(part, 3, part.n);
	return arena_dup(c->arena, str_sub(part, 0, SOURCE_SHOWN)).p;
}

static struct complaint *
complaint_new(struct complaints *c)
{
	if (c->arena == NULL)
		c->arena = arena_new(SIZE_MAX);
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 8;
		struct complaint *item = ARENA_ARRAY(c->arena, struct complaint, cap);

		if (c->n > 0)
			memcpy(item, c->item, c->n * sizeof *item);
		c->item = item;
		c->cap = cap;
	}
	return &c->item[c->n++];
}

const char *
lint_name(enum lint_kind lint)
{
	static const char *const names[LINT_COUNT] = {
		[LINT_ALWAYS_TRUE] = "always-true",
		[LINT_BARE_DOLLAR] = "bare-dollar",
		[LINT_CERTIFICATE] = "certificate",
		[LINT_CONSTANT] = "constant",
		[LINT_COSTLY_FIRST] = "costly-first",
		[LINT_COSTLY_FOR_ALL] = "costly-for-all",
		[LINT_EMPTY_LIST] = "empty-list",
		[LINT_NEVER_TRUE] = "never-true",
		[LINT_SHADOWED] = "shadowed",
		[LINT_UNASKED_MARK] = "unasked-mark",
		[LINT_UNUSED_LIST] = "unused-list",
		[LINT_UNUSED_NAME] = "unused-name",
		[LINT_UNUSED_PLAN] = "unused-plan",
	};

	return names[lint];
}

/* Takes MEND out of a text; what stands behind it is what would be right. */
static void
put_text(struct complaints *c, struct complaint *new, const char *text)
{
	struct str s = str_of(text);
	size_t at = str_find(s, MEND[0]);
	struct str before = str_sub(s, 0, at), behind;

	new->mend = "";
	if (at == STR_NPOS) {
		new->text = arena_dup(c->arena, s).p;
		return;
	}
	behind = str_sub(s, at + 1, s.n);
	new->text = arena_printf(c->arena, "%.*s%.*s", STR_ARG(before), STR_ARG(behind)).p;
	new->mend = new->text + before.n;
}

/* Files in the order in which something was said of them. */
static unsigned
rank_of(const struct complaints *c, const struct complaint *new)
{
	unsigned most = 0;

	for (const struct complaint *old = c->item; old < new; old++) {
		if (strcmp(old->file, new->file) == 0)
			return old->rank;
		most = old->rank + 1 > most ? old->rank + 1 : most;
	}
	return most;
}

static void
add(struct complaints *c, const struct source *source, const struct token *at, const char *text)
{
	struct complaint *new = complaint_new(c);

	if (at != NULL && at->source != NULL)
		source = at->source;
	new->file = arena_dup(c->arena, str_of(source->file)).p;
	put_text(c, new, text);
	new->rank = rank_of(c, new);
	if (at != NULL && at->line > 0) {
		new->line = at->line;
		new->column = at->column;
		new->source = source_line(c, source, at->line);
	}
}

void
complain(struct complaints *c, const struct source *source, const struct token *at,
    const char *format, ...)
{
	char text[1024];
	va_list ap;

	if (c->errors >= COMPLAINTS_MAX) {
		if (c->errors++ == COMPLAINTS_MAX)
			add(c, source, NULL, "too many errors; the rest is not shown");
		return;
	}
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	c->errors++;
	add(c, source, at, text);
}

/* A condition with a name stands in one place, and in many rules. */
static bool
was_said(const struct complaints *c, const struct remark *about)
{
	const struct token *at = about->at;
	const struct source *source = at && at->source ? at->source : about->source;

	for (size_t i = 0; at && i < c->n; i++)
		if (c->item[i].lint == lint_name(about->lint) && c->item[i].line == at->line &&
		    c->item[i].column == at->column && strcmp(c->item[i].file, source->file) == 0)
			return true;
	return false;
}

void
complain_softly(struct complaints *c, const struct remark *about, const char *format, ...)
{
	char text[1024];
	va_list ap;

	if (c->n >= 2 * COMPLAINTS_MAX || was_said(c, about))
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	add(c, about->source, about->at, text);
	c->item[c->n - 1].warning = true;
	c->item[c->n - 1].lint = lint_name(about->lint);
}

/* Complaints about the file as a whole (line 0) stay last: "too many errors" is one. */
static bool
comes_before(const struct complaint *a, const struct complaint *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->line == 0 || b->line == 0)
		return a->line != 0 && b->line == 0;
	if (a->line != b->line)
		return a->line < b->line;
	return a->column < b->column;
}

const char *
place_show(const struct token *at, const struct token *from, char out[PLACE_SHOWN])
{
	bool elsewhere = at->source != NULL && from->source != NULL && at->source != from->source;
	char name[PLACE_SHOWN - 32];

	if (!elsewhere) {
		snprintf(out, PLACE_SHOWN, "line %u", at->line);
	} else {
		escape_text(at->source->name, name, sizeof name);
		snprintf(out, PLACE_SHOWN, "line %u of %s", at->line, name);
	}
	return out;
}

void
complaints_sort(struct complaints *c)
{
	/* by insertion: stable, and there are a hundred at most */
	for (size_t i = 1; i < c->n; i++) {
		struct complaint moving = c->item[i];
		size_t j = i;

		while (j > 0 && comes_before(&moving, &c->item[j - 1])) {
			c->item[j] = c->item[j - 1];
			j--;
		}
		c->item[j] = moving;
	}
}

void
complaints_free(struct complaints *c)
{
	if (c->arena != NULL)
		arena_free(&c->arena);
	*c = (struct complaints){ 0 };
}

/* Tabs would put the caret elsewhere than the eye; they are shown as single blanks. */
static void
print_source(struct buf *b, const struct complaint *c)
{
	char line[SOURCE_SHOWN + 1], shown[4 * SOURCE_SHOWN];
	size_t n = strlen(c->source), before = c->column > 0 ? c->column - 1 : 0;

	if (n > SOURCE_SHOWN)
		n = SOURCE_SHOWN;
	for (size_t i = 0; i < n; i++)
		line[i] = c->source[i] == '\t' ? ' ' : c->source[i];
	escape_terminal((struct str){ line, n }, shown, sizeof shown);
	buf_printf(b, "\n    %s", shown);
	if (before > n)
		return;
	escape_terminal((struct str){ line, before }, shown, sizeof shown);
	buf_add(b, STR("\n    "));
	for (const char *p = shown; *p != '\0'; p++)
		if (((unsigned char)*p & 0xc0) != 0x80)
			buf_addc(b, ' ');
	buf_addc(b, '^');
}

char *
complaint_print(const struct complaint *c)
{
	char text[2048];
	struct buf b;
	char *out;

	buf_init(&b, 8192);
	buf_printf(&b, "%s:", escape_terminal(str_of(c->file), text, sizeof text));
	if (c->line > 0)
		buf_printf(&b, "%u:%u:", c->line, c->column);
	/* What stands in it of the file is escaped already. */
	buf_printf(&b, " %s: %s", c->warning ? "warning" : "error", c->text);
	if (c->source != NULL)
		print_source(&b, c);
	out = xstrdup(b.p);
	buf_free(&b);
	return out;
}

void
suggest_begin(struct suggestion *s, struct str word)
{
	/* a third of the letters may be wrong, one in any case */
	size_t allowed = word.n / 3 > 3 ? 3 : word.n / 3;

	*s = (struct suggestion){ .word = word, .distance = (allowed ? allowed : 1) + 1 };
}

#define SUGGEST_MAX 40

/* Letters to insert, remove, change, or swap with their neighbour (optimal string alignment). */
static size_t
distance(struct str a, struct str b)
{
	size_t row[3][SUGGEST_MAX + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			char x = ascii_lower(a.p[i - 1]), y = ascii_lower(b.p[j - 1]);
			size_t best = last[j - 1] + (x != y);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && x == ascii_lower(b.p[j - 2]) &&
			    y == ascii_lower(a.p[i - 2]) && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[a.n % 3][b.n];
}

void
suggest(struct suggestion *s, struct str candidate)
{
	size_t d;

	if (s->word.n > SUGGEST_MAX || candidate.n > SUGGEST_MAX || candidate.n == 0 ||
	    str_eq(s->word, candidate))
		return;
	d = distance(s->word, candidate);
	if (d < s->distance) {
		s->distance = d;
		s->best = candidate;
	}
}

const char *
suggest_end(struct suggestion *s)
{
	s->text[0] = '\0';
	if (s->best.n > 0)
		snprintf(
		    s->text, sizeof s->text, "; " MEND "did you mean `%.*s`?", STR_ARG(s->best));
	return s->text;
}
