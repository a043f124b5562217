/*
 * status: how the mail servers behind a running posternd are, and how much its resolvers did, for those who
 * look from outside. It lies in the store as rows of the tables `backend` and `resolver`. Each loop of posternd reports its own, whenever something has
 * changed and at intervals, so that whoever reads them can tell by their time whether anybody still
 * reports; a loop that ends takes its rows away. SQL only: db.h has the thread that runs it.
 */
#ifndef POSTERN_DB_STATUS_H
#define POSTERN_DB_STATUS_H

#include "db/dbfile.h"

#define STATUS_EVERY_MS 10000    /* reports come at least so often */
#define STATUS_STALE_MS 30000    /* after so long without one, nobody is there */
#define STATUS_FORGET_MS 3600000 /* rows of a process that died are kept so long */
#define STATUS_INSTANCE 16

/* One mail server as one loop knows it. Counts are of the whole process. Zeroed first: it is compared. */
struct status_row {
	char label[288];
	char state[16]; /* "well", "failing", "unknown": not asked yet */
	char why[256];  /* failing: what happened */
	char route[512], offers[512];
	int64_t since_ms, answered_ms; /* wall; 0: never */
	int64_t weight, standby, most; /* most: the limit of connections, 0: none */
	int64_t connections, idle, waiting, delivered;
};

/* What a resolver was asked, and how it went; since it began. */
struct status_dns {
	int64_t asked, at_hand; /* at_hand: answered from the cache */
	int64_t timeouts, failures;
};

/* All that one loop knows; made by status_report_new(), freed with free(). */
struct status_report {
	char instance[STATUS_INSTANCE + 1]; /* of the loop: any word that no other has */
	int64_t pid, time_ms;               /* wall */
	struct status_dns dns;
	size_t n;
	struct status_row row[];
};

struct status_report *status_report_new(size_t n);
/* Puts it in the place of the loop's last one; without rows, only takes that away. In the caller's transaction. */
bool status_write(const struct dbfile *file, const struct status_report *report, struct err *e);

/* A row that was read, with whose it is. */
struct status_entry {
	struct str instance;
	int64_t pid, time_ms;
	struct status_row row;
};

/* The sum of all loops that reported since then. */
bool status_read_dns(
    const struct dbfile *file, int64_t since_ms, struct status_dns *sum, struct err *e);
/* Newest first. */
bool status_read(const struct dbfile *file,
    void (*row)(void *owner, const struct status_entry *entry), void *owner, struct err *e);

#endif
