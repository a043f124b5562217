/*
 * The gate with all that it brings together for real: rules from a file, the stages, both
 * databases and their thread, and the resolver, which asks a name server of ours on loopback.
 */
#include "proxy/gate.h"

#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/die.h"
#include "db/journal_config.h"
#include "mail/exception.h"
#include "rules/record.h"
#include "tests/proxy/load.h"
#include "tests/proxy/names.h"

#define LIMIT_S 60 /* for a loop to get where it should */

struct fixture {
	struct event_base *base;
	struct names names;
	struct folder folder;
	struct db *db;
	struct gate *gate;
	struct gate_session *gs;
	unsigned resumed;
	bool inside; /* a call into the gate is going on */
};

/* ---- the fixture ---- */

/* Names are answered for by the same loop, so a slow machine uses up time for them. */
#define PATIENT "dns timeout 60s; dns budget 60s\n"
#define HASTY "dns timeout 60s; dns budget 2s\n"

static const char rules[] =
    "delay budget 1m\n"
    "trust 10.0.0.0/8\n"
    "at connect {\n"
    "    accept session if client in trusted\n"
    "    reject 554 5.7.1 \"No ${client.ip}\" if client = 192.0.2.66\n"
    "}\n"
    "at mail {\n"
    "    observe reject 550 5.7.1 \"Not yet\" if sender.local = \"watched\"\n"
    "    score 3 if sender.local = \"scored\"\n"
    "    reject 550 5.7.23 \"SPF: ${spf}\" if spf is fail\n"
    "    tempfail 451 4.4.3 \"SPF: ${spf}\" if spf is temperror\n"
    "}\n"
    "at helo {\n"
    "    delay 300ms if helo = \"slow.test\"\n"
    "    delay 5m if helo = \"endless.test\" or helo = \"held.test\"\n"
    "    reject 550 5.7.1 \"Too late\" if helo = \"slow.test\" or helo = \"held.test\"\n"
    "}\n"
    "at rcpt {\n"
    "    tempfail 451 4.7.1 \"Greylisted\" if recipient = \"grey@example.org\" and greylist is waiting\n"
    "}\n"
    "at message {\n"
    "    reject 550 5.7.9 \"Score ${sender}\" if score >= 3\n"
    "}\n";

static void
resume(void *owner)
{
	struct fixture *f = owner;

	/* Never from inside a call of the front's. */
	assert_false(f->inside);
	f->resumed++;
	event_base_loopbreak(f->base);
}

static int
set_up_with(void **state, const char *dns)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct db_settings settings = { .folder = f->folder.path,
		.journal = { .keep_ms = 86400000 } };
	struct config *config;
	struct err e;
	char text[4096];

	snprintf(text, sizeof(text), "%s%s", dns, rules);
	folder_make(&f->folder);
	f->base = event_base_new();
	config = load_config(&f->folder, names_start(&f->names, f->base), text);
	f->db = db_start(&settings, &e);
	assert_non_null(f->db);
	f->gate = gate_new(f->base, f->db, config, &e);
	assert_non_null(f->gate);
	config_release(&config);
	f->gs = gate_open(f->gate, FRONT_PROXY, resume, f);
	ip_parse(STR("192.0.2.1"), &gate_session(f->gs)->client_ip);
	*state = f;
	return 0;
}

static int
set_up(void **state)
{
	return set_up_with(state, PATIENT);
}

static int
set_up_hasty(void **state)
{
	return set_up_with(state, HASTY);
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	gate_close(&f->gs);
	gate_free(&f->gate);
	if (f->db)
		db_stop(&f->db);
	names_stop(&f->names);
	event_base_free(f->base);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static void
give_up(evutil_socket_t fd, short what, void *arg)
{
	fail_msg("nothing came for %d seconds", LIMIT_S);
}

static void
wait_for_resume(struct fixture *f)
{
	struct event *limit = evtimer_new(f->base, give_up, f);
	const struct timeval after = { LIMIT_S, 0 };
	unsigned before = f->resumed;

	event_add(limit, &after);
	while (f->resumed == before)
		event_base_loop(f->base, EVLOOP_ONCE);
	event_free(limit);
}

/* Decides a step to its end; how often it had to wait. */
static unsigned
decide(struct fixture *f, enum step step, struct verdict *v)
{
	unsigned waits = 0;

	for (;;) {
		enum progress progress;

		f->inside = true;
		progress = gate_decide(f->gs, step, v);
		f->inside = false;
		if (progress == DONE)
			return waits;
		waits++;
		wait_for_resume(f);
	}
}

static void
begin_mail(struct fixture *f, const char *path)
{
	struct str rest = str_of(path);
	struct mailbox sender;
	struct err e;

	assert_true(mailbox_take(&rest, true, false, &sender, &e));
	gate_reset(f->gs);
	session_mail(gate_session(f->gs), &sender);
}

static void
begin_rcpt(struct fixture *f, const char *path)
{
	struct str rest = str_of(path);
	struct mailbox mailbox;
	struct err e;

	assert_true(mailbox_take(&rest, false, true, &mailbox, &e));
	session_rcpt(gate_session(f->gs), &mailbox);
}

/* ---- looking into the journal ---- */

struct found {
	unsigned n;
	char verdict[16], observed[16], text[128], rule[64], trace[4096], id[8];
	struct journal *journal;
	struct arena *arena;
};

static void
keep(struct str s, char *out, size_t size)
{
	str_copy(str_sub(s, 0, size - 1), out, size);
}

static bool
found_row(void *owner, const struct journal_record *r)
{
	struct found *found = owner;
	struct str configuration;

	found->n++;
	snprintf(found->verdict, sizeof(found->verdict), "%s", r->verdict);
	snprintf(found->id, sizeof(found->id), "%s", r->id);
	keep(r->observed, found->observed, sizeof(found->observed));
	keep(r->text, found->text, sizeof(found->text));
	keep(r->rule, found->rule, sizeof(found->rule));
	journal_configuration(found->journal, found->arena, r->config, &configuration, NULL);
	keep(record_expand(found->arena, configuration, r->facts, r->trace), found->trace,
	    sizeof(found->trace));
	return true;
}

/* The last entry, and how many there are. */
static struct found
journal(struct fixture *f)
{
	struct found found = { 0 };
	const struct journal_filter all = { 0 };
	struct err e;
	struct journal *journal = journal_open_read(folder_file(&f->folder, "journal.db"), &e);

	assert_non_null(journal);
	found.journal = journal;
	found.arena = arena_new(1 << 20);
	assert_true(journal_read(journal, &all, found_row, &found, &e));
	arena_free(&found.arena);
	journal_close(&journal);
	return found;
}

/* ---- tests ---- */

static void
test_accepts_without_waiting(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	assert_int_equal(decide(f, STEP_CONNECT, &v), 0);
	assert_int_equal(v.kind, VERDICT_ACCEPT);
	assert_int_equal(f->names.asked, 0);
	assert_int_equal(journal(f).n, 0);
}

static void
test_a_refusal_is_in_the_journal_when_it_is_told(void **state)
{
	struct fixture *f = *state;
	struct found found;
	struct verdict v;

	ip_parse(STR("192.0.2.66"), &gate_session(f->gs)->client_ip);
	assert_int_equal(decide(f, STEP_CONNECT, &v), 1);
	found = journal(f);
	assert_int_equal(v.kind, VERDICT_REJECT);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.id, v.id);
	assert_int_equal(strlen(v.id), 6);
	assert_string_equal(found.verdict, "reject");
	assert_string_equal(found.text, "No 192.0.2.66");
	assert_non_null(strstr(found.rule, "postern.conf:"));
	assert_non_null(strstr(found.trace, "client = 192.0.2.66"));
}

static void
test_the_reply_ends_with_the_id(void **state)
{
	struct verdict v = { .kind = VERDICT_REJECT,
		.code = 550,
		.enhanced = "5.7.1",
		.text = STR("No\r\nMAIL FROM:<x>"),
		.id = "k3f9x2" };
	struct buf out;

	buf_init(&out, 4096);
	gate_reply(&v, &out);
	assert_true(str_endscase(buf_str(&out), STR(" [k3f9x2]\r\n")));
	assert_null(strstr(out.p, "\nMAIL"));
	buf_free(&out);
}

static void
test_asks_the_dns_and_is_resumed(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	begin_mail(f, "<a@fail.test>");
	assert_int_equal(decide(f, STEP_MAIL, &v), 2); /* the answer, then the journal */
	assert_int_equal(v.kind, VERDICT_REJECT);
	assert_string_equal(v.enhanced, "5.7.23");
	assert_true(f->names.asked >= 1);
	assert_non_null(strstr(journal(f).trace, "\"spf\""));
	/* A second transaction finds the answer in the cache, and waits for the journal only. */
	begin_mail(f, "<b@fail.test>");
	assert_int_equal(decide(f, STEP_MAIL, &v), 1);
	begin_mail(f, "<a@pass.test>");
	decide(f, STEP_MAIL, &v);
	assert_int_equal(v.kind, VERDICT_ACCEPT);
}

static void
test_failures_of_the_dns_are_values(void **state)
{
	static const char *const senders[] = { "<a@broken.test>", "<a@silent.test>" };
	struct fixture *f = *state;
	struct verdict v;

	for (size_t i = 0; i < 2; i++) {
		begin_mail(f, senders[i]);
		decide(f, STEP_MAIL, &v);
		assert_int_equal(v.kind, VERDICT_TEMPFAIL);
		assert_int_equal(v.code, 451);
		assert_true(str_eq(v.text, STR("SPF: temperror")));
	}
	/* Long before its own deadline. */
	assert_string_equal(gate_session(f->gs)->txn.answers.first->dns.why, "budget");
}

static void
test_rules_are_over_for_the_trusted(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	ip_parse(STR("10.1.2.3"), &gate_session(f->gs)->client_ip);
	assert_int_equal(decide(f, STEP_CONNECT, &v), 0);
	assert_int_equal(v.kind, VERDICT_ACCEPT_SESSION);
	begin_mail(f, "<a@fail.test>");
	assert_int_equal(decide(f, STEP_MAIL, &v), 0);
	assert_true(v.kind == VERDICT_ACCEPT || v.kind == VERDICT_ACCEPT_SESSION);
	assert_int_equal(f->names.asked, 0);
}

static void
test_observed_rules_are_journalled_only(void **state)
{
	struct fixture *f = *state;
	struct found found;
	struct verdict v;

	begin_mail(f, "<watched@pass.test>");
	decide(f, STEP_MAIL, &v);
	assert_int_equal(v.kind, VERDICT_ACCEPT);
	/* Nobody waits for this entry: the next one is behind it. */
	begin_mail(f, "<a@fail.test>");
	decide(f, STEP_MAIL, &v);
	found = journal(f);
	assert_int_equal(found.n, 2);
}

static void
test_the_story_tells_where_a_score_came_from(void **state)
{
	struct fixture *f = *state;
	struct found found;
	struct verdict v;

	begin_mail(f, "<scored@pass.test>");
	decide(f, STEP_MAIL, &v);
	gate_session(f->gs)->txn.open = true;
	assert_int_equal(gate_session(f->gs)->txn.score, 3);
	gate_session(f->gs)->txn.message.complete = true;
	decide(f, STEP_MESSAGE, &v);
	assert_int_equal(v.kind, VERDICT_REJECT);
	found = journal(f);
	assert_non_null(strstr(found.trace, "score 3 if"));
	assert_non_null(strstr(found.trace, "score >= 3"));
}

static void
test_greylists_through_the_store(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	begin_mail(f, "<a@pass.test>");
	decide(f, STEP_MAIL, &v);
	begin_rcpt(f, "<grey@example.org>");
	assert_true(decide(f, STEP_RCPT, &v) >= 2);
	assert_int_equal(v.kind, VERDICT_TEMPFAIL);
	assert_true(str_eq(v.text, STR("Greylisted")));
	begin_rcpt(f, "<other@example.org>");
	assert_int_equal(decide(f, STEP_RCPT, &v), 0);
	assert_int_equal(v.kind, VERDICT_ACCEPT);
}

static void
test_a_client_may_vanish_at_any_moment(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	/* Waiting for the DNS. */
	begin_mail(f, "<a@silent.test>");
	assert_int_equal(gate_decide(f->gs, STEP_MAIL, &v), PENDING);
	gate_reset(f->gs);
	begin_mail(f, "<a@silent2.test>");
	assert_int_equal(gate_decide(f->gs, STEP_MAIL, &v), PENDING);
	gate_close(&f->gs);
	/* Waiting for the journal; the entry is written all the same. */
	f->gs = gate_open(f->gate, FRONT_PROXY, resume, f);
	ip_parse(STR("192.0.2.66"), &gate_session(f->gs)->client_ip);
	assert_int_equal(gate_decide(f->gs, STEP_CONNECT, &v), PENDING);
	gate_close(&f->gs);
	f->gs = gate_open(f->gate, FRONT_PROXY, resume, f);
	ip_parse(STR("192.0.2.66"), &gate_session(f->gs)->client_ip);
	decide(f, STEP_CONNECT, &v);
	assert_int_equal(journal(f).n, 2);
}

static void
test_limits_are_journalled_like_rules(void **state)
{
	struct fixture *f = *state;
	struct found found;
	struct verdict v;

	begin_mail(f, "<a@pass.test>");
	assert_int_equal(gate_refuse(f->gs, STEP_RCPT, SAID_RECIPIENTS, &v), PENDING);
	wait_for_resume(f);
	assert_int_equal(gate_refuse(f->gs, STEP_RCPT, SAID_RECIPIENTS, &v), DONE);
	found = journal(f);
	assert_string_equal(found.rule, "limit: recipients");
	assert_string_equal(found.id, v.id);
	assert_int_equal(gate_counts(f->gate)->limits, 1);
}

/* No file of this process can grow any more. */
static void
break_disk(bool broken)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = broken ? 1 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
test_without_a_disk_what_needs_none_goes_on(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	begin_mail(f, "<a@pass.test>");
	decide(f, STEP_MAIL, &v);
	break_disk(true);
	begin_rcpt(f, "<other@example.org>");
	decide(f, STEP_RCPT, &v);
	assert_int_equal(v.kind, VERDICT_ACCEPT);
	/* Greylisting needs the store. */
	begin_rcpt(f, "<grey@example.org>");
	decide(f, STEP_RCPT, &v);
	assert_int_equal(v.kind, VERDICT_TEMPFAIL);
	assert_int_equal(v.code, 451);
	/* A refusal that cannot be journalled is not final. */
	begin_mail(f, "<a@fail.test>");
	decide(f, STEP_MAIL, &v);
	break_disk(false);
	assert_int_equal(v.kind, VERDICT_TEMPFAIL);
	assert_int_equal(v.code, 451);
	assert_string_equal(v.id, "");
	/* And it is again as it was. */
	begin_mail(f, "<a@fail.test>");
	decide(f, STEP_MAIL, &v);
	assert_int_equal(v.kind, VERDICT_REJECT);
	assert_string_equal(journal(f).id, v.id);
}

/* A refusal that is held back is in the journal all the while. */
static void
test_a_delay_holds_the_verdict_back(void **state)
{
	struct fixture *f = *state;
	struct verdict v;
	int64_t began;

	session_helo(gate_session(f->gs), STR("held.test"), true);
	assert_int_equal(gate_decide(f->gs, STEP_HELO, &v), PENDING);
	assert_false(gate_delayed(f->gs));
	wait_for_resume(f);
	assert_int_equal(gate_decide(f->gs, STEP_HELO, &v), PENDING);
	assert_true(gate_delayed(f->gs));
	assert_true(gate_delayed_refusal(f->gs));
	assert_int_equal(journal(f).n, 1);
	assert_int_equal(gate_counts(f->gate)->rejected, 0);
	gate_hurry(f->gs);
	decide(f, STEP_HELO, &v);
	assert_int_equal(v.code, 550);
	assert_true(v.id[0]);
	assert_false(gate_delayed(f->gs));
	assert_int_equal(gate_counts(f->gate)->rejected, 1);
	assert_int_equal(journal(f).n, 1);
	/* And is over by itself. */
	session_helo(gate_session(f->gs), STR("slow.test"), true);
	began = clock_mono_us();
	decide(f, STEP_HELO, &v);
	/* The clock of timers is a coarse one. */
	assert_true(clock_mono_us() - began >= 280000);
	assert_int_equal(v.code, 550);
	assert_false(gate_delayed(f->gs));
	assert_int_equal(gate_counts(f->gate)->rejected, 2);
}

/* It ticks each second for whoever looks after the client, and is over when it is cut short. */
static void
test_a_delay_can_be_cut_short(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	session_helo(gate_session(f->gs), STR("endless.test"), true);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(gate_decide(f->gs, STEP_HELO, &v), PENDING);
		assert_true(gate_delayed(f->gs));
		assert_false(gate_delayed_refusal(f->gs));
		if (i == 0)
			wait_for_resume(f);
	}
	gate_hurry(f->gs);
	wait_for_resume(f);
	assert_int_equal(gate_decide(f->gs, STEP_HELO, &v), DONE);
	assert_int_equal(v.kind, VERDICT_ACCEPT);
	/* Nothing of it is left for the next step. */
	gate_hurry(f->gs);
	begin_mail(f, "<a@example.net>");
	assert_int_equal(gate_decide(f->gs, STEP_HELO, &v), PENDING);
	gate_reset(f->gs);
	assert_false(gate_delayed(f->gs));
}

/* Soon: after how long is this machine's affair. */
static void
assert_gave_up(const struct found *found, unsigned of)
{
	unsigned after = of, tenths = 0;
	char text[128];

	sscanf(found->text, "gave up after %u.%u s", &after, &tenths);
	assert_true(after < of);
	snprintf(
	    text, sizeof(text), "gave up after %u.%u s of a delay of %u.0 s", after, tenths, of);
	assert_string_equal(found->text, text);
}

static void
test_who_gives_up_during_a_delay_is_journalled(void **state)
{
	struct fixture *f = *state;
	struct found found;
	struct verdict v;

	session_helo(gate_session(f->gs), STR("endless.test"), true);
	assert_int_equal(gate_decide(f->gs, STEP_HELO, &v), PENDING);
	gate_left(f->gs);
	gate_close(&f->gs);
	assert_int_equal(gate_counts(f->gate)->left, 1);
	do {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		found = journal(f);
	} while (!found.n);
	assert_string_equal(found.verdict, "left");
	assert_string_equal(found.rule, "delay");
	assert_gave_up(&found, 60);
	assert_non_null(strstr(found.trace, "delay 5m"));
	assert_int_equal(gate_counts(f->gate)->rejected, 0);
}

/* A mail server waits for a milter only so long, and for all that comes before MAIL at once. */
static void
test_a_milter_is_delayed_less(void **state)
{
	struct fixture *f = *state;
	struct found found;
	struct verdict v;

	gate_close(&f->gs);
	f->gs = gate_open(f->gate, FRONT_MILTER, resume, f);
	for (int i = 0; i < 2; i++) {
		session_helo(gate_session(f->gs), STR("endless.test"), true);
		if (i == 1)
			break;
		assert_int_equal(gate_decide(f->gs, STEP_HELO, &v), PENDING);
		gate_left(f->gs);
		gate_reset(f->gs);
	}
	/* The first has used up all there is before MAIL. */
	assert_int_equal(gate_decide(f->gs, STEP_HELO, &v), DONE);
	do {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		found = journal(f);
	} while (!found.n);
	assert_gave_up(&found, 8);
}

/* ---- exceptions ---- */

static void
ask_store(struct fixture *f, struct store_exceptions *x)
{
	struct store_ask one = { .exceptions = x };
	struct err e;
	struct store *store = store_sqlite.open(folder_file(&f->folder, "store.db"), &e);

	assert_non_null(store);
	assert_true(store_sqlite.ask(store, &one, 1, clock_wall_ms(), &e));
	store_sqlite.close(&store);
}

static int64_t
except(struct fixture *f, struct str key)
{
	struct store_exceptions x = { .what = EXCEPTIONS_PUT,
		.one = { .key = key, .about = STR("{}") } };

	ask_store(f, &x);
	assert_true(x.done);
	return x.one.number;
}

static int64_t
hits(struct fixture *f, struct arena *arena)
{
	struct store_exceptions x = { .what = EXCEPTIONS_READ, .memory = arena };

	ask_store(f, &x);
	assert_non_null(x.rows);
	return x.rows->hits;
}

static void
on_while(evutil_socket_t fd, short what, void *arg)
{
	*(bool *)arg = true;
}

/* A tenth of a second of the loop's life. */
static void
a_while(struct fixture *f)
{
	bool over = false;
	struct event *timer = evtimer_new(f->base, on_while, &over);
	const struct timeval tenth = { 0, 100000 };

	event_add(timer, &tenth);
	while (!over)
		event_base_loop(f->base, EVLOOP_ONCE);
	event_free(timer);
}

static bool
is_over(int64_t began_us)
{
	return clock_mono_us() - began_us > LIMIT_S * INT64_C(1000000);
}

/* What somebody else wrote into the store is in force at the next look, which a busy machine may delay. */
static void
decide_until(struct fixture *f, const char *sender, enum step step, struct verdict *v,
    enum verdict_kind wanted)
{
	const int64_t began_us = clock_mono_us();

	for (;;) {
		begin_mail(f, sender);
		decide(f, step, v);
		if (v->kind == wanted || is_over(began_us))
			break;
		a_while(f);
	}
	assert_int_equal(v->kind, wanted);
}

static void
test_exceptions(void **state)
{
	struct fixture *f = *state;
	struct arena *arena = arena_new(1 << 20);
	char digest[EXCEPTION_RULE];
	struct store_exceptions drop = { .what = EXCEPTIONS_DROP };
	struct verdict v;
	int64_t began_us;

	begin_mail(f, "<a@fail.gate.test>");
	decide(f, STEP_MAIL, &v);
	assert_int_equal(v.kind, VERDICT_REJECT);
	drop.one.number = except(f,
	    arena_printf(arena, "allow %s@postern.conf:1 client:192.0.2.1 fail.gate.test *",
		exception_digest(STR("if spf is fail"), digest)));
	decide_until(f, "<a@fail.gate.test>", STEP_MAIL, &v, VERDICT_ACCEPT);
	begin_mail(f, "<a@fail2.gate.test>");
	decide(f, STEP_MAIL, &v);
	assert_int_equal(v.kind, VERDICT_REJECT);
	for (began_us = clock_mono_us(); hits(f, arena) == 0 && !is_over(began_us);)
		a_while(f);
	assert_int_equal(hits(f, arena), 1);
	ask_store(f, &drop);
	decide_until(f, "<a@fail.gate.test>", STEP_MAIL, &v, VERDICT_REJECT);
	arena_free(&arena);
}

static void
test_blocks(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	except(f, STR("block * client:192.0.2.0/24 * *"));
	decide_until(f, "<a@example.net>", STEP_CONNECT, &v, VERDICT_REJECT);
	assert_int_equal(v.code, 554);
	assert_true(str_eq(v.text, STR("Blocked by the administrator")));
	assert_string_equal(journal(f).rule, "exception 1");
	assert_non_null(strstr(journal(f).trace, "block * client:192.0.2.0/24 * *"));
}

/* Sessions look at memory: whether there are exceptions for others or none, they ask the store for nothing. */
static void
test_exceptions_cost_no_question(void **state)
{
	struct fixture *f = *state;
	struct verdict v;

	for (int some = 0; some < 2; some++) {
		begin_mail(f, "<a@fail.gate.test>");
		decide(f, STEP_CONNECT, &v);
		decide(f, STEP_MAIL, &v);
		assert_int_equal(v.kind, VERDICT_REJECT);
		assert_int_equal(gate_session(f->gs)->answers.total, 0);
		/* The one for the sender's SPF record. */
		assert_int_equal(gate_session(f->gs)->txn.answers.total, 1);
		assert_null(gate_session(f->gs)->exceptions);
		except(f, STR("allow * client:192.0.2.9 * *"));
		except(f, STR("block * client:192.0.2.9 * *"));
		/* By this one it shows that they are known. */
		except(f, STR("block * client:192.0.2.1 pass.gate.test *"));
		decide_until(f, "<a@pass.gate.test>", STEP_MAIL, &v, VERDICT_REJECT);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_accepts_without_waiting),
		TEST(test_a_refusal_is_in_the_journal_when_it_is_told),
		TEST(test_the_reply_ends_with_the_id),
		TEST(test_asks_the_dns_and_is_resumed),
		cmocka_unit_test_setup_teardown(
		    test_failures_of_the_dns_are_values, set_up_hasty, tear_down),
		TEST(test_rules_are_over_for_the_trusted),
		TEST(test_observed_rules_are_journalled_only),
		TEST(test_the_story_tells_where_a_score_came_from),
		TEST(test_greylists_through_the_store),
		TEST(test_a_client_may_vanish_at_any_moment),
		TEST(test_limits_are_journalled_like_rules),
		cmocka_unit_test_setup_teardown(
		    test_a_delay_holds_the_verdict_back, set_up, tear_down),
		TEST(test_a_delay_can_be_cut_short),
		cmocka_unit_test_setup_teardown(
		    test_who_gives_up_during_a_delay_is_journalled, set_up, tear_down),
		TEST(test_a_milter_is_delayed_less),
		TEST(test_without_a_disk_what_needs_none_goes_on),
		cmocka_unit_test_setup_teardown(test_exceptions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_exceptions_cost_no_question, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
