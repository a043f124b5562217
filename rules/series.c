#include "rules/series.h"

/* Room kept at the end of a text for its closing: ,{"cut":18446744073709551615}] */
#define CLOSING 40

void
series_open(struct series *s, struct buf *out, char open)
{
	*s = (struct series){ .out = out, .close = open == '[' ? ']' : '}' };
	buf_init(&s->element, out->max);
	buf_addc(out, open);
}

void
series_next(struct series *s)
{
	struct buf *b = s->out;

	/* After the first that is left out all are: the beginning of a story is worth more. */
	if (s->cut > 0 || s->element.over || b->n + s->element.n + CLOSING > b->max) {
		s->cut++;
	} else {
		if (s->n++ > 0)
			buf_addc(b, ',');
		buf_add(b, buf_str(&s->element));
	}
	buf_clear(&s->element);
}

void
series_close(struct series *s)
{
	if (s->cut > 0)
		buf_printf(s->out, s->close == ']' ? "%s{\"cut\":%zu}" : "%s\"(cut)\":%zu",
		    s->n > 0 ? "," : "", s->cut);
	buf_addc(s->out, s->close);
	buf_free(&s->element);
}
