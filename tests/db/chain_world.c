#include "tests/db/chain_world.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	folder_make(&w->folder);
	snprintf(w->path, sizeof(w->path), "%s", folder_file(&w->folder, "journal.db"));
	snprintf(w->head, sizeof(w->head), "%s-head", w->path);
	*state = w;
	return 0;
}

int
teardown(void **state)
{
	struct world *w = *state;

	folder_remove(&w->folder);
	free(w);
	return 0;
}

void
append(struct journal *j, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct journal_record r = {
			.time_ms = T0 + (int64_t)i,
			.front = "proxy",
			.step = "rcpt",
			.verdict = "reject",
			.code = 550,
			.client_ip = STR("192.0.2.1"),
			.sender = STR("a@example.net"),
			.recipients = STR("[\"b@example.org\"]"),
			.text = STR("no"),
			.facts = STR("{}"),
		};
		struct journal_record *p = &r;
		struct err e;

		if (!journal_append(j, &p, 1, &e))
			fail_msg("%s", e.text);
	}
}

void
write_some(struct world *w, size_t n)
{
	struct journal *j = journal_open(w->path, NULL);

	assert_non_null(j);
	append(j, n);
	journal_close(&j);
}

void
sql(struct world *w, const char *text)
{
	sqlite3 *handle;
	char *why = NULL;

	assert_int_equal(sqlite3_open(w->path, &handle), SQLITE_OK);
	if (sqlite3_exec(handle, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(handle);
}

void
note(void *owner, const struct journal_fault *f)
{
	static const char letters[] = "MRAFCBUXG";
	char *p = owner;
	size_t n = strlen(p);

	snprintf(p + n, SAID - n, "%s%c%d-%d%s%s", n > 0 ? " " : "", letters[f->kind],
	    (int)f->first, (int)f->last, f->config[0] ? " of " : "", f->config);
}

struct journal_verdict
verify_since(struct world *w, int64_t since_ms, char said[SAID])
{
	struct journal *j = journal_open_read(w->path, NULL);
	const struct journal_check check = { since_ms, note, said };
	struct journal_verdict v;
	struct err e;

	said[0] = '\0';
	assert_non_null(j);
	if (!journal_verify(j, &check, &v, &e))
		fail_msg("%s", e.text);
	journal_close(&j);
	return v;
}

struct journal_verdict
verify(struct world *w, char said[SAID])
{
	return verify_since(w, 0, said);
}

void
check_tampered(const struct tampered *t, size_t n, void (*fill)(struct world *w))
{
	char said[SAID];

	for (size_t i = 0; i < n; i++) {
		struct journal_verdict v;
		void *w = NULL;

		setup(&w);
		fill(w);
		sql(w, t[i].sql);
		v = verify(w, said);
		if (strcmp(said, t[i].said) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", t[i].sql, said, t[i].said);
		assert_int_equal(v.faults > 0, said[0] != '\0');
		assert_int_equal(v.head, JOURNAL_HEAD_KNOWN);
		teardown(&w);
	}
}
