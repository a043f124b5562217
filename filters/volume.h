/*
 * volume: what the two files of the stage share: volume.c counts and tells rates, volume_quota.c
 * compares counts with plans. Nobody else includes this.
 */
#ifndef POSTERN_FILTERS_VOLUME_H
#define POSTERN_FILTERS_VOLUME_H

#include "filters/stage.h"

/* Windows, in seconds. */
#define VOLUME_MINUTE 60
#define VOLUME_HOUR 3600
#define VOLUME_DAY 86400

/* For whom is counted. */
enum volume_who { VOLUME_CLIENT, VOLUME_NETWORK, VOLUME_SENDER, VOLUME_ACCOUNT, VOLUME_COUNT };

/*
 * The counts of what ("messages", "recipients", "taken", "unknown") and who. *out is NULL when there
 * is no such one in this session, or the store did not answer.
 */
enum progress volume_read(
    struct ask *ask, const char *what, enum volume_who who, const struct count_answer **out);
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

#endif
