#include "bench/month.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "filters/greylist.h"
#include "tests/filters/world.h"

#define MINUTE 60
#define HOUR 3600
#define DAY 86400

#define POOLS 20
#define CUSTOMERS 20 /* of a pool: domains that send through it */
#define SMALL 150    /* servers of one domain each */
#define USERS 200    /* of ours */
#define LEGITIMATE 400
#define BOTS 600
#define OWN 30 /* messages of our users to others; all three a day */

#define BOT_RETRIES 20 /* of 100 bots */
#define BOT_MAILS 4    /* of one that comes back */
#define GIVE_UP (4 * DAY)
#define LONGEST (30 * MINUTE) /* the stage's default */

/* --- chance ------------------------------------------------------------------------------------- */

/* splitmix64: the same month from the same seed. */
static uint64_t
mix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int
below(uint64_t *state, int n)
{
	return (int)(mix(state) % (uint64_t)n);
}

/* --- who sends ---------------------------------------------------------------------------------- */

/* What is proven of a sender's machines. */
enum evidence { EVIDENCE_SPF, EVIDENCE_NAME, EVIDENCE_NONE };

/* Machines that send for each other. */
struct pool {
	int machines;
	uint32_t network[100]; /* of each the /24 */
	enum evidence evidence;
	int64_t first_retry; /* then twice as long each time */
	int number;
};

/* A message on its way, with what it takes to try again. */
struct mail {
	int64_t begin, at;       /* seconds */
	const struct pool *pool; /* NULL: a bot */
	uint64_t chance;         /* of its own, so that both greylists see the same */
	uint32_t address;        /* a bot's */
	bool own, persists;
	int tries;
	char from[64], to[64];
};

struct month {
	const struct month_settings *settings;
	struct pool pools[POOLS + SMALL];
	struct mail *mail;
	size_t n;
};

static void
make_pools(struct month *m, uint64_t *chance)
{
	for (int i = 0; i < POOLS + SMALL; i++) {
		struct pool *p = &m->pools[i];
		bool scattered = below(chance, 2);
		int kind = below(chance, 100);

		p->number = i;
		p->machines = i < POOLS ? 10 + below(chance, 91) : 1;
		p->network[0] = 0x0b0000 + (uint32_t)i * 256;
		for (int k = 1; k < p->machines; k++)
			p->network[k] = p->network[0] + (uint32_t)(scattered ? k : k / 8);
		/* Of both kinds some have neither a record nor a proper name. */
		p->evidence = kind < 70 ? EVIDENCE_SPF : kind < 92 ? EVIDENCE_NAME : EVIDENCE_NONE;
		p->first_retry = 5 * MINUTE * (1 + below(chance, 4));
	}
}

static struct mail *
add_mail(struct month *m, uint64_t *chance, int day)
{
	struct mail *mail = &m->mail[m->n++];

	*mail = (struct mail){ .chance = mix(chance) };
	mail->begin = mail->at = (int64_t)day * DAY + below(chance, DAY);
	snprintf(mail->to, sizeof(mail->to), "<u%c%c@here.example>",
	    'a' + below(chance, USERS) / 26, 'a' + below(chance, 26));
	return mail;
}

/* Few write much, many write little: the smaller of two numbers. */
static int
few(uint64_t *chance, int n)
{
	int a = below(chance, n), b = below(chance, n);

	return a < b ? a : b;
}

/* Somebody out there, behind a pool or a server of his own. */
static void
somebody(const struct pool *p, uint64_t *chance, char out[64])
{
	static const char *const names[] = { "anna", "ben", "carl", "dora", "news", "shop" };

	snprintf(out, 64, "<%s@d%d-%d.example>", names[few(chance, 6)], p->number,
	    p->machines > 1 ? few(chance, CUSTOMERS) : 0);
}

static void
make_legitimate(struct month *m, uint64_t *chance, int day)
{
	struct mail *mail = add_mail(m, chance, day);

	mail->pool = below(chance, 100) < 70 ? &m->pools[few(chance, POOLS)]
					     : &m->pools[POOLS + few(chance, SMALL)];
	mail->persists = true;
	somebody(mail->pool, chance, mail->from);
}

static void
make_own(struct month *m, uint64_t *chance, int day)
{
	struct mail *mail = add_mail(m, chance, day);

	mail->own = true;
	snprintf(mail->from, sizeof(mail->from), "%s", mail->to);
	somebody(&m->pools[few(chance, POOLS + SMALL)], chance, mail->to);
}

/* Some of the addresses that may be infected, a name of somebody else's, and the next user. */
static void
make_bot(struct month *m, uint64_t *chance, int day)
{
	uint32_t address = 0x10000000 + (uint32_t)(mix(chance) % 0xc0000000);
	bool persists = below(chance, 100) < BOT_RETRIES;

	for (int i = 0; i < (persists ? BOT_MAILS : 1); i++) {
		struct mail *mail = add_mail(m, chance, day);

		mail->address = address;
		mail->persists = persists;
		snprintf(mail->from, sizeof(mail->from), "<x%c%c%c@d%d.example>",
		    'a' + below(chance, 26), 'a' + below(chance, 26), 'a' + below(chance, 26),
		    below(chance, 5000));
	}
}

static void
make_month(struct month *m, const struct month_settings *settings)
{
	uint64_t chance = settings->seed;
	int legitimate = LEGITIMATE * settings->scale / 100, bots = BOTS * settings->scale / 100;
	int own = OWN * settings->scale / 100;

	m->settings = settings;
	m->mail = xcalloc((size_t)settings->days * (size_t)(legitimate + own + bots * BOT_MAILS),
	    sizeof(*m->mail));
	make_pools(m, &chance);
	for (int day = 0; day < settings->days; day++) {
		for (int i = 0; i < legitimate; i++)
			make_legitimate(m, &chance, day);
		for (int i = 0; i < own; i++)
			make_own(m, &chance, day);
		for (int i = 0; i < bots; i++)
			make_bot(m, &chance, day);
	}
}

/* --- an attempt --------------------------------------------------------------------------------- */

struct attempt {
	const struct mail *mail;
	uint32_t address;
	char ip[16], name[64];
	bool spf_pass;
};

static void
make_attempt(struct attempt *a, const struct mail *mail)
{
	uint64_t chance = mail->chance + (uint64_t)mail->tries;
	const struct pool *p = mail->pool;
	int machine;

	*a = (struct attempt){ .mail = mail, .address = mail->address };
	if (p) {
		machine = below(&chance, p->machines);
		a->address = p->network[machine] << 8 | (uint32_t)(10 + machine);
		a->spf_pass = p->evidence == EVIDENCE_SPF;
	}
	snprintf(a->ip, sizeof(a->ip), "%u.%u.%u.%u", a->address >> 24, a->address >> 16 & 255,
	    a->address >> 8 & 255, a->address & 255);
	if (p && p->evidence != EVIDENCE_NONE)
		snprintf(a->name, sizeof(a->name), "out.mail.p%d.example", p->number);
	else
		snprintf(a->name, sizeof(a->name), "c-%08x.dyn.example", a->address);
}

/* When the sender comes back; 0: never. */
static int64_t
next_attempt(const struct mail *mail)
{
	int64_t step = mail->pool ? mail->pool->first_retry : 7 * MINUTE;

	if (!mail->persists || mail->at - mail->begin > GIVE_UP || (!mail->pool && mail->tries > 3))
		return 0;
	for (int i = 1; i < mail->tries && step < 4 * HOUR; i++)
		step *= 2;
	return mail->at + (step < 4 * HOUR ? step : 4 * HOUR);
}

/* --- ours --------------------------------------------------------------------------------------- */

/* What SPF says of the attempt that is under way. */
static const struct attempt *current;

static enum progress
given_spf(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_symbol(current->spf_pass ? "pass" : "none");
	return DONE;
}

static enum progress
given_spf_domain(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(ask->session->txn.sender.domain);
	return DONE;
}

static const struct fact_def given_facts[] = {
	{ .name = "spf",
	    .type = VALUE_SYMBOL,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .compute = given_spf },
	{ .name = "spf.domain",
	    .type = VALUE_TEXT,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .compute = given_spf_domain },
};
static const struct stage given_stage = {
	.abi = STAGE_ABI, .name = "given", .facts = given_facts, .n_facts = 2
};
static const struct stage *const stages_here[] = { &greylist_stage, &given_stage };

static bool
ours_lets_in(void *owner, const struct attempt *a)
{
	struct world *w = owner;
	bool in;

	current = a;
	w->now = 1800000000 + a->mail->at;
	world_connect(w, a->mail->own ? "10.0.0.1" : a->ip, a->mail->own ? "user" : "");
	w->session.client_name = arena_dup(w->session.conn, str_of(a->name));
	world_mail(w, a->mail->from);
	world_rcpt(w, a->mail->to);
	in = strcmp(world_print(w, STEP_RCPT, "greylist"), "waiting") != 0;
	if (in) {
		world_rcpt_taken(w);
		world_accepted(w);
	}
	return in;
}

/* --- the plain triplet -------------------------------------------------------------------------- */

#define PLAIN_DELAY 300
#define PLAIN_RETRY (2 * DAY)
#define PLAIN_KEEP (35 * DAY)
#define PLAIN_PASSES 5
#define PLAIN_SLOTS (1 << 20)

struct plain_row {
	uint64_t key; /* 0: free */
	int64_t first, last;
	bool passed;
	int passes; /* a client's: one an hour at most */
};

/* Rows by a digest of their key, the next free slot behind a taken one. */
static struct plain_row *
plain_row(struct plain_row *rows, const char *text)
{
	uint64_t key = UINT64_C(14695981039346656037);
	size_t i;

	for (const char *p = text; *p; p++)
		key = (key ^ (unsigned char)*p) * UINT64_C(1099511628211);
	key = key ? key : 1;
	for (i = key % PLAIN_SLOTS; rows[i].key && rows[i].key != key;)
		i = (i + 1) % PLAIN_SLOTS;
	rows[i].key = key;
	return &rows[i];
}

static bool
plain_lets_in(void *owner, const struct attempt *a)
{
	struct plain_row *client, *triplet;
	int64_t now = a->mail->at + 1;
	char text[256];

	if (a->mail->own)
		return true;
	client = plain_row(owner, a->ip);
	if (client->passes >= PLAIN_PASSES && now - client->last <= PLAIN_KEEP) {
		client->last = now;
		return true;
	}
	snprintf(text, sizeof(text), "%u %s %s", a->address >> 8, a->mail->from, a->mail->to);
	triplet = plain_row(owner, text);
	if (triplet->first == 0 ||
	    now - triplet->last > (triplet->passed ? PLAIN_KEEP : PLAIN_RETRY)) {
		triplet->first = now;
		triplet->passed = false;
	}
	triplet->last = now;
	if (now - triplet->first < PLAIN_DELAY)
		return false;
	triplet->passed = true;
	if (client->passes == 0 || now - client->last >= HOUR) {
		client->passes++;
		client->last = now;
	}
	return true;
}

/* --- a month ------------------------------------------------------------------------------------ */

struct queue {
	struct mail **mail;
	size_t n;
};

static bool
earlier(const struct mail *a, const struct mail *b)
{
	return a->at != b->at ? a->at < b->at : a < b;
}

static void
push(struct queue *q, struct mail *mail)
{
	size_t i = q->n++;

	for (; i > 0 && earlier(mail, q->mail[(i - 1) / 2]); i = (i - 1) / 2)
		q->mail[i] = q->mail[(i - 1) / 2];
	q->mail[i] = mail;
}

static struct mail *
pop(struct queue *q)
{
	struct mail *first = q->mail[0], *last = q->mail[--q->n];
	size_t i = 0, child;

	for (; (child = 2 * i + 1) < q->n; i = child) {
		if (child + 1 < q->n && earlier(q->mail[child + 1], q->mail[child]))
			child++;
		if (!earlier(q->mail[child], last))
			break;
		q->mail[i] = q->mail[child];
	}
	q->mail[i] = last;
	return first;
}

static int
compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
count(const struct mail *mail, bool in, int64_t *delays, struct month_result *r)
{
	int64_t delay = mail->at - mail->begin;

	if (mail->own)
		return;
	if (!mail->pool) {
		r->junk++;
		r->junk_in += in;
		return;
	}
	r->legitimate++;
	r->lost += !in;
	if (mail->tries > 1)
		delays[r->delayed++] = delay;
}

static void
play(const struct month *m, bool (*lets_in)(void *owner, const struct attempt *a), void *owner,
    struct month_result *r)
{
	struct mail *mails = xcalloc(m->n, sizeof(*mails)), *mail;
	struct queue q = { xcalloc(m->n, sizeof(struct mail *)), 0 };
	int64_t *delays = xcalloc(m->n, sizeof(*delays)), next;
	struct attempt a;
	bool in;

	*r = (struct month_result){ 0 };
	memcpy(mails, m->mail, m->n * sizeof(*mails));
	for (size_t i = 0; i < m->n; i++)
		push(&q, &mails[i]);
	while (q.n > 0) {
		mail = pop(&q);
		make_attempt(&a, mail);
		in = lets_in(owner, &a);
		mail->tries++;
		if (!in && mail->pool && mail->at - mail->begin >= LONGEST)
			r->beyond++;
		next = in ? 0 : next_attempt(mail);
		if (next > 0) {
			mail->at = next;
			push(&q, mail);
		} else {
			count(mail, in, delays, r);
		}
	}
	if (r->delayed > 0) {
		qsort(delays, r->delayed, sizeof(*delays), compare);
		r->p50 = delays[(r->delayed - 1) / 2];
		r->p95 = delays[(r->delayed * 95 + 99) / 100 - 1];
		r->longest = delays[r->delayed - 1];
	}
	free(delays);
	free(q.mail);
	free(mails);
}

void
month_run(
    const struct month_settings *settings, struct month_result *ours, struct month_result *plain)
{
	struct month *m = xcalloc(1, sizeof(*m));
	struct plain_row *rows = xcalloc(PLAIN_SLOTS, sizeof(*rows));
	struct world *w = world_new(stages_here, 2);

	make_month(m, settings);
	play(m, ours_lets_in, w, ours);
	play(m, plain_lets_in, rows, plain);
	world_free(&w);
	free(rows);
	free(m->mail);
	free(m);
}
