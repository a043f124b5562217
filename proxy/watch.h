/*
 * watch: notices that files of lists have changed, for the master, which then takes them as at a reload. Looks at them
 * from time to time (stat): that works on every file system, needs no permission that reading does not, and
 * costs some microseconds. A file that is still being written is waited for: it is whole once nothing has happened
 * to it for a second. Loads nothing.
 *
 * BUGS: a writer that pauses for a second in the middle is not told from one that is done. Files that are replaced by renaming are
 * whole at every moment, and are waited for all the same: nothing in them tells how they came.
 */
#ifndef POSTERN_PROXY_WATCH_H
#define POSTERN_PROXY_WATCH_H

#include "rules/config.h"

struct watch {
	int64_t due_ms;           /* of the next look, monotonic; 0: at once */
	struct file_stamp *tried; /* of each file as it was when it was last told */
	size_t n_tried;
	int64_t
	    restless_ms; /* since when there has been something to wait for at each look; 0: there is not */
	bool said; /* the log has that */
};

/* Milliseconds until the next look is due; INT64_MAX: it never is. */
int64_t watch_wait(const struct watch *watch, const struct config *config, int64_t now_ms);
/*
 * Looks, if it is due. The path of a file that is no longer what config was made of, and that was not told as it
 * is now before; NULL: there is none, or one of them is being written. now_ms: monotonic; wall_ms: wall.
 */
const char *watch_look(
    struct watch *watch, const struct config *config, int64_t now_ms, int64_t wall_ms);
/* Tells what was told again. */
void watch_again(struct watch *watch);
void watch_free(struct watch *watch);

/*
 * The path of a list of a configuration, read since began_ms (wall), that may be half of one: it was being written then;
 * NULL: there is none.
 */
const char *watch_torn(const struct config *config, int64_t began_ms);

#endif
