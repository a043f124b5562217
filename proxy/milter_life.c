#include "proxy/milter_life.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "base/log.h"
#include "base/str.h"
#include "proxy/sandbox.h"
#include "proxy/words.h"

#define LOOK_MS 50
#define CALM_LOOKS 10 /* so many in a row without a message: libmilter has written its reply */
#define DESCRIPTORS 1024

/* WHY: libmilter's callbacks get no pointer of ours but the session's (see milter_process.c). */
static struct {
	_Atomic int sessions, messages, waiting;
	int libmilters; /* the number of its listening descriptor */
	int nobody;     /* a listening socket without a name: nobody can connect to it */
	sigset_t signals;
} life;

void
milter_life_session(int change)
{
	atomic_fetch_add(&life.sessions, change);
}

void
milter_life_message(int change)
{
	atomic_fetch_add(&life.messages, change);
}

void
milter_life_waiting(int change)
{
	atomic_fetch_add(&life.waiting, change);
}

/* ---- who is overlooked ---- */

/* It may be closed before it is complete: libmilter finds it, and sees its end. */
static void
connect_to_myself(void)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd;

	if (getsockname(life.libmilters, (struct sockaddr *)&address, &size))
		return;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&address, size) && errno != EINPROGRESS)
		log_debug(
		    NULL, "event=milter problem=\"no connection to itself: %s\"", strerror(errno));
	close(fd);
}

/*
 * WHY: when several sessions have something to say at once, libmilter may wake one thread for all of them, and the others
 * wait until that one has its verdict, which can take seconds. For a connection that is new it makes a thread if none is
 * idle, and a thread that is done takes up whoever was overlooked. So it gets two, which say nothing: as each that is
 * taken up does the same if it has to wait, all are, in a few rounds.
 */
void
milter_life_nudge(void)
{
	/* Unless all there are wait already. */
	for (int i = 0; i < 2 && atomic_load(&life.sessions) > atomic_load(&life.waiting); i++)
		connect_to_myself();
}

/* ---- the sockets ---- */

/* A name that is ours alone; it is there only while something is bound to it. */
static bool
own_path(const struct milter_job *job, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return snprintf(out->sun_path, sizeof(out->sun_path), "%s/milter.%d.sock",
		   job->config->core.runtime, (int)getpid()) < (int)sizeof(out->sun_path);
}

static bool
make_nobody(const struct sockaddr_un *path, struct err *e)
{
	life.nobody = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(path->sun_path);
	if (life.nobody < 0 || bind(life.nobody, (const struct sockaddr *)path, sizeof(*path)) ||
	    listen(life.nobody, 1))
		return err_set(
		    e, ERR_SYSTEM, "cannot listen on %s: %s", path->sun_path, strerror(errno));
	unlink(path->sun_path);
	return true;
}

/* libmilter takes only connections of the family that it has bound itself. */
static bool
open_libmilters(const struct milter_job *job, const struct sockaddr_un *path)
{
	char address[sizeof(path->sun_path) + 8];
	bool opened;

	if (job->family == AF_UNIX)
		snprintf(address, sizeof(address), "unix:%s", path->sun_path);
	else
		snprintf(address, sizeof(address),
		    job->family == AF_INET6 ? "inet6:0@[::1]" : "inet:0@[127.0.0.1]");
	opened = smfi_setconn(address) == MI_SUCCESS && smfi_opensocket(1) == MI_SUCCESS;
	unlink(path->sun_path);
	return opened;
}

static bool
accepts(int fd)
{
	int on = 0;
	socklen_t size = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on;
}

/* Of the listening sockets of this process, the one that neither the master nor we made. */
static int
find_libmilters(const struct milter_job *job)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (fd != job->fd && fd != life.nobody && accepts(fd))
			return fd;
	return -1;
}

/*
 * What was turned down: letting libmilter bind, so that between two processes a connection is refused;
 * passing octets through, at twice the cost; linking a libmilter of our own.
 */
static bool
take_socket(const struct milter_job *job, struct err *e)
{
	struct sockaddr_un path;

	if (!own_path(job, &path))
		return err_set(e, ERR_LIMIT,
		    "%s/milter.PID.sock is too long for a socket; set `runtime` to a shorter folder",
		    job->config->core.runtime);
	if (!make_nobody(&path, e))
		return false;
	if (!open_libmilters(job, &path) || (life.libmilters = find_libmilters(job)) < 0 ||
	    dup3(job->fd, life.libmilters, O_CLOEXEC) < 0)
		return err_set(e, ERR_LIBRARY, "libmilter does not open a socket");
	close(job->fd);
	return true;
}

/* ---- the end ---- */

/* A connection that comes now stays in the queue of the socket, for the successor if there is one. */
static void
stop_accepting(void)
{
	if (dup3(life.nobody, life.libmilters, O_CLOEXEC) < 0)
		log_error(NULL, "event=leave front=milter problem=\"%s\"", strerror(errno));
}

static void *
wait_for_the_end(void *arg)
{
	const struct timespec look = { 0, LOOK_MS * 1000000 };
	bool leaving = false, draining = false;
	int calm = 0;

	(void)arg;
	for (;;) {
		int number = leaving ? sigtimedwait(&life.signals, NULL, &look)
				     : sigwaitinfo(&life.signals, NULL);

		if (!leaving && number > 0)
			stop_accepting();
		leaving = leaving || number > 0;
		draining = draining || number == SIGNAL_DRAIN;
		if (!leaving)
			continue;
		calm = atomic_load(draining ? &life.messages : &life.sessions) > 0 ? 0 : calm + 1;
		/* WHY: not exit(): libmilter's threads are about, and what they hold is in use. */
		if (calm > CALM_LOOKS)
			_exit(EXIT_SUCCESS);
	}
}

bool
milter_life_begin(const struct milter_job *job, struct err *e)
{
	pthread_t thread;

	sigemptyset(&life.signals);
	sigaddset(&life.signals, SIGNAL_LEAVE);
	sigaddset(&life.signals, SIGNAL_DRAIN);
	/* A terminal's SIGINT is the master's to act upon. */
	signal(SIGINT, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &life.signals, NULL);
	if (!take_socket(job, e))
		return false;
	sandbox_enter(SANDBOX_MILTER, job->config);
	if (pthread_create(&thread, NULL, wait_for_the_end, NULL))
		return err_set(e, ERR_SYSTEM, "cannot start a thread");
	pthread_detach(thread);
	return true;
}
