#include "filters/dkim_length.h"

void
dkim_length_init(struct dkim_length *length, bool relaxed)
{
	*length = (struct dkim_length){ .relaxed = relaxed };
}

static void
add_octet(struct dkim_length *l, char c)
{
	if (l->relaxed && (c == ' ' || c == '\t')) {
		l->blank = true;
		return;
	}
	l->octets += 2 * l->line_ends + l->blank + 1;
	l->line_ends = 0;
	l->blank = false;
}

static void
add_line_end(struct dkim_length *l)
{
	l->blank = false;
	l->line_ends++;
}

void
dkim_length_add(struct dkim_length *l, struct str octets)
{
	for (size_t i = 0; i < octets.n; i++) {
		char c = octets.p[i];
		bool cr = l->cr;

		l->cr = c == '\r';
		if (cr && c == '\n') {
			add_line_end(l);
			continue;
		}
		if (cr)
			add_octet(l, '\r');
		if (!l->cr)
			add_octet(l, c);
	}
}

uint64_t
dkim_length_end(struct dkim_length *l)
{
	if (l->cr)
		add_octet(l, '\r');
	l->cr = false;
	if (l->octets > 0)
		return l->octets + 2;
	return l->relaxed ? 0 : 2;
}
