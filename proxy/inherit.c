#include "proxy/inherit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/str.h"

#define FIRST_OF_SYSTEMD 3 /* SD_LISTEN_FDS_START */
#define MOST 1024

static bool
listens(int fd)
{
	int type = 0, accepting = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &size) == 0 && accepting;
}

static void
add(struct inherited *in, int fd, bool foreign)
{
	if (!listens(fd)) {
		log_warn(NULL, "event=inherit fd=%d problem=\"no listening socket\"", fd);
		return;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	in->socket = xrealloc(in->socket, (in->n + 1) * sizeof(*in->socket));
	in->socket[in->n++] = (struct inherited_socket){ fd, foreign };
}

static bool
number(const char *text, uint64_t max, uint64_t *out)
{
	return text && str_to_u64(str_of(text), max, out);
}

static void
from_systemd(struct inherited *in)
{
	uint64_t pid, n;

	/* The variables may be left over of somebody up the line. */
	if (number(getenv("LISTEN_PID"), INT32_MAX, &pid) && (pid_t)pid == getpid() &&
	    number(getenv("LISTEN_FDS"), MOST, &n))
		for (uint64_t i = 0; i < n; i++)
			add(in, FIRST_OF_SYSTEMD + (int)i, true);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static void
from_postern(struct inherited *in)
{
	const char *text = getenv(INHERIT_SOCKETS);
	struct str rest = str_of(text ? text : ""), word;
	uint64_t fd;

	while (in->n < MOST && str_pop(&rest, ' ', &word)) {
		bool foreign = word.n > 0 && word.p[word.n - 1] == 'f';

		if (str_to_u64(str_sub(word, 0, word.n - foreign), INT32_MAX, &fd))
			add(in, (int)fd, foreign);
	}
	if (number(getenv(INHERIT_READY), INT32_MAX, &fd)) {
		in->ready = (int)fd;
		fcntl(in->ready, F_SETFD, FD_CLOEXEC);
	}
	unsetenv(INHERIT_SOCKETS);
	unsetenv(INHERIT_READY);
}

void
inherit_read(struct inherited *in)
{
	*in = (struct inherited){ .ready = -1 };
	from_systemd(in);
	from_postern(in);
}

static bool
same_v6(int fd, const struct sockaddr_in6 *a, const struct endpoint *wanted)
{
	const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)&wanted->address;
	int only = 0;
	socklen_t size = sizeof(only);

	getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size);
	return a->sin6_port == b->sin6_port && (only != 0) == wanted->only_v6 &&
	    memcmp(&a->sin6_addr, &b->sin6_addr, sizeof(a->sin6_addr)) == 0;
}

static bool
same(int fd, const struct endpoint *wanted)
{
	struct sockaddr_storage own = { 0 };
	socklen_t size = sizeof(own);
	const struct sockaddr_in *a = (const struct sockaddr_in *)&own;
	const struct sockaddr_in *b = (const struct sockaddr_in *)&wanted->address;

	if (getsockname(fd, (struct sockaddr *)&own, &size) ||
	    own.ss_family != wanted->address.ss_family)
		return false;
	switch (own.ss_family) {
	case AF_INET:
		return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
	case AF_INET6:
		return same_v6(fd, (const struct sockaddr_in6 *)&own, wanted);
	case AF_UNIX:
		return strcmp(((const struct sockaddr_un *)&own)->sun_path,
			   ((const struct sockaddr_un *)&wanted->address)->sun_path) == 0;
	default:
		return false;
	}
}

struct inherited_socket
inherit_take(struct inherited *in, const struct endpoint *wanted)
{
	for (size_t i = 0; i < in->n; i++) {
		struct inherited_socket found = in->socket[i];

		if (found.fd < 0 || !same(found.fd, wanted))
			continue;
		in->socket[i].fd = -1;
		return found;
	}
	return (struct inherited_socket){ .fd = -1 };
}

void
inherit_close(struct inherited *in)
{
	for (size_t i = 0; i < in->n; i++) {
		if (in->socket[i].fd < 0)
			continue;
		log_warn(NULL, "event=inherit fd=%d problem=\"no `listen` line asks for it\"",
		    in->socket[i].fd);
		close(in->socket[i].fd);
	}
	free(in->socket);
	in->socket = NULL;
	in->n = 0;
}
