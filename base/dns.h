/*
 * dns: what is asked of the DNS and what comes back, as values. Names are presentation text
 * without the final dot. Parses answers from wire format; asks nothing itself (resolver.h does).
 * Pure.
 */
#ifndef POSTERN_BASE_DNS_H
#define POSTERN_BASE_DNS_H

#include "base/addr.h"
#include "base/arena.h"

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

enum dns_status {
	DNS_OK,       /* at least one record of the type */
	DNS_NODATA,   /* the name exists, no such record */
	DNS_NXDOMAIN, /* no such name */
	DNS_TEMPFAIL, /* no answer in time, SERVFAIL, bogus: may be other next time */
};

struct dns_rr {
	/* A: 4 octets, AAAA: 16, MX and PTR: a name, TXT: its strings joined (RFC 7208 3.3) */
	struct str data;
	uint16_t preference; /* MX only */
};

struct dns_answer {
	enum dns_status status;
	uint32_t ttl; /* seconds, the least of the records */
	bool secure;  /* validated by DNSSEC */
	/* for TEMPFAIL: "timeout", "servfail", "bogus", "malformed", "budget"; static; else NULL */
	const char *why;
	size_t n;
	struct dns_rr *rr; /* in the order they came; at most DNS_RR_MAX */
};

#define DNS_RR_MAX 64
#define DNS_NAME_MAX 253

const char *dns_type_name(enum dns_type type);
const char *dns_status_name(enum dns_status status);
/* 1 to 253 octets in labels of 1 to 63, one final dot allowed; any octet but NUL in a label. */
bool dns_name_ok(struct str name);
/* The name under in-addr.arpa or ip6.arpa (RFC 1035 3.5, RFC 3596 2.5). */
struct str dns_reverse_name(struct arena *arena, const struct ip *ip);
/* Is the address among the records of an answer about A or AAAA? */
bool dns_has_ip(const struct dns_answer *answer, const struct ip *ip);
/*
 * Reads the records of `type` that answer the question of a packet, following its CNAMEs, into
 * arena. An rcode other than NOERROR and NXDOMAIN, or a packet that cannot be read, gives
 * TEMPFAIL. A record whose data is a name with a dot or NUL inside a label is left out, since
 * text could not say it. The name of the root is the empty text (a null MX, RFC 7505).
 */
void dns_parse(struct arena *arena, struct str packet, enum dns_type type, struct dns_answer *out);

#endif
