/*
 * smtp_guess: limits for those who guess passwords. Each failed authentication counts for the connection, and in
 * the store for its client and for the account that was tried (filters/key.h names the counters, which rules see as
 * auth.failures). A connection is closed at `auth_failures`; a client that has had too many in the last
 * minute or hour is refused before the mail server hears of it. If the store does not answer, only the
 * former holds. One question an AUTH, one or two a failure; nobody waits for the latter.
 */
#include "base/log.h"
#include "filters/key.h"
#include "proxy/smtp_server.h"

#define SCRATCH 4096

static struct db_request *
request_new(struct str key, int64_t add)
{
	const struct question q = { .kind = QUESTION_COUNT, .name = key, .add = add };

	return db_request_store(&q);
}

static bool
over(const struct client *c, const struct db_request *look)
{
	const struct count_answer *counts = &look->answer.count;

	return !look->failed && !look->answer.failed && !c->s->trusted &&
	    (counts->minute >= c->core->auth_failures_minute ||
		counts->hour >= c->core->auth_failures_hour);
}

static void
looked(struct db_request *request)
{
	struct client *c = request->owner;

	if (c) {
		void (*pass)(struct client * c) = c->guess_pass;
		void (*refuse)(struct client * c) = c->guess_refuse;

		c->guess_look = NULL;
		if (over(c, request)) {
			client_limit(c, SAID_AUTH_TOO_MANY);
			refuse(c);
		} else {
			pass(c);
		}
		client_turn(c);
	}
	db_request_free(&request);
}

void
guess_check(struct client *c, void (*pass)(struct client *c), void (*refuse)(struct client *c))
{
	struct arena *scratch = arena_new(SCRATCH);

	c->guess_pass = pass;
	c->guess_refuse = refuse;
	c->guess_look = request_new(key_auth_client(scratch, &c->s->client_ip), 0);
	c->guess_look->done = looked;
	c->guess_look->owner = c;
	db_send(gate_link(c->front->gate), c->guess_look);
	arena_free(&scratch);
}

void
guess_cancel(struct client *c)
{
	if (c->guess_look)
		c->guess_look->owner = NULL;
	c->guess_look = NULL;
}

void
guess_count(struct client *c, struct str account)
{
	struct arena *scratch = arena_new(SCRATCH);
	struct db_link *link = gate_link(c->front->gate);

	c->n_auth_failures++;
	db_send(link, request_new(key_auth_client(scratch, &c->s->client_ip), 1));
	if (account.n > 0)
		db_send(link, request_new(key_auth_account(scratch, account), 1));
	arena_free(&scratch);
}

static void
close_for_guessing(struct client *c)
{
	client_close(c, "authentication failures");
}

void
guess_failed(struct client *c)
{
	static const struct refusal too_many = { STEP_HELO, SAID_AUTH_TOO_MANY_SESSION };

	if (c->n_auth_failures >= c->core->auth_failures && c->state < CLIENT_CLOSING &&
	    !c->gate_next)
		client_refuse(c, &too_many, close_for_guessing);
}
