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

static void
address(struct buf *out, const char *name, const struct ip *ip)
{
	buf_printf(out, " %s=%s%s", name, ip->version == 6 ? "IPV6:" : "",
	    ip->version ? IP_TEXT(ip) : "[UNAVAILABLE]");
}

static void
port(struct buf *out, const char *name, uint16_t number)
{
	if (number)
		buf_printf(out, " %s=%u", name, (unsigned)number);
	else
		buf_printf(out, " %s=[UNAVAILABLE]", name);
}

void
handoff_xclient(const struct session *s, unsigned attributes, struct buf *out)
{
	struct arena *scratch = arena_new(SCRATCH);

	buf_add(out, STR("XCLIENT"));
	if (attributes & XCLIENT_NAME)
		attribute(out, scratch, "NAME", s->client_name);
	if (attributes & XCLIENT_REVERSE_NAME)
		attribute(out, scratch, "REVERSE_NAME",
		    s->reverse_name.n ? s->reverse_name : s->client_name);
	if (attributes & XCLIENT_ADDR)
		address(out, "ADDR", &s->client_ip);
	if (attributes & XCLIENT_PORT)
		port(out, "PORT", s->client_port);
	if (attributes & XCLIENT_PROTO)
		buf_printf(out, " PROTO=%s", s->esmtp ? "ESMTP" : "SMTP");
	if (attributes & XCLIENT_HELO)
		attribute(out, scratch, "HELO", s->helo);
	if (attributes & XCLIENT_LOGIN)
		attribute(out, scratch, "LOGIN", s->account);
	if (attributes & XCLIENT_DESTADDR)
		address(out, "DESTADDR", &s->server_ip);
	if (attributes & XCLIENT_DESTPORT)
		port(out, "DESTPORT", s->server_port);
	arena_free(&scratch);
}

/*
 * Both ends in one family, as the protocol wants them. An address that is not known becomes that of
 * nobody: without one the MTA would take the client for ourselves.
 */
static struct ip
in_family(const struct ip *ip, uint8_t version)
{
	struct ip out = *ip;

	if (ip->version == 0)
		out = (struct ip){ .version = version };
	if (out.version == 4 && version == 6) {
		out = (struct ip){ .version = 6, .b[10] = 0xff, .b[11] = 0xff };
		memcpy(out.b + 12, ip->b, 4);
	}
	return out;
}

static struct endpoints
in_one_family(const struct endpoints *ends)
{
	bool v6 = ends->client_ip.version == 6 || ends->server_ip.version == 6;
	struct endpoints out = *ends;

	out.client_ip = in_family(&ends->client_ip, v6 ? 6 : 4);
	out.server_ip = in_family(&ends->server_ip, v6 ? 6 : 4);
	return out;
}

void
handoff_proxy(const struct endpoints *ends, struct buf *out)
{
	struct endpoints same = in_one_family(ends);

	buf_printf(out, "PROXY TCP%u %s %s %u %u\r\n", (unsigned)same.client_ip.version,
	    IP_TEXT(&same.client_ip), IP_TEXT(&same.server_ip), (unsigned)same.client_port,
	    (unsigned)same.server_port);
}

static void
add_number(struct buf *out, unsigned n)
{
	buf_addc(out, (char)(n >> 8));
	buf_addc(out, (char)(n & 0xff));
}

void
handoff_proxy_v2(const struct endpoints *ends, struct buf *out)
{
	struct endpoints same;
	size_t n;

	buf_add(out, PROXY_HEADER_SIGNATURE);
	if (ends == NULL) {
		buf_add(out, STR("\x20\0\0\0"));
		return;
	}
	same = in_one_family(ends);
	n = same.client_ip.version == 6 ? 16 : 4;
	buf_addc(out, '\x21');
	buf_addc(out, n == 16 ? '\x21' : '\x11');
	add_number(out, (unsigned)(2 * n + 4));
	buf_add(out, (struct str){ (const char *)same.client_ip.b, n });
	buf_add(out, (struct str){ (const char *)same.server_ip.b, n });
	add_number(out, same.client_port);
	add_number(out, same.server_port);
}
