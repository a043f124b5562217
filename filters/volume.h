/*
 * volume: what the two files of the stage share: volume.c counts and tells rates, volume_quota.c
 * compares counts with plans. Nobody else includes this.
 */
#ifndef POSTERN_FILTERS_VOLUME_H
#define POSTERN_FILTERS_VOLUME_H

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
	VOLUME_RECIPIENT,
	VOLUME_COUNT
};

/* Of a transaction: recipients that happened, and that were counted already; and what it holds. */
struct tally {
	unsigned taken, taken_counted;
	unsigned unknown, unknown_counted;
	struct holds holds;
	bool recipient_asked; /* a rule wants to know of recipients, so they are counted */
};

/* The one of the present transaction, made if need be; NULL outside of one. */
struct tally *volume_tally(struct ask *ask);
/* The counter's name; false: there is no such one, so there is nothing to count. */
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
int64_t volume_sum(const struct count_answer *answer, int64_t window);

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
