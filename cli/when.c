#include "cli/when.h"

#include <stdio.h>
#include <time.h>

#include "base/escape.h"

static bool
ago(struct str text, int64_t now_ms, int64_t *ms)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	uint64_t n;

	if (text.n < 2 || !str_to_u64(str_sub(text, 0, text.n - 1), 1000000, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (text.p[text.n - 1] != units[i].letter)
			continue;
		*ms = now_ms - (int64_t)n * units[i].seconds * 1000;
		/* 0 would mean: any time. */
		*ms = *ms > 0 ? *ms : 1;
		return true;
	}
	return false;
}

static bool
day(struct str text, int64_t now_ms, int64_t *ms)
{
	time_t now = (time_t)(now_ms / 1000);
	struct tm tm;

	if (!str_eq(text, STR("today")) && !str_eq(text, STR("yesterday")))
		return false;
	localtime_r(&now, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday -= str_eq(text, STR("yesterday"));
	tm.tm_isdst = -1;
	*ms = (int64_t)mktime(&tm) * 1000;
	return true;
}

/* Takes so many digits, and `sep` before them if it is not 0. */
static bool
digits(struct str *rest, char sep, size_t n, int *out)
{
	uint64_t number;

	if (sep) {
		if (rest->n == 0 || rest->p[0] != sep)
			return false;
		*rest = str_sub(*rest, 1, rest->n);
	}
	if (rest->n < n || !str_to_u64(str_sub(*rest, 0, n), 9999, &number))
		return false;
	*rest = str_sub(*rest, n, rest->n);
	*out = (int)number;
	return true;
}

/* Hours, minutes and seconds, of which the latter may be missing; *ms: a fraction behind the seconds. */
static bool
time_of_day(struct str *rest, struct tm *tm, int64_t *ms)
{
	*ms = 0;
	if (rest->n > 0 && !digits(rest, ':', 2, &tm->tm_min))
		return false;
	if (rest->n > 0 && !digits(rest, ':', 2, &tm->tm_sec))
		return false;
	if (rest->n > 1 && rest->p[0] == '.') {
		size_t n = 1;

		for (int unit = 100; n < rest->n && ascii_isdigit(rest->p[n]); n++, unit /= 10)
			*ms += unit * (rest->p[n] - '0');
		*rest = str_sub(*rest, n, rest->n);
	}
	return rest->n == 0 && tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

/* 14:30, of today. */
static bool
today_at(struct str text, int64_t now_ms, int64_t *ms)
{
	time_t now = (time_t)(now_ms / 1000);
	int64_t fraction;
	struct tm tm;

	localtime_r(&now, &tm);
	tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	if (!digits(&text, 0, 2, &tm.tm_hour) || text.n == 0 || !time_of_day(&text, &tm, &fraction))
		return false;
	*ms = (int64_t)mktime(&tm) * 1000 + fraction;
	return true;
}

/* "Z", or how far a zone is to the east: "+01:00"; it is taken off. False: there is none. */
static bool
zone(struct str *text, int *east_s)
{
	size_t at = text->n - 6;
	int hours, minutes;
	struct str rest;

	*east_s = 0;
	if (str_ends(*text, STR("Z"))) {
		*text = str_sub(*text, 0, text->n - 1);
		return true;
	}
	if (text->n < 6 || (text->p[at] != '+' && text->p[at] != '-'))
		return false;
	rest = str_sub(*text, at, text->n);
	if (!digits(&rest, rest.p[0], 2, &hours) || !digits(&rest, ':', 2, &minutes) ||
	    hours > 15 || minutes > 59)
		return false;
	*east_s = (hours * 60 + minutes) * (text->p[at] == '-' ? -60 : 60);
	*text = str_sub(*text, 0, at);
	return true;
}

static bool
date(struct str text, int64_t *ms)
{
	struct tm tm = { .tm_isdst = -1 }, given;
	int64_t fraction;
	int east_s;
	bool zoned = zone(&text, &east_s);
	time_t t;

	if (!digits(&text, 0, 4, &tm.tm_year) || !digits(&text, '-', 2, &tm.tm_mon) ||
	    !digits(&text, '-', 2, &tm.tm_mday))
		return false;
	if (text.n > 0 && !digits(&text, text.p[0] == 'T' ? 'T' : ' ', 2, &tm.tm_hour))
		return false;
	if (!time_of_day(&text, &tm, &fraction))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	given = tm;
	t = zoned ? timegm(&tm) - east_s : mktime(&tm);
	*ms = (int64_t)t * 1000 + fraction;
	/* The 31st of April would have become the first of May. */
	return t > 0 && tm.tm_mon == given.tm_mon && tm.tm_mday == given.tm_mday;
}

bool
when_parse(struct str text, int64_t now_ms, int64_t *ms, struct err *e)
{
	if (ago(text, now_ms, ms) || day(text, now_ms, ms) || today_at(text, now_ms, ms) ||
	    date(text, ms))
		return true;
	return err_set(e, ERR_SYNTAX,
	    "\"%s\" is no time; write 30m, 2h, 7d, today, 2026-01-31 or \"2026-01-31 12:00\"",
	    ESC(text));
}

bool
when_ahead(struct str text, int64_t now_ms, int64_t *ms, struct err *e)
{
	if (ago(text, now_ms, ms))
		*ms = now_ms + (now_ms - *ms);
	else if (!date(text, ms))
		return err_set(e, ERR_SYNTAX,
		    "\"%s\" is no time to come; write 12h, 7d, 2026-01-31 or \"2026-01-31 12:00\"",
		    ESC(text));
	if (*ms > now_ms)
		return true;
	return err_set(e, ERR_LIMIT, "\"%s\" is no time to come", ESC(text));
}

const char *
when_local(int64_t ms, char out[WHEN_SIZE])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm = { 0 };

	localtime_r(&t, &tm);
	if (strftime(out, WHEN_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		out[0] = '\0';
	return out;
}

const char *
when_utc(int64_t ms, char out[WHEN_SIZE])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm = { 0 };
	size_t n;

	gmtime_r(&t, &tm);
	n = strftime(out, WHEN_SIZE - 8, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, WHEN_SIZE - n, ".%03dZ", (int)(ms % 1000 < 0 ? 0 : ms % 1000));
	return out;
}

const char *
when_span(int64_t seconds, char out[WHEN_SIZE])
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = { { "day", 86400 }, { "hour", 3600 }, { "minute", 60 }, { "second", 1 } };
	size_t n = 0, told = 0;

	for (size_t i = 0; i < 4 && told < 2; i++) {
		int64_t k = seconds / units[i].seconds;

		if (k == 0 && (told > 0 || i < 3)) {
			if (told > 0)
				break;
			continue;
		}
		n += (size_t)snprintf(out + n, WHEN_SIZE - n, "%s%lld %s%s", told > 0 ? " " : "",
		    (long long)k, units[i].name, k == 1 ? "" : "s");
		seconds -= k * units[i].seconds;
		told++;
	}
	return out;
}

const char *
when_took(int64_t us, char out[WHEN_SIZE])
{
	if (us < 1000)
		snprintf(out, WHEN_SIZE, "%d us", (int)us);
	else if (us < 1000000)
		snprintf(out, WHEN_SIZE, "%.1f ms", (double)us / 1000);
	else
		snprintf(out, WHEN_SIZE, "%.2f s", (double)us / 1000000);
	return out;
}
