#include "proxy/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"

#define BACKLOG 1024

static socklen_t
fill_address(const struct listen *listen, in_port_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (listen->ip.version == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, listen->ip.b, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	if (listen->ip.version == 6)
		memcpy(&v6->sin6_addr, listen->ip.b, 16);
	return sizeof(*v6);
}

/* *port: what to bind; 0 becomes what the kernel chose, so that the other loops get the same. */
static int
bind_one(const struct listen *listening, in_port_t *port, struct err *e)
{
	struct sockaddr_storage address;
	socklen_t size = fill_address(listening, *port, &address);
	const int on = 1, off = listening->ip.version == 6;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		err_set(e, ERR_SYSTEM, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, BACKLOG)) {
		err_set(e, ERR_SYSTEM,
		    "cannot listen on %s port %u: %s; is another mail server running there?",
		    listening->ip.version ? IP_TEXT(&listening->ip) : "*", *port, strerror(errno));
		close(fd);
		return -1;
	}
	if (*port == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0)
		*port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return fd;
}

/*
 * Two posternd on one port would share its connections by accident: SO_REUSEPORT lets them. A plain
 * bind first tells.
 */
static bool
is_free(const struct listen *listening, struct err *e)
{
	struct sockaddr_storage address;
	socklen_t size = fill_address(listening, listening->port, &address);
	const int on = 1, off = listening->ip.version == 6;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool free_port;

	if (fd < 0)
		return err_set(e, ERR_SYSTEM, "cannot make a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	free_port = bind(fd, (struct sockaddr *)&address, size) == 0;
	if (!free_port)
		err_set(e, ERR_SYSTEM,
		    "cannot listen on %s port %u: %s; is another mail server running there?",
		    listening->ip.version ? IP_TEXT(&listening->ip) : "*", listening->port,
		    strerror(errno));
	close(fd);
	return free_port;
}

static bool
bind_proxy(struct sockets *s, const struct listen *listening, size_t index, struct err *e)
{
	in_port_t port = listening->port;

	if (!is_free(listening, e))
		return false;
	for (size_t loop = 0; loop < s->n_loops; loop++) {
		int fd = bind_one(listening, &port, e);

		if (fd < 0)
			return false;
		s->proxy[loop * s->n_proxy + index] = fd;
	}
	log_info(NULL, "event=listening front=proxy ip=%s port=%u",
	    listening->ip.version ? IP_TEXT(&listening->ip) : "*", port);
	return true;
}

static bool
bind_engine(struct sockets *s, const struct config *config, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t before;
	bool bound;

	if (snprintf(s->engine_path, sizeof(s->engine_path), "%s/engine.sock",
		config->core.runtime) >= (int)sizeof(address.sun_path))
		return err_set(e, ERR_LIMIT,
		    "%s/engine.sock is too long for a socket; set `runtime` to a shorter folder",
		    config->core.runtime);
	memcpy(address.sun_path, s->engine_path, sizeof(address.sun_path));
	s->engine = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->engine < 0)
		return err_set(e, ERR_SYSTEM, "cannot make a socket: %s", strerror(errno));
	unlink(s->engine_path);
	before = umask(0177);
	bound = bind(s->engine, (struct sockaddr *)&address, sizeof(address)) == 0;
	umask(before);
	if (!bound || listen(s->engine, BACKLOG))
		return err_set(
		    e, ERR_SYSTEM, "cannot listen on %s: %s", s->engine_path, strerror(errno));
	return true;
}

static bool
open_all(struct sockets *s, const struct config *config, struct err *e)
{
	size_t index = 0;
	bool milter = false;

	for (size_t i = 0; i < config->n_listen; i++) {
		if (config->listen[i].kind == LISTEN_MILTER)
			milter = true;
		else {
			s->how[index] = config->listen[i];
			if (!bind_proxy(s, &config->listen[i], index++, e))
				return false;
		}
	}
	return !milter || bind_engine(s, config, e);
}

bool
sockets_open(struct sockets *s, const struct config *config, size_t n_loops, struct err *e)
{
	*s = (struct sockets){ .n_loops = n_loops, .engine = -1 };
	for (size_t i = 0; i < config->n_listen; i++)
		s->n_proxy += config->listen[i].kind == LISTEN_PROXY;
	s->proxy = xcalloc(s->n_proxy * n_loops + 1, sizeof(int));
	s->how = xcalloc(s->n_proxy + 1, sizeof(*s->how));
	for (size_t i = 0; i < s->n_proxy * n_loops; i++)
		s->proxy[i] = -1;
	if (open_all(s, config, e))
		return true;
	sockets_close(s);
	return false;
}

void
sockets_forget(struct sockets *s)
{
	for (size_t i = 0; i < s->n_proxy * s->n_loops; i++)
		if (s->proxy[i] >= 0)
			close(s->proxy[i]);
	free(s->proxy);
	s->proxy = NULL;
	free(s->how);
	s->how = NULL;
	if (s->engine >= 0)
		close(s->engine);
	s->engine = -1;
	s->n_proxy = s->n_loops = 0;
}

void
sockets_close(struct sockets *s)
{
	if (s->engine >= 0)
		unlink(s->engine_path);
	sockets_forget(s);
}
