#include "db/journal.h"

#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/schema.h"
#include "tests/db/journal_world.h"

#define T0 1700000000000 /* milliseconds */
#define HOUR 3600000

static struct journal_record
record(int64_t time_ms)
{
	return (struct journal_record){
		.time_ms = time_ms,
		.front = "proxy",
		.step = "rcpt",
		.verdict = "reject",
		.code = 550,
		.took_us = 1234,
		.client_ip = STR("192.0.2.1"),
		.sender = STR("a@example.net"),
		.recipients = STR("[\"b@example.org\"]"),
	};
}

static void
append(struct journal *j, struct journal_record *r)
{
	struct err e;

	if (!journal_append(j, &r, 1, &e))
		fail_msg("%s", e.text);
}

/* --- what comes back ---------------------------------------------------------------------------- */

#define KEEP 400

struct kept {
	struct journal_record *record[KEEP];
	size_t n, stop_after;
};

static bool
keep(void *owner, const struct journal_record *r)
{
	struct kept *k = owner;

	assert_true(k->n < KEEP);
	k->record[k->n++] = journal_record_copy(r);
	return k->n != k->stop_after;
}

static void
forget(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->record[i]);
	*k = (struct kept){ 0 };
}

static void
find(struct journal *j, const struct journal_filter *f, struct kept *k)
{
	struct err e;

	if (!journal_read(j, f, keep, k, &e))
		fail_msg("%s", e.text);
}

static void
same_text(struct str a, struct str b)
{
	assert_int_equal(a.n, b.n);
	if (a.n > 0)
		assert_memory_equal(a.p, b.p, a.n);
}

static void
test_all_columns(void **state)
{
	struct world *w = *state;
	struct journal_record r = {
		.time_ms = T0,
		.front = "milter",
		.step = "message",
		.verdict = "tempfail",
		.code = 451,
		.took_us = 77,
		.size = 123456789012,
		.session = STR("s1"),
		.client_ip = STR("2001:db8::1"),
		.client_name = STR("mx.example.net"),
		.helo = STR("helo\x1b[31m"),
		.account = STR("acc"),
		.sender = STR("s'; DROP TABLE entry; --"),
		.recipients = STR("[\"x\"]"),
		.enhanced = STR("4.7.1"),
		.text = STR("t\xff\x00t"),
		.rule = STR("postern.conf:12"),
		.queue_id = STR("Q1"),
		.facts = STR("{\"a\":1}"),
		.trace = STR("[]"),
		.answers = STR("[1]"),
		.observed = STR("reject"),
		.config = STR("0123456789ab"),
		.subject = STR("s\xc3\xbc"),
	};
	struct kept k = { 0 };
	struct journal_record *got;

	append(w->journal, &r);
	assert_int_equal(r.serial, 1);
	assert_int_equal(strlen(r.id), 6);
	find(w->reader, &(struct journal_filter){ 0 }, &k);
	assert_int_equal(k.n, 1);
	got = k.record[0];
	assert_string_equal(got->id, r.id);
	assert_int_equal(got->serial, 1);
	assert_int_equal(got->time_ms, r.time_ms);
	assert_string_equal(got->front, "milter");
	assert_string_equal(got->step, "message");
	assert_string_equal(got->verdict, "tempfail");
	assert_int_equal(got->code, 451);
	assert_int_equal(got->took_us, 77);
	assert_int_equal(got->size, 123456789012);
	same_text(got->session, r.session);
	same_text(got->client_ip, r.client_ip);
	same_text(got->client_name, r.client_name);
	same_text(got->helo, r.helo);
	same_text(got->account, r.account);
	same_text(got->sender, r.sender);
	same_text(got->recipients, r.recipients);
	same_text(got->enhanced, r.enhanced);
	same_text(got->text, r.text);
	same_text(got->rule, r.rule);
	same_text(got->queue_id, r.queue_id);
	same_text(got->facts, r.facts);
	same_text(got->trace, r.trace);
	same_text(got->answers, r.answers);
	same_text(got->observed, r.observed);
	same_text(got->config, r.config);
	same_text(got->subject, r.subject);
	forget(&k);
}

static void
test_empty_record(void **state)
{
	struct world *w = *state;
	struct journal_record r = { 0 };
	struct kept k = { 0 };

	append(w->journal, &r);
	find(w->reader, &(struct journal_filter){ 0 }, &k);
	assert_int_equal(k.n, 1);
	assert_string_equal(k.record[0]->front, "");
	assert_int_equal(k.record[0]->facts.n, 0);
	forget(&k);
}

/* --- serials and ids ---------------------------------------------------------------------------- */

/* By somebody else. */
static void
change(struct world *w, const char *sql)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(folder_file(&w->folder, "journal.db"), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

static void
test_ids(void **state)
{
	struct world *w = *state;
	struct journal_record r[500], *p[500];

	for (int i = 0; i < 500; i++) {
		r[i] = record(T0);
		p[i] = &r[i];
	}
	assert_true(journal_append(w->journal, p, 500, NULL));
	for (int i = 0; i < 500; i++) {
		assert_int_equal(r[i].serial, i + 1);
		assert_int_equal(strlen(r[i].id), 6);
		assert_int_equal(strspn(r[i].id, "abcdefghjkmnpqrstuvwxyz23456789"), 6);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(r[i].id, r[k].id);
	}
	assert_true(journal_append(w->journal, p, 0, NULL));
}

/* Two in one batch with the same serial cannot be: nothing of it is written, nothing filled in. */
static void
test_a_batch_is_written_whole_or_not(void **state)
{
	struct world *w = *state;
	struct journal_record a = record(T0), b = record(T0), c = record(T0);
	struct journal_record *both[] = { &a, &b };
	struct err e = { 0 };

	memcpy(b.id, "abc234", 7);
	/* an index that cannot take the second */
	change(w,
	    "CREATE INDEX no ON entry (abs(serial - 2 - 9223372036854775807 - 1)) WHERE serial = 2");
	assert_false(journal_append(w->journal, both, 2, &e));
	assert_non_null(strstr(e.text, "journal.db: integer overflow"));
	assert_string_equal(a.id, "");
	assert_int_equal(a.serial, 0);
	assert_string_equal(b.id, "abc234");
	assert_int_equal(b.serial, 0);
	change(w, "DROP INDEX no");
	append(w->journal, &c);
	assert_int_equal(c.serial, 1);
}

/* Serials go on after the newest entries were removed and the program was started again. */
static void
test_serials(void **state)
{
	struct world *w = *state;
	struct journal_record a = record(T0), b = record(T0), c = record(T0 + HOUR);

	append(w->journal, &a);
	append(w->journal, &b);
	journal_clean(
	    w->journal, T0 + HOUR, &(struct journal_retention){ .keep_ms = HOUR - 1 }, NULL);
	journal_close(&w->journal);
	w->journal = journal_open(folder_file(&w->folder, "journal.db"), NULL);
	append(w->journal, &c);
	assert_int_equal(c.serial, 3);
}

static void
test_copy(void **state)
{
	struct journal_record r = record(T0), *copy;
	char text[] = "changes";

	r.text = str_of(text);
	copy = journal_record_copy(&r);
	text[0] = 'X';
	same_text(copy->text, STR("changes"));
	same_text(copy->sender, r.sender);
	assert_int_equal(copy->helo.n, 0);
	free(copy);
}

/* --- filters ------------------------------------------------------------------------------------ */

struct sample {
	const char *verdict, *ip, *name, *helo, *sender, *recipients, *text, *rule;
};

/* Numbered from 1; one an hour from T0 on. */
static const struct sample samples[] = {
	{ "reject", "192.0.2.1", "mx.example.net", "mx", "a@example.net", "[\"b@example.org\"]",
	    "Blocked: 100% spam", "postern.conf:1" },
	{ "tempfail", "192.0.2.130", "", "[192.0.2.130]", "",
	    "[\"c@example.org\",\"d@example.com\"]", "Greylisted", "/etc/postern/postern.conf:12" },
	{ "accept", "2001:db8::5", "Mail.Example.COM", "mail", "A@EXAMPLE.NET",
	    "[\"B@example.org\"]", "ok", "" },
	{ "reject", "198.51.100.7", "under_score.example", "x", "\"q\\\"q\"@example.net",
	    "[\"\\\"q q\\\"@example.org\"]", "no \\ backslash", "postern.conf:11" },
};

struct filter_case {
	const char *name;
	struct journal_filter filter;
	const char *want; /* the numbers found */
};

#define S(member, string) \
	{ \
		.member = {(string), sizeof(string) - 1 } \
	}

static const struct filter_case filter_cases[] = {
	{ "all", { 0 }, "1234" },
	{ "since", { .since_ms = T0 + HOUR }, "234" },
	{ "since the future", { .since_ms = T0 + 9 * HOUR }, "" },
	{ "until", { .until_ms = T0 + HOUR }, "1" },
	{ "between", { .since_ms = T0 + HOUR, .until_ms = T0 + 3 * HOUR }, "23" },
	{ "after a serial", { .after_serial = 3 }, "4" },
	{ "the last two", { .last = 2 }, "34" },
	{ "the last of many", { .last = 100 }, "1234" },
	{ "the last refusal", { .last = 1, .verdict = { "tempfail", 8 } }, "2" },
	{ "the last before", { .last = 1, .until_ms = T0 + 2 * HOUR }, "2" },
	{ "verdict", S(verdict, "reject"), "14" },
	{ "no such verdict", S(verdict, "rej"), "" },
	{ "address", S(client, "192.0.2.1"), "1" },
	{ "network", S(client, "192.0.2.0/24"), "12" },
	{ "half of it", S(client, "192.0.2.128/25"), "2" },
	{ "IPv6", S(client, "2001:db8::/32"), "3" },
	{ "part of the name", S(client, "example.com"), "3" },
	{ "sender", S(sender, "a@example.net"), "13" },
	{ "part of the sender", S(sender, "EXAMPLE"), "134" },
	{ "recipient", S(recipient, "d@example.com"), "2" },
	{ "recipient with quotes", S(recipient, "\"q q\"@"), "4" },
	{ "rule and line", S(rule, "postern.conf:1"), "1" },
	{ "line", S(rule, ":12"), "2" },
	{ "beginning of a rule", S(rule, "postern.conf"), "14" },
	{ "folder of a rule", S(rule, "/etc/"), "2" },
	{ "text in the text", S(text, "greylist"), "2" },
	{ "text in the sender", S(text, "a@exam"), "13" },
	{ "text in a recipient", S(text, "@example.com"), "2" },
	{ "text in the name", S(text, "mx.example"), "1" },
	{ "text in the helo", S(text, "[192.0.2"), "2" },
	{ "text in the rule", S(text, "conf:11"), "4" },
	{ "text with quotes in a recipient", S(text, "\"q q\""), "4" },
	{ "a percent sign is itself", S(text, "0% s"), "1" },
	{ "and no wildcard", S(text, "B%d"), "" },
	{ "an underscore is itself", S(client, "under_score"), "4" },
	{ "and no wildcard", S(client, "mx_example"), "" },
	{ "a backslash is itself", S(text, "no \\ b"), "4" },
	{ "a quote is no end", S(text, "' OR 1=1 --"), "" },
	{ "two conditions", { .verdict = { "reject", 6 }, .sender = { "a@", 2 } }, "1" },
};

static void
test_filters(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char *text;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		struct journal_record r = record(T0 + (int64_t)i * HOUR);

		r.verdict = s->verdict;
		r.client_ip = str_of(s->ip);
		r.client_name = str_of(s->name);
		r.helo = str_of(s->helo);
		r.sender = str_of(s->sender);
		r.recipients = str_of(s->recipients);
		r.text = str_of(s->text);
		r.rule = str_of(s->rule);
		append(w->journal, &r);
	}
	for (size_t i = 0; i < sizeof(filter_cases) / sizeof(filter_cases[0]); i++) {
		struct kept k = { 0 };
		char got[8] = "";

		find(w->reader, &filter_cases[i].filter, &k);
		for (size_t n = 0; n < k.n; n++)
			got[n] = (char)('0' + k.record[n]->serial);
		if (strcmp(got, filter_cases[i].want) != 0)
			fail_msg("%s: found %s, not %s", filter_cases[i].name, got,
			    filter_cases[i].want);
		forget(&k);
	}
	text = calloc(1, 20000);
	memset(text, 'x', 20000);
	assert_false(journal_read(
	    w->reader, &(struct journal_filter){ .text = { text, 20000 } }, keep, NULL, &e));
	assert_string_equal(e.text, "the text to look for is too long");
	free(text);
}

static void
test_by_id(void **state)
{
	struct world *w = *state;
	struct journal_record r[3] = { record(T0), record(T0), record(T0) }, given = record(T0);
	struct kept k = { 0 };

	for (int i = 0; i < 3; i++)
		append(w->journal, &r[i]);
	find(w->reader, &(struct journal_filter){ .id = str_of(r[1].id) }, &k);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.record[0]->serial, 2);
	forget(&k);
	find(w->reader, &(struct journal_filter){ .id = str_of(r[1].id), .after_serial = 2 }, &k);
	assert_int_equal(k.n, 0);
	find(w->reader, &(struct journal_filter){ .id = STR("nobody") }, &k);
	assert_int_equal(k.n, 0);
	/* One that was not made of its serial. */
	memcpy(given.id, "abc234", 7);
	append(w->journal, &given);
	assert_string_equal(given.id, "abc234");
	find(w->reader, &(struct journal_filter){ .id = STR("abc234") }, &k);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.record[0]->serial, 4);
	forget(&k);
}

/* One that was made by the first schema keeps its entries and their ids, and goes on. */
static void
test_older_journal(void **state)
{
	struct world *w = *state;
	const char *path = folder_file(&w->folder, "older.db");
	struct journal_record next = record(T0 + HOUR);
	struct kept k = { 0 };
	struct journal *j;
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, schema_journal_1, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(handle,
		"PRAGMA user_version = 1; PRAGMA application_id = 0x50734a31;"
		"INSERT INTO entry VALUES (41, 'abc234', 1, 'proxy', 'mail', 'reject', 550, 1, 0, 1, '', "
		"'', '', '', '', 'old', '', '', '', '', '', '', '', '', '', '');"
		"UPDATE meta SET value = 41",
		NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(handle);
	j = journal_open(path, NULL);
	assert_non_null(j);
	append(j, &next);
	assert_int_equal(next.serial, 42);
	journal_close(&j);
	j = journal_open_read(path, NULL);
	assert_non_null(j);
	find(j, &(struct journal_filter){ .id = STR("abc234") }, &k);
	assert_int_equal(k.n, 1);
	same_text(k.record[0]->sender, STR("old"));
	forget(&k);
	find(j, &(struct journal_filter){ .id = str_of(next.id) }, &k);
	assert_int_equal(k.n, 1);
	forget(&k);
	journal_close(&j);
}

/* More than one lot, and an end that the caller wants. */
static void
test_many(void **state)
{
	struct world *w = *state;
	struct journal_record r[390], *p[390];
	struct kept k = { 0 };

	for (int i = 0; i < 390; i++) {
		r[i] = record(T0 + i);
		p[i] = &r[i];
	}
	assert_true(journal_append(w->journal, p, 390, NULL));
	find(w->reader, &(struct journal_filter){ 0 }, &k);
	assert_int_equal(k.n, 390);
	for (int i = 0; i < 390; i++)
		assert_int_equal(k.record[i]->serial, i + 1);
	forget(&k);
	find(w->reader, &(struct journal_filter){ .last = 250 }, &k);
	assert_int_equal(k.n, 250);
	assert_int_equal(k.record[0]->serial, 141);
	forget(&k);
	k.stop_after = 3;
	find(w->reader, &(struct journal_filter){ 0 }, &k);
	assert_int_equal(k.n, 3);
	forget(&k);
}

static void
test_version(void **state)
{
	struct world *w = *state;
	struct journal_record r = record(T0), s = record(T0);
	int64_t before = journal_version(w->reader), after;

	assert_int_equal(journal_version(w->reader), before);
	append(w->journal, &r);
	after = journal_version(w->reader);
	assert_int_not_equal(after, before);
	assert_int_equal(journal_version(w->reader), after);
	append(w->journal, &s);
	assert_int_not_equal(journal_version(w->reader), after);
}

/* --- sums --------------------------------------------------------------------------------------- */

static void
add_sum(void *owner, const struct journal_sum *sum)
{
	char *out = owner;
	size_t n = strlen(out);

	snprintf(out + n, 256 - n, "%.*s=%jd ", STR_ARG(sum->key), (intmax_t)sum->n);
}

static void
add_hour(void *owner, int64_t hour_ms, const int64_t counts[JOURNAL_VERDICTS])
{
	char *out = owner;
	size_t n = strlen(out);

	snprintf(out + n, 256 - n, "%jd:%jd/%jd/%jd ",
	    (intmax_t)(hour_ms - T0 / HOUR * HOUR) / HOUR, (intmax_t)counts[0], (intmax_t)counts[1],
	    (intmax_t)counts[2]);
}

static void
test_sums(void **state)
{
	struct world *w = *state;
	static const char *const verdicts[] = { "accept", "tempfail", "reject", "reject" };
	static const char *const senders[] = { "a", "b", "c", "b" };
	char text[256] = "";
	struct journal_span span = { T0 + HOUR, T0 + 3 * HOUR };
	struct journal_ranking ranking = { .column = "sender", .most = 10 };

	for (int i = 0; i < 12; i++) {
		struct journal_record r = record(T0 + (i / 4) * HOUR);

		/* An entry that stands for two counts as two. */
		r.times = i == 1 ? 2 : i % 2;
		r.verdict = verdicts[i % 4];
		r.sender = str_of(senders[i % 4]);
		append(w->journal, &r);
	}
	assert_true(journal_hours(w->reader, &(struct journal_span){ 0 }, add_hour, text, NULL));
	assert_string_equal(text, "0:1/2/2 1:1/1/2 2:1/1/2 ");
	text[0] = '\0';
	assert_true(journal_hours(w->reader, &span, add_hour, text, NULL));
	assert_string_equal(text, "1:1/1/2 2:1/1/2 ");
	text[0] = '\0';
	assert_true(journal_top(w->reader, &ranking, add_sum, text, NULL));
	assert_string_equal(text, "b=7 c=3 ");
	text[0] = '\0';
	ranking.most = 1;
	ranking.span = span;
	assert_true(journal_top(w->reader, &ranking, add_sum, text, NULL));
	assert_string_equal(text, "b=4 ");
	text[0] = '\0';
	ranking.column = "client_ip";
	assert_true(journal_top(w->reader, &ranking, add_sum, text, NULL));
	assert_string_equal(text, "192.0.2.1=6 ");
}

/* --- cleaning ----------------------------------------------------------------------------------- */

static void
test_clean(void **state)
{
	struct world *w = *state;
	struct journal_record r[700], *p[700];
	struct kept k = { 0 };
	struct err e = { 0 };
	int steps = 1;

	for (int i = 0; i < 700; i++) {
		r[i] = record(T0 + i);
		p[i] = &r[i];
	}
	assert_true(journal_append(w->journal, p, 700, NULL));
	while (journal_clean(
	    w->journal, T0 + HOUR + 650, &(struct journal_retention){ .keep_ms = HOUR }, &e))
		steps++;
	assert_int_equal(e.code, ERR_NONE);
	assert_int_equal(steps, 3);
	find(w->reader, &(struct journal_filter){ 0 }, &k);
	assert_int_equal(k.n, 50);
	assert_int_equal(k.record[0]->serial, 651);
	forget(&k);
}

/* --- what was acknowledged stays ---------------------------------------------------------------- */

/* Appends in batches and tells each serial only when journal_append() has said yes. */
static _Noreturn void
append_for_ever(const char *path, int out)
{
	struct journal *j = journal_open(path, NULL);
	struct journal_record r[7], *p[7];

	for (;;) {
		for (int i = 0; i < 7; i++) {
			r[i] = record(T0);
			p[i] = &r[i];
		}
		if (j == NULL || !journal_append(j, p, 7, NULL))
			_exit(1);
		for (int i = 0; i < 7; i++)
			if (write(out, r[i].id, 7) != 7)
				_exit(1);
	}
}

/* Reads what the child told until it is dead; kills it after so many ids. */
static size_t
acknowledged(int in, pid_t pid, size_t kill_after, char (*id)[7])
{
	size_t n = 0;
	int status;

	while (n < KEEP && read(in, id[n], 7) == 7)
		if (++n == kill_after)
			kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return n;
}

static void
test_killed(void **state)
{
	struct world *w = *state;
	char id[KEEP][7];

	for (size_t round = 0; round < 5; round++) {
		const char *path = folder_file(&w->folder, "killed.db");
		struct journal *j;
		struct err e;
		int fd[2];
		size_t n;
		pid_t pid;

		assert_int_equal(pipe(fd), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			append_for_ever(path, fd[1]);
		close(fd[1]);
		n = acknowledged(fd[0], pid, 20 + round * 31, id);
		close(fd[0]);
		assert_true(n >= 20 + round * 31);
		/* Opened like after a crash: the write-ahead log is read back. */
		j = journal_open(path, &e);
		if (j == NULL)
			fail_msg("%s", e.text);
		journal_close(&j);
		j = journal_open_read(path, NULL);
		for (size_t i = 0; i < n; i++) {
			struct kept k = { 0 };

			find(j, &(struct journal_filter){ .id = { id[i], 6 } }, &k);
			assert_int_equal(k.n, 1);
			forget(&k);
		}
		journal_close(&j);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_columns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_batch_is_written_whole_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_serials, setup, teardown),
		cmocka_unit_test(test_copy),
		cmocka_unit_test_setup_teardown(test_filters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_id, setup, teardown),
		cmocka_unit_test_setup_teardown(test_older_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sums, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
