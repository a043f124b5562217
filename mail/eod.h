/*
 * eod: the one owner of line endings. Reads a message as it comes in DATA or in the chunks of BDAT:
 * finds its end, removes the stuffed dots, and sees to bare CR and LF; and writes a message as it goes out in DATA. Nobody
 * else in the program judges what ends a line or a message.
 *
 * Reading: only CR LF '.' CR LF ends a message (the first two octets may be those that ended the
 * DATA command). Works on any split of the input, one octet at a time included. Pure.
 */
#ifndef POSTERN_MAIL_EOD_H
#define POSTERN_MAIL_EOD_H

#include "base/buf.h"

enum eod_bare {
	EOD_REFUSE,    /* note it; the owner answers 550 5.6.11 at the end */
	EOD_NORMALISE, /* a bare LF becomes CRLF, a bare CR becomes a blank */
	EOD_KEEP,      /* they are what the sender means: BINARYMIME (RFC 3030) */
};

struct eod_reader {
	enum eod_bare bare;
	uint8_t state;         /* private */
	bool chunks;           /* of BDAT: a dot means nothing, who counts knows the end */
	bool ended;            /* the final dot was read, or eod_read_last() said so */
	bool bare_cr, bare_lf; /* was seen */
	bool nul;              /* was seen */
	uint64_t octets;       /* of the message, as it will be stored */
	uint64_t longest;      /* line, without CRLF */
	uint64_t line;         /* octets in the present line */
};

void eod_reader_init(struct eod_reader *r, enum eod_bare bare);
/*
 * Takes octets from in, up to and with the end of data, and calls put with the message's octets, in
 * runs as long as can be (no copy). Returns how many octets of in were taken: less than in.n only
 * when ended; the rest is the next command's. Runs may be split anywhere; between two runs of one
 * call order is kept.
 */
size_t eod_read(
    struct eod_reader *r, struct str in, void (*put)(void *owner, struct str run), void *owner);

/* The same for what comes in chunks (BDAT of RFC 3030); they may end anywhere in a line. */
void eod_reader_init_chunks(struct eod_reader *r, enum eod_bare bare);
/* The last chunk was read: what was held back is not the beginning of a line end. */
void eod_read_last(struct eod_reader *r, void (*put)(void *owner, struct str run), void *owner);

struct eod_writer {
	uint8_t state; /* private */
};

void eod_writer_init(struct eod_writer *w);
/*
 * Writes the message's octets in wire form: a dot at the start of a line is doubled. put as above.
 */
void eod_write(
    struct eod_writer *w, struct str in, void (*put)(void *owner, struct str run), void *owner);
/* Writes what ends the message: CRLF if the last line had none, then ".\r\n". */
void eod_write_end(struct eod_writer *w, void (*put)(void *owner, struct str run), void *owner);

#endif
