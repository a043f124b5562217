/* Whole configurations: what they become, and that the language of the manual is what loads. */
#include "rules/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "filters/vocabulary.h"
#include "rules/load.h"
#include "rules/ruleset.h"
#include "tests/rules/fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char manual[] =
    "hostname \"mx.example.org\"\n"
    "database \"/var/lib/postern\"                 # folder of journal.db and store.db\n"
    "listen proxy 0.0.0.0 port 25\n"
    "listen milter \"inet:8891@127.0.0.1\"         # libmilter's own notation\n"
    "backend 127.0.0.1 port 10025 xclient        # xclient | proxy-protocol | (nothing)\n"
    "resolver recursive                          # or: forward\n"
    "store sqlite                                # or: store redis\n"
    "trust 127.0.0.0/8, 10.0.0.0/8               # may send XCLIENT and PROXY\n"
    "\n"
    "list partners { \"example.net\", 192.0.2.0/24, file \"partners.list\" }\n"
    "list strict { \"strict.example\" }\n"
    "\n"
    "greylist { delay 5m; retry within 2d; remember 36d; network ipv4 24 ipv6 64 }\n"
    "\n"
    "plan residential { 1000 messages per day;  100 recipients per message; warn at 80% }\n"
    "plan business    { 24000 messages per day; 100 recipients per message; warn at 80% }\n"
    "\n"
    "at connect {\n"
    "    accept session                                      if client in trusted\n"
    "    reject 554 5.7.1 \"Blocked: ${client.ip} is listed\"  if listed(\"zen.spamhaus.org\")\n"
    "}\n"
    "at mail {\n"
    "    reject 550 5.7.23 \"SPF: ${spf.explanation}\"         if spf is fail\n"
    "    score 2                                             if spf is softfail\n"
    "}\n"
    "at rcpt {\n"
    "    tempfail 451 4.7.1 \"Greylisted, come back in ${greylist.wait}\"   if greylist is waiting\n"
    "    tempfail 450 4.7.1 \"Too many messages, slow down\"   if rate(client, messages, 1h) > 200 "
    "and surge(client) > 5\n"
    "}\n"
    "at message {\n"
    "    reject 550 5.7.20 \"No passing DKIM signature\"       if sender in strict and dkim is not "
    "pass\n"
    "    tempfail 451 4.7.1 \"Try again later\"                if score >= 8\n"
    "}\n";

/* A folder of its own for each test that needs files. */
struct folder {
	char path[64];
};

static int
setup(void **state)
{
	struct folder *folder = calloc(1, sizeof *folder);

	assert_non_null(folder);
	snprintf(folder->path, sizeof folder->path, "/tmp/postern-test-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	*state = folder;
	return 0;
}

static const char *
file_path(const struct folder *folder, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", folder->path, name);
	return out;
}
#define PATH(folder, name) file_path((folder), (name), (char[128]){ 0 })

static int
teardown(void **state)
{
	struct folder *folder = *state;

	unlink(PATH(folder, "postern.conf"));
	unlink(PATH(folder, "partners.list"));
	rmdir(folder->path);
	free(folder);
	return 0;
}

static void
write_file(const struct folder *folder, const char *name, const char *text)
{
	FILE *f = fopen(PATH(folder, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Fails the test with what the configuration was refused for. */
static struct config *
load(const char *path)
{
	struct complaints c = { 0 };
	struct config *config = config_load(path, &fake_vocabulary, &c);

	if (config == NULL)
		fail_msg("%s:%u: %s", c.item[0].file, c.item[0].line, c.item[0].text);
	complaints_free(&c);
	return config;
}

static struct config *
load_text(const char *text)
{
	struct complaints c = { 0 };
	struct config *config = config_load_text("t", str_of(text), &fake_vocabulary, &c);

	if (config == NULL)
		fail_msg("%s:%u: %s", c.item[0].file, c.item[0].line, c.item[0].text);
	complaints_free(&c);
	return config;
}

static void
test_manual_loads(void **state)
{
	struct folder *folder = *state;
	struct value v = { .type = VALUE_IP };
	struct config *config;

	write_file(folder, "postern.conf", manual);
	write_file(folder, "partners.list", "# ours\n198.51.100.0/24\n  partner.example  # new\n");
	config = load(PATH(folder, "postern.conf"));
	assert_string_equal(config->core.hostname, "mx.example.org");
	assert_string_equal(config->core.database, "/var/lib/postern");
	assert_string_equal(config->core.runtime, "/var/lib/postern");
	assert_int_equal(config->n_listen, 2);
	assert_int_equal(config->listen[0].kind, LISTEN_PROXY);
	assert_string_equal(IP_TEXT(&config->listen[0].ip), "0.0.0.0");
	assert_int_equal(config->listen[0].port, 25);
	assert_int_equal(config->listen[1].kind, LISTEN_MILTER);
	assert_string_equal(config->listen[1].milter, "inet:8891@127.0.0.1");
	assert_int_equal(config->n_backends, 1);
	assert_string_equal(config->backends[0].host, "127.0.0.1");
	assert_int_equal(config->backends[0].port, 10025);
	assert_int_equal(config->backends[0].handoff, HANDOFF_XCLIENT);
	assert_false(config->resolver.forward);
	assert_true(ip_parse(STR("10.1.2.3"), &v.ip));
	assert_true(list_has(config->trusted, &v));
	assert_true(ip_parse(STR("11.1.2.3"), &v.ip));
	assert_false(list_has(config->trusted, &v));
	assert_int_equal(config->plans.n, 2);
	assert_int_equal(config->plans.plan[1].limit[0].most, 24000);
	assert_int_equal(config->plans.plan[1].limit[0].window, PLAN_DAY);
	assert_int_equal(config->plans.plan[1].recipients_per_message, 100);
	assert_int_equal(ruleset_length(config->ruleset), 8);
	assert_int_equal(strlen(config->revision), 12);
	config_release(&config);
	assert_null(config);
}

/* Stages of which the manual above has a fact. */
static bool
in_manual(const char *name)
{
	static const char *const names[] = { "", "dkim", "greylist", "listed", "spf", "volume" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* The same with the stages that there are: rows, facts and the shipped rules fit together. */
static void
test_real_stages(void **state)
{
	struct folder *folder = *state;
	struct arena *arena = arena_new(SIZE_MAX);
	struct config_vocabulary v = stage_vocabulary(arena);
	struct complaints c = { 0 };
	struct config *config;

	write_file(folder, "partners.list", "");
	for (int i = 0; i < 2; i++) {
		write_file(folder, "postern.conf", i == 0 ? manual : "");
		config = config_load(PATH(folder, "postern.conf"), &v, &c);
		if (config == NULL)
			fail_msg("%s:%u: %s", c.item[0].file, c.item[0].line, c.item[0].text);
		for (size_t part = 0; part < config->n_parts; part++)
			assert_true(config->part_used[part] || i == 1 ||
			    !in_manual(config->part[part].name));
		config_release(&config);
		complaints_free(&c);
	}
	arena_free(&arena);
}

/* What is not given. */
static void
test_defaults(void **state)
{
	struct config *config = load_text("");
	char name[256];

	assert_int_equal(gethostname(name, sizeof name), 0);
	assert_string_equal(config->core.hostname, name);
	assert_string_equal(config->core.database, "/var/lib/postern");
	assert_int_equal(config->core.message_size, 50 * 1024 * 1024);
	assert_int_equal(config->core.message_memory, 256 * 1024);
	assert_int_equal(config->core.header_size, 128 * 1024);
	assert_int_equal(config->core.recipients, 1000);
	assert_int_equal(config->core.sessions, 10000);
	assert_int_equal(config->core.sessions_per_client, 100);
	assert_int_equal(config->core.sessions_per_network, 1000);
	assert_int_equal(config->core.connections_per_minute, 0);
	assert_int_equal(config->core.memory_held, 256 * 1024 * 1024);
	assert_int_equal(config->core.disk_held, INT64_C(4) << 30);
	assert_int_equal(config->core.errors, 10);
	assert_int_equal(config->core.timeout_command, 300000);
	assert_int_equal(config->core.timeout_data_block, 180000);
	assert_int_equal(config->core.timeout_data_end, 600000);
	assert_int_equal(config->core.journal_keep, INT64_C(90) * 86400000);
	assert_int_equal(config->core.dns_timeout, 5000);
	assert_int_equal(config->core.dns_budget, 20000);
	assert_int_equal(config->core.drain, 30000);
	assert_int_equal(config->core.mode, 0);
	assert_false(config->core.bare_newline_normalise);
	assert_non_null(config->trusted);
	assert_int_equal(config->n_backends, 0);
	/* the shipped rules */
	assert_true(ruleset_length(config->ruleset) > 5);
	config_release(&config);
}

static void
test_network(void **state)
{
	static const struct {
		const char *text;
		int64_t network;
	} cases[] = {
		{ "sessions_per_client 999\n", 1000 },
		{ "sessions_per_client 5000\n", 5000 },
		{ "sessions_per_client 5000\nsessions_per_network 20\n", 20 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = load_text(cases[i].text);

		assert_int_equal(config->core.sessions_per_network, cases[i].network);
		config_release(&config);
	}
}

static void
test_settings(void **state)
{
	struct config *config = load_text("timeout command 1m data block 2m data end 3m\n"
					  "backend timeout connect 1s command 2s data 3s end 4s\n"
					  "dns timeout 1s budget 2s\n"
					  "resolver forward 127.0.0.1 port 5353\n"
					  "mode observe\n"
					  "bare_newline normalise\n"
					  "user \"nobody\"\n"
					  "journal keep 7d\n");

	assert_int_equal(config->core.timeout_command, 60000);
	assert_int_equal(config->core.timeout_data_block, 120000);
	assert_int_equal(config->core.timeout_data_end, 180000);
	assert_int_equal(config->core.backend_timeout_connect, 1000);
	assert_int_equal(config->core.backend_timeout_command, 2000);
	assert_int_equal(config->core.backend_timeout_data, 3000);
	assert_int_equal(config->core.backend_timeout_end, 4000);
	assert_int_equal(config->core.dns_timeout, 1000);
	assert_int_equal(config->core.dns_budget, 2000);
	assert_true(config->resolver.forward);
	assert_string_equal(config->resolver.host, "127.0.0.1");
	assert_int_equal(config->resolver.port, 5353);
	assert_int_equal(config->core.mode, 1);
	assert_true(config->core.bare_newline_normalise);
	assert_string_equal(config->core.user, "nobody");
	assert_int_equal(config->core.journal_keep, INT64_C(7) * 86400000);
	/* nothing can be validated behind a forwarder */
	assert_string_equal(config->core.trust_anchor, "");
	config_release(&config);
}

/* Whoever is asked by a stage that is asked is told what happens too. */
static void
test_parts_that_others_use(void **state)
{
	static const bool used[] = { false, true, true, false, false, false, true };
	struct config *config =
	    load_text("at message { reject 550 5.7.26 \"No\" if dmarc is fail }\n");

	assert_int_equal(config->n_parts, COUNT(used));
	for (size_t i = 0; i < COUNT(used); i++)
		assert_int_equal(config->part_used[i], used[i]);
	config_release(&config);
}

/* Wherever it stands in a rule, and once however often. */
static void
test_parts_are_told_what_is_asked(void **state)
{
	static const struct {
		const char *rules, *calls;
	} cases[] = {
		{ "at mail { reject 550 5.7.1 \"${surge(account)}\" if rate(client, messages, 1h) > 3\n"
		  "tempfail 451 4.7.1 \"No\" if rate(client, messages, 1h) > 2 or "
		  "rate(network, messages, 1d) > 2 + surge(client) }\n",
		    "rate(client, messages, 1h) surge(account) rate(network, messages, 1d) surge(client) " },
		{ "at mail { if spf is fail { mark m if unknown_share(client, 1h) > 3 } }\n",
		    "unknown_share(client, 1h) " },
		{ "at mail { accept if spf is pass }\n", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config = load_text(cases[i].rules);
		struct fake_volume *v = config->part_conf[5];

		assert_string_equal(config->part[5].name, "volume");
		assert_string_equal(v->calls, cases[i].calls);
		config_release(&config);
	}
}

/* `option NAME WORD` is the setting `standard` of that stage. */
static void
test_options(void **state)
{
	static const struct {
		const char *text;
		int64_t standard;
	} cases[] = {
		{ "", 0 },
		{ "option dmarc rfc7489\n", 1 },
		{ "option dmarc rfc9989\n", 0 },
		{ "dmarc { standard rfc7489 }\n", 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config = load_text(cases[i].text);

		assert_int_equal(*(const int64_t *)config->part_conf[6], cases[i].standard);
		config_release(&config);
	}
}

static void
test_parts(void **state)
{
	struct config *config =
	    load_text("stage \"bell.so\"\n"
		      "at mail { reject 550 5.7.1 \"${spf.explanation}\" if bell "
		      "is loud\n score 1 if listed(\"a.example\") }\n");
	static const bool used[] = { false, true, false, true, false, false, false, true };

	assert_int_equal(config->n_parts, 8);
	assert_string_equal(config->part[7].name, "bell");
	for (size_t i = 0; i < COUNT(used); i++)
		assert_int_equal(config->part_used[i], used[i]);
	assert_true(ruleset_asks(config->ruleset, STEP_CONNECT, 7));
	assert_false(ruleset_asks(config->ruleset, STEP_RCPT, 7));
	assert_int_equal(fact_find(&config->facts, STR("bell"))->stage, 7);
	assert_null(config->part_conf[0]);
	assert_non_null(config->part_conf[4]);
	config_release(&config);
}

static void
test_plans(void **state)
{
	struct config *config = load_text("list homes { 192.0.2.0/24 }\n"
					  "plan home { 5000 recipients per hour\n 60 messages per "
					  "minute\n warn at 90%, 100%\n for clients in homes }\n"
					  "plan rest { 1 messages per day; for everyone\n"
					  "for accounts in { \"anna\", \"bob@example.org\" } }\n"
					  "upstream \"home\" { 9 messages per day\n reserve "
					  "5% for postmaster; reserve 20% for accounts in { "
					  "\"shop\" }\n burst 7 messages\n"
					  "reserve 10% for clients in homes }\n");
	const struct plan *isp = plan_upstream(&config->plans, STR("home"));
	const struct plan *home = &config->plans.plan[0], *rest = &config->plans.plan[1];
	struct ip ip;

	assert_int_equal(home->n_limits, 2);
	assert_int_equal(home->limit[0].what, PLAN_RECIPIENTS);
	assert_int_equal(home->limit[0].window, PLAN_HOUR);
	assert_int_equal(home->limit[1].most, 60);
	assert_int_equal(home->warn[0], 90);
	assert_int_equal(home->warn[1], 100);
	assert_int_equal(home->warn[2], 0);
	assert_null(home->accounts);
	assert_int_equal(isp->reserve, 5);
	assert_int_equal(isp->limit[0].most, 9);
	assert_int_equal(isp->limit[1].window, PLAN_BURST);
	assert_int_equal(plan_limits(isp, PLAN_MESSAGES, 0).burst, 7);
	/* who comes first is not held back by what is left for those behind */
	assert_true(ip_parse(STR("192.0.2.7"), &ip));
	assert_int_equal(plan_reserved(isp, STR("Shop"), &ip), 5);
	assert_int_equal(plan_reserved(isp, STR("other"), &ip), 25);
	assert_true(ip_parse(STR("198.51.100.7"), &ip));
	assert_int_equal(plan_reserved(isp, STR(""), &ip), 35);
	assert_null(plan_upstream(&config->plans, STR("rest")));
	assert_true(rest->everyone);
	assert_int_equal(rest->warn[0], 80);
	assert_true(ip_parse(STR("192.0.2.7"), &ip));
	assert_ptr_equal(plan_of(&config->plans, STR(""), &ip), home);
	assert_ptr_equal(plan_of(&config->plans, STR("Anna"), &ip), rest);
	config_release(&config);
}

/* The same text gives the same revision, any other text another one. */
static void
test_revision(void **state)
{
	struct folder *folder = *state;
	struct config *a = load_text("mode observe\n"), *b = load_text("mode observe\n"),
		      *c = load_text("mode enforce\n"), *d, *e;

	assert_string_equal(a->revision, b->revision);
	assert_string_not_equal(a->revision, c->revision);
	config_release(&a);
	config_release(&b);
	config_release(&c);
	write_file(folder, "postern.conf", "list x { file \"partners.list\" }\n");
	write_file(folder, "partners.list", "a.example\n");
	d = load(PATH(folder, "postern.conf"));
	write_file(folder, "partners.list", "b.example\n");
	e = load(PATH(folder, "postern.conf"));
	assert_string_not_equal(d->revision, e->revision);
	config_release(&d);
	config_release(&e);
}

/* The same text, where a stage reads its settings in another way: an entry's numbers may mean something else. */
static void
test_revision_of_another_version(void **state)
{
	static const char text[] = "at rcpt { tempfail 451 4.7.1 \"no\" if greylist is waiting }\n";
	struct arena *arena = arena_new(SIZE_MAX);
	struct config_vocabulary real = stage_vocabulary(arena);
	struct complaints c = { 0 };
	struct config *a = load_text(text), *b;

	b = config_load_text("t", str_of(text), &real, &c);
	if (b == NULL)
		fail_msg("%s:%u: %s", c.item[0].file, c.item[0].line, c.item[0].text);
	assert_string_equal(a->words, b->words);
	assert_string_not_equal(a->revision, b->revision);
	config_release(&a);
	config_release(&b);
	complaints_free(&c);
	arena_free(&arena);
	(void)state;
}

static void
test_use_counts(void **state)
{
	struct config *config = load_text(""), *other = config_use(config);

	config_release(&config);
	assert_null(config);
	assert_non_null(other->core.hostname);
	config_release(&other);
	config_release(&other);
}

static void
test_files_that_cannot_be_read(void **state)
{
	struct folder *folder = *state;
	struct complaints c = { 0 };
	char text[256];

	assert_null(config_load(PATH(folder, "none.conf"), &fake_vocabulary, &c));
	assert_int_equal(c.n, 1);
	snprintf(
	    text, sizeof text, "cannot read %s/none.conf: No such file or directory", folder->path);
	assert_string_equal(c.item[0].text, text);
	assert_int_equal(c.item[0].line, 0);
	complaints_free(&c);
	assert_null(config_load(folder->path, &fake_vocabulary, &c));
	snprintf(text, sizeof text, "cannot read %s: Is a directory", folder->path);
	assert_string_equal(c.item[0].text, text);
	complaints_free(&c);
	assert_null(config_load("/dev/null", &fake_vocabulary, &c));
	assert_string_equal(c.item[0].text, "cannot read /dev/null: it is not a file");
	complaints_free(&c);
}

static void
test_too_large(void **state)
{
	struct folder *folder = *state;
	struct complaints c = { 0 };
	struct config *config;
	char text[256];
	char *large = malloc(CONFIG_FILE_MAX + 2);

	assert_non_null(large);
	memset(large, '\n', CONFIG_FILE_MAX + 1);
	large[CONFIG_FILE_MAX + 1] = '\0';
	write_file(folder, "postern.conf", large);
	assert_null(config_load(PATH(folder, "postern.conf"), &fake_vocabulary, &c));
	snprintf(text, sizeof text, "cannot read %s/postern.conf: it has more than 1048576 octets",
	    folder->path);
	assert_string_equal(c.item[0].text, text);
	complaints_free(&c);
	large[CONFIG_FILE_MAX] = '\0';
	write_file(folder, "postern.conf", large);
	free(large);
	config = load(PATH(folder, "postern.conf"));
	config_release(&config);
}

static void
test_mistake_in_list_file(void **state)
{
	struct folder *folder = *state;
	struct complaints c = { 0 };
	char path[128], *printed, expected[400];

	write_file(folder, "postern.conf", "list x { file \"partners.list\" }\n");
	write_file(folder, "partners.list", "a.example\n192.0.2.1/24 # wrong\n");
	assert_null(config_load(PATH(folder, "postern.conf"), &fake_vocabulary, &c));
	assert_int_equal(c.n, 1);
	assert_string_equal(c.item[0].file, file_path(folder, "partners.list", path));
	assert_int_equal(c.item[0].line, 2);
	printed = complaint_print(&c.item[0]);
	snprintf(expected, sizeof expected,
	    "%s:2:1: error: \"192.0.2.1/24\": bits are set beyond the first 24; the network would "
	    "be 192.0.2.0/24\n    192.0.2.1/24 # wrong\n    ^",
	    path);
	assert_string_equal(printed, expected);
	free(printed);
	complaints_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_manual_loads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_real_stages, setup, teardown),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_parts_that_others_use),
		cmocka_unit_test(test_parts_are_told_what_is_asked),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_plans),
		cmocka_unit_test_setup_teardown(test_revision, setup, teardown),
		cmocka_unit_test(test_revision_of_another_version),
		cmocka_unit_test(test_use_counts),
		cmocka_unit_test_setup_teardown(test_files_that_cannot_be_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mistake_in_list_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
