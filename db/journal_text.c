#include "db/journal_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "db/text_file.h"

/*
 * Entries in one step, two milliseconds. So many have to be there: each step costs a transaction, and a piece that is to be merged;
 * fewer are searched by reading in no time.
 */
#define SPAN 128

/* A call goes on for so long, and then for the step it is in. */
#define BUDGET_US 3000

/* So long after it was written last, the system has brought a file to the disk: waiting for that takes no time. */
#define REST_S 60

/* Of the files of before, each for so many serials; they are only removed. */
#define FORMER_SERIALS (1 << 19)

static char *
path_of(const struct journal *j, const char *kind, int64_t segment)
{
	char *path;

	if (asprintf(&path, "%s-%s-%06" PRId64, j->file.path, kind, segment) < 0)
		die("no memory for a path");
	return path;
}

char *
journal_text_path(const struct journal *j, int64_t segment)
{
	return path_of(j, "words", segment);
}

/* --- removing ----------------------------------------------------------------------------------- */

static void
remove_file(char *path)
{
	char *journal;

	if (asprintf(&journal, "%s-journal", path) < 0)
		die("no memory for a path");
	unlink(path);
	unlink(journal);
	free(journal);
	free(path);
}

static void
remove_segment(const struct journal *j, int64_t segment)
{
	remove_file(journal_text_path(j, segment));
}

/* Those before the first entry; a number that is not there ends it. */
static void
remove_old(struct journal *j, int64_t first_segment)
{
	for (int64_t segment = first_segment - 1; segment >= 0; segment--) {
		char *path = journal_text_path(j, segment);
		bool there = access(path, F_OK) == 0;

		free(path);
		if (!there)
			return;
		remove_segment(j, segment);
	}
}

static void
remove_former(const struct journal *j, int64_t newest)
{
	for (int64_t segment = newest / FORMER_SERIALS; segment >= 0; segment--)
		remove_file(path_of(j, "text", segment));
}

void
journal_text_close(struct journal *j)
{
	text_file_close(&j->text);
}

/* All files are looked at again, from the oldest entry on. */
static void
again(struct journal *j)
{
	journal_text_close(j);
	j->text_next = j->text_joined = j->text_whole = 0;
}

void
journal_text_forget(struct journal *j, const int64_t *serial, size_t n)
{
	int64_t before = -1;

	for (size_t i = 0; i < n; i++) {
		int64_t segment = serial[i] / JOURNAL_TEXT_SERIALS;

		if (segment != before)
			remove_segment(j, segment);
		before = segment;
	}
}

bool
journal_text_again(struct journal *j, struct err *e)
{
	return dbfile_exec(&j->file,
	    "INSERT INTO meta (name, value) VALUES ('forgets', 1) "
	    "ON CONFLICT (name) DO UPDATE SET value = value + 1",
	    e);
}

/* --- one file ----------------------------------------------------------------------------------- */

/* False: this file is nothing to go on with now. */
static bool
went(struct journal *j, enum text_step step)
{
	if (step == TEXT_BROKEN) {
		log_warn(NULL,
		    "event=journal state=text file=%" PRId64 " problem=\"%s\": it is made anew",
		    j->text_segment, text_file_problem(j->text));
		remove_segment(j, j->text_segment);
		again(j);
	}
	return step == TEXT_DONE || step == TEXT_NOTHING;
}

/* Has the file of a segment at hand. */
static bool
take(struct journal *j, int64_t segment)
{
	enum text_step step;
	char *path;

	if (j->text && j->text_segment == segment)
		return true;
	journal_text_close(j);
	path = journal_text_path(j, segment);
	j->text_segment = segment;
	j->text = text_file_open(path, j->file.path, &step);
	j->text_merged = step == TEXT_DONE && text_file_whole(j->text);
	free(path);
	if (step == TEXT_LATER)
		journal_text_close(j);
	return went(j, step);
}

static int64_t
end_of(int64_t segment)
{
	return (segment + 1) * JOURNAL_TEXT_SERIALS - 1;
}

static bool
merge(struct journal *j, bool full)
{
	enum text_step step = text_file_merge(j->text, full);

	j->text_merged = step == TEXT_NOTHING;
	return went(j, step);
}

/* --- all of them -------------------------------------------------------------------------------- */

/* A step of adding entries, or of merging what that left. False: there is nothing to do, or not now. */
static bool
fill(struct journal *j, int64_t newest)
{
	int64_t last = j->text_next | (SPAN - 1), done;

	if (j->text && !j->text_merged && j->text_segment == j->text_next / JOURNAL_TEXT_SERIALS)
		return merge(j, false);
	if (last > newest || !take(j, j->text_next / JOURNAL_TEXT_SERIALS))
		return false;
	done = text_file_last(j->text);
	if (done >= j->text_next) {
		j->text_next = done + 1;
		return true;
	}
	if (!went(j, text_file_add(j->text, j->text_next, last)))
		return false;
	j->text_next = last + 1;
	j->text_merged = false;
	return true;
}

static bool
rested(const struct journal *j, int64_t segment)
{
	char *path = journal_text_path(j, segment);
	struct stat st;
	bool ok = stat(path, &st) != 0 || time(NULL) - st.st_mtime >= REST_S;

	free(path);
	return ok;
}

/* Has the file of a segment at hand that was filled to its end. */
static bool
take_full(struct journal *j, int64_t segment)
{
	if (!take(j, segment))
		return false;
	/* Somebody took the file away. */
	if (text_file_last(j->text) < end_of(segment))
		again(j);
	return j->text != NULL;
}

/* A step of merging what was filled to one piece. False: as of fill(). */
static bool
join(struct journal *j)
{
	if (j->text_joined >= j->text_next / JOURNAL_TEXT_SERIALS || !take_full(j, j->text_joined))
		return false;
	if (j->text_merged)
		j->text_joined++;
	return j->text_merged || merge(j, true);
}

/* One file more is whole. False: as of fill(). */
static bool
finish(struct journal *j)
{
	if (j->text_whole >= j->text_joined || !rested(j, j->text_whole) ||
	    !take_full(j, j->text_whole))
		return false;
	if (!text_file_whole(j->text) && !went(j, text_file_finish(j->text)))
		return false;
	j->text_whole++;
	return true;
}

/* Somebody forgot a person, and took files away. */
static void
look_again(struct journal *j, int64_t oldest)
{
	int64_t forgets = 0;
	sqlite3_stmt *stmt;

	if (dbfile_prepare(
		&j->file, "SELECT value FROM meta WHERE name = 'forgets'", &stmt, NULL)) {
		if (sqlite3_step(stmt) == SQLITE_ROW)
			forgets = sqlite3_column_int64(stmt, 0);
		sqlite3_finalize(stmt);
	}
	if (forgets != j->text_forgets)
		again(j);
	j->text_forgets = forgets;
	if (oldest / JOURNAL_TEXT_SERIALS != j->text_oldest) {
		journal_text_close(j);
		j->text_oldest = oldest / JOURNAL_TEXT_SERIALS;
		remove_old(j, j->text_oldest);
	}
	if (j->text_next < oldest)
		j->text_next = oldest;
	if (j->text_joined < j->text_oldest)
		j->text_joined = j->text_oldest;
	if (j->text_whole < j->text_oldest)
		j->text_whole = j->text_oldest;
}

bool
journal_index(struct journal *j, bool on)
{
	int64_t oldest = journal_oldest(j), newest = journal_newest(j), began_us = clock_mono_us();
	bool more;

	if (j->text_oldest < 0)
		remove_former(j, newest);
	if (!on) {
		journal_text_close(j);
		remove_old(j, newest / JOURNAL_TEXT_SERIALS + 1);
	}
	if (!on || newest == 0)
		return false;
	look_again(j, oldest);
	do
		more = fill(j, newest) || join(j) || finish(j);
	while (more && clock_mono_us() - began_us < BUDGET_US);
	return more;
}
