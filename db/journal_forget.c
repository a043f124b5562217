/*
 * journal_forget: takes a person out of the journal. Entries that name the address keep their number, time, verdict, code and rule; all
 * else they said is emptied, and only its digest stays, for the chain to go on from. An entry tells which, by whom, and not of
 * whom: the address stands there as a hash under the journal's own key. Works beside a running posternd, a few entries at a
 * time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/sip.h"
#include "db/journal_file.h"
#include "db/journal_text.h"
#include "db/person.h"

/* Entries looked at in one read; entries emptied in one transaction. */
#define LOOK 2000
#define LOT 100

struct forgetting {
	struct journal *journal;
	const struct journal_person *person;
	struct journal_forgotten *out;
	int64_t serial[LOT], teller;
	size_t n;
	struct buf facts; /* of the entry that tells */
	struct journal_record *record;
};

/* Under the key of ids, which never leaves the journal: the same address, the same text. */
static uint64_t
hash_of(const struct journal *j, struct str address)
{
	uint64_t word[64] = { address.n };

	for (size_t i = 0; i < address.n && i < sizeof(word) - 8; i++) {
		unsigned char c = (unsigned char)address.p[i];

		((unsigned char *)word)[8 + i] = c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
	}
	return sip_hash(j->key.word, word, sizeof(word) / sizeof(word[0]));
}

/* --- finding ------------------------------------------------------------------------------------ */

#define TEXTS(entry) \
	entry "sender || char(10) || " entry "recipients || char(10) || " entry \
	      "account || char(10) || " entry "text || char(10) || " entry \
	      "client_name || char(10) || " entry "helo || char(10) || " entry \
	      "facts || char(10) || " entry "trace || char(10) || " entry \
	      "answers || char(10) || " entry "subject"

/* The trace says at its beginning under which key; ?3 is ours. */
#define KEY_OF "instr(substr(trace, 1, 100), '\"hashed\":\"' || "
#define STRANGER KEY_OF "'') > 0 AND (?3 = '' OR " KEY_OF "?3 || '\"') = 0)"

/* The next lot behind *behind, which moves on. False: it failed; *last is set when that was all. */
static bool
find(struct forgetting *f, int64_t *behind, bool *last, struct err *e)
{
	static const char sql[] = "SELECT serial, holds_person(" TEXTS(
	    "") ") OR is_account(account), " STRANGER
		" FROM entry WHERE serial > ?1 ORDER BY serial LIMIT ?2";
	sqlite3_stmt *stmt;
	int rc = SQLITE_DONE, looked = 0;

	if (!dbfile_prepare(&f->journal->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, *behind);
	sqlite3_bind_int(stmt, 2, LOOK);
	dbfile_bind(stmt, 3, f->person->key);
	while (f->n < LOT && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		*behind = sqlite3_column_int64(stmt, 0);
		looked++;
		if (sqlite3_column_int(stmt, 1) == 1)
			f->serial[f->n++] = *behind;
		else
			f->out->strangers += sqlite3_column_int(stmt, 2);
	}
	*last = rc == SQLITE_DONE && looked < LOOK;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		dbfile_failed(&f->journal->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* --- emptying, inside a transaction ------------------------------------------------------------- */

/* The digest of what an entry says now. *there: it was not removed meanwhile. */
static bool
digest_of(struct forgetting *f, int64_t serial, struct chain_hash *out, bool *there, struct err *e)
{
	struct chain_cell cell[COLUMNS];
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(&f->journal->file,
		"SELECT " JOURNAL_COLUMNS " FROM entry WHERE serial = ?1", &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, serial);
	rc = sqlite3_step(stmt);
	*there = rc == SQLITE_ROW;
	if (*there) {
		journal_cells(stmt, cell);
		chain_content(f->journal->chain, cell, COLUMNS, out);
	} else if (rc != SQLITE_DONE) {
		dbfile_failed(&f->journal->file, e);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool
run(struct forgetting *f, const char *sql, int64_t serial, const struct chain_hash *content,
    struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(&f->journal->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, serial);
	if (content) {
		sqlite3_bind_blob(stmt, 2, content->octet, CHAIN_OCTETS, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 3, f->teller);
	}
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (!ok)
		dbfile_failed(&f->journal->file, e);
	sqlite3_finalize(stmt);
	return ok;
}

/* What is left of it is told too, so that nobody alters that. */
static bool
note_left(struct forgetting *f, int64_t serial, struct err *e)
{
	struct chain_hash left;
	char text[CHAIN_TEXT];
	bool there;

	if (!digest_of(f, serial, &left, &there, e))
		return false;
	buf_printf(&f->facts, "%s\"%" PRId64 "\":\"%s\"",
	    f->facts.p[f->facts.n - 1] == '{' ? "" : ",", serial, chain_print(&left, text));
	return true;
}

static bool
empty_one(struct forgetting *f, int64_t serial, struct err *e)
{
	struct chain_hash content;
	bool there;

	if (!digest_of(f, serial, &content, &there, e))
		return false;
	return !there ||
	    (run(f, "INSERT INTO forgotten (serial, content, teller) VALUES (?1, ?2, ?3)", serial,
		 &content, e) &&
		run(f,
		    "UPDATE entry SET session = '', client_ip = '', client_name = '', helo = '', account = '', "
		    "sender = '', recipients = '[]', text = '" JOURNAL_FORGOTTEN
		    "', queue_id = '', facts = '{}', trace = '[]', answers = '[]', subject = '' WHERE serial = ?1",
		    serial, NULL, e) &&
		note_left(f, serial, e));
}

static bool
empty_all(void *owner, int64_t next, struct err *e)
{
	struct forgetting *f = owner;

	f->teller = next;
	for (size_t i = 0; i < f->n; i++)
		if (!empty_one(f, f->serial[i], e))
			return false;
	buf_add(&f->facts, STR("}}"));
	f->record->facts = buf_str(&f->facts);
	return true;
}

/* --- telling ------------------------------------------------------------------------------------ */

static bool
tell(struct forgetting *f, struct err *e)
{
	struct journal_record record = {
		.time_ms = clock_wall_ms(),
		.front = "postern",
		.step = "forget",
		.verdict = "change",
		.recipients = STR("[]"),
		.rule = STR(JOURNAL_FORGET),
		.trace = STR("[]"),
		.answers = STR("[]"),
	};
	struct journal_record *one = &record;
	const struct journal_also also = { NULL, empty_all, f };
	struct buf text;
	bool ok;

	buf_init(&text, 1000);
	buf_init(&f->facts, LOT * (22 + 22 + CHAIN_TEXT + 6) + 1000);
	f->record = &record;
	buf_printf(&text, "%zu entries that named %016" PRIx64 " were forgotten, by %.*s", f->n,
	    hash_of(f->journal, f->person->person->name), STR_ARG(f->person->by));
	buf_printf(&f->facts, "{\"person\":\"%016" PRIx64 "\",\"serials\":[",
	    hash_of(f->journal, f->person->person->name));
	for (size_t i = 0; i < f->n; i++)
		buf_printf(&f->facts, "%s%" PRId64, i > 0 ? "," : "", f->serial[i]);
	buf_add(&f->facts, STR("],\"left\":{"));
	record.text = buf_str(&text);
	ok = journal_append_and(f->journal, &one, 1, &also, e);
	buf_free(&text);
	buf_free(&f->facts);
	f->out->entries += ok ? (int64_t)f->n : 0;
	return ok;
}

/* The lists of who was refused most, and the files of the index, which are made anew. */
static bool
forget_sums(struct forgetting *f, struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(&f->journal->file,
		"DELETE FROM top WHERE kind IN (0, 1, 2, 3) AND (holds_person(key) OR mentions_account(key))",
		&stmt, e))
		return false;
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (ok)
		f->out->sums = sqlite3_changes64(f->journal->file.handle);
	else
		dbfile_failed(&f->journal->file, e);
	sqlite3_finalize(stmt);
	return ok;
}

bool
journal_forget(struct journal *j, const struct journal_person *person,
    struct journal_forgotten *out, struct err *e)
{
	struct forgetting f = { .journal = j, .person = person, .out = out };
	int64_t behind = 0;
	bool last = false;

	*out = (struct journal_forgotten){ 0 };
	require(j->append);
	if (!person_functions(j->file.handle, person->person))
		return dbfile_failed(&j->file, e);
	while (!last) {
		if (!find(&f, &behind, &last, e) || (f.n > 0 && !person->look_only && !tell(&f, e)))
			return false;
		if (person->look_only)
			out->entries += (int64_t)f.n;
		else
			journal_text_forget(j, f.serial, f.n);
		f.n = 0;
	}
	if (person->look_only)
		return true;
	if (!forget_sums(&f, e) || !journal_text_again(j, e))
		return false;
	out->lingers = !dbfile_empty_log(&j->file);
	return true;
}
