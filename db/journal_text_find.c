/*
 * journal_text_find: what the index (journal_text.h) is asked when a text is looked for, and the files that answer.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"
#include "db/journal_text.h"
#include "db/text_file.h"

/*
 * Which of a text's threes to look for: the rarest of them in so many entries. Each costs reading where it is,
 * and those that nearly all entries have (".co", "exa") would cost most and tell least. The entries are neighbours at a few places: each place is
 * to be fetched from the disk.
 */
#define SAMPLE 200
#define PLACES 4
#define MANY (SAMPLE / 4)
#define THREES 6
#define THREES_MAX 128

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
	    "SELECT lower(" TEXT_BODY(
		"e.") ") FROM place, span JOIN entry AS e "
		      "ON e.serial = iif(high - low < ?1, low + i, "
		      "low + (high - low - ?1 / ?2) * (i * ?2 / ?1) / (?2 - 1) + i % (?1 / ?2))";
	sqlite3_stmt *stmt;

	s->n = 0;
	if (!dbfile_prepare(&j->file, sql, &stmt, NULL))
		return;
	sqlite3_bind_int(stmt, 1, SAMPLE);
	sqlite3_bind_int(stmt, 2, PLACES);
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

	for (size_t i = 0; i < text.n && n < THREES_MAX; i += step ? step : 1) {
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
	/* Beside rare ones, what many entries have tells nothing. */
	for (size_t i = 0; i < n && i < THREES && (three[i].n <= MANY || three[0].n > MANY); i++)
		buf_printf(match, "%s\"%s\"", match->n > 0 ? " AND " : "", three[i].text);
	return true;
}

/* --- the files ---------------------------------------------------------------------------------- */

static int64_t
number(struct journal *j, const char *sql)
{
	char boot[TEXT_BOOT_SIZE];
	sqlite3_stmt *stmt;
	int64_t n = 0;

	if (!dbfile_prepare(&j->file, sql, &stmt, NULL))
		return 0;
	if (sqlite3_bind_parameter_count(stmt) > 0) {
		text_file_boot(boot);
		dbfile_bind(stmt, 1, str_of(boot));
	}
	if (sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

/* The last serial of a file that can be trusted (text_file.h). */
static int64_t
last_of(struct journal *j)
{
	if (number(j, "PRAGMA " JOURNAL_TEXT ".user_version") != 1 &&
	    number(j, "SELECT 1 FROM " JOURNAL_TEXT ".filled WHERE boot IN ('', ?1)") != 1)
		return 0;
	return number(j, "SELECT max(serial) FROM " JOURNAL_TEXT ".done");
}

int64_t
journal_text_attach(struct journal *j, int64_t serial)
{
	char *path = journal_text_path(j, serial / JOURNAL_TEXT_SERIALS);
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
		done = last_of(j);
	if (ok && done < serial)
		journal_text_detach(j);
	return done < serial ? 0 : done;
}

void
journal_text_detach(struct journal *j)
{
	dbfile_exec(&j->file, "DETACH " JOURNAL_TEXT, NULL);
}
