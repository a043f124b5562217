#include "base/queue.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/die.h"

struct queue {
	pthread_mutex_t lock; /* of what stands up to the blank line */
	pthread_cond_t filled;
	struct queue_items items;

	int fd; /* of the loop's wake-up; -1 without a loop */
	struct event *wake;
	void (*take)(void *owner, struct queue_item *items);
	void *owner;
};

static struct queue_item *
take_all(struct queue *queue)
{
	struct queue_item *first = queue->items.first;

	queue->items = (struct queue_items){ 0 };
	return first;
}

static void
woken(evutil_socket_t fd, short what, void *arg)
{
	struct queue *queue = arg;
	struct queue_item *items;
	uint64_t count;

	/* Read before taking: an item pushed in between writes anew. */
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
		die("cannot read an eventfd: %s", strerror(errno));
	pthread_mutex_lock(&queue->lock);
	items = take_all(queue);
	pthread_mutex_unlock(&queue->lock);
	if (items)
		queue->take(queue->owner, items);
}

static void
attach(struct queue *queue, struct event_base *base)
{
	queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (queue->fd < 0)
		die("cannot make an eventfd: %s", strerror(errno));
	queue->wake = event_new(base, queue->fd, EV_READ | EV_PERSIST, woken, queue);
	if (queue->wake == NULL || event_add(queue->wake, NULL) != 0)
		die("cannot add an event to the loop");
}

struct queue *
queue_new(struct event_base *base, void (*take)(void *owner, struct queue_item *items), void *owner)
{
	struct queue *queue = xcalloc(1, sizeof(*queue));
	pthread_condattr_t attr;

	require((base == NULL) == (take == NULL));
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->filled, &attr);
	pthread_condattr_destroy(&attr);
	queue->take = take;
	queue->owner = owner;
	queue->fd = -1;
	if (base)
		attach(queue, base);
	return queue;
}

void
queue_free(struct queue **queue)
{
	struct queue *q = *queue;

	if (q == NULL)
		return;
	if (q->wake)
		event_free(q->wake);
	if (q->fd >= 0)
		close(q->fd);
	pthread_cond_destroy(&q->filled);
	pthread_mutex_destroy(&q->lock);
	free(q);
	*queue = NULL;
}

/* Only the first of several items wakes: the consumer takes all. */
static void
wake(struct queue *queue)
{
	uint64_t one = 1;

	if (queue->fd < 0)
		pthread_cond_signal(&queue->filled);
	else if (write(queue->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		die("cannot write to an eventfd: %s", strerror(errno));
}

static void
append(struct queue_items *items, const struct queue_items *more)
{
	if (items->first)
		items->last->next = more->first;
	else
		items->first = more->first;
	items->last = more->last;
}

void
queue_gather(struct queue_items *items, struct queue_item *item)
{
	item->next = NULL;
	append(items, &(struct queue_items){ item, item });
}

void
queue_push(struct queue *queue, struct queue_item *item)
{
	struct queue_items items = { 0 };

	queue_gather(&items, item);
	queue_push_all(queue, &items);
}

void
queue_push_all(struct queue *queue, struct queue_items *items)
{
	bool was_empty;

	if (items->first == NULL)
		return;
	pthread_mutex_lock(&queue->lock);
	was_empty = queue->items.first == NULL;
	append(&queue->items, items);
	/* Not after it was taken. */
	*items = (struct queue_items){ 0 };
	/* Inside the lock, so that a consumer who has seen the last item may free the queue. */
	if (was_empty)
		wake(queue);
	pthread_mutex_unlock(&queue->lock);
}

static struct timespec
from_now(int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (ms % 1000) * 1000000L;
	if (ts.tv_nsec >= 1000000000L) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000L;
	}
	return ts;
}

struct queue_item *
queue_wait(struct queue *queue, int timeout_ms)
{
	struct queue_item *items;
	struct timespec until = from_now(timeout_ms < 0 ? 0 : timeout_ms);

	require(queue->wake == NULL);
	pthread_mutex_lock(&queue->lock);
	while (queue->items.first == NULL) {
		if (timeout_ms < 0)
			pthread_cond_wait(&queue->filled, &queue->lock);
		else if (pthread_cond_timedwait(&queue->filled, &queue->lock, &until) == ETIMEDOUT)
			break;
	}
	items = take_all(queue);
	pthread_mutex_unlock(&queue->lock);
	return items;
}

struct queue_item *
queue_take(struct queue *queue)
{
	struct queue_item *items;

	pthread_mutex_lock(&queue->lock);
	items = take_all(queue);
	pthread_mutex_unlock(&queue->lock);
	return items;
}
