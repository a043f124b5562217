#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/escape.h"

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static struct ip
from_octets6(const uint8_t octets[16])
{
	struct ip ip = { 0 };

	if (memcmp(octets, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		ip.version = 4;
		memcpy(ip.b, octets + 12, 4);
	} else {
		ip.version = 6;
		memcpy(ip.b, octets, 16);
	}
	return ip;
}

bool
ip_parse(struct str s, struct ip *out)
{
	char text[IP_TEXT_SIZE];
	uint8_t octets[16];

	*out = (struct ip){ 0 };
	if (!str_copy(s, text, sizeof(text)))
		return false;
	if (inet_pton(AF_INET, text, octets) == 1) {
		out->version = 4;
		memcpy(out->b, octets, 4);
		return true;
	}
	if (inet_pton(AF_INET6, text, octets) != 1)
		return false;
	*out = from_octets6(octets);
	return true;
}

/* WHY not inet_ntop(): it prints with sprintf(), and each line of the log has an address. */
static void
print4(const uint8_t octet[4], char *out)
{
	for (int i = 0; i < 4; i++) {
		if (octet[i] >= 100)
			*out++ = (char)('0' + octet[i] / 100);
		if (octet[i] >= 10)
			*out++ = (char)('0' + octet[i] / 10 % 10);
		*out++ = (char)('0' + octet[i] % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

const char *
ip_print(const struct ip *ip, char out[IP_TEXT_SIZE])
{
	if (ip->version == 4)
		print4(ip->b, out);
	else if (ip->version == 0 || inet_ntop(AF_INET6, ip->b, out, IP_TEXT_SIZE) == NULL)
		snprintf(out, IP_TEXT_SIZE, "unknown");
	return out;
}

struct ip
ip_from_sockaddr(const struct sockaddr *sa)
{
	struct ip ip = { 0 };

	if (sa == NULL)
		return ip;
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, sa, sizeof(sin));
		ip.version = 4;
		memcpy(ip.b, &sin.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, sa, sizeof(sin6));
		ip = from_octets6(sin6.sin6_addr.s6_addr);
	}
	return ip;
}

bool
ip_eq(const struct ip *a, const struct ip *b)
{
	size_t n = a->version == 4 ? 4 : 16;

	if (a->version != b->version)
		return false;
	return a->version == 0 || memcmp(a->b, b->b, n) == 0;
}

struct ip
ip_network(const struct ip *ip, unsigned bits4, unsigned bits6)
{
	struct ip net = *ip;
	unsigned bits = ip->version == 4 ? bits4 : bits6;

	for (unsigned i = 0; i < 16; i++) {
		if (bits >= 8) {
			bits -= 8;
		} else {
			net.b[i] &= (uint8_t)(0xff00 >> bits);
			bits = 0;
		}
	}
	return net;
}

/* The number behind the slash, for the address as it stands in the text. */
static bool
parse_bits(struct str whole, struct str digits, struct cidr *out, struct err *e)
{
	bool written6 = str_find(whole, ':') != STR_NPOS;
	uint64_t most = written6 ? 128 : 32;
	uint64_t bits;

	if (!str_to_u64(digits, most, &bits))
		return err_set(e, ERR_SYNTAX, "\"%s\": the number after the slash must be 0 to %u",
		    ESC(whole), (unsigned)most);
	if (written6 && out->ip.version == 4) {
		if (bits < 96)
			return err_set(e, ERR_SYNTAX,
			    "\"%s\": an IPv4-mapped network needs at least 96 bits", ESC(whole));
		bits -= 96;
	}
	out->bits = (uint8_t)bits;
	return true;
}

bool
cidr_parse(struct str s, struct cidr *out, struct err *e)
{
	size_t slash = str_find(s, '/');
	struct ip net;

	*out = (struct cidr){ 0 };
	if (!ip_parse(str_sub(s, 0, slash), &out->ip))
		return err_set(e, ERR_SYNTAX, "\"%s\" is not an IP address or network", ESC(s));
	out->bits = out->ip.version == 4 ? 32 : 128;
	if (slash != STR_NPOS && !parse_bits(s, str_sub(s, slash + 1, s.n), out, e))
		return false;
	net = ip_network(&out->ip, out->bits, out->bits);
	if (!ip_eq(&net, &out->ip))
		return err_set(e, ERR_SYNTAX,
		    "\"%s\": bits are set beyond the first %u; the network would be %s/%u", ESC(s),
		    out->bits, IP_TEXT(&net), out->bits);
	return true;
}

bool
cidr_has(const struct cidr *net, const struct ip *ip)
{
	size_t whole = net->bits / 8;
	unsigned rest = net->bits % 8;

	if (ip->version != net->ip.version || ip->version == 0)
		return false;
	for (size_t i = 0; i < whole; i++)
		if (ip->b[i] != net->ip.b[i])
			return false;
	return rest == 0 || (uint8_t)(ip->b[whole] ^ net->ip.b[whole]) >> (8 - rest) == 0;
}
