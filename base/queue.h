/*
 * queue: hands items from any thread to one. The only place with a lock: a list of items that the
 * producers append to and the consumer takes whole. The consumer is either an event loop (an event
 * wakes it and calls take() there) or a thread that waits.
 *
 * An item embeds struct queue_item as its first member and belongs to whoever has it: pushing
 * gives it away.
 */
#ifndef POSTERN_BASE_QUEUE_H
#define POSTERN_BASE_QUEUE_H

struct event_base;

struct queue_item {
	struct queue_item *next;
};

/* Items that are to be pushed together, in their order. Zero: none. */
struct queue_items {
	struct queue_item *first, *last;
};

void queue_gather(struct queue_items *items, struct queue_item *item);

struct queue;

/*
 * With base: take(owner, items) is called from that loop with all that is waiting, oldest first.
 * Without (both NULL): use queue_wait().
 */
struct queue *queue_new(
    struct event_base *base, void (*take)(void *owner, struct queue_item *items), void *owner);
/* Nobody may push any more. Items still inside are the caller's loss: take them first. */
void queue_free(struct queue **queue);
void queue_push(struct queue *queue, struct queue_item *item);
/*
 * Pushes all that was gathered, and leaves none. The consumer finds them in one piece and is woken once, while items that
 * are pushed one by one may wake it for the first and keep it waiting for the lock at each of the others.
 */
void queue_push_all(struct queue *queue, struct queue_items *items);
/* Waits up to timeout_ms (-1: for ever) for items; takes all of them, oldest first; NULL when none came. */
struct queue_item *queue_wait(struct queue *queue, int timeout_ms);
/* Takes all that is there now, without waiting: to empty a queue that nobody serves any more. */
struct queue_item *queue_take(struct queue *queue);

#endif
