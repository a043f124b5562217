/*
 * gate_exceptions: the exceptions in force, as one gate knows them. Twice a second it asks the store whether they have
 * changed, and takes the new ones over whole; while the store does not answer, the last ones hold. Sessions look at
 * them in memory, so that none asks the store for any. How often each was hit is told to the store on the same beat.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/log.h"
#include "mail/pseudonym.h"
#include "proxy/gate_private.h"

/* Within a second it has to be in force, with the way through the store's queue. */
#define LOOK_US 400000

struct hits {
	int64_t number, n;
};

struct gate_exceptions {
	struct db_link *link;
	struct event *timer;
	struct db_request *reading; /* NULL: nothing is asked for */
	struct exceptions *all;     /* NULL: there are none */
	int64_t version;
	char
	    key[PSEUDONYM_KEY_NAME]; /* under which the journal hashes addresses; "": it does not */
	struct hits *hits;           /* since the last beat */
	size_t n_hits, room;
};

/* Who changes the key has to hear of what it makes idle. */
static void
tell_idle(const struct gate_exceptions *g)
{
	size_t idle = g->all ? exceptions_idle(g->all, str_of(g->key)) : 0;

	if (idle > 0)
		log_warn(NULL,
		    "event=exceptions idle=%zu problem=\"made under another key than `journal addresses hashed` "
		    "names now, they match nobody\": see postern lists",
		    idle);
}

static void
take(struct gate_exceptions *g, struct store_exceptions *x)
{
	exceptions_free(&g->all);
	g->version = x->version;
	g->all = store_exceptions_take(x);
	if (g->all)
		log_info(NULL, "event=exceptions allow=%zu block=%zu unreadable=%zu",
		    g->all->n_allow, g->all->n_block, g->all->unreadable);
	else
		log_info(NULL, "event=exceptions allow=0 block=0 unreadable=0");
	tell_idle(g);
}

static void
on_read(struct db_request *request)
{
	struct gate_exceptions *g = request->owner;

	g->reading = NULL;
	if (!request->failed && !request->exceptions->same)
		take(g, request->exceptions);
	db_request_free(&request);
}

static void
tell_hits(struct gate_exceptions *g)
{
	for (size_t i = 0; i < g->n_hits; i++) {
		struct db_request *r = db_request_exceptions(EXCEPTIONS_HIT);

		r->exceptions->one.number = g->hits[i].number;
		r->exceptions->one.hits = g->hits[i].n;
		db_send(g->link, r);
	}
	g->n_hits = 0;
}

static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct gate_exceptions *g = arg;

	(void)fd;
	(void)what;
	tell_hits(g);
	if (g->reading)
		return;
	g->reading = db_request_exceptions(EXCEPTIONS_READ);
	g->reading->exceptions->version = g->version;
	g->reading->done = on_read;
	g->reading->owner = g;
	db_send(g->link, g->reading);
}

struct gate_exceptions *
gate_exceptions_new(struct event_base *base, struct db_link *link)
{
	const struct timeval look = { 0, LOOK_US };
	struct gate_exceptions *g = xcalloc(1, sizeof(*g));

	g->link = link;
	g->timer = event_new(base, -1, EV_PERSIST, on_beat, g);
	require(g->timer);
	event_add(g->timer, &look);
	on_beat(-1, 0, g);
	return g;
}

void
gate_exceptions_key(struct gate_exceptions *g, const struct pseudonym *pseudonym)
{
	const char *key = pseudonym ? pseudonym_key(pseudonym) : "";

	if (strcmp(key, g->key) == 0)
		return;
	snprintf(g->key, sizeof(g->key), "%s", key);
	tell_idle(g);
}

/* The link goes away right behind us, and with it what is still asked. */
void
gate_exceptions_free(struct gate_exceptions **exceptions)
{
	struct gate_exceptions *g = *exceptions;

	if (!g)
		return;
	tell_hits(g);
	event_free(g->timer);
	exceptions_free(&g->all);
	free(g->hits);
	free(g);
	*exceptions = NULL;
}

const struct exceptions *
gate_exceptions_now(const struct gate_exceptions *g)
{
	return g->all;
}

static void
count(struct gate_exceptions *g, int64_t number)
{
	for (size_t i = 0; i < g->n_hits; i++)
		if (g->hits[i].number == number) {
			g->hits[i].n++;
			return;
		}
	if (g->n_hits == g->room) {
		g->room = g->room > 0 ? 2 * g->room : 8;
		g->hits = xrealloc(g->hits, g->room * sizeof(*g->hits));
	}
	g->hits[g->n_hits++] = (struct hits){ number, 1 };
}

void
gate_exceptions_used(struct gate_exceptions *g, const struct exception_use *used)
{
	for (; used; used = used->next)
		count(g, used->number);
}
