/*
 * when: moments as people write them, and as programs do. Days and times without a zone are local
 * time. Pure but for the local zone.
 */
#ifndef POSTERN_CLI_WHEN_H
#define POSTERN_CLI_WHEN_H

#include "base/err.h"
#include "base/str.h"

/*
 * "90s", "30m", "1h", "2d", "1w": so long before now. "2026-01-31", "2026-01-31 12:00",
 * "2026-01-31T12:00:59.123", with "Z" behind it in UTC, with "+01:00" in another zone. "today", "yesterday": where that day began.
 * "14:30": of today.
 */
bool when_parse(struct str text, int64_t now_ms, int64_t *ms, struct err *e);

/* The same moments, but "2h" and "7d" are so long after now, and the moment has to lie ahead. */
bool when_ahead(struct str text, int64_t now_ms, int64_t *ms, struct err *e);

#define WHEN_SIZE 40
/* "2026-01-31 12:00:59", local. Returns out. */
const char *when_local(int64_t ms, char out[WHEN_SIZE]);
/* "2026-01-31T11:00:59.123Z" (RFC 3339). Returns out. */
const char *when_utc(int64_t ms, char out[WHEN_SIZE]);
/* "3 minutes", "2 hours 10 minutes": the two largest units. Returns out. */
const char *when_span(int64_t seconds, char out[WHEN_SIZE]);
/* "12 us", "3.4 ms", "1.25 s". Returns out. */
const char *when_took(int64_t us, char out[WHEN_SIZE]);

#endif
