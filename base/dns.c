#include "base/dns.h"

#include <stdio.h>

#define CLASS_IN 1
#define TYPE_CNAME 5
#define CNAMES_MOST 12
#define POINTERS_MOST 64
#define RCODE_NXDOMAIN 3

/* Where reading a packet has got to. */
struct reader {
	struct str packet;
	size_t at;
};

/* A name as it is compared and kept. */
struct name {
	char text[DNS_NAME_MAX + 1];
	size_t n;
	bool strange; /* a label holds a dot or a NUL: text cannot say it */
};

struct record {
	struct name owner;
	uint16_t type, class;
	uint32_t ttl;
	struct reader data; /* of the whole packet, since names in it may point anywhere */
	size_t size;
};

const char *
dns_type_name(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_PTR:
		return "PTR";
	case DNS_MX:
		return "MX";
	case DNS_TXT:
		return "TXT";
	case DNS_AAAA:
		return "AAAA";
	}
	return "unknown";
}

const char *
dns_status_name(enum dns_status status)
{
	switch (status) {
	case DNS_OK:
		return "ok";
	case DNS_NODATA:
		return "nodata";
	case DNS_NXDOMAIN:
		return "nxdomain";
	case DNS_TEMPFAIL:
		return "tempfail";
	}
	return "unknown";
}

bool
dns_name_ok(struct str name)
{
	struct str label;

	if (str_ends(name, STR(".")))
		name.n--;
	if (name.n == 0 || name.n > DNS_NAME_MAX || str_find(name, '\0') != STR_NPOS)
		return false;
	while (str_pop(&name, '.', &label))
		if (label.n == 0 || label.n > 63)
			return false;
	return true;
}

static struct str
reverse_name6(struct arena *arena, const uint8_t b[16])
{
	static const char hex[] = "0123456789abcdef";
	char text[64];

	for (size_t i = 0; i < 16; i++) {
		text[i * 4] = hex[b[15 - i] & 15];
		text[i * 4 + 1] = '.';
		text[i * 4 + 2] = hex[b[15 - i] >> 4];
		text[i * 4 + 3] = '.';
	}
	return arena_printf(arena, "%.64sip6.arpa", text);
}

bool
dns_has_ip(const struct dns_answer *answer, const struct ip *ip)
{
	size_t size = ip->version == 4 ? 4 : 16;

	for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++)
		if (answer->rr[i].data.n == size && memcmp(answer->rr[i].data.p, ip->b, size) == 0)
			return true;
	return false;
}

struct str
dns_reverse_name(struct arena *arena, const struct ip *ip)
{
	if (ip->version == 6)
		return reverse_name6(arena, ip->b);
	return arena_printf(
	    arena, "%u.%u.%u.%u.in-addr.arpa", ip->b[3], ip->b[2], ip->b[1], ip->b[0]);
}

static bool
read_octet(struct reader *r, unsigned *out)
{
	if (r->at >= r->packet.n)
		return false;
	*out = (unsigned char)r->packet.p[r->at++];
	return true;
}

static bool
read_u16(struct reader *r, uint16_t *out)
{
	unsigned high, low;

	if (!read_octet(r, &high) || !read_octet(r, &low))
		return false;
	*out = (uint16_t)(high << 8 | low);
	return true;
}

static bool
read_u32(struct reader *r, uint32_t *out)
{
	uint16_t high, low;

	if (!read_u16(r, &high) || !read_u16(r, &low))
		return false;
	*out = (uint32_t)high << 16 | low;
	return true;
}

static bool
read_octets(struct reader *r, size_t n, struct str *out)
{
	if (n > r->packet.n - r->at)
		return false;
	*out = str_sub(r->packet, r->at, r->at + n);
	r->at += n;
	return true;
}

static bool
add_label(struct name *name, struct str label)
{
	if (name->n + label.n + 1 > sizeof(name->text))
		return false;
	if (name->n > 0)
		name->text[name->n++] = '.';
	if (str_find(label, '.') != STR_NPOS || str_find(label, '\0') != STR_NPOS)
		name->strange = true;
	memcpy(name->text + name->n, label.p, label.n);
	name->n += label.n;
	return name->n <= DNS_NAME_MAX;
}

/* RFC 1035 4.1.4. Pointers are counted, so that a loop of them ends. */
static bool
read_name(struct reader *r, struct name *name)
{
	struct reader at = *r;
	unsigned pointers = 0, n, low;
	struct str label;

	name->n = 0;
	name->strange = false;
	for (;;) {
		if (!read_octet(&at, &n))
			return false;
		if (n >= 0xc0) {
			if (!read_octet(&at, &low) || ++pointers > POINTERS_MOST)
				return false;
			if (pointers == 1)
				r->at = at.at;
			at.at = (n & 0x3f) << 8 | low;
			if (at.at >= at.packet.n)
				return false;
		} else if (n > 63) {
			return false;
		} else if (n == 0) {
			if (pointers == 0)
				r->at = at.at;
			return true;
		} else if (!read_octets(&at, n, &label) || !add_label(name, label)) {
			return false;
		}
	}
}

static bool
read_record(struct reader *r, struct record *rr)
{
	uint16_t size;
	struct str data;

	if (!read_name(r, &rr->owner) || !read_u16(r, &rr->type) || !read_u16(r, &rr->class) ||
	    !read_u32(r, &rr->ttl) || !read_u16(r, &size))
		return false;
	rr->data = *r;
	rr->size = size;
	return read_octets(r, size, &data);
}

static bool
name_eq(const struct name *a, const struct name *b)
{
	return str_eqcase((struct str){ a->text, a->n }, (struct str){ b->text, b->n });
}

/* All strings of a TXT record, joined without anything between (RFC 7208 3.3). */
static bool
read_txt(struct arena *arena, const struct record *rr, struct str *out)
{
	struct reader r = rr->data;
	size_t end = r.at + rr->size;
	char *p = arena_alloc(arena, rr->size + 1);

	*out = (struct str){ p, 0 };
	while (r.at < end) {
		struct str part;
		unsigned n;

		if (!read_octet(&r, &n) || n > end - r.at || !read_octets(&r, n, &part))
			return false;
		memcpy(p + out->n, part.p, part.n);
		out->n += part.n;
	}
	return true;
}

static bool
read_address(struct arena *arena, const struct record *rr, size_t n, struct str *out)
{
	struct reader r = rr->data;

	if (rr->size != n || !read_octets(&r, n, out))
		return false;
	*out = arena_dup(arena, *out);
	return true;
}

/* Reads the data into *out; skip says that the record is sound but nothing that text can say. */
static bool
read_data(struct arena *arena, const struct record *rr, struct dns_rr *out, bool *skip)
{
	struct reader r = rr->data;
	struct name name;

	*skip = false;
	*out = (struct dns_rr){ 0 };
	switch ((enum dns_type)rr->type) {
	case DNS_A:
		return read_address(arena, rr, 4, &out->data);
	case DNS_AAAA:
		return read_address(arena, rr, 16, &out->data);
	case DNS_TXT:
		return read_txt(arena, rr, &out->data);
	case DNS_MX:
		if (!read_u16(&r, &out->preference))
			return false;
		break;
	case DNS_PTR:
		break;
	}
	if (!read_name(&r, &name) || r.at != rr->data.at + rr->size)
		return false;
	*skip = name.strange;
	out->data = arena_dup(arena, (struct str){ name.text, name.n });
	return true;
}

/* What one round over the answer section looks for. */
struct round {
	struct reader section;
	uint16_t records;
	struct name owner;  /* whose records */
	struct name target; /* of its CNAME */
	bool alias;
	uint32_t ttl; /* the least along the way */
};

static void
keep_ttl(struct round *round, uint32_t ttl)
{
	/* RFC 2181 8: with the top bit set it means 0. */
	if (ttl > INT32_MAX)
		ttl = 0;
	if (ttl < round->ttl)
		round->ttl = ttl;
}

/*
 * One round: takes the records of the owner, or its CNAME when it has none of the type. False when
 * the packet cannot be read.
 */
static bool
run_round(struct arena *arena, struct round *round, enum dns_type type, struct dns_answer *out)
{
	struct reader r = round->section;

	round->alias = false;
	for (unsigned i = 0; i < round->records; i++) {
		struct record rr;
		struct reader data;
		bool skip;

		if (!read_record(&r, &rr))
			return false;
		if (rr.class != CLASS_IN || rr.owner.strange || !name_eq(&rr.owner, &round->owner))
			continue;
		data = rr.data;
		if (rr.type == TYPE_CNAME && !round->alias) {
			if (!read_name(&data, &round->target))
				return false;
			round->alias = true;
			keep_ttl(round, rr.ttl);
		} else if (rr.type == type && out->n < DNS_RR_MAX) {
			if (!read_data(arena, &rr, &out->rr[out->n], &skip))
				return false;
			if (!skip)
				out->n++;
			keep_ttl(round, rr.ttl);
		}
	}
	return true;
}

static bool
read_answer(struct arena *arena, struct round *round, enum dns_type type, struct dns_answer *out)
{
	struct dns_rr found[DNS_RR_MAX];

	round->ttl = UINT32_MAX;
	out->rr = found;
	for (unsigned hops = 0; hops <= CNAMES_MOST; hops++) {
		if (!run_round(arena, round, type, out))
			return false;
		if (out->n > 0 || !round->alias)
			break;
		if (round->target.strange)
			return false;
		round->owner = round->target;
	}
	out->rr = out->n > 0 ? ARENA_ARRAY(arena, struct dns_rr, out->n) : NULL;
	if (out->n > 0)
		memcpy(out->rr, found, out->n * sizeof(found[0]));
	out->ttl = round->ttl == UINT32_MAX ? 0 : round->ttl;
	return true;
}

static void
fail(struct dns_answer *out, const char *why)
{
	*out = (struct dns_answer){ .status = DNS_TEMPFAIL, .why = why };
}

static bool
read_header(struct reader *r, uint16_t *flags, struct round *round)
{
	uint16_t id, questions, authorities, additionals, type, class;

	if (!read_u16(r, &id) || !read_u16(r, flags) || !read_u16(r, &questions) ||
	    !read_u16(r, &round->records) || !read_u16(r, &authorities) ||
	    !read_u16(r, &additionals))
		return false;
	/* A response (QR), not cut (TC), to one question. */
	if (!(*flags & 0x8000) || (*flags & 0x0200) || questions != 1)
		return false;
	if (!read_name(r, &round->owner) || !read_u16(r, &type) || !read_u16(r, &class))
		return false;
	round->section = *r;
	return !round->owner.strange;
}

void
dns_parse(struct arena *arena, struct str packet, enum dns_type type, struct dns_answer *out)
{
	struct reader r = { .packet = packet };
	struct round round;
	uint16_t flags = 0;
	unsigned rcode;

	*out = (struct dns_answer){ 0 };
	if (!read_header(&r, &flags, &round)) {
		fail(out, "malformed");
		return;
	}
	rcode = flags & 15;
	if (rcode == RCODE_NXDOMAIN) {
		out->status = DNS_NXDOMAIN;
	} else if (rcode != 0) {
		fail(out, "servfail");
	} else if (!read_answer(arena, &round, type, out)) {
		fail(out, "malformed");
	} else {
		out->status = out->n > 0 ? DNS_OK : DNS_NODATA;
	}
}
