#include "post/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/die.h"

#define INPUT_MAX 4096 /* octets of a line */

struct wire {
	int fd;
	SSL *ssl; /* NULL: in the clear */
	struct wire_limit limit;
	char input[INPUT_MAX];
	size_t from, n; /* of what was read ahead */
};

/* False: it is time to give up. */
static bool
await(int fd, short events, const struct wire_limit *limit, struct err *e)
{
	struct pollfd fds[2] = { { fd, events, 0 }, { limit->stop, POLLIN, 0 } };
	int64_t left;
	int n;

	do {
		left = (limit->until_us - clock_mono_us()) / 1000;
		n = left > 0 ? poll(fds, 2, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, ERR_SYSTEM, "poll: %s", strerror(errno));
	if (fds[1].revents)
		return err_set(e, ERR_SYSTEM, "told to end");
	return n > 0 || err_set(e, ERR_SYSTEM, "no answer in time");
}

/* ---- connecting ---- */

static int
try_address(const struct addrinfo *a, const struct wire_limit *limit, struct err *e)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0) {
		err_set(e, ERR_SYSTEM, "%s", strerror(errno));
		return -1;
	}
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	if (errno != EINPROGRESS)
		err_set(e, ERR_SYSTEM, "%s", strerror(errno));
	else if (await(fd, POLLOUT, limit, e) &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0) {
		if (error == 0)
			return fd;
		err_set(e, ERR_SYSTEM, "%s", strerror(error));
	}
	close(fd);
	return -1;
}

static int
connect_to(const char *host, uint16_t port, const struct wire_limit *limit, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list;
	char service[8];
	int fd = -1, failed;

	snprintf(service, sizeof(service), "%u", port);
	failed = getaddrinfo(host, service, &hints, &list);
	if (failed) {
		err_set(e, ERR_SYSTEM, "%s", gai_strerror(failed));
		return -1;
	}
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = try_address(a, limit, e);
	freeaddrinfo(list);
	return fd;
}

struct wire *
wire_open(const char *host, uint16_t port, const struct wire_limit *limit, struct err *e)
{
	int fd = connect_to(host, port, limit, e);
	struct wire *wire;

	if (fd < 0)
		return NULL;
	wire = xcalloc(1, sizeof(*wire));
	wire->fd = fd;
	wire->limit = *limit;
	return wire;
}

void
wire_close(struct wire **pwire)
{
	struct wire *wire = *pwire;

	if (wire == NULL)
		return;
	if (wire->ssl) {
		tls_goodbye(wire->ssl);
		SSL_free(wire->ssl);
	}
	close(wire->fd);
	free(wire);
	*pwire = NULL;
}

/* ---- TLS ---- */

/* After a call of OpenSSL's that did not succeed: true, once it may be tried again. */
static bool
ssl_again(struct wire *wire, int result, const char *what, struct err *e)
{
	int error = SSL_get_error(wire->ssl, result);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return await(
		    wire->fd, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, &wire->limit, e);
	if (error == SSL_ERROR_ZERO_RETURN)
		return err_set(e, ERR_SYSTEM, "the connection was closed");
	err_set(e, ERR_LIBRARY, "%s: %s", what, tls_reason(wire->ssl, ERR_get_error()));
	ERR_clear_error();
	return false;
}

bool
wire_secure(
    struct wire *wire, const struct tls_client *tls, const char *name, bool verify, struct err *e)
{
	int result;

	if (wire->n > 0)
		return err_set(e, ERR_SYNTAX, "it spoke in the clear behind its yes to STARTTLS");
	wire->ssl = tls_client_session(tls, name, verify);
	if (SSL_set_fd(wire->ssl, wire->fd) != 1)
		die("no memory for TLS");
	while ((result = SSL_connect(wire->ssl)) != 1)
		if (!ssl_again(wire, result, "TLS", e))
			return false;
	return true;
}

bool
wire_secured(const struct wire *wire)
{
	return wire->ssl != NULL;
}

/* ---- octets ---- */

static ssize_t
transfer(struct wire *wire, char *into, const char *from, size_t n)
{
	if (wire->ssl)
		return into ? SSL_read(wire->ssl, into, (int)n)
			    : SSL_write(wire->ssl, from, (int)n);
	return into ? recv(wire->fd, into, n, 0) : send(wire->fd, from, n, MSG_NOSIGNAL);
}

/* Waits until octets have moved. 0: they will not, and e says why. */
static size_t
move(struct wire *wire, char *into, const char *from, size_t n, struct err *e)
{
	for (;;) {
		ssize_t moved = transfer(wire, into, from, n);

		if (moved > 0)
			return (size_t)moved;
		if (wire->ssl) {
			if (!ssl_again(wire, (int)moved, "TLS", e))
				return 0;
		} else if (moved == 0) {
			err_set(e, ERR_SYSTEM, "the connection was closed");
			return 0;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (!await(wire->fd, into ? POLLIN : POLLOUT, &wire->limit, e))
				return 0;
		} else if (errno != EINTR) {
			err_set(e, ERR_SYSTEM, "%s", strerror(errno));
			return 0;
		}
	}
}

bool
wire_write(struct wire *wire, struct str octets, struct err *e)
{
	while (octets.n > 0) {
		size_t moved = move(wire, NULL, octets.p, octets.n, e);

		if (moved == 0)
			return false;
		octets = str_sub(octets, moved, octets.n);
	}
	return true;
}

bool
wire_line(struct wire *wire, struct str *line, struct err *e)
{
	for (;;) {
		struct str have = { wire->input + wire->from, wire->n };
		size_t end = str_find(have, '\n');

		if (end != STR_NPOS) {
			*line =
			    str_sub(have, 0, end > 0 && have.p[end - 1] == '\r' ? end - 1 : end);
			wire->from += end + 1;
			wire->n -= end + 1;
			return true;
		}
		memmove(wire->input, have.p, have.n);
		wire->from = 0;
		if (have.n == sizeof(wire->input))
			return err_set(e, ERR_LIMIT, "it says a line that is too long");
		end = move(wire, wire->input + have.n, NULL, sizeof(wire->input) - have.n, e);
		if (end == 0)
			return false;
		wire->n += end;
	}
}
