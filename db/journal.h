/*
 * journal: the log of decisions, in SQLite (journal.db). Every tempfail and reject is in it before the client is
 * told; every accepted message too. The db thread appends; the command line reads with connections of its own, read-only.
 * A record owns its texts: one allocation, made by journal_record_new().
 */
#ifndef POSTERN_DB_JOURNAL_H
#define POSTERN_DB_JOURNAL_H

#include "base/err.h"
#include "base/str.h"

struct journal;

/* All texts may be empty. facts, trace and answers are JSON texts. */
struct journal_record {
	char id[8];           /* given by journal_append if "": unique among those kept */
	int64_t serial;       /* its number, 1, 2, 3, ... without gaps; given by journal_append */
	int64_t time_ms;      /* wall */
	const char *front;    /* "proxy", "milter": static */
	const char *step;     /* static */
	const char *verdict;  /* "accept", "tempfail", "reject": static */
	int code;             /* 250 for accepted */
	int took_us;          /* deciding, waiting included */
	int64_t size;         /* of the message; 0: none yet */
	struct str session, client_ip, client_name, helo, account, sender;
	struct str recipients; /* JSON array of texts */
	struct str enhanced, text, rule, queue_id;
	struct str facts;     /* JSON object: name -> value, of all facts computed */
	struct str trace;     /* JSON array, see gate.c: rules looked at, facts each asked for, times, result, observed ones */
	struct str answers;   /* JSON array: DNS answers and store answers */
	struct str observed;  /* "reject", "tempfail" or "": what observed rules would have said */
	struct str config;    /* revision: 12 hex digits of the digest of the configuration's text */
};

/* A deep copy, texts included, freed with free(). */
struct journal_record *journal_record_copy(const struct journal_record *r);

/* Writing: the db thread. Opens, creates, migrates; a file that is no database, is damaged, or cannot be written is an error that says which file and what to do. */
struct journal *journal_open(const char *path, struct err *e);
void journal_close(struct journal **journal);
/* Appends all as one transaction and fills their serials and missing ids. False: none was written. */
bool journal_append(struct journal *journal, struct journal_record *const *records, size_t n,
    struct err *e);
/* Removes entries older than keep_ms, a small step; true while there may be more. */
bool journal_clean(struct journal *journal, int64_t now_ms, int64_t keep_ms, struct err *e);

/* Reading. A filter's empty text and zero time mean: any. */
struct journal_filter {
	int64_t since_ms, until_ms;
	int64_t after_serial;      /* only those with a higher number: for --follow */
	struct str id, verdict, client, sender, recipient, rule, text; /* id, verdict: equal; client: an address, a network or a part of the name; rule: beginning of file:line or its end ":12"; others: contained, without case */
	size_t last;               /* only the newest so many; 0: all */
};

struct journal *journal_open_read(const char *path, struct err *e);
/* Calls row() for each match, oldest first, until it returns false. The record is valid during the call. */
bool journal_read(struct journal *journal, const struct journal_filter *filter,
    bool (*row)(void *owner, const struct journal_record *r), void *owner, struct err *e);

struct journal_sum {
	struct str key;
	int64_t n;
};

/* Verdicts per hour in [since, until): calls hour() for each hour that has entries, oldest first. */
bool journal_hours(struct journal *journal, int64_t since_ms, int64_t until_ms,
    void (*hour)(void *owner, int64_t hour_ms, const int64_t counts[3]), void *owner,
    struct err *e); /* counts: accept, tempfail, reject */
/* The most frequent of a column ("sender", "client_ip", "rule", "text") among tempfail and reject entries. */
bool journal_top(struct journal *journal, const char *column, int64_t since_ms, int64_t until_ms,
    size_t most, void (*row)(void *owner, const struct journal_sum *sum), void *owner,
    struct err *e);

#endif
