#include "cli/rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"

static bool
write_all(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text = str_sub(text, (size_t)n, text.n);
	}
	return true;
}

/* Who is not root may have to leave it to the own group. */
static bool
same_rights(int fd, const struct stat *st)
{
	return (fchown(fd, st->st_uid, st->st_gid) == 0 || errno == EPERM) &&
	    fchmod(fd, st->st_mode & 07777) == 0;
}

static bool
replace(const char *path, const char *beside, int fd, struct str text)
{
	struct stat st;
	bool ok =
	    stat(path, &st) == 0 && same_rights(fd, &st) && write_all(fd, text) && fsync(fd) == 0;

	return close(fd) == 0 && ok && rename(beside, path) == 0;
}

bool
rewrite_file(const char *path, struct str text, struct err *e)
{
	char *real = realpath(path, NULL), *beside = NULL;
	bool ok = false;
	int fd = -1, error;

	if (real != NULL) {
		const char *name = strrchr(real, '/') + 1;

		if (asprintf(&beside, "%.*s.%s.new", (int)(name - real), real, name) < 0)
			die("no memory for a path");
		fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd >= 0)
		ok = replace(real, beside, fd, text);
	error = errno;
	if (fd >= 0 && !ok)
		unlink(beside);
	if (!ok && beside != NULL && error == EEXIST)
		err_set(e, ERR_SYSTEM,
		    "%s is there already: somebody else is at it, or was; remove it",
		    ESC(str_of(beside)));
	else if (!ok)
		err_set(e, ERR_SYSTEM, "cannot write %s: %s", ESC(str_of(path)), strerror(error));
	free(beside);
	free(real);
	return ok;
}
