#include "proxy/io_line.h"

#include <event2/buffer.h>

#include "base/die.h"

static void
drain_wiped(struct evbuffer *input, size_t n)
{
	struct evbuffer_iovec piece;

	while (n > 0 && evbuffer_peek(input, (ev_ssize_t)n, NULL, &piece, 1) > 0) {
		size_t now = piece.iov_len < n ? piece.iov_len : n;

		explicit_bzero(piece.iov_base, now);
		evbuffer_drain(input, now);
		n -= now;
	}
}

enum io_line
io_line_take(struct evbuffer *input, bool *skipping, size_t max, struct buf *out)
{
	struct evbuffer_ptr lf = evbuffer_search(input, "\n", 1, NULL);
	bool ended = lf.pos >= 0, clean;
	size_t n = ended ? (size_t)lf.pos + 1 : evbuffer_get_length(input);

	if (*skipping || n > max) {
		drain_wiped(input, n);
		*skipping = !ended;
		return ended ? IO_LINE_LONG : IO_LINE_NONE;
	}
	if (!ended)
		return IO_LINE_NONE;
	buf_clear(out);
	require(buf_reserve(out, n));
	evbuffer_copyout(input, out->p, n);
	clean = n >= 2 && out->p[n - 2] == '\r' && memchr(out->p, '\r', n) == out->p + n - 2 &&
	    memchr(out->p, '\0', n) == NULL;
	out->n = clean ? n - 2 : n - 1;
	out->p[out->n] = '\0';
	drain_wiped(input, n);
	return clean ? IO_LINE : IO_LINE_BARE;
}
