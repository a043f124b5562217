/*
 * person: finds a mail address in texts: in envelopes, replies, JSON and the keys of the store. A part of a longer address is
 * not it ("b@example.org" is not in "bb@example.org", nor in "b@example.organic"); behind a mark such as prvs=1234= it is.
 * Letters compare without case. Pure, but for the SQL function.
 */
#ifndef POSTERN_DB_PERSON_H
#define POSTERN_DB_PERSON_H

#include <sqlite3.h>

#include "base/str.h"

#define PERSON_FORMS 3

/* An address that ends in a + stands for all that begin so; an empty one is nowhere. */
bool person_in(struct str text, struct str address);
/* holds_person(text, address, ...) for SQL, with PERSON_FORMS addresses at most: 1 if it holds one of them, else 0. */
bool person_function(sqlite3 *handle);

#endif
