/*
 * addr: internet addresses and networks. An IPv4-mapped IPv6 address is the IPv4 address it maps,
 * from the door on: nothing behind this module ever sees ::ffff:192.0.2.1. Pure.
 */
#ifndef POSTERN_BASE_ADDR_H
#define POSTERN_BASE_ADDR_H

#include "base/err.h"
#include "base/str.h"

struct sockaddr;

struct ip {
	uint8_t version; /* 4 or 6; 0: unknown (a local socket) */
	uint8_t b[16];   /* network order; the first 4 for IPv4 */
};

struct cidr {
	struct ip ip;
	uint8_t bits;
};

#define IP_TEXT_SIZE 46

bool ip_parse(struct str s, struct ip *out);
/* Writes the usual text (RFC 5952 for IPv6), "unknown" for version 0; returns out. */
const char *ip_print(const struct ip *ip, char out[IP_TEXT_SIZE]);
#define IP_TEXT(ip) ip_print((ip), (char[IP_TEXT_SIZE]){ 0 })
/* Of no socket at all (NULL), and of another family: version 0. */
struct ip ip_from_sockaddr(const struct sockaddr *sa);
bool ip_eq(const struct ip *a, const struct ip *b);
/* The address with all but its first bits (by version) cleared. */
struct ip ip_network(const struct ip *ip, unsigned bits4, unsigned bits6);
/* "192.0.2.0/24", "192.0.2.1", "2001:db8::/32"; bits beyond the mask must be zero. */
bool cidr_parse(struct str s, struct cidr *out, struct err *e);
bool cidr_has(const struct cidr *net, const struct ip *ip);

#endif
