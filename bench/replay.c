/*
 * replay: how many verdicts `postern replay` decides again in a second, on one core, and how much memory that takes: a journal of
 * so many entries as mail of every day makes them, replayed under rules that differ in one line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/die.h"
#include "cli/cli.h"
#include "db/journal_config.h"
#include "filters/vocabulary.h"
#include "rules/record.h"

#define ENTRIES 400000
#define LOT 1000

static const char old_rules[] =
    "hostname \"mx.example.org\"\ntrust 10.0.0.0/8\n"
    "at connect {\n accept session if client in trusted\n"
    " reject 554 5.7.1 \"Listed\" if listed(\"zen.example\")\n}\n"
    "at mail {\n reject 550 5.7.23 \"SPF\" if spf is fail\n score 2 if spf is softfail\n"
    " tempfail 450 4.7.1 \"Slow\" if rate(client, messages, 1h) > 200\n}\n"
    "at rcpt {\n tempfail 451 4.7.1 \"Later\" if client.name is \"\" and greylist is waiting\n}\n"
    "at message {\n reject 550 5.7.1 \"DMARC\" if dmarc is fail and dkim is not pass\n"
    " tempfail 451 4.7.1 \"Score\" if score >= 8\n";
static const char new_line[] =
    " reject 550 5.7.9 \"Big\" if message.size > 1M and spf is not pass\n";

static const char trace[] =
    "[{\"format\":2,\"began\":1795459718123,\"port\":51234,\"esmtp\":true,\"turn\":1,\"txn\":1,"
    "\"us\":{\"spf\":33,\"dkim\":210}},{\"at\":\"connect\",\"tried\":\"0|1\"},{\"at\":\"mail\","
    "\"after\":1,\"tried\":\"2|2|3\",\"own\":{\"rate(client, messages, 1h)\":12}},{\"at\":\"rcpt\","
    "\"after\":1,\"tried\":\"4\"},{\"at\":\"message\",\"after\":2,\"tried\":\"6 7|\"}]";
static const char facts[] =
    "{\"client.ip\":\"192.0.2.1\",\"listed(\\\"zen.example\\\")\":false,\"client.name\":\"mx.example.net\","
    "\"spf\":\"pass\",\"dmarc\":\"pass\",\"from.domain\":[\"example.net\"],\"dkim\":\"pass\"}";
static const char answers[] =
    "[{\"dns\":\"1.2.0.192.zen.example A\",\"status\":\"nxdomain\",\"ttl\":300,\"secure\":false,"
    "\"records\":[],\"us\":900},{\"dns\":\"example.net TXT\",\"status\":\"ok\",\"ttl\":300,\"secure\":false,"
    "\"records\":[\"v=spf1 ip4:192.0.2.0/24 -all\"],\"us\":30},{\"count\":\"rate:messages:client:192.0.2.1\","
    "\"add\":0,\"minute\":1,\"hour\":12,\"day\":40,\"us\":80}]";

static void
write_conf(const char *path, const char *more)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		die("%s: cannot be written", path);
	fprintf(file, "%s%s}\n", old_rules, more);
	fclose(file);
}

static void
store_configuration(struct journal *journal, const char *path, char revision[16])
{
	struct configurations all = { 0 };
	struct complaints complaints = { 0 };
	struct arena *arena = arena_new(1 << 20);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config = config_load(path, &vocabulary, &complaints);
	struct buf text;
	struct err e;

	if (config == NULL)
		die("%s", complaints.item[0].text);
	buf_init(&text, 1 << 20);
	record_configuration(config, &text);
	configurations_add(&all, str_of(config->revision), buf_str(&text));
	if (!configurations_store(&all, journal, 1, &e))
		die("%s", e.text);
	str_copy(str_of(config->revision), revision, 16);
	configurations_free(&all);
	buf_free(&text);
	config_release(&config);
	complaints_free(&complaints);
	arena_free(&arena);
}

static void
append(struct journal *journal, const char *revision, size_t n)
{
	static struct journal_record record[LOT];
	static struct journal_record *list[LOT];
	static char sender[LOT][40], session[LOT][16];
	struct err e;

	for (size_t i = 0; i < LOT; i++) {
		snprintf(sender[i], sizeof(sender[i]), "a%zu@example.net", (n + i) % 5000);
		snprintf(session[i], sizeof(session[i]), "k%010zu", n + i);
		record[i] = (struct journal_record){ .time_ms = 1795459720000 + (int64_t)(n + i),
			.front = "proxy",
			.step = "message",
			.verdict = "accept",
			.code = 250,
			.took_us = 900,
			.size = 4096 + (int64_t)((n + i) % 100 == 0) * 2000000,
			.session = str_of(session[i]),
			.client_ip = STR("192.0.2.1"),
			.client_name = STR("mx.example.net"),
			.helo = STR("mx.example.net"),
			.sender = str_of(sender[i]),
			.recipients = STR("[\"b@example.org\"]"),
			.text = STR("2.0.0 Ok: queued as 710FDA80462"),
			.queue_id = STR("710FDA80462"),
			.facts = str_of(facts),
			.trace = str_of(trace),
			.answers = str_of(answers),
			.config = str_of(revision) };
		list[i] = &record[i];
	}
	if (!journal_append(journal, list, LOT, &e))
		die("%s", e.text);
}

/* Of this process: a busy machine does not count. */
static int64_t
cpu_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * INT64_C(1000000) +
	    used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

/* check: `postern check --since`, with a count for each rule; else `postern replay`. */
static void
measure(const char *folder, const char *conf, size_t n, bool check)
{
	char words[6][64] = { "postern", "replay", "", "--database", "", "--since=2000-01-01" };
	char *argv[] = { words[0], words[1], words[2], words[3], words[4], words[5], NULL };
	FILE *nowhere = fopen("/dev/null", "w");
	struct rusage used;
	int64_t began = cpu_us(), took;

	str_copy(str_of(conf), words[2], sizeof(words[2]));
	str_copy(str_of(folder), words[4], sizeof(words[4]));
	if (check)
		str_copy(STR("check"), words[1], sizeof(words[1]));
	if (cli_main(6, argv, nowhere, stderr) != CLI_FOUND)
		die("%s failed", words[1]);
	took = cpu_us() - began;
	fclose(nowhere);
	getrusage(RUSAGE_SELF, &used);
	printf("%-6s  %7zu entries  %7.0f a second of one core  %5ld KiB at most\n", words[1], n,
	    (double)n * 1e6 / (double)took, used.ru_maxrss);
}

int
main(void)
{
	char folder[] = "/tmp/postern-bench-XXXXXX", path[3][64], command[96], revision[16];
	struct journal *journal;
	struct err e;

	if (mkdtemp(folder) == NULL)
		die("no folder");
	snprintf(path[0], sizeof(path[0]), "%s/journal.db", folder);
	snprintf(path[1], sizeof(path[1]), "%s/old.conf", folder);
	snprintf(path[2], sizeof(path[2]), "%s/new.conf", folder);
	write_conf(path[1], "");
	write_conf(path[2], new_line);
	journal = journal_open(path[0], &e);
	if (journal == NULL)
		die("%s", e.text);
	store_configuration(journal, path[1], revision);
	for (size_t n = 0; n < ENTRIES; n += LOT) {
		append(journal, revision, n);
		if ((n + LOT) * 4 == ENTRIES || n + LOT == ENTRIES)
			for (int check = 0; check < 2; check++)
				measure(folder, path[2], n + LOT, check);
	}
	journal_close(&journal);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) != 0;
}
