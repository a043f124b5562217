#include "filters/spf_run.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/escape.h"

/* Soft, like that of every arena; what is taken is bounded by the limits of records and terms. */
#define SCRATCH_LIMIT (1024 * 1024)

/* The answer for a name that no DNS could hold (RFC 7208 4.8): nothing, and nothing is asked. */
static const struct dns_answer nowhere = { .status = DNS_NXDOMAIN };

struct spf_run *
spf_run_new(const struct spf_query *query)
{
	struct arena *arena = arena_new(SCRATCH_LIMIT);
	struct spf_run *run = ARENA_NEW(arena, struct spf_run);

	run->arena = arena;
	run->query = query;
	return run;
}

void
spf_run_free(struct spf_run **run)
{
	struct arena *arena = (*run)->arena;

	*run = NULL;
	arena_free(&arena);
}

void
spf_run_end(struct spf_run *run, enum spf_result result, const char *format, ...)
{
	char text[512], safe[512];
	va_list ap;

	if (run->state == SPF_ENDED)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	run->state = SPF_ENDED;
	run->result = result;
	run->problem =
	    arena_dup(run->arena, str_of(escape_ascii(str_of(text), safe, sizeof(safe))));
}

bool
spf_run_term(struct spf_run *run)
{
	if (++run->terms <= SPF_LOOKUP_TERMS)
		return true;
	spf_run_end(run, SPF_PERMERROR, "more than %d terms need the DNS", SPF_LOOKUP_TERMS);
	return false;
}

bool
spf_run_void(struct spf_run *run)
{
	if (++run->voids <= SPF_VOID_TERMS)
		return true;
	spf_run_end(
	    run, SPF_PERMERROR, "more than %d terms name what is not in the DNS", SPF_VOID_TERMS);
	return false;
}

bool
spf_run_nowhere(const struct dns_answer *answer)
{
	return answer == &nowhere;
}

static bool
askable(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < 0x20 || name.p[i] > 0x7e)
			return false;
	/* Its final dot is gone already; a second one makes an empty label. */
	return dns_name_ok(name) && !str_ends(name, STR("."));
}

const struct dns_answer *
spf_run_note(struct spf_run *run, struct str name, enum dns_type type)
{
	const struct dns_answer *answer = NULL;

	if (run->state == SPF_ENDED)
		return NULL;
	if (!askable(name))
		return &nowhere;
	if (++run->questions > SPF_QUESTIONS) {
		spf_run_end(run, SPF_PERMERROR, "needs more than %d DNS questions", SPF_QUESTIONS);
		return NULL;
	}
	if (run->query->dns(run->query->owner, name, type, &answer) != DONE)
		return NULL;
	return answer;
}

const struct dns_answer *
spf_run_ask(struct spf_run *run, struct str name, enum dns_type type)
{
	const struct dns_answer *answer = spf_run_note(run, name, type);

	if (answer == NULL && run->state == SPF_RUNNING)
		run->state = SPF_WAITING;
	if (answer != NULL && answer->status == DNS_TEMPFAIL) {
		spf_run_end(run, SPF_TEMPERROR, "%s of %s: %s", dns_type_name(type), ESC(name),
		    answer->why ? answer->why : "no answer");
		return NULL;
	}
	return answer;
}

enum dns_type
spf_run_address_type(const struct spf_run *run)
{
	return run->query->client.version == 6 ? DNS_AAAA : DNS_A;
}

static struct str
name_of(struct spf_run *run, const struct dns_rr *rr)
{
	struct str name = rr->data;

	if (str_ends(name, STR(".")))
		name.n--;
	return arena_lower(run->arena, name);
}

/*
 * An error while the PTR records are looked up means that there are none, an error with a name's
 * address that the name is skipped (5.5). All names are asked for at once.
 */
bool
spf_run_names(struct spf_run *run)
{
	const struct dns_answer *ptr, *address[SPF_HOSTS];
	struct str name[SPF_HOSTS], reverse;
	size_t n;

	if (run->names_known)
		return true;
	reverse = dns_reverse_name(run->arena, &run->query->client);
	ptr = spf_run_note(run, reverse, DNS_PTR);
	n = ptr == NULL || ptr->status != DNS_OK ? 0 : ptr->n;
	if (n > SPF_HOSTS)
		n = SPF_HOSTS;
	for (size_t i = 0; i < n; i++) {
		name[i] = name_of(run, &ptr->rr[i]);
		address[i] = spf_run_note(run, name[i], spf_run_address_type(run));
	}
	for (size_t i = 0; i < n; i++)
		if (address[i] == NULL)
			ptr = NULL;
	if (ptr == NULL && run->state == SPF_RUNNING)
		run->state = SPF_WAITING;
	if (run->state != SPF_RUNNING)
		return false;
	for (size_t i = 0; i < n; i++)
		if (dns_has_ip(address[i], &run->query->client))
			run->name[run->n_names++] = name[i];
	run->names_void = ptr->status == DNS_NODATA || ptr->status == DNS_NXDOMAIN;
	run->names_known = true;
	return true;
}

bool
spf_name_within(struct str name, struct str domain)
{
	if (!str_endscase(name, domain))
		return false;
	return name.n == domain.n || name.p[name.n - domain.n - 1] == '.';
}

/* %{p}: the domain itself, else a name below it, else any (7.3). */
static struct str
validated_name(const struct spf_run *run, struct str domain)
{
	for (size_t i = 0; i < run->n_names; i++)
		if (str_eqcase(run->name[i], domain))
			return run->name[i];
	for (size_t i = 0; i < run->n_names; i++)
		if (spf_name_within(run->name[i], domain))
			return run->name[i];
	return run->n_names > 0 ? run->name[0] : STR("unknown");
}

bool
spf_run_values(struct spf_run *run, struct str text, struct str domain, struct spf_values *out)
{
	const struct spf_query *q = run->query;

	*out = (struct spf_values){
		.client = q->client,
		.local = q->local.n > 0 ? q->local : STR("postmaster"),
		.domain = q->domain,
		.current = domain,
		.helo = q->helo,
		.receiver = q->receiver,
		.now = q->now,
	};
	if (!spf_macro_uses(text, "p"))
		return true;
	if (!spf_run_names(run))
		return false;
	out->validated = validated_name(run, domain);
	return true;
}

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7e)
			return false;
	return true;
}

bool
spf_run_name(struct spf_run *run, const struct spf_target *target, struct str *out)
{
	struct str spec = target->term->spec;
	struct spf_values values;

	*out = target->frame->domain;
	if (spec.p == NULL)
		return true;
	if (!spf_run_values(run, spec, target->frame->domain, &values))
		return false;
	if (!is_ascii(values.local) && spf_macro_uses(spec, "ls"))
		*out = STR("");
	else
		*out = spf_macro_name(run->arena, spec, &values);
	return true;
}

/* Section 4.5: the one TXT record that is an SPF record. */
static const struct dns_rr *
record_choose(struct spf_run *run, struct str domain, const struct dns_answer *answer)
{
	const struct dns_rr *found = NULL;

	for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++) {
		if (!spf_record_is(answer->rr[i].data))
			continue;
		if (found != NULL) {
			spf_run_end(
			    run, SPF_PERMERROR, "%s has more than one SPF record", ESC(domain));
			return NULL;
		}
		found = &answer->rr[i];
	}
	/* No record is an error of whoever refers to it (5.2, 6.1). */
	if (found == NULL)
		spf_run_end(run, run->top == NULL ? SPF_NONE : SPF_PERMERROR,
		    "%s has no SPF record", ESC(domain));
	return found;
}

const struct spf_frame *
spf_run_open(struct spf_run *run, struct str domain, bool included)
{
	const struct dns_answer *answer = spf_run_ask(run, domain, DNS_TXT);
	const struct dns_rr *rr = answer ? record_choose(run, domain, answer) : NULL;
	struct spf_frame *frame;
	struct err e = { 0 };

	if (rr == NULL)
		return NULL;
	frame = ARENA_NEW(run->arena, struct spf_frame);
	frame->domain = domain;
	frame->included = included;
	if (!spf_record_parse(run->arena, rr->data, &frame->record, &e)) {
		spf_run_end(run, SPF_PERMERROR, "record of %s: %s", ESC(domain), e.text);
		return NULL;
	}
	if (!included)
		run->top = frame;
	return frame;
}
