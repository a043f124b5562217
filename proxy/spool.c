#include "proxy/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/die.h"

#define WINDOW (32 * 1024) /* read from the file at once */
#define SPOOL_LEAST 64     /* a buffer begins with as much */

struct spool {
	struct buf memory; /* the first octets */
	struct spool_limits limits;
	int fd;             /* -1: no file yet */
	uint64_t in_file;   /* octets behind those in memory */
	char *window;       /* a piece of the file */
	uint64_t window_at; /* its offset in the file */
	size_t window_n;
	bool failed;
};

struct spool *
spool_new(const struct spool_limits *limits)
{
	struct spool *spool = xcalloc(1, sizeof(*spool));

	buf_init(&spool->memory, limits->own > 0 ? limits->own : 1);
	spool->limits = *limits;
	spool->fd = -1;
	return spool;
}

void
spool_free(struct spool **spool)
{
	struct spool *s = *spool;

	if (s == NULL)
		return;
	atomic_fetch_sub(&s->limits.total->memory, s->memory.cap);
	atomic_fetch_sub(&s->limits.total->disk, s->in_file);
	if (s->fd >= 0)
		close(s->fd);
	free(s->window);
	buf_free(&s->memory);
	free(s);
	*spool = NULL;
}

/* ---- what all hold ---- */

/* False: it would be more than `most`, and is not taken. */
static bool
take(_Atomic uint64_t *total, uint64_t octets, uint64_t most)
{
	if (atomic_fetch_add(total, octets) + octets <= most)
		return true;
	atomic_fetch_sub(total, octets);
	return false;
}

bool
spool_room(const struct spool_limits *limits, uint64_t octets)
{
	uint64_t memory = atomic_load(&limits->total->memory);
	uint64_t disk = atomic_load(&limits->total->disk);

	/* Even one of no octets wants some. */
	if (octets == 0)
		octets = 1;
	return (octets <= limits->own && memory + octets <= limits->memory) ||
	    disk + octets <= limits->disk;
}

static bool
fail(struct spool *spool, const char *what, struct err *e)
{
	char text[128];

	spool->failed = true;
	return err_set(e, ERR_SYSTEM, "cannot %s the spool file in %s: %s", what,
	    spool->limits.folder, strerror_r(errno, text, sizeof(text)));
}

/* Not every file system knows O_TMPFILE; there the file has a name for a moment. */
static bool
open_file(struct spool *spool, struct err *e)
{
	char path[PATH_MAX];

	spool->fd = open(spool->limits.folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	if (spool->fd >= 0)
		return true;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return fail(spool, "create", e);
	if ((size_t)snprintf(path, sizeof(path), "%s/spool.XXXXXX", spool->limits.folder) >=
	    sizeof(path)) {
		errno = ENAMETOOLONG;
		return fail(spool, "create", e);
	}
	spool->fd = mkostemp(path, O_CLOEXEC);
	if (spool->fd < 0 || unlink(path) < 0)
		return fail(spool, "create", e);
	return true;
}

static bool
add_to_file(struct spool *spool, struct str octets, struct err *e)
{
	struct spool_total *total = spool->limits.total;

	if (!take(&total->disk, octets.n, spool->limits.disk)) {
		spool->failed = true;
		return err_set(e, ERR_LIMIT, "all that may be held of messages is held");
	}
	/* All of it counts from here on, so that what was taken is what is given back. */
	spool->in_file += octets.n;
	if (spool->fd < 0 && !open_file(spool, e))
		return false;
	while (octets.n > 0) {
		ssize_t n =
		    pwrite(spool->fd, octets.p, octets.n, (off_t)(spool->in_file - octets.n));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(spool, "write", e);
		octets = str_sub(octets, (size_t)n, octets.n);
	}
	/* What the window holds of the file's end may be short now. */
	spool->window_n = 0;
	return true;
}

/* Counts what is allocated, which doubles when it grows. False: it does not go into memory. */
static bool
add_to_memory(struct spool *spool, struct str octets)
{
	struct buf *memory = &spool->memory;
	struct spool_total *total = spool->limits.total;
	size_t before = memory->cap, most = 0;

	if (octets.n >= before - memory->n)
		most = before + octets.n + SPOOL_LEAST;
	if (!take(&total->memory, most, spool->limits.memory))
		return false;
	buf_add(memory, octets);
	atomic_fetch_sub(&total->memory, most - (memory->cap - before));
	return true;
}

bool
spool_add(struct spool *spool, struct str octets, struct err *e)
{
	size_t room = spool->memory.max - spool->memory.n;

	if (spool->failed)
		return err_set(
		    e, ERR_SYSTEM, "the spool file in %s failed before", spool->limits.folder);
	if (spool->in_file == 0 && room > 0) {
		size_t n = octets.n < room ? octets.n : room;

		if (add_to_memory(spool, str_sub(octets, 0, n)))
			octets = str_sub(octets, n, octets.n);
	}
	return octets.n == 0 || add_to_file(spool, octets, e);
}

uint64_t
spool_size(const struct spool *spool)
{
	return spool->memory.n + spool->in_file;
}

static struct str
at_file(struct spool *spool, uint64_t offset)
{
	ssize_t n;
	size_t skip;

	if (spool->window == NULL)
		spool->window = xmalloc(WINDOW);
	if (offset < spool->window_at || offset >= spool->window_at + spool->window_n) {
		do {
			n = pread(spool->fd, spool->window, WINDOW, (off_t)offset);
		} while (n < 0 && errno == EINTR);
		if (n <= 0) {
			spool->failed = true;
			return STR("");
		}
		spool->window_at = offset;
		spool->window_n = (size_t)n;
	}
	skip = (size_t)(offset - spool->window_at);
	return (struct str){ spool->window + skip, spool->window_n - skip };
}

struct str
spool_at(struct spool *spool, uint64_t offset)
{
	if (offset >= spool_size(spool))
		return STR("");
	if (offset < spool->memory.n)
		return str_sub(buf_str(&spool->memory), (size_t)offset, spool->memory.n);
	return at_file(spool, offset - spool->memory.n);
}

bool
spool_failed(const struct spool *spool)
{
	return spool->failed;
}
