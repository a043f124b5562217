#include "proxy/syscalls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* What libc, its threads and its memory need. */
static const char *const basic[] = { "brk", "munmap", "mremap", "madvise", "futex", "rseq",
	"set_robust_list", "get_robust_list", "set_tid_address", "membarrier", "arch_prctl", "exit",
	"exit_group", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
	"rt_sigsuspend", "rt_sigpending", "sigaltstack", "restart_syscall", "tgkill", "gettid",
	"getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getrandom", "clock_gettime",
	"clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times",
	"sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "getrusage",
	"getrlimit", "prlimit64", "sysinfo", "uname", "prctl", "getcpu" };

/* Reading and writing what is open; reading files. */
static const char *const files[] = { "read", "write", "readv", "writev", "pread64", "pwrite64",
	"preadv", "pwritev", "preadv2", "pwritev2", "lseek", "close", "close_range", "fcntl",
	"fcntl64", "ioctl", "dup", "dup2", "dup3", "pipe", "pipe2", "open", "openat", "stat",
	"stat64", "fstat", "fstat64", "lstat", "newfstatat", "fstatat64", "statx", "statfs",
	"fstatfs", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd",
	"getdents64", "fadvise64", "umask" };

static const char *const network[] = { "connect", "accept", "accept4", "sendto", "send", "recvfrom",
	"recv", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "shutdown", "getsockname",
	"getpeername", "setsockopt", "getsockopt", "poll", "ppoll", "select", "pselect6" };

/* What libevent needs. */
static const char *const events[] = { "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
	"epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "timerfd_create", "timerfd_settime",
	"timerfd_gettime", "socketpair" };

/* The databases. */
static const char *const worker[] = { "bind", "flock", "fsync", "fdatasync", "ftruncate",
	"ftruncate64", "fallocate", "sync_file_range", "unlink", "unlinkat", "rename", "renameat",
	"renameat2", "fchmod", "fchown", "msync", "mincore", "copy_file_range", "sendfile" };

/* Other processes, the machine and its kernel. */
static const char *const never[] = { "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
	"pidfd_getfd", "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig",
	"fsmount", "fspick", "mount_setattr", "pivot_root", "chroot", "setns", "unshare",
	"init_module", "finit_module", "delete_module", "create_module", "kexec_load",
	"kexec_file_load", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup",
	"io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key",
	"open_by_handle_at", "name_to_handle_at", "swapon", "swapoff", "reboot", "settimeofday",
	"clock_settime", "clock_adjtime", "adjtimex", "iopl", "ioperm", "acct", "quotactl",
	"syslog", "vhangup", "sethostname", "setdomainname", "personality", "mbind",
	"migrate_pages", "move_pages", "lookup_dcookie", "nfsservctl", "fanotify_init" };

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

/* A call that this machine's kernel never had is none to list. */
static bool
add(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);

		if (number != __NR_SCMP_ERROR && seccomp_rule_add(filter, action, number, 0))
			return false;
	}
	return true;
}

static bool
allow_if(scmp_filter_ctx filter, int number, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &condition) == 0;
}

/* Memory is written or run, never both. */
static bool
add_memory(scmp_filter_ctx filter)
{
	const scmp_datum_t both = PROT_WRITE | PROT_EXEC;
	static const scmp_datum_t one[] = { 0, PROT_WRITE, PROT_EXEC };

	for (size_t i = 0; i < LENGTH(one); i++)
		if (!allow_if(filter, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, both, one[i])) ||
		    !allow_if(
			filter, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, both, one[i])))
			return false;
	return true;
}

/*
 * Threads, but no processes. What clone3 is to do stands in memory, where a filter cannot look; libc
 * falls back to clone when there is none.
 */
static bool
add_threads(scmp_filter_ctx filter)
{
	return allow_if(filter, SCMP_SYS(clone),
		   SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) &&
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

/* libc asks the kernel for our addresses by AF_NETLINK, to sort those of a name. */
static bool
add_sockets(scmp_filter_ctx filter)
{
	static const scmp_datum_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

	for (size_t i = 0; i < LENGTH(families); i++)
		if (!allow_if(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, families[i])))
			return false;
	/* Its answer to that needs a bound socket. */
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bind), 0) == 0;
}

static bool
fill(scmp_filter_ctx filter, enum sandbox who)
{
	if (who == SANDBOX_MASTER || who == SANDBOX_COMMAND)
		return add(filter, SCMP_ACT_KILL_PROCESS, never, LENGTH(never));
	return add(filter, SCMP_ACT_ALLOW, basic, LENGTH(basic)) &&
	    add(filter, SCMP_ACT_ALLOW, files, LENGTH(files)) &&
	    add(filter, SCMP_ACT_ALLOW, network, LENGTH(network)) && add_memory(filter) &&
	    add_threads(filter) && add_sockets(filter) &&
	    (who == SANDBOX_MILTER || add(filter, SCMP_ACT_ALLOW, events, LENGTH(events))) &&
	    (who != SANDBOX_WORKER || add(filter, SCMP_ACT_ALLOW, worker, LENGTH(worker)));
}

bool
syscalls_enter(enum sandbox who, struct err *e)
{
	scmp_filter_ctx filter =
	    seccomp_init(who == SANDBOX_MASTER || who == SANDBOX_COMMAND ? SCMP_ACT_ALLOW
									 : SCMP_ACT_KILL_PROCESS);
	int failed;

	if (!filter)
		return err_set(e, ERR_SYSTEM, "no memory for a filter");
	if (!fill(filter, who)) {
		seccomp_release(filter);
		return err_set(e, ERR_LIBRARY, "libseccomp refuses the list");
	}
	/* SCMP_FLTATR_CTL_LOG stays off: killing is logged anyhow, and clone3 would be at every thread. */
	failed = seccomp_load(filter);
	seccomp_release(filter);
	return failed == 0 || err_set(e, ERR_SYSTEM, "seccomp: %s", strerror(-failed));
}
