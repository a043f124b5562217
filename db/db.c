#include "db/db.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "db/db_private.h"
#include "db/journal_config.h"
#include "db/side.h"
#include "db/store_sqlite.h"

/* Requests in one transaction: a few milliseconds, so that a backlog does not make all wait for all. */
#define BATCH 2048

#define MS 1000
#define S (1000 * MS)

/* Between steps of cleaning: while there is more to clean, and when there was no more. */
#define CLEAN_SOON (50 * MS)
#define CLEAN_LATER (10 * S)

/* With so many requests waiting, sums are left for later: readers read the entries meanwhile. */
#define BUSY 256

/* How often the log notes the chain's newest link: whoever alters the journal cannot reach it there. */
#define MARK_EVERY (3600 * (int64_t)S)

/* The settings of the shared store. */
#define SETTINGS_MEMORY 65536

struct batch {
	struct db_request *request[BATCH];
	size_t n;
};

struct db {
	struct db_shared shared; /* with the links */
	pthread_t thread;
	struct journal_retention stays;
	bool search;
	struct arena *memory;
	/* the thread's own from here on */
	struct side store_side, journal_side;
	struct store *store;     /* NULL: could not be opened */
	struct journal *journal; /* NULL: could not be opened */
	struct configurations configurations;
	int64_t clean_us; /* when to clean next */
	int64_t mark_us;  /* when to note the chain's newest link */
	struct batch asks, records;
	struct db_link *back; /* those that something goes back to */
	struct store_ask ask[BATCH];
	struct journal_record *record[BATCH];
};

struct db_shared *
db_shared(struct db *db)
{
	return &db->shared;
}

size_t
db_backlog(struct db *db)
{
	return atomic_load(&db->shared.backlog.requests);
}

/* Opens again what failed or went away; false: there is none. */
static bool
store_ready(struct db *db, struct err *e)
{
	struct side *side = &db->store_side;
	int64_t now_us = clock_mono_us();

	if (db->store && side_look(side, now_us) && !store_sqlite_in_place(db->store))
		side_moved(side);
	if (side_reopen(side, db->store != NULL, now_us, e)) {
		store_sqlite.close(&db->store);
		db->store = store_sqlite.open(side->path, e);
	}
	return db->store != NULL;
}

static bool
journal_ready(struct db *db, struct err *e)
{
	struct side *side = &db->journal_side;
	int64_t now_us = clock_mono_us();

	if (db->journal && side_look(side, now_us) && !journal_in_place(db->journal))
		side_moved(side);
	if (side_reopen(side, db->journal != NULL, now_us, e)) {
		journal_close(&db->journal);
		configurations_forget(&db->configurations);
		db->journal = journal_open(side->path, e);
	}
	return db->journal != NULL;
}

/* --- batches ------------------------------------------------------------------------------------ */

static void
send_back(struct db *db, struct batch *batch, bool ok)
{
	for (size_t i = 0; i < batch->n; i++)
		db_link_return(batch->request[i], ok, &db->back);
	batch->n = 0;
	db_link_push(&db->back);
}

static void
run_asks(struct db *db)
{
	struct batch *batch = &db->asks;
	struct err e = { 0 };
	bool ok;

	if (batch->n == 0)
		return;
	for (size_t i = 0; i < batch->n; i++)
		db->ask[i] = db_request_ask(batch->request[i]);
	ok = store_ready(db, &e) &&
	    store_sqlite.ask(db->store, db->ask, batch->n, clock_wall_ms(), &e);
	side_went(&db->store_side, ok, &e);
	send_back(db, batch, ok);
}

static void
run_records(struct db *db)
{
	struct batch *batch = &db->records;
	struct err e = { 0 };
	bool ok;

	if (batch->n == 0)
		return;
	for (size_t i = 0; i < batch->n; i++)
		db->record[i] = batch->request[i]->record;
	ok = journal_ready(db, &e) &&
	    configurations_store(&db->configurations, db->journal, clock_wall_ms(), &e) &&
	    journal_append(db->journal, db->record, batch->n, &e);
	side_went(&db->journal_side, ok, &e);
	send_back(db, batch, ok);
}

/* The store's answers go out first: sessions need them to get on. */
static void
run(struct db *db)
{
	run_asks(db);
	run_records(db);
}

/* False: the thread is to end. */
static bool
take(struct db *db, struct queue_item *items)
{
	bool go_on = true;

	while (items) {
		struct db_request *r = (struct db_request *)items;
		struct batch *batch = r->what == DB_JOURNAL ? &db->records : &db->asks;

		items = items->next;
		if (r->what == DB_CONFIGURATION) {
			configurations_add(&db->configurations, r->revision, r->text);
			db_link_return(r, true, &db->back);
			db_link_push(&db->back);
			continue;
		}
		if (r->what <= DB_JOURNAL) {
			batch->request[batch->n++] = r;
			if (batch->n == BATCH)
				run(db);
			continue;
		}
		run(db);
		if (r->what == DB_LEAVE)
			sem_post(r->owner);
		else
			go_on = false;
	}
	run(db);
	return go_on;
}

/* --- cleaning and the thread -------------------------------------------------------------------- */

static void
note_mark(struct db *db)
{
	int64_t now_us = clock_mono_us();
	struct journal_mark mark;

	if (db->journal == NULL || now_us < db->mark_us)
		return;
	db->mark_us = now_us + MARK_EVERY;
	if (journal_mark(db->journal, &mark, NULL))
		log_info(
		    NULL, "event=journal newest=%lld link=%s", (long long)mark.serial, mark.link);
}

/* What may wait: sums, and the index for searching. */
static bool
summing(struct db *db, struct err *e)
{
	bool more = journal_sum_up(db->journal, e);

	return journal_index(db->journal, db->search) || more;
}

static void
clean(struct db *db)
{
	int64_t now = clock_wall_ms();
	struct err e = { 0 };
	bool more = false;

	if (db->store && !db->store_side.failing) {
		more = store_sqlite.clean(db->store, now, &e);
		side_went(&db->store_side, e.code == ERR_NONE, &e);
	}
	e = (struct err){ 0 };
	if (db->journal && !db->journal_side.failing) {
		if (db_backlog(db) < BUSY)
			more = summing(db, &e) || more;
		if (e.code == ERR_NONE)
			more = journal_clean(db->journal, now, &db->stays, &e) || more;
		if (!more && e.code == ERR_NONE && db->stays.keep_ms > 0)
			journal_configurations_clean(db->journal, now - db->stays.keep_ms, &e);
		side_went(&db->journal_side, e.code == ERR_NONE, &e);
	}
	note_mark(db);
	db->clean_us = clock_mono_us() + (more ? CLEAN_SOON : CLEAN_LATER);
}

static void *
thread_main(void *arg)
{
	struct db *db = arg;
	bool go_on = true;

	/* By itself: the name of another thread is written to /proc, which a worker may not do. */
	pthread_setname_np(pthread_self(), "postern-db");
	while (go_on) {
		int64_t left_us = db->clean_us - clock_mono_us();
		struct queue_item *items;

		/* Rounded up, so that it does not wake just before its time. */
		items = queue_wait(db->shared.queue, left_us > 0 ? (int)(left_us / MS) + 1 : 0);
		go_on = take(db, items);
		if (go_on && clock_mono_us() >= db->clean_us)
			clean(db);
	}
	return NULL;
}

/* --- start and stop ----------------------------------------------------------------------------- */

static char *
join(const char *folder, const char *name)
{
	size_t size = strlen(folder) + strlen(name) + 2;
	char *path = xmalloc(size);

	snprintf(path, size, "%s/%s", folder, name);
	return path;
}

static void
start_thread(struct db *db)
{
	sigset_t all, before;

	/* Signals are for the loop that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&db->thread, NULL, thread_main, db) != 0)
		die("cannot start the thread of the databases");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
dispose(struct db **pdb)
{
	struct db *db = *pdb;

	store_sqlite.close(&db->store);
	journal_close(&db->journal);
	configurations_free(&db->configurations);
	queue_free(&db->shared.queue);
	arena_free(&db->memory);
	free(db->store_side.path);
	free(db->journal_side.path);
	free(db);
	*pdb = NULL;
}

struct db *
db_start(const struct db_settings *settings, struct err *e)
{
	struct db *db = xcalloc(1, sizeof(*db));

	db->stays = settings->journal;
	db->search = settings->journal_search;
	db->shared.backlog.most = settings->full > 0 ? settings->full : BACKLOG_REQUESTS;
	db->shared.queue = queue_new(NULL, NULL, NULL);
	db->memory = arena_new(SETTINGS_MEMORY);
	if (settings->redis)
		db->shared.redis = redis_settings_copy(db->memory, settings->redis);
	db->store_side =
	    (struct side){ .name = "store", .path = join(settings->folder, "store.db") };
	db->journal_side =
	    (struct side){ .name = "journal", .path = join(settings->folder, "journal.db") };
	db->store = store_sqlite.open(db->store_side.path, e);
	if (db->store)
		db->journal = journal_open(db->journal_side.path, e);
	if (db->journal == NULL) {
		dispose(&db);
		return NULL;
	}
	start_thread(db);
	return db;
}

void
db_stop(struct db **pdb)
{
	struct db *db = *pdb;
	struct db_request stop = { .what = DB_STOP };

	if (db == NULL)
		return;
	require(db->shared.links == 0);
	queue_push(db->shared.queue, &stop.item);
	pthread_join(db->thread, NULL);
	dispose(pdb);
}
