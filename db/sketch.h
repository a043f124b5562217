/*
 * sketch: how many different things (recipients of a client, senders of an account) were seen in the last minute, hour and
 * day, in at most SKETCH_MOST entries: exactly, as long as no more than those were seen in a day, by sampling beyond that. Lives packed
 * in a blob of the store. Pure; the time is an argument, in wall seconds.
 *
 * A thing is known by a hash of 32 bits. The sketch has a level, 0 at first, and takes in only hashes below
 * 2^(32 - level): each entry is its hash, when it was seen last, and the level at which that was; it stands for 2^(its level)
 * things. What a question with hashes does, exactly, at the time `now`:
 *	1. entries last seen SKETCH_DAY or more seconds ago, or more than 3600 seconds in the future, go;
 *	2. while the level is not 0 and there are SKETCH_MOST / 4 entries or fewer, the level falls by one;
 *	3. each hash in turn, unless it is not below 2^(32 - level): an entry with that hash, new if there is none,
 *	   was seen now, at the present level. While there are more than SKETCH_MOST entries, the level rises by one, those whose hash is
 *	   not below 2^(32 - level) any more go, and those of a lower level are of the present one.
 * A question without hashes changes nothing. The answer is what remains after 1 to 3: for each window the sum of what those
 * entries stand for that were last seen less than its length before now.
 *
 * With 128 entries the error of sampling is about one part in ten (standard deviation 1 / sqrt(64 to 128)).
 */
#ifndef POSTERN_DB_SKETCH_H
#define POSTERN_DB_SKETCH_H

#include "base/str.h"
#include "mail/question.h"

enum { SKETCH_MOST = 128, SKETCH_DAY = 86400, SKETCH_BLOB_MAX = 2048 };

struct sketch_entry {
	uint32_t hash;
	unsigned level;
	int64_t last;
};

struct sketch {
	unsigned level;
	size_t n;
	struct sketch_entry entry[SKETCH_MOST + 1];
};

/* An empty, unknown, cut or altered blob gives an empty sketch; false says that it was one of the latter. */
bool sketch_load(struct sketch *s, struct str blob);
/* Writes the blob to out; returns its length. */
size_t sketch_save(const struct sketch *s, unsigned char out[SKETCH_BLOB_MAX]);
/* What both saw, each when it was seen last; at the higher level. Merging again changes nothing. */
void sketch_merge(struct sketch *s, const struct sketch *other);
/* hashes: as in struct question; minute, hour and day of out are filled, all else is 0. */
void sketch_add(struct sketch *s, int64_t now, struct str hashes, struct count_answer *out);

#endif
