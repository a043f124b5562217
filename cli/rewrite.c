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

/* Who is not root cannot give it to somebody else, and may have to leave it to the own group. */
static bool
same_rights(int fd, const struct stat *st)
{
	return (fchown(fd, st->st_uid, st->st_gid) == 0 ||
		   (errno == EPERM && fchown(fd, (uid_t)-1, st->st_gid) == 0) || errno == EPERM) &&
	    fchmod(fd, st->st_mode & 07777) == 0;
}

/* Whether the file holds this text and no other. */
static bool
holds(int fd, struct str text)
{
	char octets[4096];
	ssize_t n;

	for (;;) {
		n = read(fd, octets, sizeof(octets));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 && text.n == 0;
		if (!str_eq((struct str){ octets, (size_t)n }, str_sub(text, 0, (size_t)n)))
			return false;
		text = str_sub(text, (size_t)n, text.n);
	}
}

static bool
fill(int fd, int old, struct str text)
{
	struct stat st;

	return fstat(old, &st) == 0 && same_rights(fd, &st) && write_all(fd, text) &&
	    fsync(fd) == 0;
}

/* What stands beside it comes in its place. 0, or an error's number: ESTALE is that somebody else has written it. */
static int
replace(const char *path, const char *beside, int fd, const struct rewriting *w)
{
	int old = open(path, O_RDONLY | O_CLOEXEC);
	int error = old >= 0 && fill(fd, old, w->after) ? 0 : errno;

	if (error == 0 && !holds(old, w->before))
		error = ESTALE;
	if (old >= 0)
		close(old);
	if (close(fd) < 0 && error == 0)
		error = errno;
	if (error == 0 && rename(beside, path) < 0)
		error = errno;
	if (error != 0)
		unlink(beside);
	return error;
}

static bool
failed(const char *path, const char *beside, int error, struct err *e)
{
	if (beside != NULL && error == EEXIST)
		err_set(e, ERR_SYSTEM,
		    "%s is there already: somebody else is at it, or was; remove it",
		    ESC(str_of(beside)));
	else if (error == ESTALE)
		err_set(e, ERR_SYSTEM,
		    "%s was changed by somebody else meanwhile: nothing was written",
		    ESC(str_of(path)));
	else
		err_set(e, ERR_SYSTEM, "cannot write %s: %s", ESC(str_of(path)), strerror(error));
	return false;
}

bool
rewrite_file(const char *path, const struct rewriting *w, struct err *e)
{
	char *real = realpath(path, NULL), *beside = NULL;
	const char *name;
	int fd, error;
	bool ok;

	if (real == NULL)
		return failed(path, NULL, errno, e);
	name = strrchr(real, '/') + 1;
	if (asprintf(&beside, "%.*s.%s.new", (int)(name - real), real, name) < 0)
		die("no memory for a path");
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	error = fd >= 0 ? replace(real, beside, fd, w) : errno;
	ok = error == 0 || failed(path, beside, error, e);
	free(beside);
	free(real);
	return ok;
}
