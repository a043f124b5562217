/*
 * journal_chain: the hashes that tie the journal's entries together. The content of an entry is SHA-256 over its
 * columns in one fixed form; its link is SHA-256 over the link of the entry before, its own content, and the digest of the
 * configuration that it refers to, if it refers to one. So nobody can alter, remove or slip in an entry, or alter what its
 * numbers stand for, without rewriting every link behind it, and a content can be forgotten while its digest keeps the
 * chain whole. Links of before configurations were covered are told apart by what fits: no two inputs give one link.
 *
 * The form: for each column that is neither 0 nor empty, in the order of its number, the octet of the number, 'n' or
 * 't', and eight octets, most significant first, with the number or the text's length; then the texts
 * themselves in the same order. A column that is added later leaves the digests of older entries as they are,
 * and no column ever changes its number.
 *
 * Not keyed: who can rewrite the whole file can make the chain anew. That shows against a link that was
 * noted elsewhere. Pure; one thread at a time for each object.
 */
#ifndef POSTERN_DB_JOURNAL_CHAIN_H
#define POSTERN_DB_JOURNAL_CHAIN_H

#include "base/str.h"

#define CHAIN_OCTETS 32
#define CHAIN_TEXT (2 * CHAIN_OCTETS + 1)
#define CHAIN_CELLS 64 /* columns at most */

struct chain;

struct chain_hash {
	unsigned char octet[CHAIN_OCTETS];
};

/* One column: a number, or a text, which is borrowed. */
struct chain_cell {
	int64_t number;
	struct str text; /* of a number: empty */
};

struct chain *chain_new(void);
void chain_free(struct chain **chain);

/* The digest of an entry's content; a cell's place in the array is the column's number. */
void chain_content(
    struct chain *chain, const struct chain_cell *cell, size_t n, struct chain_hash *out);
/* The link of an entry; configuration: NULL if it covers none; out may be before. */
void chain_link(struct chain *chain, const struct chain_hash *before,
    const struct chain_hash *content, const struct chain_hash *configuration,
    struct chain_hash *out);

static inline bool
chain_same(const struct chain_hash *a, const struct chain_hash *b)
{
	return memcmp(a->octet, b->octet, CHAIN_OCTETS) == 0;
}

/* As hexadecimal digits; returns text. */
const char *chain_print(const struct chain_hash *hash, char text[CHAIN_TEXT]);
bool chain_parse(struct str text, struct chain_hash *out);

#endif
