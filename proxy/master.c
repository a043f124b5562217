#include "proxy/master.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "filters/vocabulary.h"
#include "proxy/milter_process.h"
#include "proxy/tproxy.h"
#include "proxy/worker.h"

#define RESTART_MS_LEAST 200
#define RESTART_MS_MOST 30000
#define RESTART_CALM_MS 60000 /* alive for so long: the next death is a first one again */
#define END_SPARE_MS 5000     /* after the drain, before SIGKILL */
#define LOOPS_MOST 64
#define DESCRIPTORS 65536

struct child {
	const char *name;
	const char *milter; /* libmilter's notation; NULL: the worker */
	pid_t pid;          /* 0: not running */
	int64_t started_ms, restart_ms;
	int64_t pause_ms; /* before the next start */
};

struct master {
	struct config *config;
	struct sockets sockets;
	struct child *child;
	size_t n_children;
	sigset_t signals, before;
	int ready;
	bool ending;
	int64_t kill_ms;
	int result;
};

static int64_t
now_ms(void)
{
	return clock_mono_us() / 1000;
}

/* In the child: as if it had been started alone. */
static int
be_child(struct master *m, const struct child *child, pid_t master)
{
	sigprocmask(SIG_SETMASK, &m->before, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != master)
		return EXIT_FAILURE;
	if (child->milter) {
		sockets_forget(&m->sockets);
		return milter_process_run(child->milter, m->sockets.engine_path);
	}
	return worker_run(m->config, &m->sockets, m->ready);
}

static void
start(struct master *m, struct child *child)
{
	pid_t master = getpid();
	pid_t pid = fork();

	if (pid == 0)
		exit(be_child(m, child, master));
	if (pid < 0) {
		log_error(NULL, "event=fork problem=\"%s\"", strerror(errno));
		child->restart_ms = now_ms() + RESTART_MS_MOST;
		return;
	}
	child->pid = pid;
	child->started_ms = now_ms();
	if (!child->milter && m->ready >= 0) {
		close(m->ready);
		m->ready = -1;
	}
	log_debug(NULL, "event=child-started name=%s pid=%d", child->name, (int)pid);
}

static void
signal_children(const struct master *m, int number)
{
	for (size_t i = 0; i < m->n_children; i++)
		if (m->child[i].pid)
			kill(m->child[i].pid, number);
}

static void
end(struct master *m)
{
	if (m->ending)
		return;
	m->ending = true;
	m->kill_ms = now_ms() + m->config->core.drain + END_SPARE_MS;
	signal_children(m, SIGTERM);
}

static struct child *
child_of(struct master *m, pid_t pid)
{
	for (size_t i = 0; i < m->n_children; i++)
		if (m->child[i].pid == pid)
			return &m->child[i];
	return NULL;
}

static void
bury(struct master *m, struct child *child, int status)
{
	int64_t now = now_ms();

	child->pid = 0;
	if (m->ending)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_CANNOT_START &&
	    child->pause_ms == 0) {
		m->result = EXIT_FAILURE;
		end(m);
		return;
	}
	if (now - child->started_ms > RESTART_CALM_MS)
		child->pause_ms = 0;
	child->pause_ms = child->pause_ms ? child->pause_ms * 2 : RESTART_MS_LEAST;
	if (child->pause_ms > RESTART_MS_MOST)
		child->pause_ms = RESTART_MS_MOST;
	child->restart_ms = now + child->pause_ms;
	log_error(NULL, "event=child-died name=%s %s=%d restart_in_ms=%lld", child->name,
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	    (long long)child->pause_ms);
}

static void
reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *child = child_of(m, pid);

		if (child)
			bury(m, child, status);
	}
}

/*
 * The worker reads the file again by itself; the master does so too, so that a worker that has to be
 * started again begins with what was in force. Sockets stay as they are.
 */
static void
reload(struct master *m)
{
	struct complaints complaints = { 0 };
	struct arena *arena = arena_new(64 * 1024);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config = config_load(m->config->path, &vocabulary, &complaints);

	if (config) {
		config_release(&m->config);
		m->config = config;
	}
	complaints_free(&complaints);
	arena_free(&arena);
	for (size_t i = 0; i < m->n_children; i++)
		if (m->child[i].pid && !m->child[i].milter)
			kill(m->child[i].pid, SIGHUP);
}

/* Starts what is due; says how long nothing is. */
static int64_t
start_due(struct master *m)
{
	int64_t now = now_ms(), wait = 3600 * 1000;

	for (size_t i = 0; i < m->n_children; i++) {
		struct child *child = &m->child[i];

		if (child->pid || m->ending)
			continue;
		if (child->restart_ms <= now)
			start(m, child);
		else if (child->restart_ms - now < wait)
			wait = child->restart_ms - now;
	}
	if (m->ending && m->kill_ms - now < wait)
		wait = m->kill_ms - now;
	return wait > 0 ? wait : 0;
}

static bool
any_child(const struct master *m)
{
	for (size_t i = 0; i < m->n_children; i++)
		if (m->child[i].pid)
			return true;
	return false;
}

static void
supervise(struct master *m)
{
	while (!m->ending || any_child(m)) {
		int64_t wait = start_due(m);
		const struct timespec timeout = { wait / 1000, wait % 1000 * 1000000 };

		switch (sigtimedwait(&m->signals, NULL, &timeout)) {
		case SIGCHLD:
			reap(m);
			break;
		case SIGHUP:
			reload(m);
			break;
		case SIGTERM:
		case SIGINT:
			end(m);
			break;
		default:
			if (m->ending && now_ms() >= m->kill_ms)
				signal_children(m, SIGKILL);
		}
	}
}

static bool
own_folder(const char *folder, const struct passwd *user, struct err *e)
{
	struct stat st;

	if (stat(folder, &st) && errno == ENOENT && mkdir(folder, 0750))
		return err_set(
		    e, ERR_SYSTEM, "cannot make the folder %s: %s", folder, strerror(errno));
	if (stat(folder, &st) || !S_ISDIR(st.st_mode))
		return err_set(
		    e, ERR_SYSTEM, "%s is not a folder; it is to hold the databases", folder);
	if (user && st.st_uid != user->pw_uid && chown(folder, user->pw_uid, user->pw_gid))
		return err_set(e, ERR_SYSTEM, "cannot give %s to user %s: %s", folder,
		    user->pw_name, strerror(errno));
	return true;
}

static bool
give_up_rights(const struct master *m, const struct passwd *user, struct err *e)
{
	bool tproxy = tproxy_wanted(m->config);

	if (!user)
		return true;
	if (m->sockets.engine >= 0 && chown(m->sockets.engine_path, user->pw_uid, user->pw_gid))
		return err_set(e, ERR_SYSTEM, "cannot give %s to user %s: %s",
		    m->sockets.engine_path, user->pw_name, strerror(errno));
	if (tproxy && !tproxy_keep_right(e))
		return false;
	if (setgid(user->pw_gid) || initgroups(user->pw_name, user->pw_gid) || setuid(user->pw_uid))
		return err_set(
		    e, ERR_SYSTEM, "cannot become user %s: %s", user->pw_name, strerror(errno));
	return !tproxy || tproxy_take_right(e);
}

static bool
find_user(const struct config *config, const struct passwd **out, struct err *e)
{
	const char *name = config->core.user;

	*out = NULL;
	if (!name || !*name || geteuid() != 0)
		return true;
	*out = getpwnam(name);
	return *out ||
	    err_set(e, ERR_SYSTEM,
		"there is no user %s; make one (adduser --system %s) or change `user`", name, name);
}

/* Each session takes a descriptor or two, and so does each question to the DNS. */
static void
allow_descriptors(void)
{
	struct rlimit limit, more = { DESCRIPTORS, DESCRIPTORS };

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS)
		return;
	if (limit.rlim_max < DESCRIPTORS && setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	log_info(NULL, "event=start descriptors=%llu", (unsigned long long)limit.rlim_cur);
}

static void
list_children(struct master *m)
{
	const struct config *config = m->config;

	m->child = xcalloc(config->n_listen + 1, sizeof(*m->child));
	m->child[m->n_children++].name = "worker";
	for (size_t i = 0; i < config->n_listen; i++) {
		if (config->listen[i].kind != LISTEN_MILTER)
			continue;
		m->child[m->n_children].name = "milter";
		m->child[m->n_children++].milter = config->listen[i].milter;
	}
}

static size_t
count_loops(const struct config *config)
{
	long cores =
	    config->core.threads ? (long)config->core.threads : sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > LOOPS_MOST ? LOOPS_MOST : (size_t)cores;
}

static bool
prepare(struct master *m, struct err *e)
{
	const struct passwd *user;

	return find_user(m->config, &user, e) && own_folder(m->config->core.database, user, e) &&
	    own_folder(m->config->core.runtime, user, e) &&
	    sockets_open(&m->sockets, m->config, count_loops(m->config), e) &&
	    give_up_rights(m, user, e);
}

int
master_run(struct config *config, int ready)
{
	struct master m = { .config = config_use(config), .ready = ready };
	struct err e;

	sigemptyset(&m.signals);
	sigaddset(&m.signals, SIGCHLD);
	sigaddset(&m.signals, SIGHUP);
	sigaddset(&m.signals, SIGTERM);
	sigaddset(&m.signals, SIGINT);
	sigprocmask(SIG_BLOCK, &m.signals, &m.before);
	signal(SIGPIPE, SIG_IGN);
	m.sockets.engine = -1;
	allow_descriptors();
	if (prepare(&m, &e)) {
		list_children(&m);
		supervise(&m);
	} else {
		log_error(NULL, "event=start problem=\"%s\"", e.text);
		m.result = EXIT_FAILURE;
	}
	if (m.sockets.proxy)
		sockets_close(&m.sockets);
	free(m.child);
	config_release(&m.config);
	return m.result;
}
