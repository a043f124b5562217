#include "proxy/watch.h"

#include <stdlib.h>

#include "base/die.h"

/* Written to within so many seconds, a file may not be whole yet. */
#define SETTLED_S 1

int64_t
watch_wait(const struct watch *watch, const struct config *config, int64_t now_ms)
{
	if (config->core.watch_lists == 0)
		return INT64_MAX;
	return watch->due_ms > now_ms ? watch->due_ms - now_ms : 0;
}

static bool
is_settled(const struct file_stamp *stamp, int64_t wall_s)
{
	int64_t age = wall_s - stamp->changed;

	/* A time to come is the clock's fault, and no reason to wait for it. */
	return age < 0 || age > SETTLED_S;
}

/* The stamps of all files as they are; false: one is still being written. *n: of files. */
static bool
take_stamps(const struct config *config, int64_t wall_s, struct file_stamp **out, size_t *n)
{
	bool settled = true;

	*n = 0;
	for (const struct config_file *file = config->files; file; file = file->next)
		(*n)++;
	*out = xcalloc(*n + 1, sizeof(**out));
	*n = 0;
	for (const struct config_file *file = config->files; file; file = file->next) {
		struct file_stamp *stamp = &(*out)[(*n)++];

		if (!file->list)
			continue;
		*stamp = file_stamp(file->path);
		if (!file_stamp_eq(stamp, &file->stamp) && !is_settled(stamp, wall_s))
			settled = false;
	}
	return settled;
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

const char *
watch_look(struct watch *watch, const struct config *config, int64_t now_ms, int64_t wall_s)
{
	const char *changed = NULL;
	struct file_stamp *now;
	size_t n;

	if (watch_wait(watch, config, now_ms) > 0)
		return NULL;
	watch->due_ms = now_ms + config->core.watch_lists;
	if (take_stamps(config, wall_s, &now, &n) && !was_tried(watch, now, n))
		changed = first_changed(config, now);
	if (!changed) {
		free(now);
		return NULL;
	}
	free(watch->tried);
	watch->tried = now;
	watch->n_tried = n;
	return changed;
}

void
watch_free(struct watch *watch)
{
	free(watch->tried);
	*watch = (struct watch){ 0 };
}
