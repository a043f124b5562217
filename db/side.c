#include "db/side.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/log.h"

#define S 1000000

/* How often to look whether the file is still ours. */
#define LOOK_EVERY (1 * S)

/* A database that goes on failing is closed and opened again this often. */
#define REOPEN_EVERY (5 * S)

void
side_went(struct side *side, bool ok, const struct err *e)
{
	if (ok && side->failing)
		log_info(NULL, "event=database name=%s state=good path=%s", side->name, side->path);
	else if (!ok && !side->failing)
		log_error(NULL, "event=database name=%s state=failing problem=\"%s\"", side->name,
		    e->text);
	if (!ok && !side->failing)
		side->reopen_us = clock_mono_us() + REOPEN_EVERY;
	side->failing = !ok;
}

bool
side_look(struct side *side, int64_t now_us)
{
	if (now_us < side->look_us)
		return false;
	side->look_us = now_us + LOOK_EVERY;
	return true;
}

void
side_moved(struct side *side)
{
	struct err e;

	err_set(&e, ERR_DB, "%s: was moved, removed or replaced while in use: opening it again",
	    side->path);
	side_went(side, false, &e);
	side->reopen_us = 0;
}

bool
side_reopen(struct side *side, bool open, int64_t now_us, struct err *e)
{
	if ((!open || side->failing) && now_us >= side->reopen_us) {
		side->reopen_us = now_us + (open ? REOPEN_EVERY : LOOK_EVERY);
		return true;
	}
	if (!open)
		err_set(e, ERR_DB, "%s: could not be opened", side->path);
	return false;
}
