#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "mail/ticket.h"
#include "tests/cli/run.h"
#include "tests/post/server.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define SPAN "--since '2026-01-31 00:00' --until '2026-02-01 00:00'"

static void
configure(struct run *r, const char *more)
{
	char text[2000];

	snprintf(text, sizeof(text),
	    "hostname \"mx.example.org\"\ndatabase \"/tmp\"\nat connect { }\n%s", more);
	folder_write(&r->folder, "postern.conf", text, strlen(text));
	folder_write(&r->folder, "key", KEY, strlen(KEY));
	folder_write(&r->folder, "domains", "example.com boss@example.com\n", 29);
}

static void
digest(struct run *r, const char *words)
{
	char all[1000], *config = strdup(folder_file(&r->folder, "postern.conf"));

	snprintf(all, sizeof(all), "-c %s digest %s", config, words);
	run_cli(r, all);
	free(config);
}

static void
refused(struct run *r, const char *recipients, int64_t after_ms)
{
	struct journal_record record = run_record();

	record.step = "rcpt";
	record.recipients = str_of(recipients);
	record.time_ms += after_ms;
	run_append(r, &record);
}

/* How many letters to that address. */
static int
letters_to(const struct run *r, const char *address)
{
	char line[300];
	int n = 0;

	snprintf(line, sizeof(line), "To: %s\n", address);
	for (const char *p = r->out; (p = strstr(p, line)) != NULL; p++)
		n += p == r->out || p[-1] == '\n';
	return n;
}

static void
test_postmaster(void **state)
{
	struct run *r = *state;
	struct journal_record other = run_record();

	configure(r, "");
	refused(r, "[\"alice@example.org\"]", 0);
	refused(r, "[\"alice@example.org\"]", 60000);
	other.verdict = "tempfail";
	run_append(r, &other);
	other.verdict = "accept";
	run_append(r, &other);
	other.time_ms -= 200 * 3600000LL;
	other.verdict = "reject";
	run_append(r, &other);
	digest(r, SPAN);
	run_is(r, CLI_FOUND, NULL, "");
	run_has(r, "To: postmaster@example.org\nSubject: 2 refused by mx.example.org\n\n");
	run_has(r, "from 2026-01-31 00:00:00 to 2026-02-01 00:00:00. ");
	run_has(r,
	    "\n2026-01-31 12:01:00, 2 times since 2026-01-31 12:00:00\n"
	    "   From:   a@example.net\n"
	    "   Client: 192.0.2.1 mx.example.net\n"
	    "   To:     alice@example.org\n"
	    "   Reason: 550 5.7.23 SPF: not permitted\n"
	    "   Rule:   postern.conf:12\n"
	    "   Allow:  postern allow ");
	run_has(r, " --for alice@example.org --until 7d\n");
	assert_int_equal(letters_to(r, "postmaster@example.org"), 1);
	assert_int_equal(letters_to(r, "alice@example.org"), 0);
	/* what no rule gave, nobody can allow */
	other = run_record();
	other.rule = STR("limit: errors");
	other.time_ms += 86400000;
	run_append(r, &other);
	digest(r, "--since '2026-02-01 00:00' --until '2026-02-02 00:00'");
	run_has(r, "   Rule:   limit: errors\n");
	assert_null(strstr(r->out, "Allow:"));
	other = run_record();
	/* nothing, nobody */
	digest(r, "--since '2026-03-01 00:00' --until '2026-03-02 00:00'");
	run_is(r, CLI_NOTHING, "", "");
	configure(r, "digest { refusals all }\n");
	digest(r, SPAN);
	run_has(r, "Subject: 3 refused by mx.example.org\n");
	/* what its client was told, who knows nothing of a server behind */
	other.rule = STR("backend");
	other.verdict = "tempfail";
	other.code = 421;
	other.enhanced = STR("");
	other.text = STR("4.3.2 going down");
	other.time_ms += 86400000;
	run_append(r, &other);
	digest(r, "--since '2026-02-01 00:00' --until '2026-02-02 00:00'");
	run_has(
	    r, "   Reason: 451 4.3.0 The mail server behind is not available, try again later\n");
}

static void
test_others(void **state)
{
	struct run *r = *state;

	configure(r,
	    "list ours { \"example.org\" }\n"
	    "digest { recipients in ours; domains \"domains\" }\n");
	refused(r, "[\"alice@example.org\",\"bob@example.com\"]", 0);
	refused(r, "[\"carol@example.com\"]", 0);
	refused(r, "[\"aLICE@Example.org\"]", 0);
	refused(r, "[\"strange name@example.org\"]", 0);
	refused(r, "[]", 0);
	digest(r, SPAN);
	run_is(r, CLI_FOUND, NULL, "");
	assert_int_equal(letters_to(r, "postmaster@example.org"), 1);
	assert_int_equal(letters_to(r, "alice@example.org"), 1);
	assert_int_equal(letters_to(r, "aLICE@Example.org"), 0);
	assert_int_equal(letters_to(r, "boss@example.com"), 1);
	assert_int_equal(letters_to(r, "bob@example.com"), 0);
	run_has(r, "To: postmaster@example.org\nSubject: 6 refused");
	run_has(r, "To: boss@example.com\nSubject: 2 refused");
	/* of these only who is named */
	digest(r, SPAN " --to boss@example.com --to bob@example.com");
	run_is(r, CLI_FOUND, NULL, "");
	assert_int_equal(letters_to(r, "postmaster@example.org"), 0);
	assert_int_equal(letters_to(r, "boss@example.com"), 1);
	assert_int_equal(letters_to(r, "bob@example.com"), 1);
	run_has(r, "To: bob@example.com\nSubject: 1 refused");
	run_has(r, "To have something let in, tell the postmaster what stands behind Allow.\n");
	assert_null(strstr(r->out, "Rule:"));
}

/* However long strangers make their names, a letter ends between two refusals, and says how many it lacks. */
static void
test_long(void **state)
{
	static char name[500];
	struct run *r = *state;
	struct journal_record long_names = run_record();
	char last[100];
	int shown = 0;

	configure(r, "");
	memset(name, '\xff', sizeof(name));
	long_names.sender = long_names.client_name = (struct str){ name, sizeof(name) };
	for (int i = 0; i < 300; i++) {
		name[0] = (char)('a' + i / 20);
		name[1] = (char)('a' + i % 20);
		long_names.serial = 0;
		long_names.id[0] = '\0';
		run_append(r, &long_names);
	}
	digest(r, SPAN);
	run_is(r, CLI_FOUND, NULL, "");
	assert_in_range(strlen(r->out), 1000000, 1100000);
	for (const char *p = r->out; (p = strstr(p, "\n   Allow:  postern allow ")) != NULL; p++)
		shown++;
	assert_in_range(shown, 200, 299);
	snprintf(last, sizeof(last),
	    " --until 7d\n\nAnd %d more, which `postern log --verdict reject` lists.\n\n",
	    300 - shown);
	assert_string_equal(r->out + strlen(r->out) - strlen(last), last);
}

/* Of many of one kind the last one's id and reason are told, longer or shorter than those before. */
static void
test_renewed(void **state)
{
	static const char *const texts[] = { "no", "no, and no again", "not", "no, and no more" };
	struct run *r = *state;
	struct journal_record record = run_record();

	configure(r, "");
	for (size_t i = 0; i < 4; i++) {
		snprintf(record.id, sizeof(record.id), "aaaaa%zu", i);
		record.serial = 0;
		record.text = str_of(texts[i]);
		run_append(r, &record);
	}
	digest(r, SPAN);
	run_has(r, ", 4 times since ");
	run_has(r, "   Reason: 550 5.7.23 no, and no more\n");
	run_has(r, "   Allow:  postern allow aaaaa3 --until 7d\n");
}

/* What strangers wrote ends no line, obeys no terminal, and is no command. */
static void
test_strangers(void **state)
{
	struct run *r = *state;
	struct journal_record bad = run_record();

	configure(r, "");
	bad.sender = STR("x\r\nBcc: all@example.net\x1b[2J@example.net");
	bad.recipients = STR("[\"$(reboot)'`x`@example.org\",\"\\u202eabc\\n@example.org\"]");
	bad.text = STR("no\n\nTo: you");
	run_append(r, &bad);
	digest(r, SPAN);
	run_has(r, "   From:   x\\x0d\\x0aBcc: all@example.net\\x1b[2J@example.net\n");
	run_has(r, " --for '$(reboot)'\\''`x`@example.org' --until 7d\n");
	/* none can be pasted for this one, so it is for the entry */
	run_has(r, "   To:     \\u{202e}abc\\x0a@example.org\n");
	run_has(r, "   Reason: 550 5.7.23 no\\x0a\\x0aTo: you\n");
	assert_null(strstr(r->out, "\nBcc"));
	assert_null(strchr(r->out, '\x1b'));
}

static void
test_links(void **state)
{
	struct run *r = *state;
	struct arena *arena = arena_new(SIZE_MAX);
	const char *at, *end;
	struct ticket ticket;

	configure(
	    r, "digest { link \"https://mail.example.org/allow?x=1\"; key \"key\"; valid 2d }\n");
	refused(r, "[\"alice@example.org\"]", 0);
	digest(r, SPAN " --to alice@example.org");
	run_is(r, CLI_FOUND, NULL, "");
	at = strstr(r->out, "   Allow:  https://mail.example.org/allow?x=1&ticket=");
	assert_non_null(at);
	at = strstr(at, "ticket=") + 7;
	end = strchr(at, '\n');
	assert_int_equal(ticket_read((struct str){ at, (size_t)(end - at) }, STR(KEY),
			     clock_wall_ms() / 1000, arena, &ticket),
	    TICKET_GOOD);
	assert_true(str_eq(ticket.recipient, STR("alice@example.org")));
	assert_true(ticket.until - clock_wall_ms() / 1000 > 2 * 86400 - 60);
	/* who has the link needs no command, and is told none */
	assert_null(strstr(r->out, "postern allow"));
	configure(r, "digest { link \"https://mail.example.org/allow\"; key \"key\" }\n");
	folder_write(&r->folder, "key", "short", 5);
	digest(r, SPAN);
	run_is(r, CLI_ERROR, "", NULL);
	assert_non_null(strstr(r->err, "`key`: it has less than 32 octets"));
	arena_free(&arena);
}

static void
test_json(void **state)
{
	struct run *r = *state;

	configure(r, "");
	refused(r, "[\"alice@example.org\"]", 0);
	digest(r, "--json " SPAN);
	run_has(r, "{\"to\":\"postmaster@example.org\",\"refused\":[{\"id\":\"");
	run_has(r,
	    "\",\"first\":\"2026-01-31T12:00:00.123Z\",\"last\":\"2026-01-31T12:00:00.123Z\",\"times\":1,"
	    "\"from\":\"a@example.net\",\"client\":\"192.0.2.1 mx.example.net\",\"to\":\"alice@example.org\","
	    "\"reason\":\"550 5.7.23 SPF: not permitted\",\"rule\":\"postern.conf:12\"}]}\n");
}

static void
test_sends(void **state)
{
	static const char *const script[SERVER_SCRIPT] = { "220 hi\r\n", "250 mta\r\n",
		"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n", "221 bye\r\n" };
	static const char *const no[SERVER_SCRIPT] = { "220 hi\r\n", "250 mta\r\n", "250 ok\r\n",
		"550 nobody\r\n" };
	struct run *r = *state;
	struct server server;
	char text[200];

	server_start(&server, script, false);
	snprintf(text, sizeof(text), "notify { mail via 127.0.0.1 port %u }\n", server.port);
	configure(r, text);
	refused(r, "[\"alice@example.org\"]", 0);
	digest(r, "--send " SPAN);
	run_is(r, CLI_FOUND, "1 of 1 letters were sent\n", "");
	pthread_join(server.thread, NULL);
	assert_true(str_starts(buf_str(&server.heard),
	    STR("EHLO mx.example.org\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster@example.org>\r\nDATA\r\n"
		"From: <postmaster@example.org>\r\nTo: <postmaster@example.org>\r\n"
		"Subject: 1 refused by mx.example.org\r\nDate: ")));
	assert_non_null(strstr(server.heard.p, "\r\nAuto-Submitted: auto-generated\r\n"));
	assert_non_null(strstr(server.heard.p, "\r\n   From:   a@example.net\r\n"));
	close(server.fd);
	buf_free(&server.heard);
	server_start(&server, no, false);
	snprintf(text, sizeof(text), "notify { mail via 127.0.0.1 port %u }\n", server.port);
	configure(r, text);
	digest(r, "--send " SPAN);
	run_is(r, CLI_ERROR, "0 of 1 letters were sent\n",
	    "postern: postmaster@example.org was not told: RCPT TO: 550 nobody\n");
	server_stop(&server);
}

static void
test_wrong_use(void **state)
{
	static const char nowhere[] =
	    "hostname \"local host\"\ndatabase \"/tmp\"\nat connect { }\n";
	struct run *r = *state;

	configure(r, "");
	digest(r, "--send");
	assert_int_equal(r->code, CLI_ERROR);
	assert_non_null(strstr(r->err, "who takes the mail?"));
	digest(r, "--send --print");
	run_is(r, CLI_ERROR, "", "postern: digest either sends or prints\n");
	digest(r, "today");
	run_is(
	    r, CLI_ERROR, "", "postern: digest takes options only; see `postern digest --help`\n");
	digest(r, "--to alice");
	run_is(
	    r, CLI_ERROR, "", "postern: --to: an address is written name@example.org, not alice\n");
	digest(r, "--sent");
	run_is(r, CLI_ERROR, "", "postern: unknown option \"--sent\"; did you mean \"--send\"?\n");
	folder_write(&r->folder, "postern.conf", nowhere, strlen(nowhere));
	digest(r, SPAN);
	assert_int_equal(r->code, CLI_ERROR);
	assert_non_null(strstr(r->err, "who is the postmaster?"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_postmaster, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_others, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_long, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_renewed, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_strangers, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_links, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_json, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_sends, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_wrong_use, run_setup, run_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
