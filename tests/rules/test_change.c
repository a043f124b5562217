#include "rules/change.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "db/json.h"
#include "rules/load.h"
#include "tests/rules/fake.h"

struct row {
	enum step step;
	const char *rules; /* with what stands in front of the blocks */
	const char *facts;
	const char *trace; /* all of it, or what stands behind its head */
	const char *found; /* as told() writes it */
};

/* clang-format off: rows */
static const struct row rows[] = {
	/* Words: all others, some of them. */
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf is fail }", "{\"spf\":\"fail\"}", "",
	    "spf = anything but fail (fail)\n"
	    "observe r.conf:1\n" },
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf in { fail, softfail, temperror } }",
	    "{\"spf\":\"softfail\"}", "",
	    "spf = pass, neutral, none or permerror (softfail)\n"
	    "observe r.conf:1\n" },
	/* Either of two that were both needed. */
	{ STEP_MAIL, "at mail { reject 550 5.7.1 \"x\" if spf is fail and client.name is \"\" }",
	    "{\"spf\":\"fail\",\"client.name\":\"\"}", "",
	    "spf = anything but fail (fail)\n"
	    "client.name = anything but \"\" (\"\")\n"
	    "observe r.conf:1\n" },
	/* Both of two, either of which was enough. */
	{ STEP_MAIL,
	    "at mail { reject 550 5.7.1 \"x\" if client.name is \"\" or spf.helo is not pass\n }",
	    "{\"spf.helo\":\"none\",\"client.name\":\"\"}", "",
	    "client.name = anything but \"\" (\"\") & spf.helo = pass (none)\n"
	    "observe r.conf:1\n" },
	/* Numbers: the nearest bound. */
	{ STEP_MAIL,
	    "at mail { tempfail 450 4.7.1 \"x\" if rate(client, messages, 1h) > 200 and surge(client) >= 5 }",
	    "{\"rate(client, messages, 1h)\":240,\"surge(client)\":7.5}", "",
	    "rate(client, messages, 1h) = 200 or less (240)\n"
	    "surge(client) = 4.99 or less (7.5)\n"
	    "observe r.conf:1\n" },
	{ STEP_MAIL,
	    "at mail { tempfail 450 4.7.1 \"x\" if rate(client, messages, 1h) > 2 * quota.limit + 3 }",
	    "{\"rate(client, messages, 1h)\":240,\"quota.limit\":10}", "",
	    "rate(client, messages, 1h) = 23 or less (240)\n"
	    "observe r.conf:1\n" },
	{ STEP_RCPT, "at rcpt { tempfail 452 4.5.3 \"x\" if recipients > recipients.allowed }",
	    "{\"recipients\":101,\"recipients.allowed\":100}", "",
	    "recipients = 100 or less (101)\n"
	    "observe r.conf:1\n" },
	/* Lists. */
	{ STEP_MAIL,
	    "list partners { \"example.com\" }\n"
	    "at mail {\n accept if sender in partners\n reject 550 5.7.23 \"x\" if spf is fail\n}",
	    "{\"sender\":\"a@example.net\",\"spf\":\"fail\"}", "",
	    "spf = anything but fail (fail)\n"
	    "entry a@example.net in partners (sender)\n"
	    "observe r.conf:4\n" },
	{ STEP_MAIL,
	    "list bad { \"example.net\" }\nat mail { reject 550 5.7.1 \"x\" if sender in bad }",
	    "{\"sender\":\"a@example.net\"}", "",
	    "sender = not in list bad (\"a@example.net\")\n"
	    "observe r.conf:2\n" },
	{ STEP_CONNECT,
	    "list ours { 192.0.2.0/24 }\nat connect { reject 554 5.7.1 \"x\" if client.ip not in ours }",
	    "{\"client.ip\":\"198.51.100.7\"}", "",
	    "entry 198.51.100.7 in ours (client.ip)\n"
	    "observe r.conf:2\n"
	    "no change, but for lists\n" },
	{ STEP_MESSAGE,
	    "list good { \"example.com\" }\nat message { reject 550 5.7.20 \"x\" if dkim.domains not in good }",
	    "{\"dkim.domains\":[\"example.net\"]}", "",
	    "entry example.net in good (dkim.domains)\n"
	    "observe r.conf:2\n"
	    "no change, but for lists\n" },
	/* Parts of texts, what is known, truth. */
	{ STEP_HELO, "at helo { reject 550 5.7.1 \"x\" if helo ends with \".local\" }",
	    "{\"helo\":\"pc.local\"}", "",
	    "helo = one not ending in \".local\" (\"pc.local\")\n"
	    "observe r.conf:1\n" },
	{ STEP_MESSAGE,
	    "at message { reject 550 5.7.22 \"x\" if not dkim.domains contains \"example.net\" }",
	    "{\"dkim.domains\":[\"a.test\"]}", "",
	    "dkim.domains = one with \"example.net\" in it (a.test)\n"
	    "observe r.conf:1\n" },
	{ STEP_CONNECT, "at connect { reject 554 5.7.1 \"x\" if listed(\"zen.test\") }",
	    "{\"listed(\\\"zen.test\\\")\":true}", "",
	    "listed(\"zen.test\") = no (yes)\n"
	    "observe r.conf:1\n" },
	/* Points: what any rule of the step gave, and what the steps before gave. */
	{ STEP_MESSAGE,
	    "at mail { score 5 if spf is softfail }\n"
	    "at message {\n score 3 if dkim is fail\n tempfail 451 4.7.1 \"x\" if score >= 8\n}",
	    "{\"spf\":\"softfail\",\"dkim\":\"fail\"}", "",
	    "dkim = anything but fail (fail)\n"
	    "score = 7 or less (8)\n"
	    "observe r.conf:4\n" },
	{ STEP_RCPT,
	    "at mail { mark seen if spf is pass }\nat rcpt { reject 550 5.7.1 \"x\" if marked seen }",
	    "{\"spf\":\"pass\"}", "",
	    "mark seen = not set\n"
	    "observe r.conf:2\n" },
	/* Behind the rule stands another that would refuse, or asks for what nobody asked. */
	{ STEP_MAIL,
	    "at mail {\n reject 550 5.7.23 \"x\" if spf is fail\n"
	    " reject 550 5.7.1 \"y\" if spf in { fail, none } or client.name is \"\"\n}",
	    "{\"spf\":\"fail\",\"client.name\":\"mx.test\"}", "",
	    "spf = pass, softfail, neutral, temperror or permerror (fail)\n" },
	{ STEP_MAIL,
	    "at mail {\n reject 550 5.7.23 \"x\" if spf is fail\n"
	    " reject 550 5.7.1 \"y\" if client.name is \"\"\n}",
	    "{\"spf\":\"fail\"}", "",
	    "spf = anything but fail (fail), then r.conf:3 asks client.name\n"
	    "observe r.conf:2, then r.conf:3 asks client.name\n" },
	{ STEP_HELO, "at helo { reject 550 5.7.1 \"x\" if helo matches /[0-9]+/ }",
	    "{\"helo\":\"pc17\"}", "",
	    "helo = one that /[0-9]+/ does not match (\"pc17\")\n"
	    "observe r.conf:1\n" },
	{ STEP_HELO, "at helo { reject 550 5.7.1 \"x\" if helo not matches /[a-z]+\\.test/ }",
	    "{\"helo\":\"pc17\"}", "",
	    "helo = one that /[a-z]+\\.test/ matches (\"pc17\")\n"
	    "observe r.conf:1\n" },
	/* Of regular expressions and lists no value need be known; and all that would be refused otherwise is left out. */
	{ STEP_HELO, "at helo { reject 550 5.7.1 \"x\" if helo matches /./ }", "{\"helo\":\"pc\"}",
	    "",
	    "helo = one that /./ does not match (\"pc\")\n"
	    "observe r.conf:1\n" },
	{ STEP_HELO,
	    "at helo {\n reject 550 5.7.1 \"x\" if helo matches /^pc/\n"
	    " reject 550 5.7.1 \"y\" if helo ends with \".local\" or helo is \"mx.test\"\n}",
	    "{\"helo\":\"pc.local\"}", "",
	    "helo = one that /^pc/ does not match, and anything but \"mx.test\", and one not ending in "
	    "\".local\" (\"pc.local\")\n" },
	{ STEP_HELO,
	    "at helo {\n reject 550 5.7.1 \"x\" if not (helo matches /^mx/ and helo ends with \".test\")\n}",
	    "{\"helo\":\"pc.local\"}", "",
	    "helo = one that /^mx/ matches, and one ending in \".test\" (\"pc.local\")\n"
	    "observe r.conf:2\n" },
	{ STEP_MAIL,
	    "at mail {\n reject 550 5.7.1 \"x\" if rate(client, messages, 1h) > 9\n"
	    " reject 550 5.7.1 \"y\" if rate(client, messages, 1h) < 3\n}",
	    "{\"rate(client, messages, 1h)\":20}", "",
	    "rate(client, messages, 1h) = 9 or less, and 3 or more (20)\n"
	    "observe r.conf:2\n" },
	/* As many as it takes. */
	{ STEP_MAIL,
	    "at mail { reject 550 5.7.1 \"x\" if client.name is \"\" or spf.helo is not pass or spf is fail or "
	    "helo ends with \".local\" }",
	    "{\"client.name\":\"\",\"spf.helo\":\"none\",\"spf\":\"fail\",\"helo\":\"a.local\"}",
	    "",
	    "client.name = anything but \"\" (\"\") & spf.helo = pass (none) & spf = pass (fail) & "
	    "helo = one not ending in \".local\" (\"a.local\")\n"
	    "observe r.conf:1\n" },
	/* One fact that has to be two things; two sums that nobody takes apart. */
	{ STEP_MAIL, "at mail { reject 550 5.7.1 \"x\" if spf is fail or not spf is fail }",
	    "{\"spf\":\"pass\"}", "", "observe r.conf:1\nno change\n" },
	{ STEP_MAIL,
	    "at mail { reject 550 5.7.1 \"x\" if rate(client, messages, 1h) + quota.used > 3 }",
	    "{\"rate(client, messages, 1h)\":2,\"quota.used\":2}", "",
	    "observe r.conf:1\nno change, but for sums\n" },
	/* Blocks, with branches that depend on each other. */
	{ STEP_MAIL,
	    "list good { \"example.com\" }\nat mail {\n if sender in good {\n accept\n } else if spf is fail {\n"
	    "  reject 550 5.7.23 \"x\" if client.name is \"\"\n } else {\n accept\n }\n reject 550 5.7.1 \"y\"\n}",
	    "{\"sender\":\"a@example.net\",\"spf\":\"fail\",\"client.name\":\"\"}", "",
	    "spf = anything but fail (fail)\n"
	    "entry a@example.net in good (sender)\n" },
	/* The rule of all. */
	{ STEP_MAIL, "at mail { reject 550 5.7.1 \"x\" }", "{}", "",
	    "observe r.conf:1\nno change\n" },
	/* Nothing is sought where nothing was refused, or is not known to have been. */
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf is fail }", "{\"spf\":\"pass\"}", "",
	    "passes\n" },
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf is fail }", "{}", "",
	    "unknown spf\n" },
	{ STEP_MAIL, "mode observe\nat mail { reject 550 5.7.23 \"x\" if spf is fail }",
	    "{\"spf\":\"fail\"}", "", "spf = anything but fail (fail)\n" },
	/* What a record says in vain. */
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf is fail }", "{\"spf\":7}", "",
	    "unknown spf\n" },
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf is fail }", "[]", "",
	    "unknown spf\n" },
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf is fail }", "{\"spf\"", "",
	    "unknown spf\n" },
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf is fail }", "{\"spf\":\"fail\"}",
	    "hugo", "unreadable\n" },
	/* from before there was enough in it */
	{ STEP_MAIL, "at mail { reject 550 5.7.23 \"x\" if spf is fail }", "{\"spf\":\"fail\"}",
	    "[]", "unreadable\n" },
	/* A step before the last one refuses it today, or lets it in; or asks for what nobody asked. */
	{ STEP_MESSAGE,
	    "at mail { reject 550 5.7.1 \"x\" if spf is fail }\nat message { reject 550 5.7.1 \"y\" }",
	    "{\"spf\":\"fail\"}", "", "spf = anything but fail (fail)\nobserve r.conf:1\n" },
	{ STEP_MESSAGE,
	    "at connect { accept session if client.name is \"\" }\nat message { reject 550 5.7.1 \"y\" }",
	    "{\"client.name\":\"\"}", "", "passes\n" },
	{ STEP_MESSAGE,
	    "at rcpt { tempfail 451 4.7.1 \"x\" if greylist is waiting }\nat message { reject 550 5.7.1 \"y\" }",
	    "{}", "", "unknown greylist\n" },
	{ STEP_MESSAGE,
	    "at rcpt { tempfail 451 4.7.1 \"x\" if box is \"b\" }\nat message { reject 550 5.7.1 \"y\" }",
	    "{\"box\":\"b\"}", "", "box = anything but \"b\" (\"b\")\nobserve r.conf:1\n" },
};
/* clang-format on */

static void
tell_change(struct buf *b, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_FACT:
	case CHANGE_SCORE:
		buf_printf(
		    b, "%.*s = %.*s (%.*s)", STR_ARG(c->name), STR_ARG(c->words), STR_ARG(c->was));
		break;
	case CHANGE_MARK:
		buf_printf(b, "mark %.*s = %.*s", STR_ARG(c->name), STR_ARG(c->words));
		break;
	case CHANGE_ENTRY:
		buf_printf(b, "entry %.*s in %.*s (%.*s)", STR_ARG(c->entry),
		    STR_ARG(list_name(c->list)), STR_ARG(c->name));
		break;
	case CHANGE_OBSERVE:
		buf_printf(b, "observe %.*s", STR_ARG(c->name));
		break;
	}
}

/* Those that are not an administrator's. */
static size_t
smallest(const struct changes *all)
{
	size_t n = SIZE_MAX;

	for (size_t i = 0; i < all->n; i++)
		if (all->set[i].change[0].kind <= CHANGE_MARK && all->set[i].n < n)
			n = all->set[i].n;
	return n;
}

static void
told_none(struct buf *b, const struct changes *all)
{
	static const char *const unsought[] = { "sums", "matches", "lists", "unknown" };

	if (all->now.outcome != PAST_REFUSED || smallest(all) < SIZE_MAX)
		return;
	buf_add(b, STR("no change"));
	if (all->searched != SIZE_MAX)
		buf_printf(b, " of %zu", all->searched);
	for (size_t i = 0; i < sizeof(unsought) / sizeof(unsought[0]); i++)
		if ((all->unsought & 1u << i) != 0)
			buf_printf(b, ", but for %s", unsought[i]);
	buf_addc(b, '\n');
}

static void
told(struct buf *b, const struct past *p, const struct changes *all)
{
	if (all->now.outcome == PAST_PASSES)
		buf_add(b, STR("passes\n"));
	if (all->now.outcome == PAST_UNKNOWN)
		buf_printf(b, "unknown %.*s\n", STR_ARG(past_name(p, all->now.slot)));
	for (size_t i = 0; i < all->n; i++) {
		const struct change_set *set = &all->set[i];

		for (size_t k = 0; k < set->n; k++) {
			buf_add(b, k > 0 ? STR(" & ") : STR(""));
			tell_change(b, &set->change[k]);
		}
		if (set->open)
			buf_printf(
			    b, ", then %.*s asks %.*s", STR_ARG(set->rule), STR_ARG(set->fact));
		buf_addc(b, '\n');
	}
}

/* Each that is said to let it pass does, and each that leaves something open gets past the rule. */
static void
holds(const struct past *p, const struct changes *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct arena *arena = arena_new(1 << 20);
		struct past_result r = past_decide(changes_apply(arena, p, &all->set[i]));

		if (all->set[i].open) {
			assert_int_equal(r.outcome, PAST_UNKNOWN);
			assert_true(r.rule > all->now.rule);
		} else {
			assert_int_equal(r.outcome, PAST_PASSES);
		}
		arena_free(&arena);
	}
	/* And what was is as it was. */
	assert_int_equal(past_decide(p).outcome, all->now.outcome);
}

/* NULL: it cannot be used; the first complaint is in *why. */
static struct config *
try_config(const char *rules, char why[256])
{
	struct complaints complaints = { 0 };
	char text[8192];
	struct config *config;

	snprintf(text, sizeof(text),
	    "%s\nhostname \"mx.test\"\nlisten proxy 127.0.0.1 port 25\n"
	    "backend 127.0.0.1 port 26\ndatabase \"/tmp\"\n",
	    rules);
	config = config_load_text("/r.conf", str_of(text), &fake_vocabulary, &complaints);
	why[0] = '\0';
	if (complaints.n > 0)
		str_copy(str_of(complaints.item[0].text), why, 256);
	complaints_free(&complaints);
	return config;
}

static struct config *
config_of(const char *rules)
{
	char why[256];
	struct config *config = try_config(rules, why);

	if (config == NULL || why[0] != '\0')
		fail_msg("%s: %s", rules, why);
	return config;
}

/* Those of the session itself as the fake vocabulary is told them: they are computed again. */
static const char *
given(struct arena *arena, const struct config *config, const char *facts)
{
	const struct json *all = json_parse(arena, str_of(facts), NULL);
	struct str text;
	struct buf b;

	buf_init(&b, 8192);
	for (const struct json *f = all ? all->first : NULL; f; f = f->next) {
		const struct fact_entry *entry = fact_find(&config->facts, f->name);

		if (entry && config->part[entry->stage].stage == NULL)
			buf_printf(&b, "%.*s=%.*s; ", STR_ARG(f->name), STR_ARG(f->text));
	}
	text = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return text.p;
}

/* What is thought over of an entry that says so. */
static struct past *
past_of(struct arena *arena, const struct config *config, enum step step, const char *facts,
    const char *trace)
{
	bool whole = trace[0] != '\0' && trace[0] != ',';
	struct journal_record record = { .front = "proxy",
		.step = step_name(step),
		.verdict = "reject",
		.time_ms = 1769860800000,
		.session = STR("s7"),
		.client_ip = STR("192.0.2.1"),
		.helo = STR("mx.test"),
		.sender = STR("a@example.net"),
		.recipients = STR("[\"b@example.org\"]"),
		.rule = STR("r.conf:1"),
		.answers = STR("[]"),
		.facts = str_of(facts),
		.config = str_of(config->revision) };

	record.trace = whole
	    ? str_of(trace)
	    : arena_printf(arena, "[{\"format\":2,\"began\":1769860800000,\"txn\":1}%s]", trace);
	fake_known(given(arena, config, facts));
	return past_read(arena, config, &record, STR(""));
}

static void
test_what_would_have_let_it_pass(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct config *config = config_of(row->rules);
		struct arena *arena = arena_new(4 << 20);
		struct past *p = past_of(arena, config, row->step, row->facts, row->trace);
		struct changes all;
		struct buf b;

		buf_init(&b, 8192);
		buf_add(&b, STR(""));
		if (p == NULL) {
			buf_add(&b, STR("unreadable\n"));
		} else {
			changes_find(p, &all);
			told(&b, p, &all);
			told_none(&b, &all);
			holds(p, &all);
		}
		assert_string_equal(b.p, row->found);
		buf_free(&b);
		arena_free(&arena);
		config_release(&config);
	}
}

/* Eleven of twenty facts would have to be others: beyond what is tried, and it is over soon. */
static void
test_too_many(void **state)
{
	struct buf rules, facts;
	struct config *config;
	struct arena *arena = arena_new(4 << 20);
	struct changes all;
	int64_t began_us;

	buf_init(&rules, 8192);
	buf_init(&facts, 8192);
	buf_add(&rules, STR("at mail {\n"));
	buf_add(&facts, STR("{\"spf\":\"pass\""));
	for (int i = 0; i < 20; i++) {
		buf_printf(&rules, " score 1 if listed(\"z%d.test\")\n", i);
		buf_printf(&facts, ",\"listed(\\\"z%d.test\\\")\":true", i);
	}
	buf_add(&rules, STR(" reject 550 5.7.1 \"x\" if score >= 10\n}"));
	buf_addc(&facts, '}');
	config = config_of(rules.p);
	began_us = clock_mono_us();
	changes_find(past_of(arena, config, STEP_MAIL, facts.p, ""), &all);
	print_message("searched up to %zu facts in %lld ms\n", all.searched,
	    (long long)(clock_mono_us() - began_us) / 1000);
	assert_int_equal(smallest(&all), SIZE_MAX);
	assert_in_range(all.searched, 4, CHANGE_MOST);
	buf_free(&rules);
	buf_free(&facts);
	arena_free(&arena);
	config_release(&config);
}

/* --- any rules, any facts ------------------------------------------------------------------------ */

#define ROUNDS 1500
#define RULES_MOST 6

/* Numbers that are the same in every run. */
struct dice {
	uint64_t state;
};

static unsigned
roll(struct dice *d, unsigned sides)
{
	d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(d->state >> 33) % sides;
}

static const char *
one_of(struct dice *d, const char *const *words)
{
	unsigned n = 0;

	while (words[n])
		n++;
	return words[roll(d, n)];
}

static void
add_test(struct dice *d, struct buf *b)
{
	static const char *const spf[] = { "pass", "fail", "softfail", "none", NULL };
	static const char *const order[] = { ">", ">=", "<", "<=", "is", NULL };
	static const char *const text[] = { "\"\"", "\"a.test\"", "\"b.test\"", NULL };
	static const char *const match[] = { "matches /^a/", "matches /t$/", "matches /[x.]/",
		NULL };
	static const char *const part[] = { "starts with \"a\"", "ends with \"test\"",
		"contains \".\"", NULL };

	if (roll(d, 4) == 0)
		buf_add(b, STR("not "));
	switch (roll(d, 8)) {
	case 0:
		buf_printf(b, "spf is %s%s", roll(d, 2) ? "not " : "", one_of(d, spf));
		return;
	case 1:
		buf_printf(b, "spf.helo in { %s, permerror }", one_of(d, spf));
		return;
	case 2:
		buf_printf(b, "rate(client, messages, 1h) %s %u", one_of(d, order), roll(d, 5));
		return;
	case 3:
		buf_printf(b, "surge(client) > %u.5", roll(d, 5));
		return;
	case 4:
		buf_printf(b, "client.name is %s", one_of(d, text));
		return;
	case 5:
		buf_printf(b, "helo %s", one_of(d, part));
		return;
	case 6:
		buf_printf(b, "helo %s%s", roll(d, 2) ? "not " : "", one_of(d, match));
		return;
	default:
		buf_add(b, STR("listed(\"zen.test\")"));
	}
}

static void
add_rule(struct dice *d, struct buf *b)
{
	static const char *const actions[] = { "accept", "reject 550 5.7.1 \"x\"",
		"tempfail 450 4.7.1 \"x\"", "reject 550 5.7.1 \"x\"", "score 3", "score 2",
		"observe reject 550 5.7.1 \"x\"", NULL };
	unsigned n = 1 + roll(d, 3);
	const char *join = roll(d, 2) ? " and " : " or ";

	if (roll(d, 6) == 0) {
		buf_printf(b, " reject 550 5.7.1 \"points\" if score >= %u\n", 1 + roll(d, 6));
		return;
	}
	buf_printf(b, " %s if ", one_of(d, actions));
	for (unsigned i = 0; i < n; i++) {
		buf_add(b, i > 0 ? str_of(join) : STR(""));
		add_test(d, b);
	}
	buf_addc(b, '\n');
}

/* Facts as the fake vocabulary is told them, and as an entry has them. */
static void
add_facts(struct dice *d, struct buf *fake, struct buf *json)
{
	static const char *const spf[] = { "pass", "fail", "softfail", "none", NULL };
	static const char *const text[] = { "", "a.test", "b.test", "c.example", NULL };
	const char *const a = one_of(d, spf), *const b = one_of(d, spf);
	const char *const name = one_of(d, text), *const helo = one_of(d, text);
	unsigned rate = roll(d, 6), surge = roll(d, 6), listed = roll(d, 2);

	buf_printf(fake,
	    "spf=%s; spf.helo=%s; rate(client, messages, 1h)=%u; surge(client)=%u.0; client.name=%s; "
	    "helo=%s; listed(\"zen.test\")=%u",
	    a, b, rate, surge, name, helo, listed);
	buf_printf(json,
	    "{\"spf\":\"%s\",\"spf.helo\":\"%s\",\"rate(client, messages, 1h)\":%u,\"surge(client)\":%u.0,"
	    "\"client.name\":\"%s\",\"helo\":\"%s\",\"listed(\\\"zen.test\\\")\":%s}",
	    a, b, rate, surge, name, helo, listed ? "true" : "false");
}

/* As posternd decides, which knows nothing of the past. */
static bool
passes(const struct config *config, const char *facts)
{
	struct arena *arena = arena_new(1 << 20);
	struct mailbox sender = { .null = true };
	struct session session;
	struct decision d;
	struct ask ask;

	session_init(&session, FRONT_PROXY, &config->facts, config->n_parts);
	session_mail(&session, &sender);
	fake_facts(facts);
	ask = session_ask(&session, STEP_MAIL, 0);
	assert_int_equal(ruleset_decide(config->ruleset, &ask, arena, &d), DONE);
	session_free(&session);
	arena_free(&arena);
	return d.verdict.kind == VERDICT_ACCEPT;
}

/* The rules with `observe` in the line. */
static struct config *
observed(const char *rules, struct str name)
{
	struct str rest = str_of(rules), line;
	struct config *config;
	char why[256];
	uint64_t n;
	struct buf b;

	assert_true(str_to_u64(str_sub(name, str_find(name, ':') + 1, name.n), 100, &n));
	buf_init(&b, 8192);
	for (uint64_t i = 1; str_pop(&rest, '\n', &line); i++) {
		buf_add(&b, i == n ? STR(" observe") : STR(""));
		buf_add(&b, line);
		buf_addc(&b, '\n');
	}
	config = try_config(b.p, why);
	buf_free(&b);
	return config;
}

/* Every value that these rules can tell from another. */
static const struct domain {
	const char *name, *values[10];
} domains[] = {
	{ "spf", { "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror" } },
	{ "spf.helo", { "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror" } },
	{ "rate(client, messages, 1h)", { "0", "1", "2", "3", "4", "5" } },
	{ "surge(client)", { "0", "1", "2", "3", "4", "5" } },
	{ "client.name", { "", "a.test", "b.test", "c" } },
	{ "helo", { "", "a", "a.test", "test", "c.x", "c", "a.x", "c.test" } },
	{ "listed(\"zen.test\")", { "0", "1" } },
};
#define N_DOMAINS (sizeof(domains) / sizeof(domains[0]))

/* --- what is said, by other means than those it was found by --------------------------------------- */

/* What stands between the quotes, or slashes. */
static void
quoted(const char *words, char quote, char out[64])
{
	const char *begin = strchr(words, quote) + 1, *end = strchr(begin, quote);

	str_copy((struct str){ begin, (size_t)(end - begin) }, out, 64);
}

static bool
matches(const char *pattern, const char *text)
{
	regex_t regex;
	bool found;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static bool
has_part(const char *words, const char *part, const char *text)
{
	size_t n = strlen(text), k = strlen(part);

	if (strstr(words, "beginning with") != NULL)
		return strncmp(text, part, k) == 0;
	if (strstr(words, "ending in") != NULL)
		return n >= k && strcmp(text + n - k, part) == 0;
	return strstr(text, part) != NULL;
}

/* "pass, neutral or none" */
static bool
is_one_of(const char *words, const char *text)
{
	char copy[256], *rest = copy;

	str_copy(str_of(words), copy, sizeof(copy));
	for (char *word = strsep(&rest, ", "); word; word = strsep(&rest, ", "))
		if (word[0] != '\0' && strcmp(word, text) == 0)
			return true;
	return false;
}

/* One of the things that the value has to be. */
static bool
is_meant(const char *words, const char *text)
{
	char part[64];

	if (strstr(words, " or less") != NULL)
		return atof(text) <= atof(words);
	if (strstr(words, " or more") != NULL)
		return atof(text) >= atof(words);
	if (strncmp(words, "one that", 8) == 0) {
		quoted(words, '/', part);
		return matches(part, text) == (strstr(words, "does not") == NULL);
	}
	if (strncmp(words, "anything but ", 13) == 0)
		return !is_meant(words + 13, text);
	if (words[0] == '"' || strchr(words, '"') != NULL)
		quoted(words, '"', part);
	if (words[0] == '"')
		return strcmp(part, text) == 0;
	if (strncmp(words, "one ", 4) == 0)
		return has_part(words, part, text) ==
		    (strstr(words, "one not") == NULL && strstr(words, "without") == NULL);
	if (strcmp(words, "yes") == 0 || strcmp(words, "no") == 0)
		return (strcmp(words, "yes") == 0) == (text[0] == '1');
	return is_one_of(words, text);
}

static bool
is_all_meant(struct str words, const char *text)
{
	char copy[512], *at = copy, *next;

	assert_true(str_copy(words, copy, sizeof(copy)));
	for (; at; at = next) {
		next = strstr(at, ", and ");
		if (next) {
			*next = '\0';
			next += 6;
		}
		if (!is_meant(at, text))
			return false;
	}
	return true;
}

static const struct domain *
domain_of(struct str name)
{
	for (size_t i = 0; i < N_DOMAINS; i++)
		if (str_eq(name, str_of(domains[i].name)))
			return &domains[i];
	fail_msg("%.*s has no values", STR_ARG(name));
	return NULL;
}

/* Puts one of those that are meant in front of the facts, for each change from the i-th on; each of them has to do. */
static unsigned
each_does(const struct config *config, const char *rules, const char *facts,
    const struct change_set *set, size_t i)
{
	const struct domain *domain;
	unsigned n = 0;

	if (i == set->n) {
		if (!passes(config, facts))
			fail_msg("%s%s: %.*s", rules, facts, STR_ARG(set->change[0].words));
		return 1;
	}
	domain = domain_of(set->change[i].name);
	for (size_t k = 0; k < 10 && domain->values[k]; k++) {
		char changed[2048];

		if (!is_all_meant(set->change[i].words, domain->values[k]))
			continue;
		snprintf(
		    changed, sizeof(changed), "%s=%s; %s", domain->name, domain->values[k], facts);
		n += each_does(config, rules, changed, set, i + 1);
	}
	return n;
}

/* How many there were to try. */
static unsigned
does(
    const struct config *config, const char *rules, const char *facts, const struct change_set *set)
{
	struct config *other;

	assert_false(set->open);
	if (set->change[0].kind != CHANGE_OBSERVE)
		return each_does(config, rules, facts, set, 0);
	other = observed(rules, set->change[0].name);
	assert_true(other == NULL || passes(other, facts));
	config_release(&other);
	return 1;
}

/* Whether some values of so many facts let it pass. */
static bool
any_passes(const struct config *config, const char *facts, size_t from, unsigned n)
{
	for (size_t i = from; i < N_DOMAINS; i++) {
		for (size_t k = 0; k < 10 && domains[i].values[k]; k++) {
			char changed[2048];

			snprintf(changed, sizeof(changed), "%s=%s; %s", domains[i].name,
			    domains[i].values[k], facts);
			if (n > 1 ? any_passes(config, changed, i + 1, n - 1)
				  : passes(config, changed))
				return true;
		}
	}
	return false;
}

#define TRIED_MOST 3 /* facts */

/* What was found is as small as can be, and where nothing was found there is nothing. */
static void
is_smallest(
    const struct config *config, const char *rules, const char *facts, const struct changes *all)
{
	size_t n = smallest(all);

	/* Of what several regular expressions ask of the same name it is not said. */
	if ((all->unsought & UNSOUGHT_MATCHES) != 0)
		return;
	for (unsigned k = 1; k < n && k <= TRIED_MOST; k++)
		if (any_passes(config, facts, 0, k))
			fail_msg("%u facts are enough, not %zu: %s%s", k, n, rules, facts);
	if (n == SIZE_MAX)
		assert_true(all->searched >= N_DOMAINS - 1);
}

static void
test_any_rules_any_facts(void **state)
{
	struct dice dice = { 1 };
	size_t refused = 0, found = 0, of_size[CHANGE_MOST + 1] = { 0 }, tried = 0;

	for (size_t round = 0; round < ROUNDS; round++) {
		struct arena *arena = arena_new(4 << 20);
		struct buf rules, facts, json;
		struct config *config;
		struct changes all;
		struct past *p;
		char why[256];

		buf_init(&rules, 8192);
		buf_init(&facts, 1024);
		buf_init(&json, 1024);
		buf_add(&rules, STR("at mail {\n"));
		for (unsigned n = 1 + roll(&dice, RULES_MOST); n > 0; n--)
			add_rule(&dice, &rules);
		buf_add(&rules, STR("}"));
		add_facts(&dice, &facts, &json);
		/* Rules that can never be reached are none. */
		config = try_config(rules.p, why);
		if (config) {
			p = past_of(arena, config, STEP_MAIL, json.p, "");
			changes_find(p, &all);
			assert_int_equal(all.now.outcome == PAST_PASSES, passes(config, facts.p));
			refused += all.now.outcome == PAST_REFUSED;
			for (size_t i = 0; i < all.n; i++) {
				tried += does(config, rules.p, facts.p, &all.set[i]);
				of_size[all.set[i].n]++;
			}
			if (all.now.outcome == PAST_REFUSED)
				is_smallest(config, rules.p, facts.p, &all);
			found += all.n > 0 && all.set[0].change[0].kind == CHANGE_FACT;
			config_release(&config);
		}
		buf_free(&rules);
		buf_free(&facts);
		buf_free(&json);
		arena_free(&arena);
	}
	print_message(
	    "%zu refused, for %zu a change was found; %zu of two facts, %zu of three, %zu of more; "
	    "%zu values of what is meant\n",
	    refused, found, of_size[2], of_size[3], of_size[4] + of_size[5] + of_size[6], tried);
	assert_true(refused > ROUNDS / 4);
	assert_true(found > refused / 2);
	assert_true(of_size[2] > 20 && of_size[3] > 5);
	assert_true(tried > 3 * found);
}

/* At rcpt an entry tells of each recipient; what the last one was told counts. */
static void
test_of_several_recipients_the_last_counts(void **state)
{
	struct config *config = config_of("at rcpt {\n score 2 if greylist in { known, waiting }\n"
					  " reject 550 5.7.1 \"x\" if greylist is waiting\n}");
	struct arena *arena = arena_new(4 << 20);
	struct past *p;
	struct past_result r;

	p = past_of(arena, config, STEP_RCPT, "{}",
	    ",{\"at\":\"rcpt\",\"to\":\"a@example.org\",\"own\":{\"greylist\":\"known\"}},"
	    "{\"at\":\"rcpt\",\"own\":{\"greylist\":\"waiting\"}}");
	r = past_decide(p);
	assert_int_equal(r.outcome, PAST_REFUSED);
	assert_int_equal(r.rule, 1);
	/* The first recipient's points are there, the last one's own are counted by the rules. */
	assert_int_equal(r.score, 4);
	arena_free(&arena);
	config_release(&config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_would_have_let_it_pass),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_any_rules_any_facts),
		cmocka_unit_test(test_of_several_recipients_the_last_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
