#include "proxy/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "proxy/milter_address.h"

#define BACKLOG 1024

/* ---- binding ---- */

enum bind_how {
	BIND_ALONE,  /* fails when somebody else listens there */
	BIND_SHARED, /* SO_REUSEPORT: one of several */
};

/* A socket bound there; -1 and errno. */
static int
bind_to(const struct endpoint *where, enum bind_how how)
{
	int family = where->address.ss_family, on = 1, only = where->only_v6;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (how == BIND_SHARED)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, (const struct sockaddr *)&where->address, where->size) == 0)
		return fd;
	on = errno;
	close(fd);
	errno = on;
	return -1;
}

static bool
set_listening(int fd)
{
	return fd >= 0 && listen(fd, BACKLOG) == 0;
}

/* ---- proxy ---- */

static in_port_t *
port_of(struct endpoint *where)
{
	if (where->address.ss_family == AF_INET6)
		return &((struct sockaddr_in6 *)&where->address)->sin6_port;
	return &((struct sockaddr_in *)&where->address)->sin_port;
}

static struct endpoint
endpoint_of(const struct listen *listening)
{
	struct endpoint out = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out.address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out.address;

	if (listening->ip.version == 4) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, listening->ip.b, 4);
		out.size = sizeof(*v4);
	} else {
		v6->sin6_family = AF_INET6;
		out.size = sizeof(*v6);
		out.only_v6 = listening->ip.version == 6;
		if (out.only_v6)
			memcpy(&v6->sin6_addr, listening->ip.b, 16);
	}
	*port_of(&out) = htons(listening->port);
	return out;
}

static void
add_proxy(struct sockets *s, const struct listen *how, int fd, size_t loop)
{
	s->proxy = xrealloc(s->proxy, (s->n_proxy + 1) * sizeof(*s->proxy));
	s->proxy[s->n_proxy++] = (struct proxy_socket){ .fd = fd, .loop = loop, .how = *how };
}

/* Those we were given there, all of them: a connection may wait in each. Loops without one share. */
static size_t
take_proxy(
    struct sockets *s, const struct listen *how, struct inherited *in, const struct endpoint *where)
{
	size_t first = s->n_proxy, n;
	struct inherited_socket got;

	while ((got = inherit_take(in, where)).fd >= 0) {
		add_proxy(s, how, got.fd, (s->n_proxy - first) % s->n_loops);
		s->proxy[s->n_proxy - 1].foreign = got.foreign;
	}
	n = s->n_proxy - first;
	for (size_t loop = n; n > 0 && loop < s->n_loops; loop++) {
		int fd = fcntl(s->proxy[first + loop % n].fd, F_DUPFD_CLOEXEC, 0);

		if (fd >= 0)
			add_proxy(s, how, fd, loop);
	}
	return n;
}

static bool
cannot_listen(const struct listen *listening, struct err *e)
{
	return err_set(e, ERR_SYSTEM,
	    "cannot listen on %s port %u: %s; is another mail server running there?",
	    listening->ip.version ? IP_TEXT(&listening->ip) : "*", listening->port,
	    strerror(errno));
}

/*
 * Two posternd on one port would share its connections by accident: SO_REUSEPORT lets them. A plain
 * bind first tells.
 */
static bool
bind_proxy(struct sockets *s, const struct listen *listening, struct endpoint *where, struct err *e)
{
	int fd = bind_to(where, BIND_ALONE);

	if (fd < 0)
		return cannot_listen(listening, e);
	close(fd);
	for (size_t loop = 0; loop < s->n_loops; loop++) {
		fd = bind_to(where, BIND_SHARED);
		if (fd >= 0)
			add_proxy(s, listening, fd, loop);
		if (!set_listening(fd))
			return cannot_listen(listening, e);
		/* Port 0 becomes what the kernel chose, so that the other loops get the same. */
		getsockname(fd, (struct sockaddr *)&where->address, &where->size);
	}
	return true;
}

static bool
open_proxy(struct sockets *s, const struct listen *listening, struct inherited *in, struct err *e)
{
	struct endpoint where = endpoint_of(listening);
	size_t taken = take_proxy(s, listening, in, &where);

	if (taken == 0 && !bind_proxy(s, listening, &where, e))
		return false;
	log_info(NULL, "event=listening front=proxy ip=%s port=%u inherited=%zu",
	    listening->ip.version ? IP_TEXT(&listening->ip) : "*", ntohs(*port_of(&where)), taken);
	return true;
}

/* ---- milter ---- */

/* A socket's name that is left over of somebody who is gone. */
static void
remove_dead(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (lstat(path, &st) || !S_ISSOCK(st.st_mode) ||
	    !str_copy(str_of(path), address.sun_path, sizeof(address.sun_path)))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) && errno == ECONNREFUSED)
		unlink(path);
	close(fd);
}

static bool
bind_milter(struct milter_socket *m, const struct endpoint *where, struct err *e)
{
	if (m->family == AF_UNIX)
		remove_dead(m->path);
	m->fd = bind_to(where, BIND_ALONE);
	if (set_listening(m->fd))
		return true;
	m->path[0] = '\0'; /* not ours */
	return err_set(e, ERR_SYSTEM, "cannot listen as milter on %s: %s; is the address free?",
	    ESC(str_of(m->address)), strerror(errno));
}

static bool
open_milter(struct sockets *s, const struct listen *listening, struct inherited *in, struct err *e)
{
	struct milter_socket *m = &s->milter[s->n_milter];
	struct endpoint where;
	struct inherited_socket got;

	*m = (struct milter_socket){ .fd = -1, .address = xstrdup(listening->milter) };
	s->n_milter++;
	if (!milter_address_parse(listening->milter, &where, e))
		return false;
	m->family = where.address.ss_family;
	if (m->family == AF_UNIX)
		str_copy(str_of(((struct sockaddr_un *)&where.address)->sun_path), m->path,
		    sizeof(m->path));
	got = inherit_take(in, &where);
	if (got.fd < 0)
		return bind_milter(m, &where, e);
	m->fd = got.fd;
	m->foreign = got.foreign;
	return true;
}

/* ---- the engine ---- */

/* Names of those that were killed. */
static void
remove_dead_engines(const char *folder)
{
	glob_t found;
	char pattern[256];

	snprintf(pattern, sizeof(pattern), "%s/engine.*.sock", folder);
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			remove_dead(found.gl_pathv[i]);
	globfree(&found);
}

static bool
bind_engine(struct sockets *s, const char *folder, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t before;
	bool bound;

	if (snprintf(s->engine_path, sizeof(s->engine_path), "%s/engine.%d.sock", folder,
		(int)getpid()) >= (int)sizeof(address.sun_path)) {
		s->engine_path[0] = '\0';
		return err_set(e, ERR_LIMIT,
		    "%s/engine.PID.sock is too long for a socket; set `runtime` to a shorter folder",
		    folder);
	}
	memcpy(address.sun_path, s->engine_path, sizeof(address.sun_path));
	s->engine = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->engine < 0)
		return err_set(e, ERR_SYSTEM, "cannot make a socket: %s", strerror(errno));
	remove_dead_engines(folder);
	before = umask(0177);
	bound = bind(s->engine, (struct sockaddr *)&address, sizeof(address)) == 0;
	umask(before);
	if (!bound || listen(s->engine, BACKLOG))
		return err_set(
		    e, ERR_SYSTEM, "cannot listen on %s: %s", s->engine_path, strerror(errno));
	return true;
}

/* ---- all ---- */

static bool
open_all(struct sockets *s, const struct config *config, struct inherited *in, struct err *e)
{
	for (size_t i = 0; i < config->n_listen; i++) {
		const struct listen *l = &config->listen[i];

		if (!(l->kind == LISTEN_MILTER ? open_milter(s, l, in, e)
					       : open_proxy(s, l, in, e)))
			return false;
	}
	return s->n_milter == 0 || bind_engine(s, config->core.runtime, e);
}

bool
sockets_open(struct sockets *s, const struct config *config, struct inherited *in, size_t n_loops,
    struct err *e)
{
	*s = (struct sockets){ .n_loops = n_loops, .engine = -1 };
	s->milter = xcalloc(config->n_listen + 1, sizeof(*s->milter));
	if (open_all(s, config, in, e))
		return true;
	sockets_close(s);
	return false;
}

void
sockets_forget_milters(struct sockets *s)
{
	for (size_t i = 0; i < s->n_milter; i++) {
		if (s->milter[i].fd >= 0)
			close(s->milter[i].fd);
		free(s->milter[i].address);
	}
	free(s->milter);
	s->milter = NULL;
	s->n_milter = 0;
}

void
sockets_forget(struct sockets *s, int but_milter)
{
	for (size_t i = 0; i < s->n_proxy; i++)
		close(s->proxy[i].fd);
	free(s->proxy);
	s->proxy = NULL;
	s->n_proxy = 0;
	for (size_t i = 0; i < s->n_milter; i++) {
		if (s->milter[i].fd < 0 || s->milter[i].fd == but_milter)
			continue;
		close(s->milter[i].fd);
		s->milter[i].fd = -1;
	}
	if (s->engine >= 0)
		close(s->engine);
	s->engine = -1;
}

void
sockets_handed_over(struct sockets *s)
{
	for (size_t i = 0; i < s->n_milter; i++)
		s->milter[i].path[0] = '\0';
}

void
sockets_close(struct sockets *s)
{
	sockets_forget(s, -1);
	if (s->engine_path[0])
		unlink(s->engine_path);
	for (size_t i = 0; i < s->n_milter; i++)
		if (s->milter[i].path[0] && !s->milter[i].foreign)
			unlink(s->milter[i].path);
	sockets_forget_milters(s);
}
