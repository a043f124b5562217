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

	for (unsigned i = 0; i < EACH; i++) {
		p->numbers[i].producer = p->id;
		p->numbers[i].value = i;
		queue_push(p->queue, &p->numbers[i].item);
	}
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
	assert_int_equal(queue_length(queue), 0);
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

static void *
close_it(void *queue)
{
	queue_close(queue);
	return NULL;
}

static void
test_close_wakes_the_waiter(void **state)
{
	struct queue *queue = queue_new(NULL, NULL, NULL);
	struct number last = { 0 };
	pthread_t thread;

	assert_false(queue_closed(queue));
	assert_int_equal(pthread_create(&thread, NULL, close_it, queue), 0);
	assert_null(queue_wait(queue, -1));
	pthread_join(thread, NULL);
	assert_true(queue_closed(queue));
	assert_null(queue_wait(queue, -1));
	/* What was pushed before or after is still handed out. */
	queue_push(queue, &last.item);
	assert_int_equal(queue_length(queue), 1);
	assert_ptr_equal(queue_wait(queue, -1), &last.item);
	queue_free(&queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hands_all_to_a_loop),
		cmocka_unit_test(test_hands_all_to_a_waiting_thread),
		cmocka_unit_test(test_wait_ends_at_its_time),
		cmocka_unit_test(test_close_wakes_the_waiter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
