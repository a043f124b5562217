/*
 * side: one of the two databases as the thread that owns them sees it: whether it is well, when to look whether its file is still there,
 * and when to open it again. On that thread only; the log has a line when it begins to fail and one when that is over.
 */
#ifndef POSTERN_DB_SIDE_H
#define POSTERN_DB_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct side {
	const char *name; /* for the log */
	char *path;
	bool failing;
	int64_t look_us;   /* when to look at the file again */
	int64_t reopen_us; /* when to open it again, if it is failing or closed */
};

/* Something was done with it, and went well or failed with e. */
void side_went(struct side *side, bool ok, const struct err *e);
/* Is it time to look at the file? The next time is a second later. */
bool side_look(struct side *side, int64_t now_us);
/* The file is gone from its place: it fails, and is opened again at once. */
void side_moved(struct side *side);
/*
 * Is it to be opened (again) now? A failing one that is open: every few seconds; a closed one, which is cheap to try: every second. False
 * and closed: e says so.
 */
bool side_reopen(struct side *side, bool open, int64_t now_us, struct err *e);

#endif
