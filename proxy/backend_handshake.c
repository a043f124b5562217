#include "base/escape.h"
#include "base/log.h"
#include "base/tls.h"
#include "mail/mailbox.h"
#include "proxy/backend_link.h"
#include "proxy/handoff.h"
#include "proxy/tproxy.h"

static void
send_ehlo(struct backend_link *link, const char *verb, struct str name, enum link_state state)
{
	struct buf line;

	buf_init(&line, LINK_COMMAND_LONGEST);
	buf_printf(&line, "%s ", verb);
	buf_add(&line, name);
	link_send(link, buf_str(&line), state);
	buf_free(&line);
}

static struct str
our_name(const struct backend_link *link)
{
	return str_of(link->order.core->hostname);
}

static const char *
hello(const struct backend_link *link)
{
	return link->target.lmtp ? "LHLO" : "EHLO";
}

/* Whom the MTA shall see: the client if it stands for the client, else us. */
static struct str
ehlo_name(const struct backend_link *link)
{
	const struct session *s = link->order.session;

	if (s && link->target.handoff != HANDOFF_NONE && mail_domain_ok(s->helo))
		return s->helo;
	return our_name(link);
}

void
link_connect(struct backend_link *link)
{
	const struct sockaddr *to = &link->target.address[link->next_address++].sa;
	const struct session *s = link->order.session;
	int fd = -1;

	io_free(&link->io);
	link->state = LINK_CONNECTING;
	link->cannot = NULL;
	if (s && link->target.handoff == HANDOFF_TPROXY)
		fd = tproxy_socket(&s->client_ip, to->sa_family, &link->cannot);
	link->io = io_new(link->order.base, fd, link_on_io, link);
	if (link->cannot) {
		/* Told from the loop like every other failure. */
		io_deadline(link->io, 1);
		return;
	}
	io_deadline(link->io, link->order.core->backend_timeout_connect);
	io_connect(link->io, to);
}

/* Of the connection that the MTA is to see: the client's, else our own. */
static struct endpoints
ends_to_tell(const struct backend_link *link)
{
	const struct session *s = link->order.session;
	struct endpoints ends = { 0 };

	if (s == NULL)
		return io_ends(link->io);
	ends.client_ip = s->client_ip;
	ends.client_port = s->client_port;
	ends.server_ip = s->server_ip;
	ends.server_port = s->server_port;
	return ends;
}

void
link_connected(struct backend_link *link)
{
	struct endpoints ends = ends_to_tell(link);
	struct buf header;

	buf_init(&header, HANDOFF_PROXY_MAX);
	if (link->target.handoff == HANDOFF_PROXY_PROTOCOL)
		handoff_proxy(&ends, &header);
	else if (link->target.handoff == HANDOFF_PROXY_PROTOCOL_V2)
		handoff_proxy_v2(link->order.session ? &ends : NULL, &header);
	if (header.n > 0)
		io_write(link->io, buf_str(&header));
	buf_free(&header);
	reply_clear(&link->reply);
	link->state = LINK_GREETING;
	io_read(link->io, true);
}

/* Our EHLO (or HELO) was taken: hand over the client's identity, if that is how it is done. */
static void
introduced(struct backend_link *link)
{
	if (link->target.handoff != HANDOFF_XCLIENT) {
		link_ready(link);
		return;
	}
	if (!(link->abilities.xclient & XCLIENT_ADDR)) {
		link_lose(link,
		    "it does not offer XCLIENT to us: add our address to the hosts that may "
		    "use it (Postfix: smtpd_authorized_xclient_hosts)");
		return;
	}
	link->xclient = link->abilities.xclient;
	if (link->order.session == NULL)
		link_ready(link);
	else
		link_hand_over(link);
}

void
link_hand_over(struct backend_link *link)
{
	struct buf line;

	buf_init(&line, LINK_COMMAND_LONGEST);
	link->login_offered = link->abilities.xclient & XCLIENT_LOGIN;
	link->login_told = link->login_offered && link->order.session->account.n > 0;
	handoff_xclient(link->order.session, link->abilities.xclient, &line);
	link_send(link, buf_str(&line), LINK_XCLIENT);
	buf_free(&line);
}

/* ---- TLS ---- */

/* The connection stays as it is, in the clear; or it is of no use. */
static void
stay_clear(struct backend_link *link, const char *why)
{
	if (link->target.starttls != STARTTLS_OPPORTUNISTIC) {
		link_lose(link, "it is to be spoken to in TLS, but %s", why);
		return;
	}
	introduced(link);
}

/* From the start, and in the clear. */
static void
connect_again(struct backend_link *link, const char *why)
{
	const struct session *s = link->order.session;

	log_warn(s ? s->id : NULL, "event=backend-tls result=clear why=\"%s\"", why);
	link->clear = true;
	link->abilities = (struct abilities){ 0 };
	link->next_address--;
	link_connect(link);
}

void
link_insecure(struct backend_link *link, const char *why)
{
	if (link->target.starttls == STARTTLS_OPPORTUNISTIC)
		connect_again(link, why);
	else
		link_lose(link, "no TLS with it: %s", why);
}

static void
on_starttls_reply(struct backend_link *link)
{
	if (link->reply.code != 220) {
		stay_clear(link, "it refused STARTTLS");
		return;
	}
	/* Octets behind the 220 would be somebody's who sits in between: read_reply() saw to it. */
	link->state = LINK_HANDSHAKE;
	io_tls(link->io,
	    tls_client_session(
		link->order.tls, link->target.name, link->target.starttls == STARTTLS_VERIFY));
}

/* What it said of itself before could have been said by anybody. */
void
link_secured(struct backend_link *link)
{
	link->secured = true;
	link->abilities = (struct abilities){ 0 };
	send_ehlo(link, hello(link),
	    link->target.handoff == HANDOFF_XCLIENT ? our_name(link) : ehlo_name(link), LINK_EHLO);
}

/* Our first EHLO was taken: secure the connection, if that is how it is done, then go on. */
static void
secure(struct backend_link *link)
{
	if (link->secured || link->clear || link->target.starttls == STARTTLS_OFF)
		introduced(link);
	else if (!link->abilities.starttls)
		stay_clear(link, "it does not offer STARTTLS");
	else if (link->order.tls == NULL)
		stay_clear(link, "there is no context for that any more");
	else
		link_send(link, STR("STARTTLS"), LINK_STARTTLS);
}

static void
learn(struct backend_link *link)
{
	link->abilities = abilities_read(&link->reply);
	if (link->target.lmtp)
		link->abilities.rcpt_max = 1;
}

static void
on_ehlo_reply(struct backend_link *link)
{
	int code = link->reply.code;

	if (code / 100 == 5 && link->state == LINK_EHLO && !link->target.lmtp) {
		link->abilities = (struct abilities){ .known = true };
		send_ehlo(link, "HELO", our_name(link), LINK_HELO);
	} else if (code != 250) {
		link_refused(link, hello(link));
	} else if (link->state == LINK_EHLO) {
		learn(link);
		secure(link);
	} else if (link->state == LINK_EHLO_AS_CLIENT) {
		learn(link);
		link_ready(link);
	} else {
		secure(link);
	}
}

void
link_introduce(struct backend_link *link)
{
	switch (link->state) {
	case LINK_GREETING:
		if (link->reply.code == 220)
			send_ehlo(link, hello(link),
			    link->target.handoff == HANDOFF_XCLIENT ? our_name(link)
								    : ehlo_name(link),
			    LINK_EHLO);
		else
			link_refused(link, "our connection");
		return;
	case LINK_XCLIENT:
		if (link->reply.code == 220)
			send_ehlo(link, hello(link), ehlo_name(link), LINK_EHLO_AS_CLIENT);
		else
			link_refused(link, "XCLIENT");
		return;
	case LINK_STARTTLS:
		on_starttls_reply(link);
		return;
	default:
		on_ehlo_reply(link);
		return;
	}
}
