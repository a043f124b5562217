#include "tests/filters/mmdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

#define NODES_MAX 4096
#define DATA_MAX 4096
/* What a record holds while the tree is made: 0 nothing, else a node or, with this bit, data. */
#define DATA_BIT 0x80000000u

enum { TEXT = 2, UINT16 = 5, UINT32 = 6, MAP = 7, UINT64 = 9, ARRAY = 11 };

struct writer {
	uint32_t node[NODES_MAX][2];
	uint32_t n_nodes;
	unsigned char data[DATA_MAX];
	size_t n_data;
};

static void
put(struct writer *w, const void *octets, size_t n)
{
	assert_true(w->n_data + n <= DATA_MAX);
	memcpy(w->data + w->n_data, octets, n);
	w->n_data += n;
}

static void
put_head(struct writer *w, unsigned type, size_t size)
{
	unsigned char head[2] = { (unsigned char)(type << 5 | size) };

	assert_true(size < 29);
	if (type > 7) {
		head[0] = (unsigned char)size;
		head[1] = (unsigned char)(type - 7);
	}
	put(w, head, type > 7 ? 2 : 1);
}

static void
put_text(struct writer *w, const char *text)
{
	put_head(w, TEXT, strlen(text));
	put(w, text, strlen(text));
}

static void
put_number(struct writer *w, unsigned type, uint32_t number)
{
	unsigned char octets[4];
	size_t n = 0;

	for (int shift = 24; shift >= 0; shift -= 8) {
		if (n > 0 || number >> shift)
			octets[n++] = (unsigned char)(number >> shift);
	}
	put_head(w, type, n);
	put(w, octets, n);
}

static uint32_t
put_entry(struct writer *w, const struct mmdb_entry *entry)
{
	uint32_t at = (uint32_t)w->n_data;

	put_head(w, MAP, !!entry->country + !!entry->asn + !!entry->owner);
	if (entry->country) {
		put_text(w, "country");
		put_head(w, MAP, 1);
		put_text(w, "iso_code");
		put_text(w, entry->country);
	}
	if (entry->asn) {
		put_text(w, "autonomous_system_number");
		put_number(w, UINT32, entry->asn);
	}
	if (entry->owner) {
		/* 29 and more octets: what is beyond 29 stands in an octet of its own */
		put(w,
		    "\x5d\x01"
		    "autonomous_system_organization",
		    32);
		put_text(w, entry->owner);
	}
	return at;
}

static void
insert(struct writer *w, const struct cidr *net, uint32_t data)
{
	unsigned char address[16] = { 0 };
	unsigned bits = 96u + net->bits;
	uint32_t at = 0;

	memcpy(address + 12, net->ip.b, 4);
	for (unsigned i = 0; i < bits; i++) {
		unsigned bit = address[i / 8] >> (7 - i % 8) & 1;

		if (i + 1 == bits) {
			w->node[at][bit] = DATA_BIT | data;
			return;
		}
		if (w->node[at][bit] == 0) {
			assert_true(w->n_nodes < NODES_MAX);
			w->node[at][bit] = w->n_nodes++;
		}
		at = w->node[at][bit];
	}
}

static void
write_tree(const struct writer *w, FILE *f)
{
	for (uint32_t i = 0; i < w->n_nodes; i++) {
		for (int side = 0; side < 2; side++) {
			uint32_t v = w->node[i][side];

			if (v == 0)
				v = w->n_nodes;
			else if (v & DATA_BIT)
				v = w->n_nodes + 16 + (v & ~DATA_BIT);
			fputc((int)(v >> 16 & 255), f);
			fputc((int)(v >> 8 & 255), f);
			fputc((int)(v & 255), f);
		}
	}
}

static void
put_metadata(struct writer *w)
{
	static const struct {
		const char *name;
		unsigned type;
		uint32_t number;
	} rows[] = {
		{ "node_count", UINT32, 0 },
		{ "record_size", UINT16, 24 },
		{ "ip_version", UINT16, 6 },
		{ "binary_format_major_version", UINT16, 2 },
		{ "binary_format_minor_version", UINT16, 0 },
		{ "build_epoch", UINT64, 1700000000 },
	};

	w->n_data = 0;
	put(w, "\xab\xcd\xefMaxMind.com", 14);
	put_head(w, MAP, 9);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_text(w, rows[i].name);
		put_number(w, rows[i].type, i == 0 ? w->n_nodes : rows[i].number);
	}
	put_text(w, "database_type");
	put_text(w, "Test");
	put_text(w, "languages");
	put_head(w, ARRAY, 0);
	put_text(w, "description");
	put_head(w, MAP, 0);
}

void
mmdb_write(const char *path, const struct mmdb_entry *entries, size_t n)
{
	static struct writer w;
	static const char nothing[16];
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	memset(&w, 0, sizeof(w));
	w.n_nodes = 1;
	for (size_t i = 0; i < n; i++) {
		struct cidr net;

		assert_true(cidr_parse(str_of(entries[i].network), &net, NULL));
		insert(&w, &net, put_entry(&w, &entries[i]));
	}
	write_tree(&w, f);
	fwrite(nothing, 1, sizeof(nothing), f);
	fwrite(w.data, 1, w.n_data, f);
	put_metadata(&w);
	fwrite(w.data, 1, w.n_data, f);
	assert_int_equal(fclose(f), 0);
}
