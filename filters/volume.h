/*
 * volume: what the files of the stage share: volume.c counts and tells rates, volume_key.c says for whom, volume_usual.c compares them with what is
 * usual, volume_unknown.c tells of recipients that are unknown, volume_different.c how many differ, volume_met.c who was seen before,
 * volume_suspicious.c puts some of it together, volume_quota.c compares counts with plans. Nobody else includes this.
 */
#ifndef POSTERN_FILTERS_VOLUME_H
#define POSTERN_FILTERS_VOLUME_H

#include "filters/share.h"
#include "filters/stage.h"
#include "filters/volume_hold.h"

/* Windows, in seconds. */
#define VOLUME_MINUTE 60
#define VOLUME_HOUR 3600
#define VOLUME_DAY 86400

/* For whom is counted. */
enum volume_who {
	VOLUME_CLIENT,
	VOLUME_NETWORK,
	VOLUME_SENDER,
	VOLUME_ACCOUNT,
	VOLUME_HELO,
	VOLUME_CLAIMED, /* the sender's domain, whether it is proven or not */
	VOLUME_RECIPIENT,
	VOLUME_COUNT
};

struct volume_conf {
	int64_t network_ipv4, network_ipv6; /* bits */
	int64_t unknown_from;               /* recipients tried */
	int64_t surge_from;                 /* messages in an hour */
	int64_t surge_after;                /* milliseconds since the first one */
	int64_t remember;                   /* who was seen, in milliseconds */
	int64_t suspicious_surge, suspicious_unknown, suspicious_networks;
	unsigned
	    asked[VOLUME_COUNT]; /* for whom rules can ask: a bit for each counter (volume.c) */
};

/* Of a transaction: recipients that happened, and that were counted already; what it holds; what rules asked for. */
struct tally {
	unsigned taken, taken_counted;
	unsigned unknown, unknown_counted;
	struct holds holds;
	/* What costs a question of its own is counted only when a rule wants to know of it. */
	bool recipient_asked, claimed_asked, networks_asked, guesses_asked;
	unsigned different_asked; /* a bit for each pair of who and what */
	unsigned met_asked;       /* a bit for each of enum met */
};

/* The one of the present transaction, made if need be; NULL outside of one. */
struct tally *volume_tally(struct ask *ask);
/* One of ours: an account, or a client that is trusted. */
bool volume_is_out(const struct session *s);
/* "client", ...: as in rules and in keys; ended by NULL. */
extern const char *const volume_words[];
enum volume_who volume_who_of(const struct value *word);
/*
 * Who that is, "" for nobody. The sender's domain is `proven` or nobody's: claimed by one of ours, let through by SPF, or, at
 * message, that of a signature that verifies (or below it). PENDING only for it.
 */
enum progress volume_who(struct ask *ask, enum volume_who who, struct str *out);
/* The same from what is known already. */
struct str volume_who_known(struct ask *ask, enum volume_who who);
/* The counter's name. */
struct str volume_key_of(struct ask *ask, const char *what, enum volume_who who, struct str text);
/* Adds to a counter that somebody can ask for, when something happens; n tells this addition apart from others of the transaction. */
void volume_count(struct ask *ask, const char *what, enum volume_who who, int64_t add, unsigned n);
bool volume_check_window(const struct value *window, struct err *e);
/* The counter's name, from what is known; false: there is no such one, so there is nothing to count. */
bool volume_key(struct ask *ask, const char *what, enum volume_who who, struct str *key);
/* Is it a domain of ours: our own name, or one that it lies in? */
bool volume_ours(const struct session *s, struct str domain);

/*
 * The counts of what ("messages", "recipients", "taken", "unknown") and who. *out is NULL when there
 * is no such one in this session, or the store did not answer.
 */
enum progress volume_read(
    struct ask *ask, const char *what, enum volume_who who, const struct count_answer **out);
/* A plan limits this transaction, so that all of it counts. */
bool quota_applies(const struct session *s);
/* A number, or a range. */
struct value volume_sum(const struct count_answer *answer, int64_t window);

/* Messages of the last hour against what is usual; false: not known. */
bool usual_known(const struct ask *ask, const struct count_answer *answer);
/* Whether usual_surge() can be told: a replay may not know what is usual. False: PENDING. */
bool usual_tells(const struct ask *ask, const struct count_answer *answer);
double usual_surge(const struct ask *ask, const struct count_answer *answer);
struct str usual_in_words(struct ask *ask, const struct count_answer *answer);
enum progress usual_compute(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress usual_compute_surge(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress usual_compute_words(struct ask *ask, const struct fact_call *call, struct value *out);

enum progress unknown_share(struct ask *ask, enum volume_who who, int64_t window, int64_t *percent);
enum progress unknown_compute(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress unknown_compute_usual(
    struct ask *ask, const struct fact_call *call, struct value *out);
enum progress unknown_compute_surge(
    struct ask *ask, const struct fact_call *call, struct value *out);
extern const char *const different_words[];
enum progress different_compute(struct ask *ask, const struct fact_call *call, struct value *out);
/* The message was taken. */
void different_count(struct ask *ask, const struct tally *tally);

extern const char *const met_words[];
enum progress met_compute(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress met_compute_first(struct ask *ask, const struct fact_call *call, struct value *out);
void met_remember(struct ask *ask, const struct tally *tally);
/* Networks from which the account sent for the first time, in the last day. */
enum progress met_networks(struct ask *ask, int64_t *out);

enum progress suspicious_compute(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress suspicious_compute_why(
    struct ask *ask, const struct fact_call *call, struct value *out);

/* volume_cost.c: what the facts can ask. */
void volume_asks_rate(struct costs *costs, const struct fact_call *call);
void volume_asks_messages(struct costs *costs, const struct fact_call *call);
void volume_asks_unknown(struct costs *costs, const struct fact_call *call);
void volume_asks_distinct(struct costs *costs, const struct fact_call *call);
void volume_asks_seen(struct costs *costs, const struct fact_call *call);
void volume_asks_suspicious(struct costs *costs, const struct fact_call *call);
void volume_asks_quota(struct costs *costs, const struct fact_call *call);
void volume_asks_upstream(struct costs *costs, const struct fact_call *call);

/* The facts about plans. */
extern const char *const quota_words[];
enum progress quota_compute(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress quota_compute_free(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress quota_compute_limit(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress quota_compute_plan(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress quota_compute_recipients(
    struct ask *ask, const struct fact_call *call, struct value *out);
enum progress quota_compute_used(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress quota_compute_warning(
    struct ask *ask, const struct fact_call *call, struct value *out);
enum progress upstream_compute(struct ask *ask, const struct fact_call *call, struct value *out);
enum progress upstream_compute_free(
    struct ask *ask, const struct fact_call *call, struct value *out);
enum progress upstream_compute_limit(
    struct ask *ask, const struct fact_call *call, struct value *out);
enum progress upstream_compute_used(
    struct ask *ask, const struct fact_call *call, struct value *out);
/* Counts the message for the upstreams of which something is held. */
void upstream_settle(struct ask *ask, struct holds *holds);

#endif
