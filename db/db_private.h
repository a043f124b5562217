/*
 * db_private: what the thread of the databases (db.c) and the loops' links to it (db_link.c) share. All others see db.h.
 */
#ifndef POSTERN_DB_DB_PRIVATE_H
#define POSTERN_DB_DB_PRIVATE_H

#include "db/backlog.h"
#include "db/db.h"

struct db_shared {
	struct queue *queue; /* of requests, to the thread */
	struct backlog backlog;
	const struct redis_settings *redis; /* NULL: no shared store */
	struct redis_health health;
	_Atomic size_t links; /* there are */
};

struct db_shared *db_shared(struct db *db);

#endif
