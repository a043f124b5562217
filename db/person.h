/*
 * person: finds a mail address in texts: in envelopes, replies, JSON and the keys of the store. A part of a longer address is
 * not it ("b@example.org" is not in "bb@example.org", nor in "b@example.organic"); behind a mark such as prvs=1234= it is, and
 * behind what JSON writes for a control character. Letters compare without case, and an @ may be written %40.
 *
 * A person is all that can stand for one address: with its domain in either script (RFC 5890), as it is quoted in JSON, by its
 * pseudonym (mail/pseudonym.h), and in greylisting by its stem (mail/mailbox_stem.h), which others may share. Or it is an account,
 * by its name, which may be any word and so counts only where an account stands. Pure, but for the functions of SQL.
 */
#ifndef POSTERN_DB_PERSON_H
#define POSTERN_DB_PERSON_H

#include <sqlite3.h>

#include "base/arena.h"
#include "mail/pseudonym.h"

/* The scripts of a domain; in each an address as it is, in JSON and hashed, and what begins as the hashed one does. */
#define PERSON_SCRIPTS 3
#define PERSON_FORMS (4 * PERSON_SCRIPTS)

struct person {
	struct str name; /* as it was given: the address, or the account */
	struct str form[PERSON_FORMS];
	size_t n_forms;
	struct str stem[PERSON_SCRIPTS];
	size_t n_stems;
	struct str account[2]; /* as it is, and hashed; "": none */
};

/* pseudonym: under which addresses are hashed; NULL: they are not, or the key is not known. Texts as of the arena. */
void person_fill(struct person *person, struct arena *arena, struct str address,
    const struct pseudonym *pseudonym);

void person_fill_account(
    struct person *person, struct arena *arena, struct str name, const struct pseudonym *pseudonym);

/* An address that ends in a + stands for all that begin so; an empty one is nowhere. */
bool person_in(struct str text, struct str address);
/* Of an account: in keys of what is counted for it. */
bool person_named(const struct person *person, struct str text);
/* Is this name of an account the person's? */
bool person_is_account(const struct person *person, struct str account);
/* Is the account's name a word of the text? */
bool person_mentioned(const struct person *person, struct str text);
/* The same for a key of greylisting, which has stems. */
bool person_greylisted(const struct person *person, struct str key);
/* holds_person(), greylists_person(), is_account() and mentions_account() for SQL, of a text: 1 or 0. The person is looked at as long as the connection is used. */
bool person_functions(sqlite3 *handle, const struct person *person);

#endif
