#include "proxy/rights.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/tproxy.h"

#define DESCRIPTORS 65536

bool
rights_user(const struct config *config, const struct passwd **out, struct err *e)
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

bool
rights_own_folder(const char *folder, const struct passwd *user, struct err *e)
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
give(const char *path, const struct passwd *user, struct err *e)
{
	if (path[0] == '\0' || chown(path, user->pw_uid, user->pw_gid) == 0)
		return true;
	return err_set(
	    e, ERR_SYSTEM, "cannot give %s to user %s: %s", path, user->pw_name, strerror(errno));
}

bool
rights_give_up(const struct config *config, const struct sockets *sockets,
    const struct passwd *user, struct err *e)
{
	bool tproxy = tproxy_wanted(config);

	if (!user)
		return true;
	if (!give(sockets->engine_path, user, e))
		return false;
	for (size_t i = 0; i < sockets->n_milter; i++)
		if (!sockets->milter[i].foreign && !give(sockets->milter[i].path, user, e))
			return false;
	if (tproxy && !tproxy_keep_right(e))
		return false;
	if (setgid(user->pw_gid) || initgroups(user->pw_name, user->pw_gid) || setuid(user->pw_uid))
		return err_set(
		    e, ERR_SYSTEM, "cannot become user %s: %s", user->pw_name, strerror(errno));
	return !tproxy || tproxy_take_right(e);
}

/*
 * Without root, a program begins with no right but those that are "ambient" (capabilities(7)). Those of
 * the ports below 1024, if systemd gave it, and of `tproxy` are all that there can be.
 */
void
rights_pass_on(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (geteuid() == 0 || syscall(SYS_capget, &header, data))
		return;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].inheritable = data[i].permitted;
	if (syscall(SYS_capset, &header, data))
		return;
	for (unsigned long i = 0; i < _LINUX_CAPABILITY_U32S_3 * 32; i++)
		if (data[i / 32].permitted & (1u << i % 32))
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
}

void
rights_allow_descriptors(void)
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
