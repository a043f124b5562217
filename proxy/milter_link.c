#include "proxy/milter_link.h"

#define WORD 4

static void
add_word(struct buf *out, size_t n)
{
	const char octets[WORD] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n };

	buf_add(out, (struct str){ octets, WORD });
}

static size_t
read_word(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
}

bool
link_write(struct buf *out, const struct link_frame *frame)
{
	size_t length = 1;

	for (size_t i = 0; i < frame->n; i++)
		length += WORD + frame->field[i].n;
	if (length > LINK_FRAME_MAX || out->n + WORD + length > out->max)
		return false;
	add_word(out, length);
	buf_addc(out, (char)frame->type);
	for (size_t i = 0; i < frame->n; i++) {
		add_word(out, frame->field[i].n);
		buf_add(out, frame->field[i]);
	}
	return !out->over;
}

enum link_read
link_read(struct str in, struct link_frame *out, size_t *used)
{
	struct str rest;

	*used = WORD;
	if (in.n < WORD)
		return LINK_MORE;
	*used += read_word(in.p);
	if (*used < WORD + 1 || *used > WORD + LINK_FRAME_MAX)
		return LINK_BROKEN;
	if (in.n < *used)
		return LINK_MORE;
	*out = (struct link_frame){ .type = (enum link_type)in.p[WORD] };
	rest = str_sub(in, WORD + 1, *used);
	while (rest.n) {
		size_t n;

		if (rest.n < WORD || out->n == LINK_FIELDS)
			return LINK_BROKEN;
		n = read_word(rest.p);
		if (n > rest.n - WORD)
			return LINK_BROKEN;
		out->field[out->n++] = str_sub(rest, WORD, WORD + n);
		rest = str_sub(rest, WORD + n, rest.n);
	}
	return LINK_WHOLE;
}
