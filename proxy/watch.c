#include "proxy/watch.h"

#include <stdlib.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"

#define STILL_MS 1000          /* since the last write, of a file that is whole */
#define CLOCKS_DIFFER_MS 60000 /* at most: a file server's and ours */
#define RESTLESS_MOST_MS 30000 /* before the log tells of a file that is never still */

int64_t
watch_wait(const struct watch *watch, const struct config *config, int64_t now_ms)
{
	if (config->core.watch_lists == 0)
		return INT64_MAX;
	return watch->due_ms > now_ms ? watch->due_ms - now_ms : 0;
}

/* A time far ahead is the clock's fault, and no reason to wait for it. */
static bool
is_past(int64_t time_us, int64_t wall_ms)
{
	int64_t age_ms = wall_ms - time_us / 1000;

	return age_ms > STILL_MS || age_ms < -CLOCKS_DIFFER_MS;
}

/* Both times: one may be set by whoever wrote, and not every file system keeps the other. */
static bool
is_still(const struct file_stamp *stamp, int64_t wall_ms)
{
	return is_past(stamp->written_us, wall_ms) && is_past(stamp->changed_us, wall_ms);
}

/* The stamps of all files as they are. */
static struct file_stamp *
take_stamps(const struct config *config, size_t *n)
{
	struct file_stamp *out;

	*n = 0;
	for (const struct config_file *file = config->files; file; file = file->next)
		(*n)++;
	out = xcalloc(*n + 1, sizeof(*out));
	*n = 0;
	for (const struct config_file *file = config->files; file; file = file->next, (*n)++)
		if (file->list)
			out[*n] = file_stamp(file->path);
	return out;
}

static bool
was_tried(const struct watch *watch, const struct file_stamp *now, size_t n)
{
	if (watch->n_tried != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!file_stamp_eq(&watch->tried[i], &now[i]))
			return false;
	return true;
}

static const char *
first_changed(const struct config *config, const struct file_stamp *now)
{
	for (const struct config_file *file = config->files; file; file = file->next, now++)
		if (file->list && !file_stamp_eq(&file->stamp, now))
			return file->path;
	return NULL;
}

/* All files are read together: one that is being written keeps the others waiting. */
static const char *
first_restless(const struct config *config, const struct file_stamp *now, int64_t wall_ms)
{
	for (const struct config_file *file = config->files; file; file = file->next, now++)
		if (file->list && !file_stamp_eq(&file->stamp, now) && !is_still(now, wall_ms))
			return file->path;
	return NULL;
}

/* restless: the file that is waited for; NULL: none. */
static void
note_restless(struct watch *watch, const char *restless, int64_t now_ms)
{
	if (!restless) {
		watch->restless_ms = 0;
		watch->said = false;
	} else if (watch->restless_ms == 0) {
		watch->restless_ms = now_ms;
	} else if (!watch->said && now_ms - watch->restless_ms >= RESTLESS_MOST_MS) {
		watch->said = true;
		log_warn(NULL,
		    "event=watch file=\"%s\" result=waiting why=\"it has been written to for %d s, and is "
		    "taken once it is left alone for a second\"",
		    ESC(str_of(restless)), RESTLESS_MOST_MS / 1000);
	}
}

const char *
watch_look(struct watch *watch, const struct config *config, int64_t now_ms, int64_t wall_ms)
{
	const char *changed, *restless = NULL;
	struct file_stamp *now;
	size_t n;

	if (watch_wait(watch, config, now_ms) > 0)
		return NULL;
	watch->due_ms = now_ms + config->core.watch_lists;
	now = take_stamps(config, &n);
	changed = was_tried(watch, now, n) ? NULL : first_changed(config, now);
	if (changed)
		restless = first_restless(config, now, wall_ms);
	note_restless(watch, restless, now_ms);
	if (!changed || restless) {
		free(now);
		return NULL;
	}
	free(watch->tried);
	watch->tried = now;
	watch->n_tried = n;
	return changed;
}

void
watch_again(struct watch *watch)
{
	free(watch->tried);
	watch->tried = NULL;
	watch->n_tried = 0;
}

void
watch_free(struct watch *watch)
{
	watch_again(watch);
	*watch = (struct watch){ 0 };
}

const char *
watch_torn(const struct config *config, int64_t began_ms)
{
	for (const struct config_file *file = config->files; file; file = file->next)
		if (file->list && (file->moved || !is_still(&file->stamp, began_ms)))
			return file->path;
	return NULL;
}
