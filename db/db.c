#include "db/db.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "db/journal_config.h"
#include "db/store_sqlite.h"

/* Requests in one transaction: a few milliseconds, so that a backlog does not make all wait for all. */
#define BATCH 2048

#define MS 1000
#define S (1000 * MS)

/* Between steps of cleaning: while there is more to clean, and when there was no more. */
#define CLEAN_SOON (50 * MS)
#define CLEAN_LATER (10 * S)

/* Far more than as many rows take as there can be: their texts are the command line's. */
#define EXCEPTIONS_MEMORY (64 * 1024 * 1024)

/* With so many requests waiting, sums are left for later: readers read the entries meanwhile. */
#define BUSY 256

/* How often the log notes the chain's newest link: whoever alters the journal cannot reach it there. */
#define MARK_EVERY (3600 * (int64_t)S)
/* The settings of the shared store. */
#define SETTINGS_MEMORY 65536

/* How often to look whether the files are still ours. */
#define LOOK_EVERY (1 * S)

/* A database that goes on failing is closed and opened again this often. */
#define REOPEN_EVERY (5 * S)

/* One of the two databases, as the thread sees it. */
struct side {
	const char *name; /* for the log */
	char *path;
	bool failing;
	int64_t look_us;   /* when to look at the file again */
	int64_t reopen_us; /* when to open it again, if it is failing or closed */
};

struct batch {
	struct db_request *request[BATCH];
	size_t n;
};

struct db {
	struct queue *queue;
	pthread_t thread;
	_Atomic size_t links;
	_Atomic size_t waiting, octets; /* sent and not yet sent back */
	_Atomic bool full;
	struct journal_retention stays;
	bool search;
	size_t most; /* requests, before it is full */
	struct arena *memory;
	const struct redis_settings *redis; /* NULL: no shared store */
	struct redis_health health;
	/* the thread's own from here on */
	struct side store_side, journal_side;
	struct store *store;     /* NULL: could not be opened */
	struct journal *journal; /* NULL: could not be opened */
	struct configurations configurations;
	int64_t clean_us; /* when to clean next */
	int64_t mark_us;  /* when to note the chain's newest link */
	struct batch asks, records;
	struct store_ask ask[BATCH];
	struct journal_record *record[BATCH];
};

struct db_link {
	struct db *db;
	struct queue *queue;      /* of what comes back */
	struct db_request *out;   /* sent and not back yet; only the loop touches this list */
	struct redis_link *redis; /* NULL: no shared store */
	bool local;               /* counters go on here while Redis is away */
	int64_t local_us;         /* until then somebody may hold something here */
};

/* --- requests ----------------------------------------------------------------------------------- */

struct db_request *
db_request_store(const struct question *q)
{
	size_t octets = sizeof(struct db_request) + q->name.n + q->hashes.n;
	struct db_request *r = xmalloc(octets);
	char *key = (char *)(r + 1), *hashes = key + q->name.n;

	*r = (struct db_request){ .what = DB_STORE, .octets = octets };
	if (q->name.n > 0)
		memcpy(key, q->name.p, q->name.n);
	if (q->hashes.n > 0)
		memcpy(hashes, q->hashes.p, q->hashes.n);
	r->answer.question = *q;
	r->answer.question.name = (struct str){ key, q->name.n };
	r->answer.question.hashes = (struct str){ hashes, q->hashes.n };
	r->answer.state = ANSWER_SENT;
	return r;
}

struct db_request *
db_request_delivered(enum delivered_what what, const unsigned char *key)
{
	struct db_request *r = xcalloc(1, sizeof(*r) + sizeof(*r->delivered));

	r->what = DB_DELIVERED;
	r->octets = sizeof(*r) + sizeof(*r->delivered);
	r->delivered = (struct delivered *)(r + 1);
	r->delivered->what = what;
	memcpy(r->delivered->key, key, DELIVERED_KEY);
	return r;
}

struct db_request *
db_request_status(struct status_report *report)
{
	struct db_request *r = xcalloc(1, sizeof(*r));

	r->what = DB_STATUS;
	r->status = report;
	return r;
}

struct db_request *
db_request_exceptions(enum exceptions_what what)
{
	struct db_request *r = xcalloc(1, sizeof(*r) + sizeof(*r->exceptions));

	r->what = DB_EXCEPTIONS;
	r->octets = sizeof(*r) + sizeof(*r->exceptions);
	r->exceptions = (struct store_exceptions *)(r + 1);
	r->exceptions->what = what;
	if (what == EXCEPTIONS_READ)
		r->exceptions->memory = arena_new(EXCEPTIONS_MEMORY);
	return r;
}

struct db_request *
db_request_journal(struct journal_record *record)
{
	struct db_request *r = xcalloc(1, sizeof(*r));

	r->what = DB_JOURNAL;
	r->record = record;
	r->octets = sizeof(*r) + journal_record_size(record);
	return r;
}

struct db_request *
db_request_configuration(struct str revision, struct str text)
{
	struct db_request *r = xmalloc(sizeof(*r) + revision.n + text.n);
	char *p = (char *)(r + 1);

	*r = (struct db_request){ .what = DB_CONFIGURATION,
		.octets = sizeof(*r) + revision.n + text.n };
	memcpy(p, revision.p, revision.n);
	memcpy(p + revision.n, text.p, text.n);
	r->revision = (struct str){ p, revision.n };
	r->text = (struct str){ p + revision.n, text.n };
	return r;
}

void
db_request_free(struct db_request **request)
{
	if (*request == NULL)
		return;
	if ((*request)->exceptions)
		arena_free(&(*request)->exceptions->memory);
	free((*request)->record);
	free((*request)->status);
	free(*request);
	*request = NULL;
}

/* --- links: on the loop's thread ---------------------------------------------------------------- */

static void
list_add(struct db_link *link, struct db_request *r)
{
	r->before = NULL;
	r->after = link->out;
	if (link->out)
		link->out->before = r;
	link->out = r;
}

static void
list_remove(struct db_link *link, struct db_request *r)
{
	if (r->before)
		r->before->after = r->after;
	else
		link->out = r->after;
	if (r->after)
		r->after->before = r->before;
	r->before = r->after = NULL;
}

static void
give_back(struct db_link *link, struct db_request *r)
{
	list_remove(link, r);
	if (r->done)
		r->done(r);
	else
		db_request_free(&r);
}

static void
take_back(void *owner, struct queue_item *items)
{
	while (items) {
		struct db_request *r = (struct db_request *)items;

		items = items->next;
		give_back(owner, r);
	}
}

struct db_link *
db_link_new(struct db *db, struct event_base *base)
{
	struct db_link *link = xcalloc(1, sizeof(*link));

	link->db = db;
	link->queue = queue_new(base, take_back, link);
	link->local = true;
	if (db->redis)
		link->redis = redis_link_new(base, db->redis, &db->health);
	db->links++;
	return link;
}

/*
 * Why waiting: the thread may be about to push to this link's queue. Once it has come to our
 * request to leave, which stands behind all others of this link, it will never do so again.
 * Counting references instead was turned down: the queue holds an event of a base that is freed
 * right after this.
 */
void
db_link_free(struct db_link **plink)
{
	struct db_link *link = *plink;
	struct db_request leave = { .what = DB_LEAVE };
	sem_t left;

	if (link == NULL)
		return;
	redis_link_free(&link->redis);
	sem_init(&left, 0, 0);
	leave.owner = &left;
	queue_push(link->db->queue, &leave.item);
	while (sem_wait(&left) != 0)
		;
	sem_destroy(&left);
	while (link->out) {
		struct db_request *r = link->out;

		list_remove(link, r);
		db_request_free(&r);
	}
	queue_free(&link->queue);
	link->db->links--;
	free(link);
	*plink = NULL;
}

/* ---- how much waits: any thread ---- */

static void
set_full(struct db *db, bool full, size_t waiting, size_t octets)
{
	bool before = !full;

	if (!atomic_compare_exchange_strong(&db->full, &before, full))
		return;
	if (full)
		log_warn(NULL,
		    "event=backlog state=full requests=%zu octets=%zu: no more is taken in until the databases have caught up",
		    waiting, octets);
	else
		log_info(NULL, "event=backlog state=good requests=%zu octets=%zu", waiting, octets);
}

static void
count_in(struct db *db, const struct db_request *r)
{
	size_t waiting = atomic_fetch_add(&db->waiting, 1) + 1;
	size_t octets = atomic_fetch_add(&db->octets, r->octets) + r->octets;

	if (waiting >= db->most || octets >= DB_FULL_OCTETS)
		set_full(db, true, waiting, octets);
}

static void
count_out(struct db *db, const struct db_request *r)
{
	atomic_fetch_sub(&db->waiting, 1);
	atomic_fetch_sub(&db->octets, r->octets);
}

/* WHY here and not in count_out(): whoever set the mark may have done so after all was done. */
bool
db_full(struct db_link *link)
{
	struct db *db = link->db;
	size_t waiting, octets;

	if (!atomic_load_explicit(&db->full, memory_order_relaxed))
		return false;
	waiting = atomic_load(&db->waiting);
	octets = atomic_load(&db->octets);
	if (waiting <= db->most / 4 && octets <= DB_FULL_OCTETS / 4)
		set_full(db, false, waiting, octets);
	return atomic_load(&db->full);
}

size_t
db_backlog(struct db *db)
{
	return atomic_load(&db->waiting);
}

static void
send_local(struct db_link *link, struct db_request *request)
{
	count_in(link->db, request);
	queue_push(link->db->queue, &request->item);
}

static struct store_ask
ask_of(struct db_request *r)
{
	return (struct store_ask){ &r->answer.question, &r->answer, r->delivered, r->status,
		r->exceptions };
}

static void
answered(struct db_request *r, bool ok)
{
	r->failed = !ok;
	if (r->what != DB_STORE)
		return;
	r->answer.failed = !ok;
	r->answer.state = ANSWER_HERE;
	r->answer.took_us = clock_mono_us() - r->sent_us;
}

/* --- the shared store: on the loop's thread ----------------------------------------------------- */

/* Longer than anything is held. */
#define LOCAL_HOLDS (INT64_C(25) * 3600 * S)

void
db_link_local(struct db_link *link, bool local)
{
	link->local = local;
}

/* What the machines share; the status of mail servers is each machine's own. */
static bool
is_shared(const struct db_request *r)
{
	return r->what == DB_STORE || r->what == DB_DELIVERED || r->what == DB_EXCEPTIONS;
}

static bool
goes_on_here(const struct db_request *r)
{
	return r->what == DB_DELIVERED ||
	    (r->what == DB_STORE && r->answer.question.kind != QUESTION_SEEN);
}

/* Redis is away. What comes back failed does so by the queue, for nothing may come back from within db_send(). */
static void
fall_back(struct db_link *link, struct db_request *r)
{
	if (link->local && goes_on_here(r)) {
		link->local_us = clock_mono_us() + LOCAL_HOLDS;
		send_local(link, r);
		return;
	}
	answered(r, false);
	queue_push(link->queue, &r->item);
}

static void
shared_done(struct redis_errand *errand, bool ok)
{
	struct db_request *r =
	    (struct db_request *)(void *)((char *)errand - offsetof(struct db_request, errand));

	if (!ok) {
		fall_back(r->link, r);
		return;
	}
	answered(r, true);
	give_back(r->link, r);
}

/* What the same transaction may hold here from a time when Redis was away is given back. */
static void
free_here(struct db_link *link, const struct question *q)
{
	struct question free_it = *q;
	struct db_request *twin;

	if (q->kind != QUESTION_TAKE || clock_mono_us() > link->local_us ||
	    (q->take.what != TAKE_SETTLE && q->take.what != TAKE_FREE))
		return;
	free_it.take.what = TAKE_FREE;
	free_it.add = 0;
	twin = db_request_store(&free_it);
	twin->link = link;
	twin->sent_us = clock_mono_us();
	list_add(link, twin);
	send_local(link, twin);
}

static void
send_shared(struct db_link *link, struct db_request *r)
{
	r->errand = (struct redis_errand){
		.ask = ask_of(r), .now = clock_wall_ms() / 1000, .done = shared_done
	};
	if (r->what == DB_STORE)
		free_here(link, &r->answer.question);
	if (!redis_link_send(link->redis, &r->errand))
		fall_back(link, r);
}

void
db_send(struct db_link *link, struct db_request *request)
{
	require(request->what != DB_JOURNAL || request->record != NULL);
	require(request->what != DB_STORE || request->answer.question.kind != QUESTION_DNS);
	request->link = link;
	request->failed = false;
	request->sent_us = clock_mono_us();
	list_add(link, request);
	if (link->redis && is_shared(request))
		send_shared(link, request);
	else
		send_local(link, request);
}

/* --- health: from here on, the db thread -------------------------------------------------------- */

static void
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

/* Is it time to look at the file? */
static bool
side_look(struct side *side, int64_t now_us)
{
	if (now_us < side->look_us)
		return false;
	side->look_us = now_us + LOOK_EVERY;
	return true;
}

static bool
side_reopen(struct side *side, bool open, int64_t now_us)
{
	if ((open && !side->failing) || now_us < side->reopen_us)
		return false;
	/* A closed one is cheap to try. */
	side->reopen_us = now_us + (open ? REOPEN_EVERY : LOOK_EVERY);
	return true;
}

static void
moved(struct side *side)
{
	struct err e;

	err_set(&e, ERR_DB, "%s: was moved, removed or replaced while in use: opening it again",
	    side->path);
	side_went(side, false, &e);
	side->reopen_us = 0;
}

/* Opens again what failed or went away; false: there is none. */
static bool
store_ready(struct db *db, struct err *e)
{
	struct side *side = &db->store_side;
	int64_t now_us = clock_mono_us();

	if (db->store && side_look(side, now_us) && !store_sqlite_in_place(db->store))
		moved(side);
	if (side_reopen(side, db->store != NULL, now_us)) {
		store_sqlite.close(&db->store);
		db->store = store_sqlite.open(side->path, e);
	} else if (db->store == NULL) {
		err_set(e, ERR_DB, "%s: could not be opened", side->path);
	}
	return db->store != NULL;
}

static bool
journal_ready(struct db *db, struct err *e)
{
	struct side *side = &db->journal_side;
	int64_t now_us = clock_mono_us();

	if (db->journal && side_look(side, now_us) && !journal_in_place(db->journal))
		moved(side);
	if (side_reopen(side, db->journal != NULL, now_us)) {
		journal_close(&db->journal);
		configurations_forget(&db->configurations);
		db->journal = journal_open(side->path, e);
	} else if (db->journal == NULL) {
		err_set(e, ERR_DB, "%s: could not be opened", side->path);
	}
	return db->journal != NULL;
}

/* --- batches ------------------------------------------------------------------------------------ */

static void
send_back(struct db *db, struct batch *batch, bool ok)
{
	for (size_t i = 0; i < batch->n; i++) {
		struct db_request *r = batch->request[i];

		count_out(db, r);
		answered(r, ok);
		queue_push(r->link->queue, &r->item);
	}
	batch->n = 0;
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
		db->ask[i] = ask_of(batch->request[i]);
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
			count_out(db, r);
			queue_push(r->link->queue, &r->item);
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

	while (go_on) {
		int64_t left_us = db->clean_us - clock_mono_us();
		struct queue_item *items;

		/* Rounded up, so that it does not wake just before its time. */
		items = queue_wait(db->queue, left_us > 0 ? (int)(left_us / MS) + 1 : 0);
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
	pthread_setname_np(db->thread, "postern-db");
}

static void
dispose(struct db **pdb)
{
	struct db *db = *pdb;

	store_sqlite.close(&db->store);
	journal_close(&db->journal);
	configurations_free(&db->configurations);
	queue_free(&db->queue);
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
	db->most = settings->full > 0 ? settings->full : DB_FULL;
	db->queue = queue_new(NULL, NULL, NULL);
	db->memory = arena_new(SETTINGS_MEMORY);
	if (settings->redis)
		db->redis = redis_settings_copy(db->memory, settings->redis);
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
	require(db->links == 0);
	queue_push(db->queue, &stop.item);
	pthread_join(db->thread, NULL);
	dispose(pdb);
}
