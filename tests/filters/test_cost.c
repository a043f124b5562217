/*
 * What the rows of the facts say that asking can cost, against what is asked: in a world that does its worst no fact asks more than its
 * row says, and for each row there is a session that makes it ask so many.
 */
#include "mail/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "filters/dmarc_walk.h"
#include "filters/spf_check.h"
#include "tests/filters/world.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SIGNATURES 10

struct count {
	unsigned dns, store;
};

/* Of all groups; of each recipient's for the one in question, or for all that were taken. */
static struct count
most_of(struct world *w, enum step step, const char *fact)
{
	struct costs costs = {
		.arena = w->arena, .table = &w->table, .plans = w->session.plans, .step = step
	};
	struct fact_call call = world_call(w, fact);
	unsigned each = step == STEP_MESSAGE ? (unsigned)w->session.txn.n_accepted : 1;
	struct count out = { 0, 0 };

	cost_call(&costs, &call);
	assert_false(costs.unknown);
	for (size_t i = 0; i < costs.n; i++) {
		const struct cost_group *g = &costs.group[i];

		assert_true(g->least <= g->most);
		*(g->store ? &out.store : &out.dns) += g->each ? each * g->most : g->most;
	}
	return out;
}

/* What is asked for it now, which is no more than its row says. */
static struct count
ask(struct world *w, enum step step, const char *fact)
{
	struct count before = { w->dns_asked, w->store_asked }, most = most_of(w, step, fact);
	struct count now;

	world_fact(w, step, fact);
	now = (struct count){ w->dns_asked - before.dns, w->store_asked - before.store };
	if (now.dns > most.dns || now.store > most.store)
		fail_msg("%s at %s asks %u and %u, its row says %u and %u", fact, step_name(step),
		    now.dns, now.store, most.dns, most.store);
	return now;
}

/* And no less. */
static void
reaches(struct world *w, enum step step, const char *fact)
{
	struct count most = most_of(w, step, fact), now = ask(w, step, fact);

	if (now.dns != most.dns || now.store != most.store)
		fail_msg("%s at %s asks only %u and %u, its row says %u and %u", fact,
		    step_name(step), now.dns, now.store, most.dns, most.store);
}

/* --- a world that does its worst -------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static void
dns(struct world *w, enum dns_type type, const char *data, const char *format, ...)
{
	char name[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(name, sizeof(name), format, ap);
	va_end(ap);
	world_dns(w, name, type, data);
}

/* More reverse names than anybody follows, all of which lead back. */
static void
many_names(struct world *w)
{
	char name[64];

	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "n%d.name.example", i);
		dns(w, DNS_PTR, name, "1.2.0.192.in-addr.arpa");
		dns(w, DNS_A, "192.0.2.1", "%s", name);
	}
}

/* Ten mx with ten hosts each, behind names that want to know the client's. */
static void
greedy_spf(struct world *w, const char *domain, const char *another)
{
	char record[400] = "v=spf1";
	size_t n = strlen(record);

	for (int i = 0; i < SPF_LOOKUP_TERMS; i++) {
		n += (size_t)snprintf(record + n, sizeof(record) - n, " mx:%%{p}.m%d.example", i);
		for (int k = 0; k < SPF_HOSTS; k++) {
			char host[64];

			snprintf(host, sizeof(host), "10 h%d.m%d.example", k, i);
			dns(w, DNS_MX, host, "n0.name.example.m%d.example", i);
		}
	}
	snprintf(record + n, sizeof(record) - n, " exp=why.example -all");
	dns(w, DNS_TXT, record, "%s", domain);
	dns(w, DNS_TXT, record, "%s", another);
	dns(w, DNS_TXT, "No", "why.example");
}

/* Organizations at the top of the tree, each with names of more labels than are walked; no two share any. */
#define AUTHOR "a.b.c.d.e.f.g.h"

static void
deep_authors(struct world *w)
{
	for (int i = 0; i < 4; i++)
		dns(w, DNS_TXT, "v=DMARC1; p=none; sp=none; np=reject", "_dmarc.top%d", i);
}

/* Their keys cannot be had, so that each of the signatures' domains may be aligned. */
static const char *
greedy_message(struct world *w)
{
	const char *text;
	struct buf b;

	buf_init(&b, 16384);
	for (int i = 0; i < SIGNATURES + 2; i++) {
		char domain[100], key[128];

		snprintf(domain, sizeof(domain), "s.a%d.b%d.c%d.d%d.e%d.f%d.g%d.top%d", i, i, i, i,
		    i, i, i, i % 4);

		buf_printf(&b,
		    "DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s; h=from;\r\n"
		    " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
		    " b=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
		    domain);
		snprintf(key, sizeof(key), "s._domainkey.%s", domain);
		world_dns_fails(w, key);
	}
	buf_printf(&b,
	    "From: a@" AUTHOR ".top0, a@" AUTHOR ".top1, a@" AUTHOR ".top2, a@" AUTHOR
	    ".top3\r\n\r\nHello\r\n");
	text = arena_dup(w->arena, buf_str(&b)).p;
	buf_free(&b);
	return text;
}

static int
setup(void **state)
{
	struct world *w = world_new(stages, n_stages);
	struct err e;

	assert_true(world_configure(w, "dkim", &e));
	assert_true(world_configure(w, "dmarc", &e));
	many_names(w);
	greedy_spf(w, "greedy.example", "client.example");
	deep_authors(w);
	world_connect(w, "192.0.2.1", "");
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

/* --- each row is reached ---------------------------------------------------------------------------- */

static void
test_dns(void **state)
{
	struct world *w = *state;

	reaches(w, STEP_CONNECT, "client.name");
	reaches(w, STEP_CONNECT, "listed(\"list.example\")");
	assert_int_equal(ask(w, STEP_CONNECT, "listed.code(\"List.Example.\")").dns, 0);
	reaches(w, STEP_HELO, "helo.exists");
	assert_int_equal(ask(w, STEP_HELO, "helo.is_client").dns, 0);
	world_connect(w, "192.0.2.1", "");
	world_mail(w, "<a@plain.example>");
	reaches(w, STEP_MAIL, "listed.name(\"list.example\", client)");
	reaches(w, STEP_MAIL, "listed.name(\"list.example\", sender)");
	reaches(w, STEP_MAIL, "listed.name(\"list.example\", helo)");
}

static void
test_spf(void **state)
{
	struct world *w = *state;

	reaches(w, STEP_HELO, "spf.helo");
	world_connect(w, "192.0.2.1", "");
	world_mail(w, "<a@greedy.example>");
	reaches(w, STEP_MAIL, "spf");
	/* the rest is asked already, and the row is of all that the explanation needs */
	assert_int_equal(ask(w, STEP_MAIL, "spf.explanation").dns, SPF_QUESTIONS_EXP);
	assert_int_equal(most_of(w, STEP_MAIL, "spf.explanation").dns,
	    most_of(w, STEP_MAIL, "spf").dns + SPF_QUESTIONS_EXP);
	assert_int_equal(ask(w, STEP_MAIL, "spf.received").dns, 0);
	assert_fact(w, STEP_MAIL, "spf", "fail");
	/* no run comes to the bound that is there in case */
	assert_true(SPF_QUESTIONS_TERMS + SPF_QUESTIONS_NAMES + SPF_QUESTIONS_EXP < SPF_QUESTIONS);
}

static unsigned
early_most(struct world *w, const char *stage)
{
	struct costs costs = { .arena = w->arena, .table = &w->table, .step = STEP_MESSAGE };
	unsigned n = 0;

	for (size_t i = 0; i < n_stages; i++)
		if (strcmp(stages[i]->name, stage) == 0)
			stages[i]->early(&costs, w->conf[i]);
	for (size_t i = 0; i < costs.n; i++)
		n += costs.group[i].most;
	return n;
}

/* The header's questions are asked when it is there, and no other stage asks then. */
static void
test_message(void **state)
{
	struct world *w = *state;
	unsigned before;

	world_mail(w, "<a@greedy.example>");
	before = w->dns_asked;
	world_data(w, greedy_message(w));
	world_fact(w, STEP_MESSAGE, "spf");
	assert_int_equal(w->dns_asked - before, early_most(w, "dkim") + early_most(w, "dmarc"));
	assert_int_equal(early_most(w, "dkim"), SIGNATURES);
	assert_int_equal(most_of(w, STEP_MESSAGE, "dkim").dns, SIGNATURES);
	assert_int_equal(ask(w, STEP_MESSAGE, "dkim").dns, 0);
	/* SPF did not pass, so that of the identifiers one is no walk */
	assert_int_equal(ask(w, STEP_MESSAGE, "dmarc").dns, 4 + SIGNATURES * (DMARC_QUERIES - 1));
	world_set(w, "dkim", "signatures", "3");
	world_mail(w, "<a@greedy.example>");
	before = w->dns_asked;
	world_data(w, greedy_message(w));
	assert_int_equal(most_of(w, STEP_MESSAGE, "dkim.domains").dns, 3);
	assert_int_equal(early_most(w, "dkim"), 3);
}

/* With a sender whose SPF does not answer, which is one identifier more. */
static void
test_dmarc(void **state)
{
	struct world *w = *state;
	unsigned before, spf;

	world_dns_fails(w, "s.t.u.v.w.x.y.z.top0");
	world_mail(w, "<a@s.t.u.v.w.x.y.z.top0>");
	before = w->dns_asked;
	world_data(w, greedy_message(w));
	world_fact(w, STEP_MESSAGE, "dmarc");
	spf = most_of(w, STEP_MESSAGE, "spf").dns;
	assert_int_equal(w->dns_asked - before, most_of(w, STEP_MESSAGE, "dmarc").dns - spf + 1);
	world_set(w, "dmarc", "standard", "rfc7489");
	assert_int_equal(most_of(w, STEP_MESSAGE, "dmarc").dns, spf + SIGNATURES + 4 * 2);
}

static void
rcpt(struct world *w, const char *sender, const char *to)
{
	world_connect(w, "192.0.2.1", "");
	world_mail(w, sender);
	world_rcpt(w, to);
}

static void
test_greylist(void **state)
{
	struct world *w = *state;
	struct count dns_only;

	world_dns(w, "good.example", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all");
	rcpt(w, "<a@good.example>", "<b@here.example>");
	dns_only = ask(w, STEP_RCPT, "greylist.key");
	assert_int_equal(dns_only.store, 0);
	assert_int_equal(
	    ask(w, STEP_RCPT, "greylist").store, most_of(w, STEP_RCPT, "greylist").store - 1);
	assert_fact(w, STEP_RCPT, "greylist", "waiting");
	/* who comes back is proven beside */
	w->now += 3600;
	rcpt(w, "<a@good.example>", "<b@here.example>");
	assert_int_equal(
	    ask(w, STEP_RCPT, "greylist").store, most_of(w, STEP_RCPT, "greylist").store);
	assert_fact(w, STEP_RCPT, "greylist", "passed");
	/* the facts of one stage share what they ask, and so do recipients all but their own */
	assert_int_equal(ask(w, STEP_RCPT, "greylist.wait").store, 0);
	world_rcpt_taken(w);
	world_rcpt(w, "<c@here.example>");
	assert_int_equal(ask(w, STEP_RCPT, "greylist").store, 3);
}

static void
test_store(void **state)
{
	struct world *w = *state;

	w->session.turn = TURN_KEPT;
	reaches(w, STEP_HELO, "client.early");
	world_connect(w, "192.0.2.1", "");
	reaches(w, STEP_CONNECT, "client.passed");
	reaches(w, STEP_CONNECT, "auth.failures(client, 1h)");
	assert_int_equal(ask(w, STEP_CONNECT, "auth.failures(client, 1d)").store, 0);
	world_mail(w, "<a@plain.example>");
	reaches(w, STEP_MAIL, "refused_share(network, 1h)");
	reaches(w, STEP_MAIL, "rate(client, messages, 1h)");
	assert_int_equal(ask(w, STEP_MAIL, "surge(client)").store, 0);
	reaches(w, STEP_MAIL, "unknown_share(client, 1h)");
	reaches(w, STEP_MAIL, "distinct(client, recipients, 1h)");
	reaches(w, STEP_MAIL, "seen(client)");
	reaches(w, STEP_MAIL, "usual(helo)");
	world_connect(w, "192.0.2.1", "anna");
	world_mail(w, "<a@plain.example>");
	reaches(w, STEP_MAIL, "account.suspicious");
	assert_int_equal(ask(w, STEP_MAIL, "account.suspicious.why").store, 0);
	reaches(w, STEP_MAIL, "auth.failures(account, 1h)");
}

/* A sender's domain has to be proven: by SPF, and at message by a signature. */
static void
test_proof(void **state)
{
	struct world *w = *state;

	world_mail(w, "<a@greedy.example>");
	assert_int_equal(
	    ask(w, STEP_MAIL, "rate(sender, messages, 1h)").dns, most_of(w, STEP_MAIL, "spf").dns);
	assert_int_equal(most_of(w, STEP_MESSAGE, "rate(sender, messages, 1h)").dns,
	    most_of(w, STEP_MAIL, "spf").dns + SIGNATURES);
	world_dns(w, "good.example", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all");
	world_mail(w, "<a@good.example>");
	assert_int_equal(ask(w, STEP_MAIL, "rate(sender, messages, 1h)").store, 1);
}

static void
test_plans(void **state)
{
	static const struct plan both[] = {
		{ .name = STR("p"),
		    .limit = { { PLAN_MESSAGES, PLAN_DAY, 9 }, { PLAN_RECIPIENTS, PLAN_DAY, 20 } },
		    .n_limits = 2,
		    .everyone = true },
		{ .name = STR("up"),
		    .limit = { { PLAN_MESSAGES, PLAN_DAY, 9 }, { PLAN_RECIPIENTS, PLAN_DAY, 20 } },
		    .n_limits = 2,
		    .reserve = 50,
		    .upstream = true },
	};
	const struct plans plans = { both, 2 }, upstream = { both + 1, 1 };
	struct world *w = *state;
	struct count now;
	char to[40];

	world_connect(w, "192.0.2.1", "anna");
	w->session.plans = &upstream;
	assert_int_equal(most_of(w, STEP_RCPT, "quota").store, 0);
	assert_int_equal(most_of(w, STEP_RCPT, "upstream(\"none\")").store, 0);
	w->session.plans = &plans;
	world_mail(w, "<a@plain.example>");
	for (int i = 0; i < 16; i++) {
		snprintf(to, sizeof(to), "<r%d@here.example>", i);
		world_rcpt(w, to);
		now = ask(w, STEP_RCPT, "quota");
		assert_int_equal(now.store, i == 0 ? 2 : 1);
		ask(w, STEP_RCPT, "upstream(\"up\")");
		world_rcpt_taken(w);
	}
	/* the next is asked for with those that may come, for whom there is no room, and then alone */
	world_rcpt(w, "<r16@here.example>");
	assert_int_equal(ask(w, STEP_RCPT, "quota").store, 2);
	assert_int_equal(most_of(w, STEP_RCPT, "quota").store, 1 + 2);
	/* of what is reserved more may be taken, which is another question of both counters */
	world_rcpt_taken(w);
	world_rcpt(w, "<postmaster>");
	assert_int_equal(ask(w, STEP_RCPT, "upstream(\"up\")").store, 3);
	assert_int_equal(most_of(w, STEP_RCPT, "upstream(\"up\")").store, 2 + 2);
}

/* --- no row is passed ------------------------------------------------------------------------------- */

/* The n-th of a parameter's words, or something that fits; false: there are no more. */
static bool
print_arg(const struct fact_param *p, size_t n, struct buf *out)
{
	if (p->type == VALUE_SYMBOL) {
		buf_add(out, str_of(p->symbols[n]));
		return p->symbols[n + 1] != NULL;
	}
	buf_add(out, p->type == VALUE_DURATION ? STR("1h") : STR("\"list.example\""));
	return false;
}

/* "rate(client, messages, 1h)" for the n-th pair of words; false: that was the last. */
static bool
print_nth(const struct fact_def *def, size_t n, struct buf *out)
{
	bool more = false;

	buf_add(out, str_of(def->name));
	for (size_t i = 0; def->params && i < FACT_PARAMS && def->params[i].name; i++) {
		const struct fact_param *p = &def->params[i];
		size_t words = 1, at;

		if (p->optional)
			break;
		while (p->type == VALUE_SYMBOL && p->symbols[words])
			words++;
		at = n % words;
		n /= words;
		buf_add(out, i == 0 ? STR("(") : STR(", "));
		more = print_arg(p, at, out) || more;
	}
	if (def->params)
		buf_addc(out, ')');
	return more;
}

struct guest {
	const char *ip, *account, *sender;
	bool trusted;
};

static void
begin(struct world *w, const struct guest *guest, enum step step)
{
	world_connect(w, guest->ip, guest->account);
	w->session.trusted = guest->trusted;
	w->session.turn = TURN_KEPT;
	if (step < STEP_MAIL)
		return;
	world_mail(w, guest->sender);
	if (step >= STEP_RCPT)
		world_rcpt(w, "<b@here.example>");
	if (step == STEP_MESSAGE) {
		world_rcpt_taken(w);
		world_rcpt(w, "<c@here.example>");
		world_rcpt_taken(w);
		/* what stages note at the header is theirs to tell */
		world_data(w, greedy_message(w));
	}
}

static void
test_every_fact(void **state)
{
	static const struct guest guests[] = {
		{ "192.0.2.1", "", "<a@greedy.example>", false },
		{ "2001:db8::1", "", "<>", false },
		{ "192.0.2.1", "anna", "<a@s.t.u.v.w.x.y.z.top0>", false },
		{ "10.0.0.1", "", "<a@good.example>", true },
		{ "", "", "<a@greedy.example>", false },
	};
	struct world *w = *state;
	unsigned asked = 0;

	for (size_t g = 0; g < COUNT(guests); g++)
		for (size_t i = 0; i < w->table.n; i++) {
			const struct fact_def *def = w->table.entry[i].def;

			for (enum step step = def->from; step <= def->to; step++)
				for (size_t n = 0, more = 1; more && n < 100; n++) {
					struct buf b;

					buf_init(&b, 256);
					more = print_nth(def, n, &b);
					w->now += 400;
					begin(w, &guests[g], step);
					asked += ask(w, step, b.p).store;
					buf_free(&b);
				}
		}
	assert_true(asked > 100);
}

static void
test_every_row_says_something(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < w->table.n; i++) {
		const struct fact_def *def = w->table.entry[i].def;

		if (def->cost != COST_FREE && def->asks == NULL)
			fail_msg("%s does not say what it asks", def->name);
		if (def->cost == COST_FREE && def->asks != NULL)
			fail_msg("%s says what it asks, and costs nothing", def->name);
	}
}

static void
says_nothing(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	cost_dns(costs, STR("a"), 1, 2);
	cost_dns(costs, STR("a"), 0, 3);
	cost_fact(costs, "nowhere");
}

/* Whoever writes another stage: a row that says nothing is unknown, and names are added up once. */
static void
test_groups(void **state)
{
	static const struct fact_def dumb = { .name = "dumb", .cost = COST_DNS };
	static const struct fact_def twice = {
		.name = "twice", .cost = COST_DNS, .asks = says_nothing
	};
	const struct fact_entry entry[] = { { .def = &dumb }, { .def = &twice } };
	const struct fact_table table = { entry, 2 };
	struct costs costs = { .arena = arena_new(4096), .table = &table };

	cost_call(&costs, &(struct fact_call){ .entry = &entry[1] });
	assert_false(costs.unknown);
	assert_int_equal(costs.n, 1);
	assert_int_equal(costs.group[0].least, 1);
	assert_int_equal(costs.group[0].most, 3);
	cost_fact(&costs, "dumb");
	assert_true(costs.unknown);
	arena_free(&costs.arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_dns),
		TEST(test_spf),
		TEST(test_message),
		TEST(test_dmarc),
		TEST(test_greylist),
		TEST(test_store),
		TEST(test_proof),
		TEST(test_plans),
		TEST(test_every_fact),
		TEST(test_every_row_says_something),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
