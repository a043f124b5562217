#include "proxy/proxy_header.h"

#include <netinet/in.h>

#define V1_MAX 107 /* with its CR LF */
#define V2_FIXED 16
#define V2_IP4 12 /* octets of addresses and ports */
#define V2_IP6 36

static enum proxy_header
wrong(struct err *e, const char *text)
{
	err_set(e, ERR_SYNTAX, "%s", text);
	return PROXY_HEADER_WRONG;
}

static bool
read_port(struct str text, uint16_t *out)
{
	uint64_t port;

	if (!str_to_u64(text, UINT16_MAX, &port) || (text.n > 1 && text.p[0] == '0'))
		return false;
	*out = (uint16_t)port;
	return true;
}

/* An IPv4-mapped IPv6 address is written as IPv6, and is the IPv4 address for us. */
static bool
read_address(struct str text, bool v6, struct ip *out)
{
	return v6 == (str_find(text, ':') != STR_NPOS) && ip_parse(text, out);
}

/* "TCP4 192.0.2.1 192.0.2.2 4711 25", one blank between. */
static enum proxy_header
read_words(struct str words, struct endpoints *out, struct err *e)
{
	struct str protocol, word[4] = { 0 };
	bool v6;

	str_pop(&words, ' ', &protocol);
	if (str_eq(protocol, STR("UNKNOWN")))
		return PROXY_HEADER_UNKNOWN;
	v6 = str_eq(protocol, STR("TCP6"));
	if (!v6 && !str_eq(protocol, STR("TCP4")))
		return wrong(e, "its protocol is not TCP4, TCP6 or UNKNOWN");
	for (size_t i = 0; i < 4; i++)
		str_pop(&words, ' ', &word[i]);
	if (!read_address(word[0], v6, &out->client_ip) ||
	    !read_address(word[1], v6, &out->server_ip))
		return wrong(e, "an address is not of its protocol");
	if (!read_port(word[2], &out->client_port) || !read_port(word[3], &out->server_port) ||
	    words.p != NULL)
		return wrong(e, "it does not end in two ports");
	return PROXY_HEADER_CLIENT;
}

static enum proxy_header
read_v1(struct str octets, struct endpoints *out, size_t *used, struct err *e)
{
	struct str line = str_sub(octets, 0, V1_MAX);
	size_t lf = str_find(line, '\n');

	if (lf == STR_NPOS)
		return octets.n < V1_MAX ? PROXY_HEADER_MORE : wrong(e, "its line is too long");
	line = str_sub(line, 0, lf);
	if (!str_ends(line, STR("\r")))
		return wrong(e, "its line does not end in CR LF");
	*used = lf + 1;
	return read_words(str_sub(line, 6, lf - 1), out, e);
}

static uint16_t
number(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static enum proxy_header
read_ip4(const unsigned char *p, struct endpoints *out)
{
	out->client_ip.version = out->server_ip.version = 4;
	memcpy(out->client_ip.b, p, 4);
	memcpy(out->server_ip.b, p + 4, 4);
	out->client_port = number(p + 8);
	out->server_port = number(p + 10);
	return PROXY_HEADER_CLIENT;
}

static struct ip
ip6(const unsigned char *p)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memcpy(&in6.sin6_addr, p, 16);
	return ip_from_sockaddr((const struct sockaddr *)&in6);
}

static enum proxy_header
read_ip6(const unsigned char *p, struct endpoints *out)
{
	out->client_ip = ip6(p);
	out->server_ip = ip6(p + 16);
	out->client_port = number(p + 32);
	out->server_port = number(p + 34);
	return PROXY_HEADER_CLIENT;
}

/* family: the octet of address family and transport; p: what follows the fixed part. */
static enum proxy_header
read_addresses(
    unsigned family, const unsigned char *p, size_t n, struct endpoints *out, struct err *e)
{
	switch (family) {
	case 0x11: /* TCP over IPv4 */
		return n < V2_IP4 ? wrong(e, "its length has no room for its addresses")
				  : read_ip4(p, out);
	case 0x21: /* TCP over IPv6 */
		return n < V2_IP6 ? wrong(e, "its length has no room for its addresses")
				  : read_ip6(p, out);
	case 0x00: /* AF_UNSPEC */
	case 0x31: /* a local socket's stream */
		return PROXY_HEADER_UNKNOWN;
	default:
		return wrong(e, "its protocol is not TCP");
	}
}

static enum proxy_header
read_v2(struct str octets, struct endpoints *out, size_t *used, struct err *e)
{
	const unsigned char *p = (const unsigned char *)octets.p;
	size_t n;

	if (octets.n < V2_FIXED)
		return PROXY_HEADER_MORE;
	if (p[12] != 0x20 && p[12] != 0x21)
		return wrong(e, "its version is not 2, or its command not known");
	n = number(p + 14);
	if (n > PROXY_HEADER_MAX - V2_FIXED)
		return wrong(e, "it is too long");
	if (octets.n < V2_FIXED + n)
		return PROXY_HEADER_MORE;
	*used = V2_FIXED + n;
	if (p[12] == 0x20)
		return PROXY_HEADER_LOCAL;
	return read_addresses(p[13], p + V2_FIXED, n, out, e);
}

enum proxy_header
proxy_header_read(struct str octets, struct endpoints *out, size_t *used, struct err *e)
{
	static const struct str v1 = { "PROXY ", 6 };
	const struct str v2 = PROXY_HEADER_SIGNATURE;

	*out = (struct endpoints){ 0 };
	*used = 0;
	if (str_starts(octets, v1))
		return read_v1(octets, out, used, e);
	if (str_starts(octets, v2))
		return read_v2(octets, out, used, e);
	if (str_starts(v1, octets) || str_starts(v2, octets))
		return PROXY_HEADER_MORE;
	return wrong(e, "it begins otherwise");
}
