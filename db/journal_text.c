#include "db/journal_text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"

/* Entries in one step: some milliseconds. */
#define STEP 100

/* What is searched in: the texts that `text` of struct journal_filter names, and the client's address. */
#define BODY(entry) \
	entry "sender || char(10) || " entry "recipients || char(10) || " entry \
	      "text || char(10) || " entry "rule || char(10) || " entry \
	      "client_name || char(10) || iif(" entry "helo = " entry "client_name, '', " entry \
	      "helo) || char(10) || " entry "client_ip || char(10) || " entry "subject"

/*
 * Which of a text's threes to look for: the rarest of them in so many entries. Each costs reading where it is,
 * and those that nearly all entries have (".co", "exa") would cost most and tell least.
 */
#define SAMPLE 200
#define THREES 6
#define THREES_MAX 128

struct text_index {
	sqlite3 *handle;
	char *path;
	int64_t segment;
	int code; /* of what failed */
};

static char *
path_of(const struct journal *j, int64_t segment)
{
	char *path;

	if (asprintf(&path, "%s-text-%06" PRId64, j->file.path, segment) < 0)
		die("no memory for a path");
	return path;
}

static void
remove_segment(const struct journal *j, int64_t segment)
{
	char *path = path_of(j, segment), *journal;

	if (asprintf(&journal, "%s-journal", path) < 0)
		die("no memory for a path");
	unlink(path);
	unlink(journal);
	free(journal);
	free(path);
}

/* --- writing ------------------------------------------------------------------------------------ */

static void
close_index(struct text_index **index)
{
	struct text_index *x = *index;

	if (x == NULL)
		return;
	sqlite3_close_v2(x->handle);
	free(x->path);
	free(x);
	*index = NULL;
}

void
journal_text_close(struct journal *j)
{
	close_index(&j->text);
}

/* What fails here is logged by the caller; whoever reads the file makes it wait for another time. */
static bool
run(struct text_index *x, const char *sql, struct str text, const int64_t span[2])
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(x->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
		return false;
	if (text.p)
		dbfile_bind(stmt, 1, text);
	for (int i = 0; span && i < 2; i++)
		sqlite3_bind_int64(stmt, i + 1, span[i]);
	do
		rc = sqlite3_step(stmt);
	while (rc == SQLITE_ROW);
	return sqlite3_finalize(stmt) == SQLITE_OK && rc == SQLITE_DONE;
}

/* Without write-ahead log: who may only read must be able to. */
static bool
open_index(struct journal *j, int64_t segment)
{
	static const char *const sql[] = {
		"PRAGMA journal_mode = TRUNCATE",
		"PRAGMA synchronous = NORMAL",
		("CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(body, content = '', tokenize = 'trigram', "
		 "detail = none, columnsize = 0)"),
		/* Merging what was written goes on in small pieces. */
		"INSERT INTO words (words, rank) VALUES ('automerge', 8)",
		"INSERT INTO words (words, rank) VALUES ('crisismerge', 64)",
		"CREATE TABLE IF NOT EXISTS done (serial INTEGER PRIMARY KEY) STRICT",
	};
	struct text_index *x = xcalloc(1, sizeof(*x));
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
	    SQLITE_OPEN_PRIVATECACHE;
	bool ok;
	int fd;

	j->text = x;
	x->segment = segment;
	x->path = path_of(j, segment);
	/* Made by us, for its mode: it tells who wrote to whom. */
	fd = open(x->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd >= 0)
		close(fd);
	ok = sqlite3_open_v2(x->path, &x->handle, flags, NULL) == SQLITE_OK;
	for (size_t i = 0; ok && i < sizeof(sql) / sizeof(sql[0]); i++)
		ok = run(x, sql[i], (struct str){ 0 }, NULL);
	ok = ok && run(x, "ATTACH ?1 AS journal", str_of(j->file.path), NULL);
	if (!ok)
		x->code = sqlite3_extended_errcode(x->handle);
	return ok;
}

static int64_t
one(sqlite3 *handle, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t n = 0;

	if (sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL) != SQLITE_OK)
		return 0;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static bool
add(struct text_index *x, const int64_t span[2])
{
	bool ok = run(x, "BEGIN", (struct str){ 0 }, NULL) &&
	    run(x,
		"INSERT INTO words (rowid, body) SELECT serial, " BODY(
		    "") " FROM journal.entry WHERE serial BETWEEN ?1 AND ?2",
		(struct str){ 0 }, span) &&
	    run(x, "DELETE FROM done", (struct str){ 0 }, NULL) &&
	    run(x, "INSERT INTO done (serial) SELECT ?2 WHERE ?1 >= 0", (struct str){ 0 }, span) &&
	    run(x, "COMMIT", (struct str){ 0 }, NULL);

	if (!ok)
		x->code = sqlite3_extended_errcode(x->handle);
	if (!ok && !sqlite3_get_autocommit(x->handle))
		sqlite3_exec(x->handle, "ROLLBACK", NULL, NULL, NULL);
	return ok;
}

/* The file cannot be used: it is made anew. Somebody who reads it is no reason. */
static void
failed(struct journal *j)
{
	struct text_index *x = j->text;
	int code = x->code;
	int64_t segment = x->segment;

	if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
		return;
	log_warn(NULL, "event=journal state=text path=%s problem=\"%s (%d)\": it is made anew",
	    x->path, sqlite3_errstr(code), code);
	close_index(&j->text);
	remove_segment(j, segment);
	j->text_next = 0;
}

/* Those before the first entry; a number that is not there ends it. */
static void
remove_old(struct journal *j, int64_t first_segment)
{
	for (int64_t segment = first_segment - 1; segment >= 0; segment--) {
		char *path = path_of(j, segment);
		bool there = access(path, F_OK) == 0;

		free(path);
		if (!there)
			return;
		remove_segment(j, segment);
	}
}

static bool
step(struct journal *j, int64_t newest)
{
	int64_t segment = j->text_next / JOURNAL_TEXT_SERIALS, done, span[2];

	if (j->text && j->text->segment != segment)
		close_index(&j->text);
	if (j->text == NULL && !open_index(j, segment)) {
		failed(j);
		return false;
	}
	done = one(j->text->handle, "SELECT max(serial) FROM done");
	if (done >= j->text_next) {
		j->text_next = done + 1;
		return done < newest;
	}
	span[0] = j->text_next;
	span[1] = span[0] + STEP - 1;
	if (span[1] >= (segment + 1) * JOURNAL_TEXT_SERIALS)
		span[1] = (segment + 1) * JOURNAL_TEXT_SERIALS - 1;
	if (span[1] > newest)
		span[1] = newest;
	if (!add(j->text, span)) {
		failed(j);
		return false;
	}
	j->text_next = span[1] + 1;
	return span[1] < newest;
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

/* Somebody took files away: all are looked at again. */
static void
look_again(struct journal *j)
{
	int64_t forgets = one(j->file.handle, "SELECT value FROM meta WHERE name = 'forgets'");

	if (forgets != j->text_forgets) {
		close_index(&j->text);
		j->text_next = 0;
	}
	j->text_forgets = forgets;
}

bool
journal_index(struct journal *j, bool on)
{
	int64_t oldest = one(j->file.handle, "SELECT min(serial) FROM entry");
	int64_t newest = one(j->file.handle, "SELECT max(serial) FROM entry");

	if (!on) {
		remove_old(j, newest / JOURNAL_TEXT_SERIALS + 1);
		return false;
	}
	if (newest == 0)
		return false;
	look_again(j);
	if (oldest / JOURNAL_TEXT_SERIALS != j->text_oldest) {
		close_index(&j->text);
		j->text_oldest = oldest / JOURNAL_TEXT_SERIALS;
		remove_old(j, j->text_oldest);
	}
	if (j->text_next < oldest)
		j->text_next = oldest;
	return j->text_next <= newest && step(j, newest);
}

/* --- reading ------------------------------------------------------------------------------------ */

/* The bodies of some entries, spread over all, in lower case. */
struct sample {
	char *text[SAMPLE];
	size_t n;
};

static void
take_sample(struct journal *j, struct sample *s)
{
	static const char sql[] =
	    "WITH RECURSIVE span (low, high) AS (SELECT (SELECT min(serial) FROM entry), "
	    "(SELECT max(serial) FROM entry)), "
	    "place (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM place WHERE i < ?1 - 1) "
	    "SELECT lower(" BODY("e.") ") FROM place, span JOIN entry AS e "
				       "ON e.serial = low + (high - low) * i / ?1";
	sqlite3_stmt *stmt;

	s->n = 0;
	if (!dbfile_prepare(&j->file, sql, &stmt, NULL))
		return;
	sqlite3_bind_int(stmt, 1, SAMPLE);
	while (s->n < SAMPLE && sqlite3_step(stmt) == SQLITE_ROW) {
		struct str text = dbfile_text(stmt, 0);

		s->text[s->n] = xmalloc(text.n + 1);
		memcpy(s->text[s->n], text.p, text.n);
		s->text[s->n++][text.n] = '\0';
	}
	sqlite3_finalize(stmt);
}

struct three {
	char text[13];
	size_t n; /* of the sample */
};

static size_t
count(const struct sample *s, const char *three)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += strstr(s->text[i], three) != NULL;
	return n;
}

static int
rarer(const void *a, const void *b)
{
	const struct three *x = a, *y = b;

	return x->n < y->n ? -1 : x->n > y->n;
}

/* Octets of the character there; 0: the text ends within it, or it is none. */
static size_t
character(struct str text, size_t at)
{
	unsigned char c = at < text.n ? (unsigned char)text.p[at] : 0x80;
	size_t n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return at + n <= text.n ? n : 0;
}

/* Octets of the three characters there; 0: there are fewer, or JSON has them in another form. */
static size_t
three_at(struct str text, size_t at)
{
	struct buf json;
	size_t n = 0;
	bool same;

	for (size_t i = 0; i < 3; i++) {
		size_t one = character(text, at + n);

		if (one == 0)
			return 0;
		n += one;
	}
	buf_init(&json, 100);
	escape_json(&json, str_sub(text, at, at + n));
	same = json.n == n + 2 && memcmp(json.p + 1, text.p + at, n) == 0;
	buf_free(&json);
	return same ? n : 0;
}

/* As they are, but for ASCII: others are folded by the tokenizer, in what it is asked for too. */
static size_t
threes_of(struct str text, struct three out[THREES_MAX])
{
	size_t n = 0, step;

	for (size_t i = 0; i < text.n && n<THREES_MAX; i += step> 0 ? step : 1) {
		size_t octets = three_at(text, i);
		struct three t = { .n = 0 };
		bool new = octets > 0;

		step = character(text, i);
		for (size_t k = 0; k < octets; k++)
			t.text[k] = ascii_lower(text.p[i + k]);
		for (size_t k = 0; k < n && new; k++)
			new = strcmp(out[k].text, t.text) != 0;
		if (new)
			out[n++] = t;
	}
	return n;
}

bool
journal_text_match(struct journal *j, struct str text, struct buf *match)
{
	struct three three[THREES_MAX];
	struct sample sample;
	size_t n = threes_of(text, three);

	if (n == 0)
		return false;
	take_sample(j, &sample);
	for (size_t i = 0; i < n; i++)
		three[i].n = count(&sample, three[i].text);
	for (size_t i = 0; i < sample.n; i++)
		free(sample.text[i]);
	qsort(three, n, sizeof(three[0]), rarer);
	for (size_t i = 0; i < n && i < THREES; i++)
		buf_printf(match, "%s\"%s\"", match->n > 0 ? " AND " : "", three[i].text);
	return true;
}

int64_t
journal_text_attach(struct journal *j, int64_t serial)
{
	char *path = path_of(j, serial / JOURNAL_TEXT_SERIALS);
	sqlite3_stmt *stmt;
	int64_t done = 0;
	bool ok;

	ok = access(path, R_OK) == 0 &&
	    dbfile_prepare(&j->file, "ATTACH ?1 AS " JOURNAL_TEXT, &stmt, NULL);
	if (ok) {
		dbfile_bind(stmt, 1, str_of(path));
		ok = sqlite3_step(stmt) == SQLITE_DONE;
		sqlite3_finalize(stmt);
	}
	free(path);
	if (ok)
		done = one(j->file.handle, "SELECT max(serial) FROM " JOURNAL_TEXT ".done");
	if (ok && done < serial)
		journal_text_detach(j);
	return done < serial ? 0 : done;
}

void
journal_text_detach(struct journal *j)
{
	dbfile_exec(&j->file, "DETACH " JOURNAL_TEXT, NULL);
}
