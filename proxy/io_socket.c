#include "proxy/io_socket.h"

#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <linux/sockios.h>
/* The C library's own tcp.h does not know what was acknowledged. */
#include <linux/tcp.h>

#include <event2/buffer.h>

#include "base/die.h"

/* Right into the input: no copy is left behind of what may be a password. */
ssize_t
io_socket_receive(int fd, struct evbuffer *input, size_t most)
{
	struct evbuffer_iovec room[2];
	ssize_t n, left;
	int pieces;

	evbuffer_unfreeze(input, 0);
	pieces = evbuffer_reserve_space(input, (ev_ssize_t)most, room, 2);
	if (pieces <= 0)
		die("no memory for input");
	if (pieces == 1)
		n = recv(fd, room[0].iov_base, room[0].iov_len, 0);
	else
		n = readv(fd, room, pieces);
	left = n;
	for (int i = 0; i < pieces; i++) {
		if (left < (ssize_t)room[i].iov_len)
			room[i].iov_len = left > 0 ? (size_t)left : 0;
		left -= (ssize_t)room[i].iov_len;
	}
	if (n > 0 && evbuffer_commit_space(input, room, pieces) != 0)
		panic("what was reserved cannot be used");
	evbuffer_freeze(input, 0);
	return n;
}

ssize_t
io_socket_send(int fd, struct evbuffer *output, bool last)
{
	struct evbuffer_iovec piece;
	ssize_t sent;

	evbuffer_unfreeze(output, 1);
	if (evbuffer_peek(output, -1, NULL, &piece, 1) == 1) {
		sent =
		    send(fd, piece.iov_base, piece.iov_len, MSG_NOSIGNAL | (last ? MSG_MORE : 0));
		if (sent > 0)
			evbuffer_drain(output, (size_t)sent);
	} else {
		sent = evbuffer_write(output, fd);
	}
	evbuffer_freeze(output, 1);
	return sent;
}

void
io_socket_no_delay(int fd)
{
	int yes = 1;

	/* Failing is harmless. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

bool
io_socket_pending(int fd)
{
	char octet;

	return fd >= 0 && recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool
io_socket_peer_ended(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLRDHUP };

	return poll(&pollfd, 1, 0) != 0;
}

bool
io_socket_position(int fd, uint64_t *sent, uint64_t *acknowledged)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	int queued;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
	    size < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked) ||
	    ioctl(fd, SIOCOUTQ, &queued) != 0)
		return false;
	*acknowledged = info.tcpi_bytes_acked;
	*sent = info.tcpi_bytes_acked + (uint64_t)queued;
	return true;
}

static struct ip
ip_and_port(const struct sockaddr_storage *address, uint16_t *port)
{
	/* The port is at the same place in both families. */
	*port = ntohs(((const struct sockaddr_in *)address)->sin_port);
	return ip_from_sockaddr((const struct sockaddr *)address);
}

struct endpoints
io_socket_ends(int fd)
{
	struct sockaddr_storage own = { 0 }, peer = { 0 };
	socklen_t own_length = sizeof(own), peer_length = sizeof(peer);
	struct endpoints ends = { 0 };

	if (getsockname(fd, (struct sockaddr *)&own, &own_length) == 0)
		ends.client_ip = ip_and_port(&own, &ends.client_port);
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0)
		ends.server_ip = ip_and_port(&peer, &ends.server_port);
	return ends;
}
