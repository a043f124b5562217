/*
 * names: a name server on loopback for tests of the gate, on the test's own event loop: the first label of a name says
 * what it answers about TXT. "fail...": an SPF record that forbids all; "broken...": SERVFAIL; "silent...": nothing; else
 * one that allows all.
 */
#ifndef POSTERN_TESTS_PROXY_NAMES_H
#define POSTERN_TESTS_PROXY_NAMES_H

#include <event2/event.h>
#include <stdint.h>

struct names {
	int fd;
	struct event *readable;
	unsigned asked; /* questions that reached it */
};

/* Returns its port. */
uint16_t names_start(struct names *names, struct event_base *base);
void names_stop(struct names *names);

#endif
