/*
 * smtp_delay: a client whose reply is held back. Its input is not read, so the end of its connection is looked
 * for each second.
 */
#include "proxy/smtp_server.h"

#include "proxy/proxy_front.h"

/*
 * A client that has ended its side with commands of its own still unread may be waiting for all of its
 * replies (RFC 9293 3.6: half-closed); it goes on. One in TLS leaves a goodbye unread.
 */
static bool
has_left(const struct client *c)
{
	return io_peer_ended(c->io) && (io_ssl(c->io) || !io_pending(c->io));
}

/* The MTA is not to be kept for a client that is made to wait for nothing. */
static void
spare_mta(struct client *c)
{
	if (!c->mta_mail || (c->state == CLIENT_MESSAGE && gate_delayed_refusal(c->gs)))
		mta_drop(c, NULL);
}

void
delay_turn(struct client *c)
{
	if (c->gate_next == NULL || c->state >= CLIENT_CLOSING || !gate_delayed(c->gs))
		return;
	if (c->broken || has_left(c)) {
		gate_left(c->gs);
		c->gate_next = NULL;
		c->why = "gave up during a delay";
		client_set_state(c, CLIENT_GONE);
	} else if (c->front->draining || front_stressed(c->front)) {
		gate_hurry(c->gs);
	} else {
		spare_mta(c);
	}
}
