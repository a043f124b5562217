#include "filters/greylist_name.h"

#include <stdio.h>

/* So many digits in the first label are a serial number of machines or customers. */
#define DIGITS_MOST 4
/* A single octet of the address counts from here on: smaller ones number servers, too. */
#define OCTET_LEAST 10
/* Second labels this short under a country: co.uk, com.br, or a short name of somebody's. */
#define SHORT_LABEL 3

/* Words in names that providers give to their customers' addresses and machines. */
static const char *const words[] = { "adsl", "broadband", "cable", "catv", "client", "cloud",
	"colo", "compute", "cpe", "cust", "customer", "customers", "ded", "dedicated", "dhcp",
	"dial", "dialin", "dialup", "dip", "dsl", "dyn", "dynamic", "ec", "fiber", "fibre", "ftth",
	"gpon", "home", "host", "hosted", "hsd", "ip", "kvm", "lte", "mobile", "nat", "node",
	"pool", "ppp", "pppoe", "rdns", "res", "resi", "residential", "rev", "reverse", "srv",
	"server", "static", "unassigned", "unknown", "user", "vds", "vm", "vps", "wifi", "wireless",
	"xdsl" };

static bool
is_word(struct str s)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_eq(s, str_of(words[i])))
			return true;
	return false;
}

/* Is one of its runs of letters such a word? */
static bool
has_word(struct str name)
{
	size_t begin = 0;

	for (size_t i = 0; i <= name.n; i++) {
		if (i < name.n && ascii_isalpha(name.p[i]))
			continue;
		if (is_word(str_sub(name, begin, i)))
			return true;
		begin = i + 1;
	}
	return false;
}

static bool
contains(struct str s, const char *what)
{
	struct str part = str_of(what);

	for (size_t i = 0; i + part.n <= s.n; i++)
		if (str_eq(str_sub(s, i, i + part.n), part))
			return true;
	return false;
}

static size_t
count_digits(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ascii_isdigit(s.p[i]) ? 1 : 0;
	return n;
}

/* Marks in *found the octets that this number is. */
static void
match_octets(const struct ip *ip, struct str number, unsigned *found)
{
	uint64_t value;

	if (!str_to_u64(number, 255, &value))
		return;
	for (unsigned i = 0; i < 4; i++)
		if (ip->b[i] == value)
			*found |= 1u << i;
}

/* Two octets as numbers, in whatever order and notation, or the last one where that is no accident. */
static bool
has_octets(struct str name, const struct ip *ip)
{
	unsigned found = 0;
	size_t begin = 0, n = 0;

	for (size_t i = 0; i <= name.n; i++) {
		if (i < name.n && ascii_isdigit(name.p[i]))
			continue;
		if (i > begin && i - begin <= 3)
			match_octets(ip, str_sub(name, begin, i), &found);
		begin = i + 1;
	}
	for (unsigned i = 0; i < 4; i++)
		n += found >> i & 1;
	return n >= 2 || (found & 8 && ip->b[3] >= OCTET_LEAST);
}

/* Half of the address as hexadecimal digits. */
static bool
has_hex4(struct str name, const struct ip *ip)
{
	char half[8];

	snprintf(half, sizeof(half), "%02x%02x", ip->b[2], ip->b[3]);
	return contains(name, half);
}

/* A group of the half that tells machines apart. */
static bool
has_hex6(struct str name, const struct ip *ip)
{
	for (int i = 8; i < 16; i += 2) {
		unsigned group = (unsigned)(ip->b[i] << 8 | ip->b[i + 1]);
		char text[8];

		snprintf(text, sizeof(text), "%x", group);
		if (group > 0xff && contains(name, text))
			return true;
	}
	return false;
}

static bool
is_generated(struct str name, const struct ip *ip)
{
	struct str rest = name, first;

	str_pop(&rest, '.', &first);
	if (count_digits(first) > DIGITS_MOST || has_word(name))
		return true;
	if (ip->version == 4)
		return has_octets(name, ip) || has_hex4(name, ip);
	return ip->version == 6 && has_hex6(name, ip);
}

/* May everybody register below this name? "co.uk", "com.br"; "example.org" is somebody's. */
static bool
is_suffix(struct str name)
{
	static const char *const seconds[] = { "asso", "firm", "gouv", "govt", "info", "name" };
	size_t dot = str_rfind(name, '.');
	struct str second;

	if (dot == STR_NPOS)
		return true;
	second = str_sub(name, 0, dot);
	if (name.n - dot - 1 != 2 || str_find(second, '.') != STR_NPOS)
		return false;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		if (str_eq(second, str_of(seconds[i])))
			return true;
	return second.n <= SHORT_LABEL;
}

struct str
greylist_parent(struct arena *arena, struct str name, const struct ip *ip)
{
	struct str whole = arena_lower(arena, name);
	size_t dot = str_find(whole, '.');

	if (str_ends(whole, STR(".")))
		whole.n--;
	if (dot == STR_NPOS || is_suffix(whole) || is_generated(whole, ip))
		return STR("");
	return is_suffix(str_sub(whole, dot + 1, whole.n)) ? whole
							   : str_sub(whole, dot + 1, whole.n);
}
