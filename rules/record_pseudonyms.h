/*
 * record_pseudonyms: a record of the journal as it is kept when addresses are hashed (mail/pseudonym.h): in all of its texts,
 * pseudonyms stand in the places of mail addresses, of the account, and of local parts where they can stand alone. Names of
 * domains and clients stay, and so does everything that is no address: what else of a message a rule asked for is kept as
 * before. The work is bounded by the texts, which are.
 */
#ifndef POSTERN_RULES_RECORD_PSEUDONYMS_H
#define POSTERN_RULES_RECORD_PSEUDONYMS_H

#include "db/journal.h"
#include "mail/pseudonym.h"

/* As it stands in the head of a trace. */
#define RECORD_HASHED "hashed"

/* Its texts are then of the arena, or as they were. */
void record_pseudonyms(const struct pseudonym *p, struct arena *arena, struct journal_record *r);

/* The key that an entry says its addresses are hashed under; "": they are in clear. */
struct str record_pseudonym_key(const struct journal_record *r);

#endif
