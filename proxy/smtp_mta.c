#include "base/log.h"
#include "proxy/smtp_server.h"

#define MTA_TEXT_MAX 2000 /* of several lines */

static void link_opened(struct client *c);

/* ---- the end of a link ---- */

/* Whoever waits for a connection does so no more. */
static void
let_go(struct client *c, bool well)
{
	bool dirty = c->mta_mail || c->mta_dirty;

	c->mta_mail = false;
	c->mta_dirty = false;
	c->resumed = false;
	pool_give_up(&c->quest);
	if (c->mta && well) {
		pool_keep(&c->member, &c->mta, dirty);
	} else {
		backend_free(&c->mta);
		pool_leave(&c->member);
	}
}

void
mta_drop(struct client *c, const char *why)
{
	if (c->mta)
		auth_link_lost(c);
	if (c->mta && why)
		log_warn(c->s->id, "event=backend-lost backend=\"%s\" why=\"%s\"",
		    pool_target(c->member)->label, why);
	if (c->mta && c->mta_mail)
		c->mta_lost = true;
	let_go(c, why == NULL);
}

void
mta_part(struct client *c)
{
	let_go(c, true);
}

/* ---- what it says ---- */

static void
open_link(struct client *c, struct backend_link *used)
{
	struct backend_order order = {
		.base = gate_base(c->front->gate),
		.target = pool_target(c->member),
		.core = c->core,
		.tls = pool_tls(c->member),
		.session = c->s,
		.on = mta_event,
		.owner = c,
	};

	log_info(c->s->id, "event=backend backend=\"%s\" connection=%s", order.target->label,
	    used ? "reused" : "new");
	if (used)
		backend_resume(used, &order);
	c->mta = used ? used : backend_open(&order);
	c->resumed = used != NULL;
	c->mta_next = link_opened;
}

/* It was another client's before, and is of no use: before it has said yes to anything, a new one will do. */
static bool
stale(const struct client *c, enum backend_event event)
{
	return c->resumed && c->mta_next && !backend_bound(c->mta) &&
	    (event == BACKEND_LOST ||
		(event == BACKEND_REPLY && backend_reply(c->mta)->code == 421));
}

void
mta_event(void *owner, enum backend_event event)
{
	struct client *c = owner;
	void (*next)(struct client * c) = c->mta_next;

	if (event == BACKEND_DRAINED) {
		relay_more(c);
		client_turn(c);
		return;
	}
	if (stale(c, event)) {
		backend_free(&c->mta);
		open_link(c, NULL);
		client_turn(c);
		return;
	}
	if (event == BACKEND_REPLY)
		c->resumed = false;
	if (event == BACKEND_READY)
		pool_learn(c->member, backend_abilities(c->mta));
	if (event == BACKEND_LOST && backend_unreachable(c->mta))
		pool_failed(c->member, backend_why(c->mta));
	if (event == BACKEND_LOST)
		mta_drop(c, next || c->mta_mail || c->bound ? backend_why(c->mta) : NULL);
	c->mta_next = NULL;
	if (next)
		next(c);
	/* Its last word is read now. */
	if (c->mta && !backend_usable(c->mta))
		mta_drop(c, "it closed the service, or said more than it was asked");
	client_turn(c);
}

void
mta_command(struct client *c, struct str command, void (*next)(struct client *c))
{
	c->mta_next = next;
	backend_command(c->mta, command);
}

void
mta_relay_reply(struct client *c)
{
	const struct reply *reply = backend_reply(c->mta);

	if (reply->code != 421) {
		io_write(c->io, buf_str(&reply->raw));
		return;
	}
	c->journalled = true;
	client_reply(c, SAID_MTA_AWAY);
}

/* In one line; the enhanced code, which stands in each, once. */
struct str
mta_text(const struct client *c)
{
	const struct reply *reply = backend_reply(c->mta);
	struct str enhanced = reply_enhanced(reply), text;
	struct buf b;

	if (reply->lines == 1)
		return reply_line(reply, 0);
	buf_init(&b, MTA_TEXT_MAX);
	for (size_t i = 0; i < reply->lines && !b.over; i++) {
		struct str line = reply_line(reply, i);

		if (i > 0 && enhanced.n > 0 && str_starts(line, enhanced))
			line = str_trim(str_sub(line, enhanced.n, line.n));
		buf_add(&b, i > 0 ? STR(" ") : STR(""));
		buf_add(&b, line);
	}
	text = arena_dup(c->s->txn.arena, b.over ? reply_line(reply, 0) : buf_str(&b));
	buf_free(&b);
	return text;
}

/* ---- which one, and when ---- */

/* Nothing of what it sends can make a message any more. */
static bool
has_left(void *owner)
{
	const struct client *c = owner;

	return io_peer_ended(c->io) && (io_ssl(c->io) || !io_pending(c->io));
}

static void
close_busy(struct client *c)
{
	client_close(c, "waited in vain for a connection to the mail server");
}

static void
got_member(void *owner, const struct pool_taken *taken)
{
	static const struct refusal busy = { STEP_RCPT, SAID_MTA_BUSY };
	struct client *c = owner;

	c->mta_next = NULL;
	c->member = taken->member;
	if (c->member)
		open_link(c, taken->link);
	else if (has_left(c))
		client_close(c, "left while it waited for the mail server");
	else
		client_refuse(c, &busy, close_busy);
	client_turn(c);
}

static void
take_member(struct client *c)
{
	const struct recipient *r = c->s->txn.current;
	struct pool_taken taken = { 0 };

	c->quest.wanted = pool_route(c->front->pool, r ? &r->mailbox : NULL);
	switch (pool_take(c->front->pool, &c->quest, &taken)) {
	case POOL_TAKEN:
		c->member = taken.member;
		open_link(c, taken.link);
		return;
	case POOL_WAIT:
		c->mta_next = c->mta_opened;
		return;
	case POOL_NONE:
		c->mta_opened(c);
		return;
	}
}

/* Nothing was said to a server that is lost here, so another one can be asked. */
static void
link_opened(struct client *c)
{
	if (c->mta == NULL)
		take_member(c);
	else
		c->mta_opened(c);
}

void
mta_open(struct client *c, void (*then)(struct client *c))
{
	c->quest = (struct pool_quest){ .got = got_member, .left = has_left, .owner = c };
	c->mta_opened = then;
	take_member(c);
}
