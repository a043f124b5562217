/* The head beside the journal, and what is said of a journal whose end is gone: by a hand, or with the machine. */
#include "db/journal_head.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/db/chain_world.h"

#define N 20

static void
test_torn(void **state)
{
	struct world *w = *state;
	struct journal_verdict v;
	char said[SAID];

	write_some(w, N);
	sql(w, "DELETE FROM entry WHERE serial > 15");
	/* Opening it for writing says so, once. */
	write_some(w, 0);
	write_some(w, 2);
	v = verify(w, said);
	assert_string_equal(said, "M16-20");
	assert_int_equal(v.entries, 15 + 1 + 2);
	assert_int_equal(v.last, 23);
	/* An entry that tells of a gap does not make one where links were broken. */
	sql(w, "DELETE FROM entry WHERE serial = 15");
	verify(w, said);
	assert_string_equal(said, "R15-20");
}

/* Under the eyes of who appends: at once, or while nobody looks. */
static void
test_torn_while_open(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	struct journal_verdict v;
	char said[SAID];

	append(j, N);
	sql(w, "DELETE FROM entry WHERE serial > 15");
	append(j, 2);
	v = verify(w, said);
	assert_string_equal(said, "M16-20");
	assert_int_equal(v.entries, 15 + 1 + 2);
	assert_int_equal(v.last, 23);
	/* All of it. */
	sql(w, "DELETE FROM entry");
	append(j, 1);
	v = verify(w, said);
	assert_string_equal(said, "M1-23");
	assert_int_equal(v.last, 25);
	/* Its own last one is another: said in the log; mail goes on. */
	sql(w, "UPDATE entry SET chain = randomblob(32) WHERE serial = 25");
	append(j, 2);
	v = verify(w, said);
	assert_string_equal(said, "M1-23 A25-25");
	assert_int_equal(v.last, 27);
	/* What others append is none of that. */
	write_some(w, 3);
	append(j, 1);
	v = verify(w, said);
	assert_int_equal(v.last, 31);
	assert_string_equal(said, "M1-23 A25-25");
	journal_close(&j);
}

static void
test_heads(void **state)
{
	struct world *w = *state;
	struct journal_verdict v;
	char said[SAID];

	/* Of a journal that nothing was written to, none is missing. */
	write_some(w, 0);
	unlink(w->head);
	assert_int_equal(verify(w, said).head, JOURNAL_HEAD_NONE);
	write_some(w, N);
	/* Gone, or unreadable: not known. */
	unlink(w->head);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.head, JOURNAL_HEAD_GONE);
	/* Whatever part of it is walked. */
	assert_int_equal(verify_since(w, T0 + 1000, said).head, JOURNAL_HEAD_GONE);
	folder_write(&w->folder, "journal.db-head", "nonsense", 8);
	assert_int_equal(verify(w, said).head, JOURNAL_HEAD_BROKEN);
	write_some(w, 0);
	v = verify(w, said);
	assert_int_equal(v.head, JOURNAL_HEAD_KNOWN);
	/* A journal made anew does not take the head of another for its own. */
	unlink(w->path);
	write_some(w, 3);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.last, 3);
	assert_int_equal(v.head, JOURNAL_HEAD_KNOWN);
}

/* A chain that was made anew from the fifth on shows against the head, and against a mark that was noted. */
static void
test_rebuilt(void **state)
{
	struct world *w = *state;
	struct journal_verdict before, after;
	char said[SAID];
	struct stat st;
	char *head;
	int fd;

	write_some(w, N);
	before = verify(w, said);
	fd = open(w->head, O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	head = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, head, (size_t)st.st_size), st.st_size);
	close(fd);
	sql(w, "DELETE FROM entry WHERE serial > 4");
	unlink(w->head);
	write_some(w, N - 4);
	sql(w, "SELECT 1");
	after = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(after.newest.serial, before.newest.serial);
	assert_string_not_equal(after.newest.link, before.newest.link);
	folder_write(&w->folder, "journal.db-head", head, (size_t)st.st_size);
	free(head);
	verify(w, said);
	assert_string_equal(said, "B20-20");
}

/* --- killed, and the write-ahead log cut or garbled ----------------------------------------------- */

/* Tells each serial once it was acknowledged, and is killed with what it wrote still in the write-ahead log. */
static _Noreturn void
write_and_die(const char *path, int out)
{
	struct journal *j = journal_open(path, NULL);

	for (int64_t i = 1; i <= 60; i++) {
		append(j, 1);
		if (write(out, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
	raise(SIGKILL);
	_exit(1);
}

static int64_t
killed(struct world *w)
{
	int64_t serial, last = 0;
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0)
		write_and_die(w->path, pipes[1]);
	close(pipes[1]);
	while (read(pipes[0], &serial, sizeof(serial)) == sizeof(serial))
		last = serial;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return last;
}

/* All that was acknowledged is there, or what is missing is said; nothing is numbered twice. */
static void
check_after(struct world *w, int64_t acknowledged, const char *what)
{
	struct journal *j = journal_open(w->path, NULL);
	struct journal_verdict v;
	struct journal_mark mark;
	char said[SAID], want[60] = "";

	if (j == NULL)
		fail_msg("%s: it does not open", what);
	append(j, 1);
	assert_true(journal_mark(j, &mark, NULL));
	journal_close(&j);
	v = verify(w, said);
	if (mark.serial <= acknowledged)
		fail_msg("%s: %d was given again", what, (int)mark.serial);
	/* Every number has an entry, or is said to be missing. */
	if (v.entries != mark.serial)
		snprintf(want, sizeof(want), "M%d-%d", (int)v.entries - 1, (int)acknowledged);
	if (strcmp(said, want) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", what, said, want);
}

static void
test_write_ahead_log(void **state)
{
	static const char *const how[] = { "cut", "garbled", "gone" };

	for (unsigned i = 0; i < 30; i++) {
		struct world *w;
		void *p = NULL;
		char wal[620], what[60];
		struct stat st;
		int64_t acknowledged;
		off_t at;
		int fd;

		setup(&p);
		w = p;
		/* Closed, so that the schema is in the file. */
		write_some(w, 5);
		acknowledged = 5 + killed(w);
		assert_int_equal(acknowledged, 65);
		snprintf(wal, sizeof(wal), "%s-wal", w->path);
		assert_int_equal(stat(wal, &st), 0);
		at = (off_t)((uint64_t)st.st_size * (i * 7919 % 1000) / 1000);
		snprintf(what, sizeof(what), "%s at %ld", how[i % 3], (long)at);
		fd = open(wal, O_RDWR);
		assert_true(fd >= 0);
		if (i % 3 == 0)
			assert_int_equal(ftruncate(fd, at), 0);
		else if (i % 3 == 1)
			assert_int_equal(pwrite(fd, "garbage!", 8, at), 8);
		close(fd);
		if (i % 3 == 2)
			unlink(wal);
		check_after(w, acknowledged, what);
		teardown(&p);
	}
}

/* --- its line ------------------------------------------------------------------------------------ */

static void
test_head_line(void **state)
{
	struct head head = { 0x0123456789abcdef, 4711, { { 1, 2, 0xff } } }, got;
	char line[HEAD_SIZE];

	head_print(&head, line);
	assert_int_equal(line[HEAD_SIZE - 1], '\n');
	assert_true(head_parse((struct str){ line, HEAD_SIZE }, &got));
	assert_int_equal(got.serial, 4711);
	assert_true(got.journal == head.journal);
	assert_true(chain_same(&got.link, &head.link));
	assert_false(head_parse((struct str){ line, HEAD_SIZE - 1 }, &got));
	/* No octet of it can be another. */
	for (size_t i = 0; i < HEAD_SIZE - 1; i++) {
		line[i] ^= 1;
		if (head_parse((struct str){ line, HEAD_SIZE }, &got))
			fail_msg("octet %zu", i);
		line[i] ^= 1;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_while_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rebuilt, setup, teardown),
		cmocka_unit_test(test_write_ahead_log),
		cmocka_unit_test(test_head_line),
	};

	log_open("test_journal_head", LOG_TO_STDERR, LOG_LEVEL_ERROR + 1);
	return cmocka_run_group_tests_name("journal_head", tests, NULL, NULL);
}
