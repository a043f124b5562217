#include "proxy/questions.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"

struct errand {
	struct questions *questions;
	struct answers *table;
	struct answer *answer;
	struct db_request *request; /* of the store; NULL: a lookup */
	struct lookup lookup;
	int64_t sent_us;
	struct errand *next, **link;
};

void
questions_init(struct questions *q, struct resolver *resolver, struct db_link *link)
{
	*q = (struct questions){ .resolver = resolver, .link = link };
}

static struct errand *
errand_new(struct questions *q, struct answers *table, struct answer *answer)
{
	struct errand *errand = xcalloc(1, sizeof(*errand));

	errand->questions = q;
	errand->table = table;
	errand->answer = answer;
	errand->sent_us = clock_mono_us();
	errand->next = q->errands;
	errand->link = &q->errands;
	if (q->errands)
		q->errands->link = &errand->next;
	q->errands = errand;
	table->noted--;
	table->sent++;
	answer->state = ANSWER_SENT;
	return errand;
}

static void
errand_free(struct errand *errand)
{
	*errand->link = errand->next;
	if (errand->next)
		errand->next->link = errand->link;
	if (errand->answer->question.kind == QUESTION_DNS)
		errand->questions->n_dns--;
	else
		errand->questions->n_store--;
	free(errand);
}

/* The answer is in place: the errand is over. */
static void
errand_finish(struct errand *errand)
{
	struct answer *answer = errand->answer;

	answer->state = ANSWER_HERE;
	answer->took_us = clock_mono_us() - errand->sent_us;
	errand->table->sent--;
	errand_free(errand);
}

static void
lookup_done(struct lookup *lookup)
{
	struct errand *errand = lookup->owner;
	struct questions *q = errand->questions;

	errand->answer->dns = lookup->answer;
	errand_finish(errand);
	q->arrived(q->owner);
}

static void
request_done(struct db_request *request)
{
	struct errand *errand = request->owner;

	if (errand) {
		struct questions *q = errand->questions;

		errand->answer->seen = request->answer.seen;
		errand->answer->count = request->answer.count;
		errand->answer->take = request->answer.take;
		errand->answer->failed = request->failed;
		errand_finish(errand);
		q->arrived(q->owner);
	}
	db_request_free(&request);
}

static bool
send_dns(struct errand *errand, struct arena *arena)
{
	errand->questions->n_dns++;
	errand->lookup = (struct lookup){
		.name = errand->answer->question.name,
		.type = errand->answer->question.type,
		.arena = arena,
		.done = lookup_done,
		.owner = errand,
	};
	if (!resolver_start(errand->questions->resolver, &errand->lookup))
		return false;
	errand->answer->dns = errand->lookup.answer;
	errand_finish(errand);
	return true;
}

static void
send_store(struct errand *errand)
{
	errand->questions->n_store++;
	errand->request = db_request_store(&errand->answer->question);
	errand->request->done = request_done;
	errand->request->owner = errand;
	errand->request->no_hurry = errand->questions->no_hurry;
	db_send(errand->questions->link, errand->request);
}

size_t
questions_send(struct questions *q, struct answers *table, struct arena *arena)
{
	size_t at_once = 0;

	for (struct answer *a = table->first; a && table->noted; a = a->next) {
		if (a->state != ANSWER_NOTED)
			continue;

		struct errand *errand = errand_new(q, table, a);

		if (a->question.kind != QUESTION_DNS)
			send_store(errand);
		else if (send_dns(errand, arena))
			at_once++;
	}
	return at_once;
}

static void
fail_dns(struct answer *answer, const char *why)
{
	answer->dns = (struct dns_answer){ .status = DNS_TEMPFAIL, .why = why };
}

size_t
questions_give_up(struct questions *q, struct answers *table, const char *why)
{
	size_t n = 0;
	struct errand *next;

	for (struct errand *errand = q->errands; errand; errand = next) {
		next = errand->next;
		if (errand->request)
			continue;
		resolver_cancel(&errand->lookup);
		fail_dns(errand->answer, why);
		errand_finish(errand);
		n++;
	}
	for (struct answer *a = table->first; a && table->noted; a = a->next) {
		if (a->state != ANSWER_NOTED || a->question.kind != QUESTION_DNS)
			continue;
		fail_dns(a, why);
		a->state = ANSWER_HERE;
		table->noted--;
		n++;
	}
	return n;
}

void
questions_cancel(struct questions *q, const struct answers *table)
{
	struct errand *next;

	for (struct errand *errand = q->errands; errand; errand = next) {
		next = errand->next;
		if (table && errand->table != table)
			continue;
		if (errand->request)
			errand->request->owner = NULL; /* request_done() frees it */
		else
			resolver_cancel(&errand->lookup);
		errand->table->sent--;
		errand_free(errand);
	}
}
