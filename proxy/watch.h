/*
 * watch: notices that files of lists have changed, for the master, which then takes them as at a reload. Looks at them
 * from time to time (stat): that works on every file system, needs no permission that reading does not, and
 * costs some microseconds. A file that is still being written is waited for. Decides nothing and loads nothing.
 *
 * BUGS: what is written over in place without changing its size within the clock tick of the file system's times is not
 * seen. Files that are replaced by renaming always are.
 */
#ifndef POSTERN_PROXY_WATCH_H
#define POSTERN_PROXY_WATCH_H

#include "rules/config.h"

struct watch {
	int64_t due_ms;           /* of the next look, monotonic; 0: at once */
	struct file_stamp *tried; /* of each file as it was when it was last told */
	size_t n_tried;
};

/* Milliseconds until the next look is due; INT64_MAX: it never is. */
int64_t watch_wait(const struct watch *watch, const struct config *config, int64_t now_ms);
/*
 * Looks, if it is due. The path of a file that is no longer what config was made of, and that was not told as it
 * is now before; NULL: there is none. now_ms: monotonic; wall_s: wall seconds.
 */
const char *watch_look(
    struct watch *watch, const struct config *config, int64_t now_ms, int64_t wall_s);
void watch_free(struct watch *watch);

#endif
