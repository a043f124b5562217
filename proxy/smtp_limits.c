/*
 * smtp_limits: what a client may do in a minute, how much room there is for its message, and what is left of
 * its time and its errors under stress. Limits are met in floods, so the journal has them as counts
 * (tally.h), and the log tells of the first that a session meets.
 *
 * Exempt are those whom the configuration knows: `trust`ed clients, and those that `accept session` has
 * let in, from then on. There is room for nobody's message when there is none.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/smtp_server.h"

static const struct tally_kind messages = { STEP_MAIL, SAID_MESSAGES_MINUTE };
static const struct tally_kind recipients = { STEP_RCPT, SAID_RECIPIENTS_MINUTE };
static const struct tally_kind errors = { STEP_HELO, SAID_ERRORS_MINUTE };
static const struct tally_kind held = { STEP_MESSAGE, SAID_NO_ROOM };

static bool
exempt(const struct client *c)
{
	return c->s->trusted || c->s->rules_over;
}

/* What is said of it is counted by this. */
static void
meet(struct client *c, const struct tally_kind *kind)
{
	c->journalled = true;
	gate_limit(c->front->gate, kind);
	if (c->limited)
		return;
	c->limited = true;
	log_info(c->s->id, "event=limited ip=%s limit=\"%s\"", IP_TEXT(&c->s->client_ip),
	    said_row(kind->said)->why);
}

/* False: there were so many; the client was told so, and when that is over. */
static bool
count(struct client *c, enum peer_rate rate, int64_t most, const struct tally_kind *kind)
{
	const struct peer_network network = front_network(c->core);
	struct peers *peers = limits_peers(c->front->limits);
	struct peer peer;
	unsigned wait;
	char more[100];

	if (most == 0 || exempt(c))
		return true;
	peer = peers_of(peers, &c->s->client_ip, &network);
	wait = peers_count(peers, &peer, rate, most, clock_mono_us());
	if (wait == 0)
		return true;
	meet(c, kind);
	snprintf(more, sizeof(more), ", more than %lld from your address; try again in %u s",
	    (long long)most, wait);
	client_reply_with(c, kind->said, more);
	return false;
}

bool
limit_mail(struct client *c)
{
	return count(c, PEER_MESSAGES, c->core->messages_per_minute, &messages);
}

bool
limit_rcpt(struct client *c)
{
	return count(c, PEER_RECIPIENTS, c->core->recipients_per_minute, &recipients);
}

bool
limit_error(struct client *c)
{
	if (count(c, PEER_ERRORS, c->core->errors_per_minute, &errors))
		return true;
	client_close(c, "errors in a minute");
	return false;
}

unsigned
limit_errors(const struct client *c)
{
	int64_t most = c->core->errors;

	if (front_stressed(c->front) && !exempt(c) && c->core->stress_errors < most)
		most = c->core->stress_errors;
	return (unsigned)most;
}

int64_t
limit_timeout(const struct client *c, int64_t ms)
{
	if (front_stressed(c->front) && !exempt(c) && c->core->stress_timeout < ms)
		return c->core->stress_timeout;
	return ms;
}

struct spool_limits
limit_spool(const struct client *c)
{
	return (struct spool_limits){
		.total = limits_held(c->front->limits),
		.memory = (uint64_t)c->core->memory_held,
		.disk = (uint64_t)c->core->disk_held,
		.own = (size_t)c->core->message_memory,
		.folder = c->core->database,
	};
}

bool
limit_room(const struct client *c)
{
	struct spool_limits limits = limit_spool(c);

	return spool_room(&limits, c->s->txn.size_declared);
}

enum said
limit_no_room(struct client *c)
{
	meet(c, &held);
	return held.said;
}
