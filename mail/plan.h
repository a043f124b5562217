/*
 * plan: how much an account (or network) may send: what the configuration's `plan NAME { ... }`
 * says. Const after load. The counting is the volume stage's.
 */
#ifndef POSTERN_MAIL_PLAN_H
#define POSTERN_MAIL_PLAN_H

#include "mail/list.h"
#include "mail/question.h"

enum plan_what { PLAN_MESSAGES, PLAN_RECIPIENTS };
/* BURST: at once, which is within 10 to 20 seconds. */
enum plan_window { PLAN_MINUTE, PLAN_HOUR, PLAN_DAY, PLAN_BURST, PLAN_WINDOWS };
const char *plan_window_name(enum plan_window window);

struct plan_limit {
	enum plan_what what;
	enum plan_window window;
	int64_t most;
};

/* What of an upstream's limits is left for some. */
struct plan_reserve {
	int percent;
	const struct list *accounts, *clients; /* one of them */
};

#define PLAN_LIMITS (2 * PLAN_WINDOWS)
#define PLAN_RESERVES 4
#define PLAN_WARNINGS 4

struct plan {
	struct str name;
	struct plan_limit limit[PLAN_LIMITS];
	size_t n_limits;
	int64_t recipients_per_message; /* 0: no limit */
	int warn[PLAN_WARNINGS]; /* percent, ascending; `near` from the first on; 0: no more */
	int reserve;             /* percent that is left for the postmaster */
	struct plan_reserve class[PLAN_RESERVES]; /* who comes first first */
	size_t n_classes;
	bool upstream;               /* `upstream "NAME"`: of nobody here, but ours elsewhere */
	const struct list *accounts; /* `for accounts in NAME`: whom it applies to */
	const struct list *clients;  /* `for clients in NAME` */
	bool everyone; /* `for everyone`: every authenticated account without another plan */
};

struct plans {
	const struct plan *plan;
	size_t n;
};

/*
 * The plan of an account (first), else of the client's address, else (with an account) the one for
 * everyone; NULL: none.
 */
const struct plan *plan_of(const struct plans *plans, struct str account, const struct ip *client);
/* The upstream of that name; NULL. */
const struct plan *plan_upstream(const struct plans *plans, struct str name);
/*
 * Percent of an upstream's limits that is not for this session's mail: what is reserved for the postmaster, and for those that come
 * before it.
 */
int plan_reserved(const struct plan *plan, struct str account, const struct ip *client);
/* The limits of messages, or of recipients, less so many percent, 1 at least; 0: none. */
struct take_limits plan_limits(const struct plan *plan, enum plan_what what, int less);
/*
 * Seconds until a limit is reached at the present rate: that of a day is its last hour's, that of an hour its last
 * minute's. used: of the windows minute, hour and day. 0: it is reached already, or not within its own window.
 */
int64_t plan_forecast(const int64_t used[3], enum plan_window window, int64_t limit);

#endif
