/*
 * mmdb: writes small files in MaxMind's format (version 2.0), for tests of what reads them. Networks
 * are IPv4, in a tree of IPv6 as the real files have it. Whatever goes wrong fails the test.
 */
#ifndef POSTERN_TESTS_FILTERS_MMDB_H
#define POSTERN_TESTS_FILTERS_MMDB_H

#include <stddef.h>
#include <stdint.h>

struct mmdb_entry {
	const char *network; /* "192.0.2.0/24" */
	const char *country; /* {"country": {"iso_code": ...}}; NULL: none */
	uint32_t asn;        /* 0: none */
	const char *owner;   /* of the autonomous system; NULL: none */
};

void mmdb_write(const char *path, const struct mmdb_entry *entries, size_t n);

#endif
