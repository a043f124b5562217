/*
 * A message on its way through the proxy: the end of data, the spool with little memory, the header found
 * as it arrives, our fields in front, forged ones left out, and the wire form again. The first octet
 * chooses the treatment of bare CR and LF and the length of the pieces, the second how much is in
 * memory. What another server then reads is what was sent, less the forged fields.
 */
#include <stdlib.h>

#include "base/die.h"
#include "mail/authres.h"
#include "mail/eod.h"
#include "proxy/received.h"
#include "proxy/spool.h"

#define MOST (4 * 1024 * 1024)
#define US "mx.fuzz.test"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct inward {
	struct spool *spool;
	struct buf all; /* the same octets, for comparison */
};

static void
put_in(void *owner, struct str run)
{
	struct inward *in = owner;
	struct err e;

	require(spool_add(in->spool, run, &e) && buf_add(&in->all, run));
}

static void
put_out(void *owner, struct str run)
{
	require(buf_add(owner, run));
}

static void
read_message(struct inward *in, struct str text, enum eod_bare bare, size_t length)
{
	struct eod_reader r;

	eod_reader_init(&r, bare);
	while (text.n > 0 && !r.ended) {
		size_t n = eod_read(&r, str_sub(text, 0, length), put_in, in);

		text = str_sub(text, n, text.n);
	}
}

/* From any offset the same octets come back. */
static void
check_spool(struct inward *in)
{
	struct str all = buf_str(&in->all);

	require(spool_size(in->spool) == all.n);
	for (size_t at = 0, step = 1; at < all.n; at += step, step = step * 2 % 1021) {
		struct str piece = spool_at(in->spool, at);

		require(piece.n > 0 && str_starts(str_sub(all, at, all.n), piece));
	}
	require(spool_at(in->spool, all.n).n == 0 && !spool_failed(in->spool));
}

/* Whether the header is complete depends on its octets only, not on how many have come after. */
static void
check_header(struct session *s, struct str all)
{
	struct message *m = &s->txn.message;
	size_t body, early;
	struct header h;
	bool many;

	require(header_split(s->txn.arena, all, true, &m->header, &body, &many));
	m->body = body;
	m->size = all.n;
	for (size_t n = 1; n < all.n && n < 512; n = n * 2 + 1)
		if (header_split(s->txn.arena, str_sub(all, 0, n), false, &h, &early, &many))
			require(early == body && h.n == m->header.n &&
			    h.malformed == m->header.malformed);
}

static void
write_on(struct session *s, struct spool *spool, struct buf *wire)
{
	struct holes holes = received_forged(s, US);
	uint64_t at = 0, size = spool_size(spool);
	struct eod_writer w;
	size_t hole = 0;

	eod_writer_init(&w);
	while (at < size) {
		struct str piece = spool_at(spool, at);

		if (hole < holes.n) {
			require(holes.hole[hole].from >= at &&
			    holes.hole[hole].to > holes.hole[hole].from &&
			    holes.hole[hole].to <= s->txn.message.body);
			piece = str_sub(piece, 0, (size_t)(holes.hole[hole].from - at));
		}
		eod_write(&w, piece, put_out, wire);
		at += piece.n;
		if (hole < holes.n && at == holes.hole[hole].from)
			at = holes.hole[hole++].to;
	}
	eod_write_end(&w, put_out, wire);
}

static struct spool *
spool_of(size_t own, const char *folder)
{
	static struct spool_total total;

	return spool_new(&(struct spool_limits){
	    .total = &total, .memory = 2 * MOST, .disk = 2 * MOST, .own = own, .folder = folder });
}

/* The next server's view. */
static void
check_wire(struct str wire, bool too_many)
{
	struct session s;
	struct inward back;
	struct eod_reader r;
	size_t body;
	bool many;

	buf_init(&back.all, MOST);
	back.spool = spool_of(MOST, "/");
	eod_reader_init(&r, EOD_REFUSE);
	require(eod_read(&r, wire, put_in, &back) == wire.n && r.ended);
	session_init(&s, FRONT_PROXY, NULL, 0);
	require(header_split(
	    s.txn.arena, buf_str(&back.all), true, &s.txn.message.header, &body, &many));
	require(too_many || received_forged(&s, US).n == 0);
	session_free(&s);
	spool_free(&back.spool);
	buf_free(&back.all);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data + 2, size - 2 };
	const char *tmp = getenv("TMPDIR");
	struct inward in;
	struct session s;
	struct buf wire;

	if (size < 2)
		return 0;
	buf_init(&in.all, MOST);
	buf_init(&wire, MOST);
	in.spool = spool_of(data[1], tmp ? tmp : "/tmp");
	session_init(&s, FRONT_PROXY, NULL, 0);
	read_message(&in, text, data[0] & 1 ? EOD_NORMALISE : EOD_REFUSE, 1 + (data[0] >> 1));
	check_spool(&in);
	check_header(&s, buf_str(&in.all));
	write_on(&s, in.spool, &wire);
	/* With bare CR or LF it would have been refused. */
	if (data[0] & 1)
		check_wire(buf_str(&wire), s.txn.message.header.n == HEADER_FIELDS_MAX);
	session_free(&s);
	spool_free(&in.spool);
	buf_free(&in.all);
	buf_free(&wire);
	return 0;
}
