#include "proxy/handoff.h"

#include "mail/command.h"
#include "proxy/abilities.h"

#define SCRATCH (16 * 1024)

/* An attribute without a value is told as such; empty values are not allowed. */
static void
attribute(struct buf *out, struct arena *scratch, const char *name, struct str value)
{
	buf_printf(out, " %s=", name);
	buf_add(out, value.n ? xtext_encode(scratch, value) : STR("[UNAVAILABLE]"));
}

void
handoff_xclient(const struct session *s, unsigned attributes, struct buf *out)
{
	struct arena *scratch = arena_new(SCRATCH);

	buf_add(out, STR("XCLIENT"));
	if (attributes & XCLIENT_NAME)
		attribute(out, scratch, "NAME", s->client_name);
	if (attributes & XCLIENT_ADDR)
		buf_printf(out, " ADDR=%s%s", s->client_ip.version == 6 ? "IPV6:" : "",
		    s->client_ip.version ? IP_TEXT(&s->client_ip) : "[UNAVAILABLE]");
	if ((attributes & XCLIENT_PORT) && s->client_port)
		buf_printf(out, " PORT=%u", (unsigned)s->client_port);
	if (attributes & XCLIENT_PROTO)
		buf_printf(out, " PROTO=%s", s->esmtp ? "ESMTP" : "SMTP");
	if (attributes & XCLIENT_HELO)
		attribute(out, scratch, "HELO", s->helo);
	if ((attributes & XCLIENT_LOGIN) && s->account.n)
		attribute(out, scratch, "LOGIN", s->account);
	arena_free(&scratch);
}

void
handoff_proxy(const struct session *s, struct buf *out)
{
	if (s == NULL || s->client_ip.version == 0 ||
	    s->client_ip.version != s->server_ip.version) {
		buf_add(out, STR("PROXY UNKNOWN\r\n"));
		return;
	}
	buf_printf(out, "PROXY TCP%u %s %s %u %u\r\n", (unsigned)s->client_ip.version,
	    IP_TEXT(&s->client_ip), IP_TEXT(&s->server_ip), (unsigned)s->client_port,
	    (unsigned)s->server_port);
}
