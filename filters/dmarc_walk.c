#include "filters/dmarc_walk.h"

#include "base/die.h"

static size_t
count_labels(struct str name)
{
	size_t n = name.n > 0;

	for (size_t i = 0; i < name.n; i++)
		n += name.p[i] == '.';
	return n;
}

/* The name without its first label; empty when that was the last. */
static struct str
parent_of(struct str name)
{
	size_t dot = str_find(name, '.');

	return dot == STR_NPOS ? str_sub(name, name.n, name.n) : str_sub(name, dot + 1, name.n);
}

void
dmarc_walk_begin(struct str domain, struct dmarc_walk *out)
{
	size_t labels = count_labels(domain);
	struct str name = domain;

	require(domain.n > 0 && !str_ends(domain, STR(".")));
	*out = (struct dmarc_walk){ .domain = domain };
	while (name.n > 0) {
		require(out->n < DMARC_QUERIES);
		out->step[out->n++].name = name;
		/* Step 4: from eight labels on, seven are left. */
		do {
			name = parent_of(name);
			labels--;
		} while (labels >= DMARC_QUERIES);
	}
}

struct str
dmarc_walk_question(struct arena *arena, struct str name)
{
	return arena_printf(arena, "_dmarc.%.*s", STR_ARG(name));
}

void
dmarc_step_read(struct dmarc_step *step, const struct dns_answer *answer)
{
	struct str found = { 0 };
	size_t n = 0;

	step->state = DMARC_STEP_NOTHING;
	if (answer->status == DNS_TEMPFAIL)
		step->state = DMARC_STEP_FAILED;
	if (answer->status != DNS_OK)
		return;
	for (size_t i = 0; i < answer->n; i++) {
		if (!dmarc_record_is(answer->rr[i].data))
			continue;
		found = answer->rr[i].data;
		n++;
	}
	if (n != 1)
		return;
	step->state = DMARC_STEP_RECORD;
	dmarc_record_parse(found, &step->record);
}

bool
dmarc_within(struct str name, struct str domain)
{
	return str_eq(name, domain) ||
	    (name.n > domain.n && str_ends(name, domain) && name.p[name.n - domain.n - 1] == '.');
}

/* The name one label longer than `above`, on the way to domain. */
static struct str
one_below(struct str domain, struct str above)
{
	size_t at = domain.n - above.n - 1;

	while (at > 0 && domain.p[at - 1] != '.')
		at--;
	return str_sub(domain, at, domain.n);
}

bool
dmarc_walk_organization(const struct dmarc_walk *walk, struct str *out)
{
	*out = walk->domain;
	for (size_t i = 0; i < walk->n; i++) {
		const struct dmarc_step *step = &walk->step[i];

		if (step->state == DMARC_STEP_FAILED)
			return false;
		if (step->state != DMARC_STEP_RECORD)
			continue;
		if (step->record.psd == DMARC_PSD_YES && i > 0) {
			*out = one_below(walk->domain, step->name);
			return true;
		}
		*out = step->name;
		/* No walk goes on behind psd=n or psd=y (steps 2 and 6). */
		if (step->record.psd != DMARC_PSD_UNKNOWN)
			return true;
	}
	return true;
}

static const struct dmarc_step *
step_of(const struct dmarc_walk *walk, struct str name)
{
	for (size_t i = 0; i < walk->n; i++)
		if (str_eq(walk->step[i].name, name) && walk->step[i].state == DMARC_STEP_RECORD)
			return &walk->step[i];
	return NULL;
}

bool
dmarc_walk_policy(const struct dmarc_walk *walk, const struct dmarc_step **out)
{
	struct str organization;

	*out = step_of(walk, walk->domain);
	if (*out != NULL)
		return true;
	if (!dmarc_walk_organization(walk, &organization))
		return false;
	*out = step_of(walk, organization);
	/* If that has none, the walk ended at a psd=y, or there is no record at all. */
	for (size_t i = 1; i < walk->n && *out == NULL; i++)
		if (walk->step[i].state == DMARC_STEP_RECORD &&
		    walk->step[i].record.psd == DMARC_PSD_YES)
			*out = &walk->step[i];
	return true;
}
