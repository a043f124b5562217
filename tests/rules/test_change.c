#include "rules/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/rules/past_of.h"

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
	    "recipients.allowed = 101 or more (100)\n"
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
	/* A list in braces has no other name. */
	{ STEP_CONNECT, "at connect { reject 554 5.7.1 \"x\" if client.ip in { 198.51.100.0/24 } }",
	    "{\"client.ip\":\"198.51.100.7\"}", "",
	    "client.ip = not in { 198.51.100.0/24 } (198.51.100.7)\n"
	    "observe r.conf:1\n" },
	{ STEP_CONNECT,
	    "at connect {\n accept if client.ip in { 192.0.2.0/24,\n  203.0.113.7 }\n reject 554 5.7.1 \"x\"\n}",
	    "{\"client.ip\":\"198.51.100.7\"}", "",
	    "entry 198.51.100.7 in { 192.0.2.0/24, 203.0.113.7 } (client.ip)\n"
	    "observe r.conf:4\n"
	    "no change, but for lists\n" },
	{ STEP_MAIL,
	    "at mail { reject 550 5.7.1 \"x\" if sender.domain in { \"a.test\", \"b.test\", \"c.test\", \"d.test\", "
	    "\"e.test\", \"f.test\", \"g.test\" } }",
	    "{\"sender.domain\":\"b.test\"}", "",
	    "sender.domain = not in { \"a.test\", \"b.test\", \"c.test\", \"d.test\", \"e.test\", \"f.test\"... } (\"b.test\")\n"
	    "observe r.conf:1\n" },
	/* What never is so is not told; nor that there is less than nothing. */
	{ STEP_MAIL,
	    "at mail { reject 550 5.7.1 \"x\" if unknown_share(client, 1h) <= 100 and spf is fail }",
	    "{\"unknown_share(client, 1h)\":30,\"spf\":\"fail\"}", "",
	    "spf = anything but fail (fail)\n"
	    "observe r.conf:1\n" },
	/* By the fact on either side. */
	{ STEP_RCPT,
	    "at rcpt { tempfail 452 4.5.3 \"x\" if recipients.allowed > 0 and recipients > recipients.allowed }",
	    "{\"recipients\":4,\"recipients.allowed\":3}", "",
	    "recipients.allowed = 0 (3)\n"
	    "recipients = 3 or less (4)\n"
	    "recipients.allowed = 4 or more (3)\n"
	    "observe r.conf:1\n" },
	{ STEP_MAIL,
	    "at mail { reject 550 5.7.1 \"x\" if rate(client, messages, 1h) >= quota.limit }",
	    "{\"rate(client, messages, 1h)\":0,\"quota.limit\":0}", "",
	    "quota.limit = 1 or more (0)\n"
	    "observe r.conf:1\n" },
	{ STEP_MAIL, "at mail { reject 550 5.7.1 \"x\" if helo is not client.name }",
	    "{\"helo\":\"a.test\",\"client.name\":\"b.test\"}", "",
	    "helo = \"b.test\" (\"a.test\")\n"
	    "client.name = \"a.test\" (\"b.test\")\n"
	    "observe r.conf:1\n" },
	{ STEP_MAIL,
	    "at mail { reject 550 5.7.1 \"x\" if rate(client, messages, 1h) >= 2 * quota.limit }",
	    "{\"rate(client, messages, 1h)\":0,\"quota.limit\":0}", "",
	    "observe r.conf:1\n"
	    "no change, but for sums\n" },
	/* Of one fact the widest; and what leaves something open only where nothing else does it. */
	{ STEP_MESSAGE,
	    "at message {\n reject 552 5.3.4 \"x\" if message.size > 60000\n"
	    " reject 550 5.7.1 \"y\" if message.size > 10 and from.count > 1\n}",
	    "{\"message.size\":67242,\"from.count\":1}", "",
	    "message.size = 60000 or less (67242)\n"
	    "observe r.conf:2\n" },
	{ STEP_MAIL,
	    "at mail {\n reject 550 5.7.1 \"x\" if sender.domain is \"a.test\" and spf is fail\n"
	    " reject 550 5.7.1 \"y\" if sender.domain is \"b.test\" and surge(client) > 5\n"
	    " reject 550 5.7.1 \"z\" if sender.domain is \"c.test\" and client.name is \"mx.test\"\n}",
	    "{\"sender.domain\":\"a.test\",\"spf\":\"fail\",\"client.name\":\"\"}", "",
	    "sender.domain = anything but \"a.test\", and anything but \"b.test\" (\"a.test\")\n"
	    "spf = anything but fail (fail)\n"
	    "observe r.conf:2\n" },
	/* However many do it, there is room for what an administrator can do. */
	{ STEP_MAIL,
	    "list good { \"example.com\" }\n"
	    "at mail {\n accept if sender in good\n"
	    " reject 550 5.7.1 \"x\" if spf is fail and spf.helo is fail and client.name is \"\" and helo is \"x\" "
	    "and rate(client, messages, 1h) > 3 and surge(client) > 3 and listed(\"z.test\") and quota.used > 3 "
	    "and quota.limit < 9\n}",
	    "{\"sender\":\"a@example.net\",\"spf\":\"fail\",\"spf.helo\":\"fail\",\"client.name\":\"\",\"helo\":\"x\","
	    "\"rate(client, messages, 1h)\":4,\"surge(client)\":4.0,\"listed(\\\"z.test\\\")\":true,\"quota.used\":4,"
	    "\"quota.limit\":4}",
	    "",
	    "spf = anything but fail (fail)\n"
	    "spf.helo = anything but fail (fail)\n"
	    "client.name = anything but \"\" (\"\")\n"
	    "helo = anything but \"x\" (\"x\")\n"
	    "rate(client, messages, 1h) = 3 or less (4)\n"
	    "surge(client) = 3 or less (4)\n"
	    "entry a@example.net in good (sender)\n"
	    "observe r.conf:4\n" },
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

static void
told_none(struct buf *b, const struct changes *all)
{
	static const char *const unsought[] = { "sums", "matches", "lists", "unknown" };

	if (all->now.outcome != PAST_REFUSED || past_smallest(all) < SIZE_MAX)
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
	assert_int_equal(past_smallest(&all), SIZE_MAX);
	assert_in_range(all.searched, 4, CHANGE_MOST);
	buf_free(&rules);
	buf_free(&facts);
	arena_free(&arena);
	config_release(&config);
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
	    ",{\"at\":\"rcpt\",\"to\":\"a@example.org\",\"tried\":\"\",\"own\":{\"greylist\":\"known\"}},"
	    "{\"at\":\"rcpt\",\"tried\":\"\",\"own\":{\"greylist\":\"waiting\"}}");
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
		cmocka_unit_test(test_of_several_recipients_the_last_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
