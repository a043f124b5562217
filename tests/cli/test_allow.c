#include "cli/cli.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "db/store_sqlite.h"
#include "mail/ticket.h"
#include "tests/cli/run.h"

static const char config[] =
    "hostname \"mx.example.org\"\n"
    "database \"/tmp\"\n"
    "list partners { \"example.net\", \"example.com\" }\n"
    "at mail { reject 550 5.7.23 \"SPF\" if spf is fail }\n"
    "at rcpt { tempfail 451 4.7.1 \"Wait\" if greylist is waiting }\n"
    "at message {\n"
    "    reject 550 5.7.20 \"No signature\" if dkim is not pass\n"
    "    reject 550 5.7.9 \"One\" if header.count > 20; reject 550 5.7.9 \"Two\" if header.count > 10\n"
    "}\n";

#define SPF_RULE "postern.conf:4"
#define GREY_RULE "postern.conf:5"
#define DKIM_RULE "postern.conf:7"

static struct store *store; /* as posternd: with the file open all the time */
static char revision[16];

static void
load(struct run *r)
{
	struct cli cli = { .out = stdout, .err = stderr };
	struct config *c = cli_config(&cli, folder_file(&r->folder, "postern.conf"));

	assert_non_null(c);
	snprintf(revision, sizeof(revision), "%s", c->revision);
	config_release(&c);
}

static int
setup(void **state)
{
	struct run *r;

	if (run_setup(state) != 0)
		return -1;
	r = *state;
	folder_write(&r->folder, "postern.conf", config, strlen(config));
	load(r);
	store = store_sqlite.open(folder_file(&r->folder, "store.db"), NULL);
	return store == NULL;
}

static int
teardown(void **state)
{
	store_sqlite.close(&store);
	return run_teardown(state);
}

static void
cli(struct run *r, const char *words)
{
	char all[1000], *path = strdup(folder_file(&r->folder, "postern.conf"));

	snprintf(all, sizeof(all), "-c %s %s", path, words);
	run_cli(r, all);
	free(path);
}

/* An entry of an hour ago. */
struct entry {
	const char *verdict, *step, *rule, *client, *sender, *recipients, *facts;
};

static const char *
append(struct run *r, const struct entry *e)
{
	static char id[8];
	struct journal_record record = run_record();

	record.time_ms = (time(NULL) - 3600) * INT64_C(1000);
	record.verdict = e->verdict;
	record.step = e->step;
	record.rule = str_of(e->rule);
	record.client_ip = str_of(e->client);
	record.sender = str_of(e->sender);
	record.recipients = str_of(e->recipients);
	record.facts = str_of(e->facts);
	record.config = str_of(revision);
	run_append(r, &record);
	memcpy(id, record.id, sizeof(id));
	return id;
}

/* --- the narrowest exception ---------------------------------------------------------------------- */

static const struct {
	const char *what;
	struct entry entry;
	const char *options;
	int code;
	const char *says; /* on its first line, or as the error */
} rows[] = {
	{ "by the client, as SPF says that it is nobody",
	    { "reject", "mail", SPF_RULE, "192.0.2.1", "a@Example.net", "[]",
		"{\"spf\":\"fail\"}" },
	    "", 0, "allow client 192.0.2.1, from example.net, past postern.conf:4, until 2" },
	{ "for one recipient, who was not known yet",
	    { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net", "[]",
		"{\"spf\":\"fail\"}" },
	    "--for b@example.org", 0,
	    "allow client 192.0.2.1, from example.net, for b@example.org, past postern.conf:4" },
	{ "the null sender",
	    { "reject", "mail", SPF_RULE, "2001:db8::1", "", "[]", "{\"spf\":\"fail\"}" }, "", 0,
	    "allow client 2001:db8::1, from <>, past" },
	{ "by SPF",
	    { "tempfail", "rcpt", GREY_RULE, "192.0.2.1", "a@example.net", "[\"b@example.org\"]",
		"{\"spf\":\"pass\",\"spf.domain\":\"example.net\"}" },
	    "", 0, "allow spf example.net, for b@example.org, past postern.conf:5, until 2" },
	{ "by SPF, whose domain no rule asked for",
	    { "tempfail", "rcpt", GREY_RULE, "192.0.2.1", "a@Example.net", "[\"b@example.org\"]",
		"{\"spf\":\"pass\"}" },
	    "", 0, "allow spf example.net, for b@example.org" },
	{ "by the sender's signature",
	    { "reject", "message", DKIM_RULE, "192.0.2.1", "a@news.example.net",
		"[\"b@example.org\",\"c@example.org\"]",
		"{\"spf\":\"pass\",\"dkim.domains\":[\"esp.example\",\"example.net\"]}" },
	    "", 0, "allow dkim example.net, for b@example.org c@example.org, past postern.conf:7" },
	{ "by the author's",
	    { "reject", "message", DKIM_RULE, "192.0.2.1", "a@bounces.example",
		"[\"b@example.org\"]",
		"{\"from.domain\":[\"example.net\"],\"dkim.domains\":[\"example.net\"]}" },
	    "", 0, "allow dkim example.net, for b@example.org" },
	{ "a stranger's signature stands behind SPF",
	    { "reject", "message", DKIM_RULE, "192.0.2.1", "a@example.net", "[\"b@example.org\"]",
		"{\"spf\":\"pass\",\"dkim.domains\":[\"esp.example\"]}" },
	    "", 0, "allow spf example.net, for b@example.org" },
	{ "and goes with the sender",
	    { "reject", "message", DKIM_RULE, "192.0.2.1", "a@example.net", "[\"b@example.org\"]",
		"{\"spf\":\"none\",\"dkim.domains\":[\"esp.example\"]}" },
	    "", 0, "allow dkim esp.example, from example.net, for b@example.org" },
	{ "as asked for",
	    { "reject", "message", DKIM_RULE, "192.0.2.1", "a@example.net", "[\"b@example.org\"]",
		"{\"spf\":\"pass\",\"dkim.domains\":[\"example.net\"]}" },
	    "--by client --for any --any-rule --until forever", 0,
	    "allow client 192.0.2.1, from example.net, past any rule, for ever\n" },
	{ "what is not proven",
	    { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net", "[]",
		"{\"spf\":\"fail\"}" },
	    "--by spf", 2, "spf proves nobody in this entry" },
	{ "what is no proof",
	    { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net", "[]",
		"{\"spf\":\"fail\"}" },
	    "--by sender", 2, "--by is dkim, spf or client, not sender" },
	{ "nobody at all", { "reject", "mail", SPF_RULE, "unknown", "a@example.net", "[]", "{}" },
	    "", 2, "it names no client, and nothing in it proves a sender" },
	{ "a limit that names nobody",
	    { "reject", "connect", "limit: connections", "", "", "[]", "{}" }, "", 2,
	    "no rule refused it but a limit" },
	{ "not refused",
	    { "accept", "message", "", "192.0.2.1", "a@example.net", "[\"b@example.org\"]", "{}" },
	    "", 2, "it was not refused" },
	{ "refused by the mail server",
	    { "reject", "rcpt", "backend", "192.0.2.1", "a@example.net", "[\"b@example.org\"]",
		"{}" },
	    "", 2, "the mail server behind refused it" },
	{ "a limit", { "reject", "mail", "limit: size", "192.0.2.1", "a@example.net", "[]", "{}" },
	    "", 2, "no rule refused it but a limit" },
	{ "blocked", { "reject", "connect", "exception 12", "192.0.2.1", "", "[]", "{}" }, "", 2,
	    "`postern lists remove 12`" },
	{ "two rules on one line",
	    { "reject", "message", "postern.conf:8", "192.0.2.1", "a@example.net",
		"[\"b@example.org\"]", "{}" },
	    "", 2, "the journal does not tell how postern.conf:8 read then" },
	{ "until a moment that is over",
	    { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net", "[]", "{}" },
	    "--until 2020-01-01", 2, "--until: \"2020-01-01\" is no time to come\n" },
	{ "until no moment at all",
	    { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net", "[]", "{}" }, "--until 7",
	    2, "or \"2026-01-31 12:00\", or forever\n" },
	{ "for a domain in its other script",
	    { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net", "[]", "{}" },
	    "--for b@b\xc3\xbc"
	    "cher.example",
	    0,
	    "for b@b\xc3\xbc"
	    "cher.example b@xn--bcher-kva.example, past" },
	{ "the other way", { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net", "[]", "{}" },
	    "--for XN--bcher-kva.example", 0,
	    "for XN--bcher-kva.example b\xc3\xbc"
	    "cher.example, past" },
	{ "for nobody", { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net", "[]", "{}" },
	    "--for a@b@c", 2, "--for: \"a@b@c\" is no address or domain" },
};

static void
test_narrowest(void **state)
{
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char words[300];

		print_message("%s\n", rows[i].what);
		snprintf(words, sizeof(words), "allow %s --dry-run %s", append(r, &rows[i].entry),
		    rows[i].options);
		cli(r, words);
		if (strstr(r->code ? r->err : r->out, rows[i].says) == NULL ||
		    r->code != rows[i].code)
			fail_msg("%s%s", r->out, r->err);
	}
}

/* --- what else, doing and undoing ----------------------------------------------------------------- */

static const struct entry refused = { "reject", "mail", SPF_RULE, "192.0.2.1", "a@example.net",
	"[]", "{\"spf\":\"fail\"}" };

static void
allow(struct run *r, const char *id, const char *options)
{
	char words[300];

	snprintf(words, sizeof(words), "allow %s %s", id, options);
	cli(r, words);
}

static void
test_what_else(void **state)
{
	struct run *r = *state;
	struct entry other = refused;
	char id[8];

	append(r, &refused);
	other.sender = "b@example.com";
	append(r, &other);
	other = refused;
	other.client = "192.0.2.2";
	append(r, &other);
	other = refused;
	other.rule = GREY_RULE;
	append(r, &other);
	other = refused;
	other.verdict = "accept";
	append(r, &other);
	snprintf(id, sizeof(id), "%s", append(r, &refused));
	allow(r, id, "--dry-run");
	run_has(r, "in the past 30 days it would also have let in 1 more:\n");
	run_has(r, "a@example.net  to  ?\n");
	allow(r, id, "--dry-run --any-rule");
	run_has(r, "let in 2 more:\n");
	allow(r, id, "--dry-run --json");
	run_has(r,
	    "\"kind\":\"allow\",\"proof\":\"client\",\"who\":\"192.0.2.1\",\"sender\":"
	    "\"example.net\",\"recipients\":[],\"rule\":\"postern.conf:4\"");
	run_has(r, "\"others\":1,\"newest\":[{\"id\":\"");
	/* Nothing was done. */
	cli(r, "lists");
	run_is(r, 0,
	    "there are no exceptions; `postern allow` and `postern block` make them\n"
	    "list  trusted  0 items\nlist  partners  2 items\n",
	    "");
	/* before MAIL nobody has named a sender, which is not the empty one */
	other = refused;
	other.step = "connect";
	other.sender = "";
	append(r, &other);
	snprintf(id, sizeof(id), "%s", append(r, &other));
	allow(r, id, "--dry-run");
	run_has(r, "?  to  ?\n");
}

static void
test_do_and_undo(void **state)
{
	struct run *r = *state;
	char id[8], words[60];

	snprintf(id, sizeof(id), "%s", append(r, &refused));
	/* Nobody is asked where nobody can answer. */
	allow(r, id, "");
	run_is(r, 2, NULL, "postern: nothing was done: --yes does it, --dry-run only tells\n");
	allow(r, id, "--yes --note 'a good one'");
	run_has(r, "it is exception 1, in force within a second\n");
	allow(r, id, "--yes --until 1d");
	run_has(r, "it is exception 1, which is renewed\n");
	/* Without a word about it, it is not shortened, and why it was made is not lost. */
	allow(r, id, "--yes --until forever");
	allow(r, id, "--yes");
	run_has(r, "past postern.conf:4, for ever\nit is exception 1, which is renewed\n");
	allow(r, id, "--yes --until 1d");
	run_has(r, "past postern.conf:4, until 2");
	/* as it stands in the reply, and as it is read out */
	{
		char shown[12] = "[";

		for (size_t i = 0; id[i]; i++)
			shown[i + 1] = (char)toupper((unsigned char)id[i]);
		shown[strlen(shown)] = ']';
		allow(r, shown, "--dry-run");
		run_has(r, "it is exception 1, which is renewed\n");
		snprintf(words, sizeof(words), "why %s", shown);
		cli(r, words);
		assert_int_equal(r->code, 0);
		/* or all of the reply */
		snprintf(words, sizeof(words), "'550 5.7.1 Blocked %s'", shown);
		allow(r, words, "--dry-run");
		run_has(r, "it is exception 1, which is renewed\n");
	}
	allow(r, id, "--yes --for c@example.org");
	run_has(r, "it is exception 2,");
	cli(r, "lists");
	run_has(r, "1     allow  client 192.0.2.1, from example.net, past postern.conf:4  until 2");
	run_has(r, "not hit yet  by ");
	run_has(r, ": a good one\n");
	cli(r, "lists --json");
	run_has(r, "\"number\":2,\"kind\":\"allow\"");
	run_has(r, "{\"list\":\"partners\",\"items\":2}\n");
	cli(r, "log --verdict change");
	run_has(r, "made by ");
	run_has(r, ": a good one");
	run_has(r, "renewed by ");
	cli(r, "lists remove 1 7");
	run_is(
	    r, 2, "", "postern: there is no exception 7; `postern lists` shows those there are\n");
	cli(r, "lists remove 1 1");
	run_has(r, "exception 1 removed by ");
	assert_null(strstr(strstr(r->out, "removed") + 1, "removed"));
	cli(r, "block --undo 2");
	run_is(r, 1, "",
	    "postern: \"2\" is not of `postern block`: `postern allow --undo` takes it back\n");
	cli(r, "allow --undo 1");
	run_is(r, 1, "",
	    "postern: no exception has the number \"1\" or was made of such an entry; see `postern lists`\n");
	{
		snprintf(words, sizeof(words), "block --undo %s", id);
		cli(r, words);
		assert_int_equal(r->code, 1);
		snprintf(words, sizeof(words), "allow --undo %s", id);
		cli(r, words);
		run_has(r, "exception 2 removed by ");
		cli(r, words);
		assert_int_equal(r->code, 1);
	}
}

/* Nobody is made out of what was emptied. */
static void
test_forgotten(void **state)
{
	struct run *r = *state;
	char id[8], words[60], err[120];

	snprintf(id, sizeof(id), "%s", append(r, &refused));
	cli(r, "forget a@example.net");
	snprintf(err, sizeof(err),
	    "postern: %s was emptied by `postern forget`: whom it named is not known any more\n",
	    id);
	allow(r, id, "--yes");
	run_is(r, 2, "", err);
	snprintf(words, sizeof(words), "block %s --yes", id);
	cli(r, words);
	run_is(r, 2, "", err);
}

static void
test_named(void **state)
{
	struct run *r = *state;

	cli(r, "allow spf:Example.net --yes");
	run_is(r, 2, "",
	    "postern: past which rule? --rule FILE:LINE names one, --any-rule lets it pass all of them\n");
	cli(r, "allow spf:Example.net --yes --rule " SPF_RULE);
	run_has(r, "allow spf example.net, past postern.conf:4, until");
	cli(r, "allow spf:example.net --yes --rule postern.conf:3");
	run_is(r, 2, "",
	    "postern: --rule: postern.conf:3 is no rule that refuses, or one of several on its line\n");
	cli(r, "allow example.net --yes");
	run_is(r, 2, "",
	    "postern: \"example.net\" is what anybody can claim to be: name what has to prove it, "
	    "dkim:example.net or spf:example.net, or the client's address\n");
	cli(r, "block a@example.net --yes");
	run_is(r, 2, "",
	    "postern: \"a@example.net\" is what anybody can claim to be: name what has to prove it, "
	    "dkim:example.net or spf:example.net, or the client's address\n");
	cli(r, "allow zzzzzz --yes");
	run_is(r, 2, "",
	    "postern: no entry \"zzzzzz\" in the journal; else name whom to allow: dkim:DOMAIN, "
	    "spf:DOMAIN or a client's address\n");
	cli(r, "block ::/0 --yes");
	run_is(r, 2, "",
	    "postern: a network of /0 is everybody: that is for a rule, not for an exception\n");
	cli(r, "allow 0.0.0.0/0 --any-rule --yes");
	assert_int_equal(r->code, 2);
	cli(r, "allow 192.0.2.77/24 --any-rule --yes");
	run_is(r, 2, "",
	    "postern: \"192.0.2.77/24\": bits are set beyond the first 24; the network would be 192.0.2.0/24\n");
	cli(r, "allow dkim:a_b/c --any-rule --yes");
	run_is(r, 2, "", "postern: \"a_b/c\" is no domain\n");
	cli(r,
	    "allow dkim:B\xc3\xbc"
	    "cher.example --any-rule --dry-run");
	run_has(r, "allow dkim xn--bcher-kva.example, past any rule");
	cli(r, "block 192.0.2.1 --for any --for b@example.org --yes");
	run_is(r, 2, "", "postern: --for: any is all of them, and goes alone\n");
	cli(r, "block 192.0.2.0/24 --until forever --yes");
	run_has(r, "block client 192.0.2.0/24, for ever\n");
	run_has(r, "it would have kept out nothing else\n");
	cli(r, "block dkim:example.net --for b@example.org --yes");
	run_has(r, "block dkim example.net, for b@example.org, until");
}

static void
test_block_of_an_entry(void **state)
{
	static const struct entry spam = { "accept", "message", "", "192.0.2.1", "a@example.net",
		"[\"b@example.org\"]", "{\"spf\":\"pass\",\"dkim.domains\":[\"example.net\"]}" };
	struct run *r = *state;
	struct entry other = spam;
	char words[60];

	other.client = "192.0.2.2";
	append(r, &other);
	other.facts = "{\"spf\":\"pass\"}";
	append(r, &other);
	snprintf(words, sizeof(words), "block %s --yes", append(r, &spam));
	cli(r, words);
	run_has(r, "block dkim example.net, until");
	run_has(r, "it would also have kept out 1 more:\n");
}

/* What strangers wrote stays text. */
static void
test_escapes(void **state)
{
	struct run *r = *state;
	struct entry e = refused;

	e.sender = "a@\x1b[31m.example";
	allow(r, append(r, &e), "--dry-run");
	run_has(r, "from \\x1b[31m.example");
	assert_null(strchr(r->out, '\x1b'));
}

/* --- what a digest's link lets in ------------------------------------------------------------------ */

#define KEY "0123456789abcdef0123456789abcdef"

static char *
ticket_for(const char *id, const char *recipient, int64_t after, const char *key)
{
	const struct ticket t = { str_of(id), str_of(recipient), time(NULL) + after };
	struct buf b;
	char *text;

	buf_init(&b, TICKET_MAX);
	assert_true(ticket_write(&t, str_of(key), &b));
	text = strdup(b.p);
	buf_free(&b);
	return text;
}

static void
signed_run(struct run *r, char *ticket, const char *more)
{
	char all[1500];

	snprintf(all, sizeof(all), "allow --signed %s%s", ticket, more);
	cli(r, all);
	free(ticket);
}

static void
test_signed(void **state)
{
	static const struct entry entry = { "reject", "mail", SPF_RULE, "192.0.2.1",
		"a@example.net", "[\"b@example.org\"]", "{\"spf\":\"fail\"}" };
	static const char more[] = "digest { link \"https://example.org/\"; key \"key\" }\n";
	struct run *r = *state;
	char with_key[2000], id[8];

	/* no key, no ticket */
	signed_run(r, ticket_for("zzzzzzz", "b@example.org", 3600, KEY), "");
	assert_int_equal(r->code, CLI_ERROR);
	assert_non_null(strstr(r->err, "there is no key to check it with"));
	snprintf(with_key, sizeof(with_key), "%s%s", config, more);
	folder_write(&r->folder, "postern.conf", with_key, strlen(with_key));
	folder_write(&r->folder, "key", KEY, strlen(KEY));
	load(r);
	snprintf(id, sizeof(id), "%s", append(r, &entry));
	signed_run(r, ticket_for(id, "b@example.org", 3600, KEY), " --dry-run");
	run_is(r, CLI_FOUND, NULL, "");
	run_has(
	    r, "allow client 192.0.2.1, from example.net, for b@example.org, past postern.conf:4");
	cli(r, "lists");
	assert_null(strstr(r->out, "b@example.org"));
	signed_run(r, ticket_for(id, "b@example.org", 3600, KEY), "");
	run_is(r, CLI_FOUND, NULL, "");
	run_has(r, "in force within a second");
	cli(r, "lists");
	run_has(r, "b@example.org");
	/* whoever has a link does not shorten what an administrator gave */
	allow(r, id, "--yes --until forever --for b@example.org");
	signed_run(r, ticket_for(id, "b@example.org", 3600, KEY), "");
	run_has(r, "past postern.conf:4, for ever\n");
	/* neither forged, nor late, nor more than it says */
	signed_run(
	    r, ticket_for(id, "b@example.org", 3600, "another key, another key, another"), "");
	run_is(r, CLI_ERROR, "",
	    "postern: --signed: it is not signed with the key of this configuration\n");
	signed_run(r, ticket_for(id, "b@example.org", -1, KEY), "");
	assert_non_null(strstr(r->err, "--signed: this link could be used until 2"));
	signed_run(r, strdup("xyz"), "");
	assert_non_null(strstr(r->err, "this is no ticket"));
	signed_run(r, ticket_for(id, "b@example.org", 3600, KEY), " --for any");
	run_is(r, CLI_ERROR, "",
	    "postern: --signed says for whom and until when; nothing else goes with it\n");
	signed_run(r, ticket_for(id, "b@example.org", 3600, KEY), " --any-rule");
	assert_int_equal(r->code, CLI_ERROR);
	signed_run(r, ticket_for("zzzzzzz", "b@example.org", 3600, KEY), "");
	assert_int_equal(r->code, CLI_ERROR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_narrowest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_do_and_undo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_block_of_an_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
