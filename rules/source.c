/*
 * source: the files of a configuration: read whole, bounded, each into the digest that is the
 * configuration's revision.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/die.h"
#include "base/escape.h"
#include "rules/load.h"
#include "rules/record.h"

/* Reads all of an open file; false and errno, or 0 when it is too large. */
static bool
read_all(int fd, size_t max, struct buf *out)
{
	char part[16384];
	ssize_t n;

	buf_init(out, max);
	while ((n = read(fd, part, sizeof part)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (!buf_add(out, (struct str){ part, (size_t)n })) {
			errno = 0;
			return false;
		}
	}
	return true;
}

/* A pipe or a device would make a reload wait, so only files are read. */
static int
open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int error;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	error = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	close(fd);
	errno = error;
	return -1;
}

bool
source_take(const char *path, size_t max, struct arena *arena, struct str *out, struct err *e)
{
	int fd = open_file(path);
	char shown[300];
	struct buf b;
	bool ok;

	escape_text(str_of(path), shown, sizeof shown);
	if (fd < 0)
		return err_set(e, ERR_SYSTEM, "cannot read %s: %s", shown,
		    errno == EINVAL ? "it is not a file" : strerror(errno));
	ok = read_all(fd, max, &b);
	if (ok) {
		*out = arena_dup(arena, buf_str(&b));
	} else if (errno == 0) {
		err_set(e, ERR_LIMIT, "cannot read %s: it has more than %zu octets", shown, max);
	} else {
		err_set(e, ERR_SYSTEM, "cannot read %s: %s", shown, strerror(errno));
	}
	/* It may have been a key. */
	if (b.cap > 0)
		OPENSSL_cleanse(b.p, b.cap);
	buf_free(&b);
	close(fd);
	return ok;
}

/* Is it the file that is to be read as it will be? */
static bool
source_instead(struct load *load, const char *path, struct str *out)
{
	const struct config_instead *instead = load->vocabulary->instead;
	char *real = instead ? realpath(path, NULL) : NULL;
	bool is = real && strcmp(real, instead->path) == 0;

	if (is)
		*out = arena_dup(load->arena, instead->text);
	free(real);
	return is;
}

bool
source_read(struct load *load, const char *path, size_t max, struct str *out, struct err *e)
{
	if (!source_instead(load, path, out) && !source_take(path, max, load->arena, out, e))
		return false;
	source_digest(load, *out);
	return true;
}

static void
digest_add(void *digest, struct str text)
{
	/* the length first, so that text cannot move from one file to the next unseen */
	uint64_t n = text.n;

	if (EVP_DigestUpdate(digest, &n, sizeof n) != 1 ||
	    EVP_DigestUpdate(digest, text.p, text.n) != 1)
		die("cannot compute a SHA-256 digest");
}

void
source_digest(struct load *load, struct str text)
{
	digest_add(load->digest, text);
	digest_add(load->words, text);
}

void
source_digest_record(struct load *load)
{
	struct buf text;

	buf_init(&text, RECORD_CONFIGURATION_MAX);
	record_configuration(load->config, &text);
	digest_add(load->digest, buf_str(&text));
	buf_free(&text);
}

static const char *
full_path(struct load *load, struct str path)
{
	struct str config = str_of(load->config->path);
	size_t slash = str_rfind(config, '/');

	if (slash == STR_NPOS || (path.n > 0 && path.p[0] == '/'))
		return arena_dup(load->arena, path).p;
	return arena_printf(load->arena, "%.*s/%.*s", (int)slash, config.p, STR_ARG(path)).p;
}

static struct config_file *
add_file(struct load *load, struct str path)
{
	struct config_file *file = ARENA_NEW(load->arena, struct config_file);

	*file = (struct config_file){ .path = full_path(load, path),
		.written = arena_dup(load->arena, path),
		.next = load->config->files };
	load->config->files = file;
	return file;
}

const char *
source_path(struct load *load, struct str path)
{
	return add_file(load, path)->path;
}

bool
source_list(struct load *load, struct str path, const char **full, struct str *out, struct err *e)
{
	struct config_file *file = add_file(load, path);
	struct file_stamp now;

	file->list = true;
	/* Before it is read: what is written meanwhile is then seen as a change. */
	file->stamp = file_stamp(file->path);
	*full = file->path;
	if (!source_take(file->path, LIST_FILE_MAX, load->arena, out, e))
		return false;
	now = file_stamp(file->path);
	file->moved = !file_stamp_eq(&now, &file->stamp);
	file->hash = str_hash(STR_HASH, *out);
	digest_add(load->digest, *out);
	return true;
}

/* --- changes ------------------------------------------------------------------------------------ */

static int64_t
microseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct file_stamp
file_stamp(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return (struct file_stamp){ 0 };
	return (struct file_stamp){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.written_us = microseconds(st.st_mtim),
		.changed_us = microseconds(st.st_ctim),
	};
}

bool
file_stamp_eq(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	    a->written_us == b->written_us && a->changed_us == b->changed_us;
}
