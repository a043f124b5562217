#include "base/queue.h"

#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

#define PRODUCERS 4
#define EACH 5000

struct number {
	struct queue_item item;
	unsigned producer, value;
};

struct producer {
	pthread_t thread;
	struct queue *queue;
	unsigned id;
	struct number numbers[EACH];
};

/* What the consumer has got: the numbers of each producer must come in order. */
struct tally {
	struct event_base *base;
	unsigned next[PRODUCERS];
	unsigned total;
};

static void *
produce(void *arg)
{
	struct producer *p = arg;
	struct queue_items items = { 0 };

	/* The first pushes one by one, the others so many together. */
	for (unsigned i = 0; i < EACH; i++) {
		p->numbers[i].producer = p->id;
		p->numbers[i].value = i;
		if (p->id == 0)
			queue_push(p->queue, &p->numbers[i].item);
		else
			queue_gather(&items, &p->numbers[i].item);
		if (i % (3 * p->id + 1) == 0)
			queue_push_all(p->queue, &items);
	}
	queue_push_all(p->queue, &items);
	return NULL;
}

static struct producer *
start_producers(struct queue *queue)
{
	struct producer *p = calloc(PRODUCERS, sizeof(*p));

	assert_non_null(p);
	for (unsigned i = 0; i < PRODUCERS; i++) {
		p[i].queue = queue;
		p[i].id = i;
		assert_int_equal(pthread_create(&p[i].thread, NULL, produce, &p[i]), 0);
	}
	return p;
}

static void
join_producers(struct producer *p)
{
	for (unsigned i = 0; i < PRODUCERS; i++)
		pthread_join(p[i].thread, NULL);
	free(p);
}

static void
count(void *owner, struct queue_item *items)
{
	struct tally *tally = owner;

	while (items) {
		struct number *number = (struct number *)items;

		items = items->next;
		assert_int_equal(number->value, tally->next[number->producer]++);
		tally->total++;
	}
	if (tally->total == PRODUCERS * EACH && tally->base)
		event_base_loopbreak(tally->base);
}

static void
test_hands_all_to_a_loop(void **state)
{
	struct tally tally = { .base = event_base_new() };
	struct queue *queue = queue_new(tally.base, count, &tally);
	struct producer *producers = start_producers(queue);

	event_base_dispatch(tally.base);
	assert_int_equal(tally.total, PRODUCERS * EACH);
	join_producers(producers);
	assert_null(queue_take(queue));
	queue_free(&queue);
	assert_null(queue);
	event_base_free(tally.base);
}

static void
test_hands_all_to_a_waiting_thread(void **state)
{
	struct tally tally = { 0 };
	struct queue *queue = queue_new(NULL, NULL, NULL);
	struct producer *producers = start_producers(queue);

	while (tally.total < PRODUCERS * EACH)
		count(&tally, queue_wait(queue, -1));
	join_producers(producers);
	queue_free(&queue);
}

static void
test_wait_ends_at_its_time(void **state)
{
	struct queue *queue = queue_new(NULL, NULL, NULL);
	int64_t before = clock_mono_us();

	assert_null(queue_wait(queue, 0));
	assert_null(queue_wait(queue, 20));
	assert_true(clock_mono_us() - before >= 20000);
	queue_free(&queue);
}

static void
test_gathered_comes_in_one_piece(void **state)
{
	struct queue *queue = queue_new(NULL, NULL, NULL);
	struct number number[4] = { 0 };
	struct queue_items items = { 0 };
	struct queue_item *item;

	queue_push_all(queue, &items);
	assert_null(queue_wait(queue, 0));
	queue_push(queue, &number[0].item);
	for (size_t i = 1; i < 4; i++)
		queue_gather(&items, &number[i].item);
	assert_ptr_equal(items.first, &number[1].item);
	queue_push_all(queue, &items);
	assert_null(items.first);
	item = queue_wait(queue, -1);
	for (size_t i = 0; i < 4; i++, item = item->next)
		assert_ptr_equal(item, &number[i].item);
	assert_null(item);
	queue_free(&queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hands_all_to_a_loop),
		cmocka_unit_test(test_hands_all_to_a_waiting_thread),
		cmocka_unit_test(test_wait_ends_at_its_time),
		cmocka_unit_test(test_gathered_comes_in_one_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
