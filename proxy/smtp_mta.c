#include "base/log.h"
#include "proxy/smtp_server.h"

#define AWAY "The mail server behind is not available, try again later"

void
mta_drop(struct client *c, const char *why)
{
	if (c->mta == NULL)
		return;
	auth_link_lost(c);
	if (why)
		log_warn(c->s->id, "event=backend-lost why=\"%s\"", why);
	if (c->mta_mail)
		c->mta_lost = true;
	c->mta_mail = false;
	c->mta_dirty = false;
	backend_free(&c->mta);
	pool_leave(&c->member);
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

	if (reply->code == 421)
		client_reply(c, 451, "4.3.0", AWAY);
	else
		io_write(c->io, buf_str(&reply->raw));
}

struct str
mta_text(const struct client *c)
{
	return reply_line(backend_reply(c->mta), 0);
}

static void open_link(struct client *c);

/* Nothing was said to a server that is lost here, so another one can be asked. */
static void
link_opened(struct client *c)
{
	if (c->mta == NULL)
		open_link(c);
	else
		c->mta_opened(c);
}

static void
open_link(struct client *c)
{
	struct backend_order order = {
		.base = gate_base(c->front->gate),
		.core = c->core,
		.session = c->s,
		.on = mta_event,
		.owner = c,
	};

	c->member = pool_take(c->front->pool, &c->tried);
	if (c->member == NULL) {
		c->mta_opened(c);
		return;
	}
	order.target = pool_target(c->member);
	order.tls = pool_tls(c->member);
	c->mta = backend_open(&order);
	c->mta_next = link_opened;
}

void
mta_open(struct client *c, void (*then)(struct client *c))
{
	c->tried = 0;
	c->mta_opened = then;
	open_link(c);
}
