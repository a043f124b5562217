/*
 * smtp_time: how long a client may take. Several deadlines run at a time: for a command or a pause inside of a
 * message, for the rate at which a message comes, for all of a message, for all of the session. The timer is
 * set to whichever comes first. None is renewed by a drip: that of a command begins when we begin to wait for it,
 * and that of a pause, which each octet renews, has the rate beside it.
 *
 * Under stress (limits.h) all of them are cut; who waits already when it begins is timed anew.
 */
#include "base/clock.h"
#include "base/log.h"
#include "proxy/smtp_server.h"

#define REFUSED_MS 10000 /* who got 554 for a greeting may say QUIT */

struct deadline {
	enum said said;
	const char *why; /* for the log */
};

static const struct deadline command_time = { SAID_COMMAND_TIME, "timeout" };
static const struct deadline pause_time = { SAID_PAUSE, "timeout" };
static const struct deadline data_rate = { SAID_DATA_RATE, "message came too slowly" };
static const struct deadline message_time = { SAID_MESSAGE_TIME, "message took too long" };
static const struct deadline session_time = { SAID_SESSION_TIME, "session lasted too long" };

/* The one that comes first, so far; times are monotonic microseconds. */
struct first {
	int64_t at;
	const struct deadline *what;
};

static void
consider(struct first *first, int64_t from_us, int64_t ms, const struct deadline *what)
{
	int64_t at = from_us + ms * 1000;

	if (first->what == NULL || at < first->at)
		*first = (struct first){ at, what };
}

static void
set(struct client *c, const struct first *first)
{
	int64_t left = (first->at - clock_mono_us()) / 1000;

	c->due = first->what;
	io_deadline(c->io, left > 0 ? left : 1);
}

/* Those that a message adds, whether it comes in one piece or in chunks. */
static void
consider_message(const struct client *c, struct first *first)
{
	const struct data *d = c->data;

	consider(first, d->began_us, c->core->timeout_data_end + (int64_t)d->octets, &message_time);
	consider(first, d->began_us, c->core->timeout_message, &message_time);
}

/* What is waited for is a command, a TLS handshake, or the end of the connection. */
static void
set_command(struct client *c)
{
	const struct config_core *core = c->core;
	struct first first = { 0 };
	int64_t ms = c->state == CLIENT_TLS ? core->timeout_tls
	    : c->state == CLIENT_GREETED    ? core->timeout_greeting
					    : core->timeout_command;

	consider(&first, c->idle_us, c->state == CLIENT_REFUSED ? REFUSED_MS : limit_timeout(c, ms),
	    &command_time);
	consider(&first, c->began_us, core->timeout_session, &session_time);
	if (c->data)
		consider_message(c, &first);
	set(c, &first);
}

void
time_command(struct client *c)
{
	if (c->timed)
		return;
	c->timed = true;
	c->idle_us = clock_mono_us();
	set_command(c);
}

void
time_stop(struct client *c)
{
	io_deadline(c->io, 0);
	c->timed = false;
}

static void
set_data(struct client *c)
{
	const struct config_core *core = c->core;
	struct data *d = c->data;
	int64_t over = limit_timeout(c, core->data_rate_over);
	struct first first = { 0 };

	consider(&first, d->heard_us, limit_timeout(c, core->timeout_data_block), &pause_time);
	if (core->data_rate > 0) {
		if ((int64_t)(d->octets - d->window) * 1000 >= core->data_rate * over) {
			d->window = d->octets;
			d->window_us = d->heard_us;
		}
		consider(&first, d->window_us, over, &data_rate);
	}
	consider(&first, c->began_us, core->timeout_session, &session_time);
	consider_message(c, &first);
	set(c, &first);
}

void
time_data_begin(struct client *c)
{
	struct data *d = c->data;

	d->heard_us = d->window_us = clock_mono_us();
	d->window = d->octets;
	set_data(c);
}

void
time_data(struct client *c)
{
	c->data->heard_us = clock_mono_us();
	set_data(c);
}

void
time_again(struct client *c)
{
	if (c->state == CLIENT_DATA)
		set_data(c);
	else if (c->timed && c->state < CLIENT_CLOSING)
		set_command(c);
}

void
time_over(struct client *c)
{
	const struct deadline *d = c->due;

	/* Who was merely silent between two commands did no wrong: it is counted as a reply only. */
	if (d != &command_time || io_available(c->io) > 0)
		client_limit(c, d->said);
	client_reply(c, d->said);
	client_close(c, d->why);
}
