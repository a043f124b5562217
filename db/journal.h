/*
 * journal: the log of decisions, in SQLite (journal.db). Every tempfail and reject is in it before
 * the client is told; every accepted message too. The db thread appends; the command line reads
 * with connections of its own, read-only, and is never in the way. A record made by
 * journal_record_copy() holds its texts in its own allocation. One thread at a time for each.
 */
#ifndef POSTERN_DB_JOURNAL_H
#define POSTERN_DB_JOURNAL_H

#include "base/err.h"
#include "base/str.h"

struct journal;

/* All texts may be empty. facts, trace and answers are JSON texts, written by rules/record.h. */
struct journal_record {
	char id[8];        /* given by journal_append if "" (journal_id.h) */
	int64_t serial;    /* 1, 2, 3, ... without gaps; given by journal_append */
	int64_t time_ms;   /* wall */
	const char *front; /* "proxy", "milter": static */
	const char *step;  /* static */
	/* "accept", "tempfail", "reject"; "defer", "left": refusals of nobody; static */
	const char *verdict;
	int code;      /* 250 for accepted */
	int took_us;   /* deciding, waiting included */
	int64_t size;  /* of the message; 0: none yet */
	int64_t times; /* how many refusals of one kind this entry stands for; 0: one */
	struct str session, client_ip, client_name, helo, account, sender;
	struct str recipients; /* JSON array of texts */
	struct str enhanced, text, rule, queue_id;
	struct str facts;    /* JSON object: name -> value, of all facts computed */
	struct str trace;    /* JSON array: the rules looked at */
	struct str answers;  /* JSON array: DNS answers and store answers */
	struct str observed; /* "reject", "tempfail" or "": what observed rules would have said */
	struct str config;   /* revision: 12 hex digits of the digest of the configuration's text */
	struct str subject;  /* decoded, if it is to be kept; else "" */
};

/* A deep copy, texts included, freed with free(). */
struct journal_record *journal_record_copy(const struct journal_record *r);
/* What such a copy takes in memory. */
size_t journal_record_size(const struct journal_record *r);

/*
 * Writing: the db thread. Opens, creates, migrates; a file that is no database, is damaged, or
 * cannot be written is an error that says which file and what to do.
 */
struct journal *journal_open(const char *path, struct err *e);
void journal_close(struct journal **journal);
/*
 * Appends all as one transaction and fills their serials and missing ids. False: none was written,
 * serials and ids are as they were.
 */
bool journal_append(
    struct journal *journal, struct journal_record *const *records, size_t n, struct err *e);
/*
 * What stays. Entries go when they are older than details_ms, or from the oldest on while all of it takes more than
 * `size` octets; the sums of their hours go when they are older than keep_ms. 0: for ever, any size.
 */
struct journal_retention {
	int64_t keep_ms, details_ms;
	int64_t size;
};
/*
 * Removes a little of what may go, from the front; true while there may be more. The chain then begins behind what was
 * removed.
 */
bool journal_clean(
    struct journal *journal, int64_t now_ms, const struct journal_retention *stays, struct err *e);
/*
 * Sums up some entries that journal_top() and journal_waits() would else have to read; true while there are more. What fails
 * is tried again the next time.
 */
bool journal_sum_up(struct journal *journal, struct err *e);
/*
 * Adds some entries to what searching is fast with; true while there are more. off: removes it all. What fails is tried
 * again, and searched for by reading meanwhile.
 */
bool journal_index(struct journal *journal, bool on);
/* The chain's newest link, to be noted elsewhere. */
struct journal_mark {
	int64_t serial;
	char link[65]; /* hexadecimal digits */
};
bool journal_mark(struct journal *journal, struct journal_mark *out, struct err *e);
/* False when the file was taken away from under the journal: what is written would be lost. */
bool journal_in_place(const struct journal *journal);

/* Reading. A filter's empty text and zero time mean: any. */
struct journal_filter {
	int64_t since_ms, until_ms; /* from since on, before until */
	int64_t after_serial;       /* only those with a higher number: for --follow */
	struct str id, verdict;     /* equal */
	struct str client;          /* an address, a network, or a part of the name */
	struct str sender, recipient, account, subject; /* contained, without case */
	struct str rule; /* beginning of file:line; or its end ":12" */
	struct str text; /* contained in any text about client, mail or verdict */
	/* another form of each, which does as well; "": there is none */
	struct str sender_also, recipient_also, account_also, text_also;
	size_t last;   /* only the newest so many; 0: all */
	bool observed; /* only those of which an observed rule would have said no */
};

struct journal *journal_open_read(const char *path, struct err *e);
/*
 * Calls row() for each match, oldest first, until it returns false. The record is valid during the
 * call. `text` is looked for in sender, recipients, account, subject, text, rule, client's name and
 * helo, without case (ASCII).
 */
bool journal_read(struct journal *journal, const struct journal_filter *filter,
    bool (*row)(void *owner, const struct journal_record *r), void *owner, struct err *e);
/* Another number after every change by others, cheap to ask: for --follow. -1: it failed. */
int64_t journal_version(struct journal *journal);
/* The highest serial there is, 0 when there is none. */
int64_t journal_newest(struct journal *journal);

/* Entries from since on, before until; 0: any. */
struct journal_span {
	int64_t since_ms, until_ms;
};

/* accept, tempfail, reject, defer, left */
#define JOURNAL_VERDICTS 5

/*
 * Sums are there for whole hours; of one that the span cuts, entries are read while they are
 * there. Calls hour() for each hour that has entries, oldest first, with the sum of each verdict.
 */
bool journal_hours(struct journal *journal, const struct journal_span *span,
    void (*hour)(void *owner, int64_t hour_ms, const int64_t counts[JOURNAL_VERDICTS]), void *owner,
    struct err *e);

struct journal_ranking {
	struct journal_span span;
	const char *column; /* "sender", "client_ip", "rule" or "text" */
	size_t most;        /* rows wanted */
};

struct journal_sum {
	struct str key;
	int64_t n;
};

/*
 * The most frequent of a column among tempfail and reject entries, most frequent first. Exact while an hour has no more than a hundred
 * of a column; of an hour with more, those beyond the hundred most frequent are not counted once it is over.
 */
bool journal_top(struct journal *journal, const struct journal_ranking *ranking,
    void (*row)(void *owner, const struct journal_sum *sum), void *owner, struct err *e);

/* The store's keys of what greylisting makes wait (filters/greylist.h). */
#define JOURNAL_WAITED "greylist:pair:"

/*
 * How long what was accepted had waited: calls row() with the seconds from when a row of SEEN under JOURNAL_WAITED was first seen
 * until the message that ended its waiting (had it proven, or taken away), and how many waited as long, shortest first.
 */
bool journal_waits(struct journal *journal, const struct journal_span *span,
    void (*row)(void *owner, int64_t seconds, int64_t n), void *owner, struct err *e);

/*
 * Forgetting a person: entries that name the address, anywhere, are emptied, and an entry tells of them. The whole journal is
 * read; appending goes on meanwhile. For a journal that is open for writing.
 */
struct person;

/* What such an entry says, and names nobody. */
#define JOURNAL_FORGOTTEN "(forgotten)"

struct journal_person {
	const struct person *person; /* db/person.h */
	struct str key;              /* under which its pseudonyms were made; "": it has none */
	struct str by;               /* who asked for it */
	bool look_only;              /* only counts */
};

struct journal_forgotten {
	int64_t entries, sums;
	int64_t
	    strangers; /* entries that are hashed under another key: whom they name is not known */
	bool lingers;  /* in the write-ahead log, as somebody reads what was */
};

bool journal_forget(struct journal *journal, const struct journal_person *person,
    struct journal_forgotten *out, struct err *e);

/*
 * Verifying: walks the chain (journal_chain.h) from since on, and says what does not fit, in the order of serials; of
 * configurations once it is known.
 */
enum journal_fault_kind {
	JOURNAL_MISSING,   /* gone from the end, and said when writing went on */
	JOURNAL_REMOVED,   /* a gap that nobody told of */
	JOURNAL_ALTERED,   /* it is not what was written, or its link is not */
	JOURNAL_FORGED,    /* emptied without an entry that tells of it, or not empty */
	JOURNAL_CUT,       /* the end is gone: the head knew more */
	JOURNAL_REBUILT,   /* whole, but not the entry that the head knew */
	JOURNAL_UNCHAINED, /* it stands in front of the chain */
	/* not one entry of a configuration fits, so it is that which is not what it was, or is gone */
	JOURNAL_CONFIG_ALTERED,
	JOURNAL_CONFIG_GONE,
};

struct journal_fault {
	enum journal_fault_kind kind;
	int64_t first, last; /* serials */
	int64_t time_ms;     /* of the entry behind the gap, or of the one at fault; 0: not known */
	char config[16];     /* revision; "": it is not that */
};

/* Whether there is a newest entry to compare the end with: without it, that the end was cut does not show. */
enum journal_head {
	JOURNAL_HEAD_KNOWN,
	JOURNAL_HEAD_NONE,   /* yet: nothing was ever written */
	JOURNAL_HEAD_GONE,   /* it must have been there */
	JOURNAL_HEAD_BROKEN, /* damaged, or not to be read */
	JOURNAL_HEAD_OTHER,  /* of another journal */
};

struct journal_verdict {
	int64_t first, last; /* serials that were walked; 0: none */
	int64_t entries, unchained, faults;
	int64_t forgotten; /* lawfully: and an entry tells of each */
	enum journal_head head;
	struct journal_mark newest;
};

struct journal_check {
	int64_t since_ms; /* 0: all */
	void (*fault)(void *owner, const struct journal_fault *fault);
	void *owner;
};

bool journal_verify(struct journal *journal, const struct journal_check *check,
    struct journal_verdict *out, struct err *e);

#endif
