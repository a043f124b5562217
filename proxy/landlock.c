#include "proxy/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of later versions than the header may know. */
#define TRUNCATE (1ULL << 14) /* version 3 */

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_SOCK)
#define OTHER \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
	    LANDLOCK_ACCESS_FS_MAKE_SYM)

/*
 * WHY /etc as a whole: resolv.conf, hosts and certificates are replaced by renaming, and a rule holds
 * for a file, not for its name. Secrets there are root's to read, whom `user` makes us cease to be.
 */
static const char *const readable[] = {
	"/etc",
	"/usr",
	"/lib",
	"/lib64",
	"/run/systemd/resolve",
	"/run/resolvconf",
	"/sys/devices/system/cpu",
	"/proc/stat",
	"/proc/sys/kernel/random/boot_id",
	"/dev/null",
	"/dev/urandom",
	PKGLIBDIR,
};

struct rules {
	int fd;
	__u64 handled;
};

/* What is not there needs no rule. */
static void
allow(const struct rules *rules, const char *path, __u64 access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access & rules->handled };
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return;
	rule.parent_fd = fd;
	/* Folders have rights that files have not. */
	if (syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) {
		rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
		syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	}
	close(fd);
}

static void
allow_folder_in(const struct rules *rules, const char *path)
{
	char folder[4096];
	size_t slash = str_rfind(str_of(path), '/');

	if (path[0] == '\0')
		return;
	if (slash == STR_NPOS)
		str_copy(STR("."), folder, sizeof(folder));
	else if (!str_copy(str_sub(str_of(path), 0, slash ? slash : 1), folder, sizeof(folder)))
		return;
	allow(rules, folder, READ);
}

/*
 * The folder of a file: it may be replaced by another file of its name. Certificates are often
 * symbolic links, replaced by links to newer files beside the one they point to: that folder too.
 */
static void
allow_folder_of(const struct rules *rules, const char *path)
{
	char *target = realpath(path, NULL);

	allow_folder_in(rules, path);
	if (target)
		allow_folder_in(rules, target);
	free(target);
}

static void
allow_all(const struct rules *rules, const struct config *config, bool writes)
{
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
		allow(rules, readable[i], READ);
	allow_folder_of(rules, config->path);
	if (!writes)
		return;
	allow_folder_of(rules, config->core.trust_anchor);
	for (const struct config_file *file = config->files; file; file = file->next)
		allow_folder_of(rules, file->path);
	allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE);
	allow(rules, config->core.database, READ | WRITE | TRUNCATE);
	allow(rules, config->core.runtime, READ | WRITE | TRUNCATE);
}

bool
landlock_enter(const struct config *config, bool writes, struct err *e)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = READ | WRITE | OTHER };
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct rules rules;
	bool held;

	if (version < 1)
		return err_set(e, ERR_SYSTEM, "this kernel has no Landlock: %s", strerror(errno));
	if (version >= 3)
		attr.handled_access_fs |= TRUNCATE;
	rules.handled = attr.handled_access_fs;
	rules.fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules.fd < 0)
		return err_set(e, ERR_SYSTEM, "Landlock: %s", strerror(errno));
	allow_all(&rules, config, writes);
	held = syscall(SYS_landlock_restrict_self, rules.fd, 0) == 0;
	if (!held)
		err_set(e, ERR_SYSTEM, "Landlock: %s", strerror(errno));
	close(rules.fd);
	return held;
}
