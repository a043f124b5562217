#include "db/db_link.h"

#include <event2/event.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "db/db_private.h"

/* How long requests wait that are in no hurry, unless others leave before. */
#define SOON_US 20000

struct db_link {
	struct db_shared *db;
	struct queue *queue;     /* of what comes back */
	struct queue_items turn; /* to be sent together, at the end of the loop's turn */
	struct event
	    *turn_over; /* active: it is the end; waiting: some that are not in a hurry go soon */
	struct db_request *out;   /* sent and not back yet; only the loop touches this list */
	struct redis_link *redis; /* NULL: no shared store */
	bool local;               /* counters go on here while Redis is away */
	int64_t local_us;         /* until then somebody may hold something here */
	/* the thread's */
	struct queue_items back;   /* to be pushed together */
	struct db_link *back_next; /* of those with such */
};

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

/*
 * What all sessions send in one turn of the loop, and all that one session asks, is pushed in one piece: so it is one
 * transaction, and the thread is woken once.
 */
static void
push_turn(evutil_socket_t fd, short what, void *arg)
{
	struct db_link *link = arg;

	(void)fd;
	(void)what;
	queue_push_all(link->db->queue, &link->turn);
}

struct db_link *
db_link_new(struct db *db, struct event_base *base)
{
	struct db_link *link = xcalloc(1, sizeof(*link));

	link->db = db_shared(db);
	link->queue = queue_new(base, take_back, link);
	link->turn_over = event_new(base, -1, 0, push_turn, link);
	require(link->turn_over);
	link->local = true;
	if (link->db->redis)
		link->redis = redis_link_new(base, link->db->redis, &link->db->health);
	link->db->links++;
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
	queue_gather(&link->turn, &leave.item);
	push_turn(-1, 0, link);
	while (sem_wait(&left) != 0)
		;
	sem_destroy(&left);
	while (link->out) {
		struct db_request *r = link->out;

		list_remove(link, r);
		db_request_free(&r);
	}
	event_free(link->turn_over);
	queue_free(&link->queue);
	link->db->links--;
	free(link);
	*plink = NULL;
}

bool
db_full(struct db_link *link)
{
	return backlog_full(&link->db->backlog);
}

void
db_link_return(struct db_request *r, bool ok, struct db_link **back)
{
	struct db_link *link = r->link;

	backlog_out(&link->db->backlog, r->octets);
	db_request_done(r, ok);
	if (link->back.first == NULL) {
		link->back_next = *back;
		*back = link;
	}
	queue_gather(&link->back, &r->item);
}

void
db_link_push(struct db_link **back)
{
	while (*back) {
		struct db_link *link = *back;

		*back = link->back_next;
		queue_push_all(link->queue, &link->back);
	}
}

static void
send_local(struct db_link *link, struct db_request *request)
{
	static const struct timeval soon = { 0, SOON_US };

	backlog_in(&link->db->backlog, request->octets);
	queue_gather(&link->turn, &request->item);
	if (!request->no_hurry)
		event_active(link->turn_over, 0, 0);
	else if (!event_pending(link->turn_over, EV_TIMEOUT, NULL))
		event_add(link->turn_over, &soon);
}

/* --- the shared store --------------------------------------------------------------------------- */

/* Longer than anything is held. */
#define LOCAL_HOLDS_US (INT64_C(25) * 3600 * 1000000)

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
		link->local_us = clock_mono_us() + LOCAL_HOLDS_US;
		send_local(link, r);
		return;
	}
	db_request_done(r, false);
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
	db_request_done(r, true);
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
		.ask = db_request_ask(r), .now = clock_wall_ms() / 1000, .done = shared_done
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
