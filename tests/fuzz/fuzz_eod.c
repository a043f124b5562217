/*
 * End of data: in pieces as in one; and what was normalised is one message on its way out. The
 * first octet chooses the treatment of bare CR and LF and the length of the pieces.
 */
#include "mail/eod.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put(void *owner, struct str run)
{
	if (run.n == 0 || !buf_add(owner, run))
		abort();
}

struct result {
	struct eod_reader r;
	struct buf out;
	size_t taken;
};

static void
read_in_pieces(struct result *res, struct str in, enum eod_bare bare, size_t length)
{
	buf_init(&res->out, 1 << 24);
	eod_reader_init(&res->r, bare);
	res->taken = 0;
	while (res->taken < in.n && !res->r.ended) {
		struct str piece = str_sub(in, res->taken, res->taken + length);
		size_t n = eod_read(&res->r, piece, put, &res->out);

		if (n > piece.n || (n < piece.n && !res->r.ended))
			abort();
		res->taken += n;
	}
	if (res->r.octets != res->out.n)
		abort();
}

static void
compare(const struct result *a, const struct result *b)
{
	if (a->taken != b->taken || !str_eq(buf_str(&a->out), buf_str(&b->out)))
		abort();
	if (a->r.ended != b->r.ended || a->r.bare_cr != b->r.bare_cr ||
	    a->r.bare_lf != b->r.bare_lf || a->r.nul != b->r.nul || a->r.longest != b->r.longest)
		abort();
}

static void
send_on(struct str message)
{
	struct buf wire;
	struct eod_writer w;
	struct result back;

	buf_init(&wire, 1 << 24);
	eod_writer_init(&w);
	eod_write(&w, message, put, &wire);
	eod_write_end(&w, put, &wire);
	read_in_pieces(&back, buf_str(&wire), EOD_REFUSE, wire.n);
	if (!back.r.ended || back.taken != wire.n || back.r.bare_cr || back.r.bare_lf)
		abort();
	if (!str_starts(buf_str(&back.out), message) || back.out.n > message.n + 2)
		abort();
	buf_free(&wire);
	buf_free(&back.out);
}

/* In chunks there is no end within, and what is kept is what came. */
static void
read_chunks(struct str in, enum eod_bare bare, size_t length)
{
	struct eod_reader r;
	struct buf out;

	buf_init(&out, 1 << 24);
	eod_reader_init_chunks(&r, bare);
	for (size_t at = 0; at < in.n; at += length) {
		struct str piece = str_sub(in, at, at + length);

		if (eod_read(&r, piece, put, &out) != piece.n || r.ended)
			abort();
	}
	eod_read_last(&r, put, &out);
	if (r.octets != out.n)
		abort();
	if (bare == EOD_NORMALISE)
		send_on(buf_str(&out));
	else if (!str_eq(buf_str(&out), in))
		abort();
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data + 1, size - 1 };
	struct result whole, pieces;
	enum eod_bare bare;

	if (size == 0)
		return 0;
	bare = data[0] & 1 ? EOD_NORMALISE : EOD_REFUSE;
	read_in_pieces(&whole, in, bare, in.n);
	read_in_pieces(&pieces, in, bare, 1 + (data[0] >> 1) % 16);
	compare(&whole, &pieces);
	read_chunks(in, bare, 1 + (data[0] >> 1) % 16);
	read_chunks(in, EOD_KEEP, 1 + (data[0] >> 1) % 16);
	if (bare == EOD_NORMALISE)
		send_on(buf_str(&whole.out));
	buf_free(&whole.out);
	buf_free(&pieces.out);
	return 0;
}
