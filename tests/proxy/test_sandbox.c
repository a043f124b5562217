/* What each sandbox lets pass and what it refuses; tried in a child, for it is for good. */
#include "proxy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "proxy/landlock.h"
#include "proxy/syscalls.h"

/* What becomes of a deed: 0: done; an errno; DEAD: the process was killed for it. */
#define DEAD 1000

struct folders {
	char own[64], elsewhere[64];
};

static bool
make(char *path, size_t size)
{
	snprintf(path, size, "/tmp/postern-sandbox-XXXXXX");
	return mkdtemp(path) != NULL;
}

static int
setup(void **state)
{
	struct folders *f = calloc(1, sizeof(*f));

	*state = f;
	return !make(f->own, sizeof(f->own)) || !make(f->elsewhere, sizeof(f->elsewhere));
}

static int
teardown(void **state)
{
	struct folders *f = *state;
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/x", i ? f->own : f->elsewhere);
		unlink(path);
	}
	rmdir(f->own);
	rmdir(f->elsewhere);
	free(f);
	return 0;
}

/* ---- deeds ---- */

static int
done(bool ok)
{
	return ok ? 0 : errno;
}

static int
write_file(const char *folder)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/x", folder);
	return done(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0);
}

static int
write_own(const struct folders *f)
{
	return write_file(f->own);
}

static int
write_nameless(const struct folders *f)
{
	return done(open(f->own, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) >= 0);
}

static int
write_elsewhere(const struct folders *f)
{
	return write_file(f->elsewhere);
}

static int
list_elsewhere(const struct folders *f)
{
	return done(open(f->elsewhere, O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
}

static int
read_hosts(const struct folders *f)
{
	(void)f;
	return done(open("/etc/hosts", O_RDONLY | O_CLOEXEC) >= 0);
}

/* Which start of the machine this is: for the index of the journal. */
static int
read_boot(const struct folders *f)
{
	(void)f;
	return done(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC) >= 0);
}

static int
run_program(const struct folders *f)
{
	(void)f;
	return done(execl("/bin/true", "true", (char *)NULL) == 0);
}

static int
make_process(const struct folders *f)
{
	pid_t pid = fork();

	(void)f;
	if (pid == 0)
		_exit(0);
	return done(pid > 0 && waitpid(pid, NULL, 0) == pid);
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
make_thread(const struct folders *f)
{
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, nothing, NULL);

	(void)f;
	return failed ? failed : pthread_join(thread, NULL);
}

static int
make_packet_socket(const struct folders *f)
{
	(void)f;
	return done(socket(AF_PACKET, SOCK_RAW, 0) >= 0);
}

static int
make_socket(const struct folders *f)
{
	(void)f;
	return done(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static int
make_code(const struct folders *f)
{
	(void)f;
	return done(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static int
trace(const struct folders *f)
{
	(void)f;
	return done(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static const struct {
	const char *name;
	int (*deed)(const struct folders *f);
	int want[5]; /* of master, worker, milter process, those for notices and for the command */
} deeds[] = {
	{ "write to the database's folder", write_own, { 0, 0, EACCES, EACCES, 0 } },
	{ "make a file without a name there", write_nameless, { 0, 0, EACCES, EACCES, 0 } },
	{ "write elsewhere", write_elsewhere, { 0, EACCES, EACCES, EACCES, 0 } },
	{ "list a folder elsewhere", list_elsewhere, { 0, EACCES, EACCES, EACCES, 0 } },
	{ "read /etc/hosts", read_hosts, { 0, 0, 0, 0, 0 } },
	{ "read the name of this start", read_boot, { 0, 0, 0, 0, 0 } },
	{ "run a program", run_program, { 0, DEAD, DEAD, DEAD, 0 } },
	{ "make a process", make_process, { 0, DEAD, DEAD, DEAD, 0 } },
	{ "make a thread", make_thread, { 0, 0, 0, 0, 0 } },
	{ "listen to the whole network", make_packet_socket, { 0, DEAD, DEAD, DEAD, 0 } },
	{ "make a socket", make_socket, { 0, 0, 0, 0, 0 } },
	{ "make code", make_code, { 0, DEAD, DEAD, DEAD, 0 } },
	{ "trace", trace, { DEAD, DEAD, DEAD, DEAD, DEAD } },
};

/* What became of it. */
static int
attempt(const struct folders *f, enum sandbox who, int (*deed)(const struct folders *f))
{
	char own[64], path[128];
	struct config config = { .path = path,
		.core = { .database = own, .runtime = own, .sandbox = true } };
	int told[2], result = DEAD, status;
	pid_t pid;

	snprintf(own, sizeof(own), "%s", f->own);
	snprintf(path, sizeof(path), "%s/postern.conf", f->own);
	config.core.trust_anchor = config.core.hostname = path + strlen(path);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		sandbox_enter(who, &config);
		result = deed(f);
		_exit(write(told[1], &result, sizeof(result)) != sizeof(result));
	}
	close(told[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A program that was run says nothing. */
	if (read(told[0], &result, sizeof(result)) != sizeof(result))
		result = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : DEAD;
	close(told[0]);
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), SIGSYS);
	return result;
}

/* Does the kernel have both, and does the build want them? */
static bool
possible(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		char none[] = "", tmp[] = "/tmp";
		const struct config config = { .path = tmp,
			.core = { .database = tmp, .runtime = tmp, .trust_anchor = none } };
		struct err e;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
		_exit(1);
#endif
		_exit(!landlock_enter(&config, true, &e) || !syscalls_enter(SANDBOX_WORKER, &e));
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
test_deeds(void **state)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		for (enum sandbox who = SANDBOX_MASTER; who <= SANDBOX_COMMAND; who++) {
			int got = attempt(*state, who, deeds[i].deed);

			/* Who is not root may not listen to the network anyhow. */
			if (got == EPERM && deeds[i].want[who] == 0)
				continue;
			if (got != deeds[i].want[who])
				fail_msg("%s, process %d: %d and not %d", deeds[i].name, who, got,
				    deeds[i].want[who]);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_deeds, setup, teardown),
	};

	if (!possible()) {
		puts("1..0 # SKIP this kernel or build has no sandbox");
		return 0;
	}
	log_open("test", LOG_TO_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
