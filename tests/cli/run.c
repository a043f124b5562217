#include "tests/cli/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "db/journal_config.h"
#include "filters/vocabulary.h"
#include "rules/record.h"

/*
 * In the place of the C library's, for SQLite too: no journal of ours has to outlast the machine, and a disk that others keep busy takes
 * minutes for some hundreds of them.
 */
int
fdatasync(int fd)
{
	return 0;
}

int
run_setup(void **state)
{
	struct run *r = calloc(1, sizeof(*r));

	/* Times are printed as local ones. */
	setenv("TZ", "UTC", 1);
	tzset();
	folder_make(&r->folder);
	r->journal = journal_open(folder_file(&r->folder, "journal.db"), NULL);
	*state = r;
	return r->journal == NULL;
}

int
run_teardown(void **state)
{
	struct run *r = *state;

	journal_close(&r->journal);
	folder_remove(&r->folder);
	free(r->out);
	free(r->err);
	free(r);
	return 0;
}

static void
run_argv(struct run *r, int argc, char **argv)
{
	size_t n_out, n_err;
	FILE *out, *err;

	free(r->out);
	free(r->err);
	out = open_memstream(&r->out, &n_out);
	err = open_memstream(&r->err, &n_err);
	r->code = cli_main(argc, argv, out, err);
	fclose(out);
	fclose(err);
}

/* Splits a copy in place; the copy is as long as the words are used. */
static int
split(char *copy, char **argv, int n)
{
	char *p = copy;

	while (*p) {
		char end = *p == '\'' ? '\'' : ' ';

		p += end == '\'';
		assert_true(n < 40);
		argv[n++] = p;
		while (*p && *p != end)
			p++;
		if (*p)
			*p++ = '\0';
		while (*p == ' ')
			p++;
	}
	argv[n] = NULL;
	return n;
}

void
run_cli(struct run *r, const char *words)
{
	char *copy = strdup(words);
	char *argv[41] = { (char *)"postern", (char *)"--database", r->folder.path };

	run_argv(r, split(copy, argv, 3), argv);
	free(copy);
}

void
run_bare(struct run *r, const char *words)
{
	char *copy = strdup(words);
	char *argv[41] = { (char *)"postern" };

	run_argv(r, split(copy, argv, 1), argv);
	free(copy);
}

void
run_is(struct run *r, int code, const char *out, const char *err)
{
	if (err)
		assert_string_equal(r->err, err);
	if (out)
		assert_string_equal(r->out, out);
	assert_int_equal(r->code, code);
}

void
run_has(struct run *r, const char *text)
{
	if (strstr(r->out, text) == NULL)
		fail_msg("\"%s\" is not in:\n%s%s", text, r->out, r->err);
}

struct journal_record
run_record(void)
{
	return (struct journal_record){
		.id = "",
		.time_ms = 1769860800123,
		.front = "proxy",
		.step = "mail",
		.verdict = "reject",
		.code = 550,
		.took_us = 1234,
		.session = STR("s7"),
		.client_ip = STR("192.0.2.1"),
		.client_name = STR("mx.example.net"),
		.helo = STR("helo.example.net"),
		.sender = STR("a@example.net"),
		.recipients = STR("[]"),
		.enhanced = STR("5.7.23"),
		.text = STR("SPF: not permitted"),
		.rule = STR("postern.conf:12"),
		.facts = STR("{}"),
		.trace = STR("[]"),
		.answers = STR("[]"),
		.config = STR("0123456789ab"),
	};
}

void
run_append(struct run *r, struct journal_record *record)
{
	struct err e;

	if (!journal_append(r->journal, &record, 1, &e))
		fail_msg("%s", e.text);
}

void
run_configuration(struct run *r, const char *name)
{
	run_configuration_as(r, name, run_record().config.p);
}

void
run_configuration_as(struct run *r, const char *name, const char *revision)
{
	struct configurations all = { 0 };
	struct complaints complaints = { 0 };
	struct arena *arena = arena_new(1 << 20);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config =
	    config_load(folder_file(&r->folder, name), &vocabulary, &complaints);
	struct buf text;
	struct err e;

	assert_non_null(config);
	buf_init(&text, 1 << 20);
	record_configuration(config, &text);
	configurations_add(&all, str_of(revision), buf_str(&text));
	assert_true(configurations_store(&all, r->journal, 1, &e));
	configurations_free(&all);
	buf_free(&text);
	config_release(&config);
	complaints_free(&complaints);
	arena_free(&arena);
}
