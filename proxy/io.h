/*
 * io: one connection, whichever end of it is ours: octets in, octets out, a deadline. The seam
 * behind which bufferevents stand; once io_tls() has been called, who uses it need not know whether
 * the octets travel in the clear.
 *
 * Belongs to one loop. on() is always called from the loop, never from inside a call of the
 * owner's, and the owner may free the connection in it. Nothing here fails: what goes wrong arrives
 * as IO_CLOSED, and io_why() tells what it was. Input is bounded: reading pauses by itself
 * while IO_INPUT_MAX octets wait to be taken.
 */
#ifndef POSTERN_PROXY_IO_H
#define POSTERN_PROXY_IO_H

#include "proxy/io_line.h"
#include "proxy/proxy_header.h"

struct event_base;
struct sockaddr;
struct ssl_st;
struct io;

#define IO_INPUT_MAX (32 * 1024)
#define IO_OUTPUT_LOW (32 * 1024) /* IO_DRAINED comes when no more than this is unsent */

enum io_event {
	IO_CONNECTED, /* io_connect() succeeded */
	IO_SECURED,   /* io_tls() succeeded */
	IO_READABLE,  /* more input */
	IO_DRAINED,   /* output went down to IO_OUTPUT_LOW */
	IO_ENDED, /* the peer sends no more; what it sent can still be taken, and it may still listen */
	IO_CLOSED,  /* it failed: nothing goes either way any more */
	IO_TIMEOUT, /* the deadline passed */
};

/* fd: a connected, nonblocking socket, taken over; -1: io_connect() follows. Reading is off. */
struct io *io_new(
    struct event_base *base, int fd, void (*on)(void *owner, enum io_event event), void *owner);
/* Closes at once; what is unsent is lost. */
void io_free(struct io **io);
/* The same, after trying to send a last word that nobody depends on. */
void io_farewell(struct io **io, struct str last);
/* address: struct sockaddr_in or _in6. */
void io_connect(struct io *io, const struct sockaddr *address);

/*
 * From here on TLS, in which `ssl` says whose part is ours (base/tls.h); it is taken over. Call with
 * nothing unsent and no input: what was said in the clear must not be taken for what is said inside.
 * IO_SECURED follows, or IO_CLOSED with the reason. Until then nothing may be written.
 */
void io_tls(struct io *io, struct ssl_st *ssl);
/* What io_tls() was given; NULL: the octets travel in the clear. */
const struct ssl_st *io_ssl(const struct io *io);
/* Something waits to be taken, here or still in the kernel. */
bool io_pending(const struct io *io);

void io_read(struct io *io, bool on);
size_t io_available(const struct io *io);
/* The next line of the input, as io_line_take() does it. */
enum io_line io_take_line(struct io *io, size_t max, struct buf *out);
/* The first piece of the input, as it lies in memory; io_drop() gives it up. */
struct str io_peek(struct io *io);
void io_drop(struct io *io, size_t n);

void io_write(struct io *io, struct str octets);
/* The same; overwritten here once they are sent. */
void io_write_secret(struct io *io, struct str octets);
size_t io_unsent(const struct io *io);
/*
 * How many octets were handed to the system so far, and how many of these the peer's system has acknowledged,
 * counted from the same unknown beginning. Also after IO_CLOSED. False: it cannot be told.
 */
bool io_position(const struct io *io, uint64_t *sent, uint64_t *acknowledged);
/* The peer's end of input has arrived, whether it was read up to there or not. */
bool io_peer_ended(const struct io *io);
/* No more output: the peer sees the end of it behind what is still unsent. */
void io_finish(struct io *io);

/* IO_TIMEOUT comes after ms, once, unless set anew; 0: none. */
void io_deadline(struct io *io, int64_t ms);
/* Of a connection that we opened: we are the client. */
struct endpoints io_ends(const struct io *io);
/* Why IO_ENDED or IO_CLOSED came: "end of input", or the system's words. */
const char *io_why(const struct io *io);

#endif
