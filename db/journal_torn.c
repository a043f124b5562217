/*
 * journal_torn: what opening a journal for writing finds when its end is not what the head (journal_head.h) knew, and what
 * appending finds when it is not what was appended last. An entry then tells of it, and numbers that had been given are not
 * given again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/journal_file.h"

/* The numbers up to the head's are used up; what is missing among them has an entry. */
static bool
tell(struct journal *j, const struct head *newest, const struct head *head, struct err *e)
{
	char text[200], facts[200], sql[100], link[CHAIN_TEXT];
	struct journal_record record = {
		.time_ms = clock_wall_ms(),
		.front = "postern",
		.step = "journal",
		.verdict = "change",
		.recipients = STR("[]"),
		.rule = STR(JOURNAL_TORN),
		.trace = STR("[]"),
		.answers = STR("[]"),
	};
	struct journal_record *one = &record;
	const struct journal_also also = { .sql = sql };

	snprintf(text, sizeof(text),
	    "Entries %" PRId64 " to %" PRId64 " are missing: they had been written and are gone",
	    newest->serial + 1, head->serial);
	snprintf(facts, sizeof(facts),
	    "{\"missing\":{\"first\":%" PRId64 ",\"last\":%" PRId64 "},\"link\":\"%s\"}",
	    newest->serial + 1, head->serial, chain_print(&head->link, link));
	record.text = str_of(text);
	record.facts = str_of(facts);
	snprintf(sql, sizeof(sql), "UPDATE meta SET value = %" PRId64 " WHERE name = 'serial'",
	    head->serial);
	if (!journal_append_and(j, &one, 1, &also, e))
		return false;
	log_error(NULL,
	    "event=journal state=torn missing=%" PRId64 "-%" PRId64
	    " id=%s path=%s: they had been written and are "
	    "gone: look for errors of the disk; see `postern log --verify`",
	    newest->serial + 1, head->serial, record.id, j->file.path);
	return true;
}

bool
journal_compare(
    struct journal *j, const struct head *newest, const struct head *head, struct err *e)
{
	if (head->journal != j->itself) {
		log_warn(NULL,
		    "event=journal state=other path=%s: the head beside it is of another journal, with entries "
		    "up to %" PRId64 "; if nobody moved that away, it was lost",
		    j->file.path, head->serial);
	} else if (head->serial > newest->serial) {
		return tell(j, newest, head, e);
	} else if (head->serial == newest->serial && !chain_same(&head->link, &newest->link)) {
		log_error(NULL,
		    "event=journal state=altered serial=%" PRId64
		    " path=%s: it is not the entry that was written; see "
		    "`postern log --verify`",
		    newest->serial, j->file.path);
	}
	journal_write_head(j, newest);
	return true;
}

/* The head is read first: others may be writing. */
bool
journal_mend(struct journal *j, struct err *e)
{
	struct head head, newest;
	enum head_found found;

	j->head = head_open(j->head_path);
	found = j->head < 0 ? HEAD_NONE : head_read(j->head, &head);
	if (!journal_get_newest(j, &newest, e))
		return false;
	if (found == HEAD_GOOD)
		return journal_compare(j, &newest, &head, e);
	if (found == HEAD_BROKEN || newest.serial > 0)
		log_warn(NULL,
		    "event=journal state=unknown path=%s: it is gone or cannot be read; whether the newest entries are "
		    "missing is not known",
		    j->head_path);
	journal_write_head(j, &newest);
	return true;
}

bool
journal_mark(struct journal *j, struct journal_mark *out, struct err *e)
{
	struct head newest;

	if (!journal_get_newest(j, &newest, e))
		return false;
	out->serial = newest.serial;
	chain_print(&newest.link, out->link);
	return true;
}
