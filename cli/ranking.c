#include "cli/ranking.h"

#include <stdlib.h>

#include "base/die.h"

void
ranking_init(struct ranking *r)
{
	*r = (struct ranking){ .arena = arena_new(SIZE_MAX) };
	intern_init(&r->texts, r->arena);
}

void
ranking_free(struct ranking *r)
{
	intern_free(&r->texts);
	arena_free(&r->arena);
	free(r->n);
}

void
ranking_add(struct ranking *r, struct str text, int64_t n)
{
	size_t before = r->texts.n, i;

	if (before >= RANKING_MOST && intern_find(&r->texts, text) == SIZE_MAX) {
		r->others += n;
		return;
	}
	i = intern_add(&r->texts, text);
	if (i >= r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->n = xrealloc(r->n, r->cap * sizeof(*r->n));
	}
	r->n[i] = (i < before ? r->n[i] : 0) + n;
}

size_t
ranking_top(const struct ranking *r, struct ranking_row *rows, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < r->texts.n; i++) {
		size_t at = n;

		if (n == most && rows[n - 1].n >= r->n[i])
			continue;
		n += n < most;
		while (at > 0 && rows[at - 1].n < r->n[i])
			at--;
		memmove(rows + at + 1, rows + at, (n - at - 1) * sizeof(*rows));
		rows[at] = (struct ranking_row){ r->texts.text[i], r->n[i] };
	}
	return n;
}
