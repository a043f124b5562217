#include "db/db_request.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"

/* Far more than as many rows take as there can be: their texts are the command line's. */
#define EXCEPTIONS_MEMORY (64 * 1024 * 1024)

struct db_request *
db_request_store(const struct question *q)
{
	size_t octets = sizeof(struct db_request) + q->name.n + q->hashes.n;
	struct db_request *r = xmalloc(octets);
	char *key = (char *)(r + 1), *hashes = key + q->name.n;

	*r = (struct db_request){ .what = DB_STORE, .octets = octets };
	if (q->name.n > 0)
		memcpy(key, q->name.p, q->name.n);
	if (q->hashes.n > 0)
		memcpy(hashes, q->hashes.p, q->hashes.n);
	r->answer.question = *q;
	r->answer.question.name = (struct str){ key, q->name.n };
	r->answer.question.hashes = (struct str){ hashes, q->hashes.n };
	r->answer.state = ANSWER_SENT;
	return r;
}

struct db_request *
db_request_delivered(enum delivered_what what, const unsigned char *key)
{
	struct db_request *r = xcalloc(1, sizeof(*r) + sizeof(*r->delivered));

	r->what = DB_DELIVERED;
	r->octets = sizeof(*r) + sizeof(*r->delivered);
	r->delivered = (struct delivered *)(r + 1);
	r->delivered->what = what;
	memcpy(r->delivered->key, key, DELIVERED_KEY);
	return r;
}

struct db_request *
db_request_status(struct status_report *report)
{
	struct db_request *r = xcalloc(1, sizeof(*r));

	r->what = DB_STATUS;
	r->status = report;
	return r;
}

struct db_request *
db_request_exceptions(enum exceptions_what what)
{
	struct db_request *r = xcalloc(1, sizeof(*r) + sizeof(*r->exceptions));

	r->what = DB_EXCEPTIONS;
	r->octets = sizeof(*r) + sizeof(*r->exceptions);
	r->exceptions = (struct store_exceptions *)(r + 1);
	r->exceptions->what = what;
	if (what == EXCEPTIONS_READ)
		r->exceptions->memory = arena_new(EXCEPTIONS_MEMORY);
	return r;
}

struct db_request *
db_request_journal(struct journal_record *record)
{
	struct db_request *r = xcalloc(1, sizeof(*r));

	r->what = DB_JOURNAL;
	r->record = record;
	r->octets = sizeof(*r) + journal_record_size(record);
	return r;
}

struct db_request *
db_request_configuration(struct str revision, struct str text)
{
	struct db_request *r = xmalloc(sizeof(*r) + revision.n + text.n);
	char *p = (char *)(r + 1);

	*r = (struct db_request){ .what = DB_CONFIGURATION,
		.octets = sizeof(*r) + revision.n + text.n };
	memcpy(p, revision.p, revision.n);
	memcpy(p + revision.n, text.p, text.n);
	r->revision = (struct str){ p, revision.n };
	r->text = (struct str){ p + revision.n, text.n };
	return r;
}

void
db_request_free(struct db_request **request)
{
	if (*request == NULL)
		return;
	if ((*request)->exceptions)
		arena_free(&(*request)->exceptions->memory);
	free((*request)->record);
	free((*request)->status);
	free(*request);
	*request = NULL;
}

struct store_ask
db_request_ask(struct db_request *r)
{
	return (struct store_ask){ &r->answer.question, &r->answer, r->delivered, r->status,
		r->exceptions };
}

void
db_request_done(struct db_request *r, bool ok)
{
	r->failed = !ok;
	if (r->what != DB_STORE)
		return;
	r->answer.failed = !ok;
	r->answer.state = ANSWER_HERE;
	r->answer.took_us = clock_mono_us() - r->sent_us;
}
