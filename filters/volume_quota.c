#include "filters/volume.h"

#include "filters/key.h"
#include "filters/quota.h"

enum quota { QUOTA_NONE, QUOTA_OK, QUOTA_NEAR, QUOTA_OVER };
const char *const quota_words[] = { "none", "ok", "near", "over", NULL };

struct use {
	const struct plan *plan; /* NULL: none applies */
	enum quota quota;
	bool counted;        /* used, limit are known: the plan has limits */
	bool over;           /* and they are of one that has no room */
	int64_t used, limit; /* of the limit that is nearest */
	int64_t free;        /* seconds until there is room */
	int warning;         /* percent: the highest that is reached */
	bool failed;         /* the store did not answer */
	/* A replay may know what is used only between bounds, which can matter to the warning; and not when there is room again. */
	bool vague, warns, free_unknown;
};

static const struct plan *
plan_in_force(const struct session *s)
{
	return s->plans ? plan_of(s->plans, s->account, &s->client_ip) : NULL;
}

bool
quota_applies(const struct session *s)
{
	const struct plan *plan = plan_in_force(s);

	return plan && plan->n_limits > 0;
}

/* A plan for an account counts the account's mail, one for clients that of each address. */
static enum volume_who
who_pays(const struct session *s, const struct plan *plan)
{
	struct value account = value_text(s->account);
	struct value client = { .type = VALUE_IP, .ip = s->client_ip };

	if (s->account.n == 0)
		return VOLUME_CLIENT;
	if (plan->accounts && list_has(plan->accounts, &account))
		return VOLUME_ACCOUNT;
	return plan->clients && list_has(plan->clients, &client) ? VOLUME_CLIENT : VOLUME_ACCOUNT;
}

/* Recipients of this transaction, with the one that is being decided. */
static int64_t
recipients_now(const struct ask *ask)
{
	const struct transaction *txn = &ask->session->txn;

	return (int64_t)txn->n_accepted + (ask->step == STEP_MESSAGE ? 0 : 1);
}

/* ---- the postmaster ---- */

static bool
is_postmaster(const struct session *s, const struct mailbox *mailbox)
{
	static const char name[] = "postmaster";
	struct str local = mailbox->local;

	for (size_t i = 0; i < local.n && i < sizeof(name) - 1; i++)
		if (ascii_lower(local.p[i]) != name[i])
			return false;
	return local.n == sizeof(name) - 1 &&
	    (mailbox->domain.n == 0 || volume_ours(s, mailbox->domain));
}

/* To our postmaster: the recipient in question; all of them, once it is about the message. */
static bool
to_postmaster(const struct ask *ask)
{
	const struct session *s = ask->session;

	if (s->txn.current)
		return is_postmaster(s, &s->txn.current->mailbox);
	for (const struct recipient *r = s->txn.recipients; r; r = r->next)
		if (r->state == RECIPIENT_ACCEPTED && !is_postmaster(s, &r->mailbox))
			return false;
	return s->txn.n_accepted > 0;
}

/* ---- what a limit says ---- */

static void
use_limit(struct use *use, int64_t used, int64_t adds, int64_t limit)
{
	bool over = used > limit - adds;

	if (limit == 0)
		return;
	for (int i = 0; i < PLAN_WARNINGS && use->plan->warn[i] > 0; i++)
		/* a limit can be as large as a number can: whole numbers would run over */
		if (use->warning < use->plan->warn[i] &&
		    (double)(used + adds) * 100 >= (double)limit * use->plan->warn[i])
			use->warning = use->plan->warn[i];
	/* One without room is nearer than all that have some; else used / limit, without dividing. */
	if (!use->counted || over > use->over ||
	    (over == use->over &&
		(double)used * (double)use->limit > (double)use->used * (double)limit)) {
		use->used = used;
		use->limit = limit;
		use->over = over;
	}
	use->counted = true;
}

static void
use_sums(struct use *use, const struct count_sums *sums, const struct take_answer *take, int64_t n)
{
	/* Nobody is warned of a burst: it is over before the warning is read. */
	if (sums->burst + take->held > take->limit.burst - n)
		use_limit(use, sums->burst + take->held, n, take->limit.burst);
	use_limit(use, sums->minute + take->held, n, take->limit.minute);
	use_limit(use, sums->hour + take->held, n, take->limit.hour);
	use_limit(use, sums->day + take->held, n, take->limit.day);
}

static void
use_room(struct use *use, const struct count_answer *c, const struct take_answer *take, int64_t n)
{
	const struct count_sums low = count_least(c), high = count_most(c);
	struct use other = *use;

	use_sums(use, &low, take, n);
	if (count_sums_known(c))
		return;
	use_sums(&other, &high, take, n);
	use->vague = true;
	use->warns = use->warns || other.warning != use->warning;
}

static bool
has_limits(const struct take_limits *limit)
{
	return (limit->burst | limit->minute | limit->hour | limit->day) != 0;
}

static enum progress
use_counter(struct ask *ask, struct use *use, const struct hold_bid *bid)
{
	struct tally *tally = volume_tally(ask);
	struct hold_room room;

	if (!has_limits(&bid->limit) || tally == NULL)
		return DONE;
	if (holds_bid(ask, &tally->holds, bid, &room) == PENDING)
		return PENDING;
	if (!room.counts) {
		use->failed = true;
		return DONE;
	}
	use_room(use, room.counts, room.take, bid->n);
	if (!room.take->granted) {
		use->quota = QUOTA_OVER;
		use->free = room.take->free > use->free ? room.take->free : use->free;
		use->free_unknown = use->free_unknown || room.take->free < 0;
	}
	return DONE;
}

/* What of a message two counters say together. */
static enum progress
use_plan(struct ask *ask, struct use *use, struct str messages, struct str recipients)
{
	const struct plan *plan = use->plan;
	int64_t most = plan->recipients_per_message;
	const struct session *s = ask->session;
	bool all = to_postmaster(ask);
	int less = all ? 0 : plan_reserved(plan, s->account, &s->client_ip);
	struct hold_bid bid = { .key = messages,
		.n = 1,
		.most = 1,
		.serial = all,
		.limit = plan_limits(plan, PLAN_MESSAGES, less) };
	enum progress progress;

	use->quota = QUOTA_OK;
	if (most > 0 && recipients_now(ask) > most)
		use->quota = QUOTA_OVER;
	/* What a message may not have is not asked for. */
	if (use->quota == QUOTA_OVER)
		return DONE;
	progress = use_counter(ask, use, &bid);
	bid.key = recipients;
	bid.n = recipients_now(ask);
	bid.most = most > 0 ? most : INT64_MAX;
	bid.limit = plan_limits(plan, PLAN_RECIPIENTS, less);
	if (use_counter(ask, use, &bid) == PENDING || progress == PENDING)
		return PENDING;
	if (use->quota == QUOTA_OK && use->warning > 0)
		use->quota = QUOTA_NEAR;
	return DONE;
}

/* ---- plans ---- */

static enum progress
quota_look(struct ask *ask, struct use *use)
{
	const struct plan *plan = plan_in_force(ask->session);
	struct str messages, recipients;
	enum volume_who who;

	*use = (struct use){ .plan = plan };
	if (!plan)
		return DONE;
	/* There is nobody else to tell that a plan is used up. */
	if (to_postmaster(ask)) {
		use->quota = QUOTA_OK;
		return DONE;
	}
	who = who_pays(ask->session, plan);
	if (!volume_key(ask, "messages", who, &messages) ||
	    !volume_key(ask, "recipients", who, &recipients))
		return DONE;
	return use_plan(ask, use, messages, recipients);
}

enum progress
quota_compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	if (quota_look(ask, &use) == PENDING || (use.warns && use.quota != QUOTA_OVER))
		return PENDING;
	*out = value_symbol(quota_words[use.quota]);
	if (use.failed && use.quota != QUOTA_OVER)
		*out = (struct value){ .type = VALUE_NONE };
	return DONE;
}

static enum progress
nearest(struct ask *ask, bool limit, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (quota_look(ask, &use) == PENDING || use.vague)
		return PENDING;
	if (use.counted)
		*out = value_number(limit ? use.limit : use.used);
	return DONE;
}

enum progress
quota_compute_used(struct ask *ask, const struct fact_call *call, struct value *out)
{
	return nearest(ask, false, out);
}

enum progress
quota_compute_limit(struct ask *ask, const struct fact_call *call, struct value *out)
{
	return nearest(ask, true, out);
}

enum progress
quota_compute_free(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (quota_look(ask, &use) == PENDING || use.free_unknown)
		return PENDING;
	if (use.plan && !use.failed)
		*out = (struct value){ .type = VALUE_DURATION, .number = use.free };
	return DONE;
}

enum progress
quota_compute_warning(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	if (quota_look(ask, &use) == PENDING || use.warns)
		return PENDING;
	*out = use.failed ? (struct value){ .type = VALUE_NONE } : value_number(use.warning);
	return DONE;
}

enum progress
quota_compute_plan(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct plan *plan = plan_in_force(ask->session);

	*out = (struct value){ .type = VALUE_NONE };
	if (plan)
		*out = value_text(plan->name);
	return DONE;
}

enum progress
quota_compute_recipients(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct plan *plan = plan_in_force(ask->session);

	*out = value_number(plan ? plan->recipients_per_message : 0);
	return DONE;
}

/* ---- upstreams: plans of our own, at a provider ---- */

#define UPSTREAM_MESSAGES "rate:messages:upstream:"
#define UPSTREAM_RECIPIENTS "rate:recipients:upstream:"

static enum progress
upstream_look(struct ask *ask, const struct fact_call *call, struct use *use)
{
	struct str name = call->arg[0].text;

	*use = (struct use){ 0 };
	if (ask->session->plans)
		use->plan = plan_upstream(ask->session->plans, name);
	if (!use->plan)
		return DONE;
	return use_plan(ask, use,
	    key_bound(
		ask->arena, arena_printf(ask->arena, UPSTREAM_MESSAGES "%.*s", STR_ARG(name))),
	    key_bound(
		ask->arena, arena_printf(ask->arena, UPSTREAM_RECIPIENTS "%.*s", STR_ARG(name))));
}

void
upstream_settle(struct ask *ask, struct holds *holds)
{
	for (size_t i = holds->n; i-- > 0;) {
		struct str key = holds->hold[i].key;

		if (str_starts(key, STR(UPSTREAM_MESSAGES)))
			holds_settle(ask, holds, key, 1);
		else if (str_starts(key, STR(UPSTREAM_RECIPIENTS)))
			holds_settle(ask, holds, key, (int64_t)ask->session->txn.n_accepted);
	}
}

enum progress
upstream_compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	if (upstream_look(ask, call, &use) == PENDING || (use.warns && use.quota != QUOTA_OVER))
		return PENDING;
	*out = value_symbol(quota_words[use.quota]);
	if (use.failed && use.quota != QUOTA_OVER)
		*out = (struct value){ .type = VALUE_NONE };
	return DONE;
}

enum progress
upstream_compute_free(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (upstream_look(ask, call, &use) == PENDING || use.free_unknown)
		return PENDING;
	if (use.plan && !use.failed)
		*out = (struct value){ .type = VALUE_DURATION, .number = use.free };
	return DONE;
}

static enum progress
upstream_nearest(struct ask *ask, const struct fact_call *call, bool limit, struct value *out)
{
	struct use use;

	*out = (struct value){ .type = VALUE_NONE };
	if (upstream_look(ask, call, &use) == PENDING || use.vague)
		return PENDING;
	if (use.counted)
		*out = value_number(limit ? use.limit : use.used);
	return DONE;
}

enum progress
upstream_compute_limit(struct ask *ask, const struct fact_call *call, struct value *out)
{
	return upstream_nearest(ask, call, true, out);
}

enum progress
upstream_compute_used(struct ask *ask, const struct fact_call *call, struct value *out)
{
	return upstream_nearest(ask, call, false, out);
}

/* ---- who is to be told ---- */

struct collecting {
	struct ask *ask;
	struct quota_counter *out;
	size_t n;
};

static void
collect(struct collecting *c, const struct quota_counter *one)
{
	static const struct ip nobody;
	struct take_limits limit =
	    plan_limits(one->plan, one->what, plan_reserved(one->plan, STR(""), &nobody));

	if (c->n == QUOTA_COUNTERS || (limit.minute | limit.hour | limit.day) == 0)
		return;
	c->out[c->n] = *one;
	c->out[c->n++].limit = limit;
}

static void
collect_plan(struct collecting *c)
{
	struct session *s = c->ask->session;
	struct quota_counter one = { .plan = plan_in_force(s), .who = s->account };
	enum volume_who who;

	if (!one.plan)
		return;
	who = who_pays(s, one.plan);
	if (who == VOLUME_CLIENT) {
		one.kind = NOTICE_CLIENT;
		one.who = arena_dup(c->ask->arena, str_of(IP_TEXT(&s->client_ip)));
	}
	for (int what = PLAN_MESSAGES; what <= PLAN_RECIPIENTS; what++) {
		one.what = what;
		if (volume_key(
			c->ask, what == PLAN_MESSAGES ? "messages" : "recipients", who, &one.key))
			collect(c, &one);
	}
}

/* Those that something is held of, as upstream_settle() counts no others. */
static void
collect_upstream(struct collecting *c, const struct plan *plan, const struct holds *holds)
{
	static const char *const prefix[] = { UPSTREAM_MESSAGES, UPSTREAM_RECIPIENTS };
	struct quota_counter one = { .kind = NOTICE_UPSTREAM, .plan = plan, .who = plan->name };

	for (int what = PLAN_MESSAGES; what <= PLAN_RECIPIENTS; what++) {
		one.what = what;
		one.key = key_bound(c->ask->arena,
		    arena_printf(c->ask->arena, "%s%.*s", prefix[what], STR_ARG(plan->name)));
		for (size_t i = 0; i < holds->n; i++)
			if (str_eq(holds->hold[i].key, one.key))
				collect(c, &one);
	}
}

size_t
quota_counters(struct ask *ask, struct quota_counter out[QUOTA_COUNTERS])
{
	const struct plans *plans = ask->session->plans;
	struct collecting c = { .ask = ask, .out = out };
	const struct tally *tally = volume_tally(ask);

	collect_plan(&c);
	for (size_t i = 0; tally && plans && i < plans->n; i++)
		if (plans->plan[i].upstream)
			collect_upstream(&c, &plans->plan[i], &tally->holds);
	return c.n;
}
