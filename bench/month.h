/*
 * month: a synthetic month of mail through greylisting: the stage itself with a real store and a clock that moves only when
 * told (tests/filters/world.h), beside a plain triplet with the defaults of postgrey: the /24, 300 seconds, a client known after
 * five passes. Both see the same attempts of the same senders; each sender comes back on its own schedule until it is let in.
 * A seed gives the same month on every machine. Fails as the world does, by ending the test.
 */
#ifndef POSTERN_BENCH_MONTH_H
#define POSTERN_BENCH_MONTH_H

#include <stddef.h>
#include <stdint.h>

struct month_settings {
	uint64_t seed;
	int days;
	int scale; /* of 100: how much mail and how many bots a day */
};

/* Of the legitimate messages, and of those of bots; delays in seconds from the first attempt on. */
struct month_result {
	size_t legitimate, delayed, lost; /* lost: given up by their sender */
	int64_t p50, p95, longest;        /* of those that were delayed */
	size_t beyond; /* let in at a later attempt than the first one after `longest` */
	size_t junk, junk_in;
};

/* ours, and the plain triplet. */
void month_run(
    const struct month_settings *settings, struct month_result *ours, struct month_result *plain);

#endif
