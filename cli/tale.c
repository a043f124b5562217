#include "cli/tale.h"

#include <stdlib.h>

#include "cli/told.h"
#include "filters/vocabulary.h"
#include "mail/code.h"
#include "mail/reply.h"
#include "mail/said.h"

#define TALE_LIMIT (32 << 20)

static const struct json *
read(struct arena *arena, struct str text, enum json_type type)
{
	const struct json *json = json_parse(arena, text, NULL);

	return json && json->type == type && json->first ? json : NULL;
}

void
tale_open(struct tale *t, struct cli *cli, const struct journal_record *r)
{
	*t = (struct tale){ .cli = cli, .arena = arena_new(TALE_LIMIT), .r = r };
	t->facts = read(t->arena, r->facts, JSON_OBJECT);
	t->trace = read(t->arena, r->trace, JSON_ARRAY);
	t->answers = read(t->arena, r->answers, JSON_ARRAY);
	t->vocabulary = stage_vocabulary(t->arena);
}

void
tale_close(struct tale *t)
{
	arena_free(&t->arena);
}

/* --- the verdict -------------------------------------------------------------------------------- */

const char *
tale_outcome(const struct tale *t)
{
	static const struct {
		const char *verdict, *words;
	} rows[] = {
		{ "reject", "Refused for good" },
		{ "tempfail", "Refused for now" },
		{ "defer", "Put off into a message of its own" },
		{ "left", "The client did not wait for the reply" },
	};

	if (tale_is_command(t))
		return "Changed by an administrator";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(t->r->verdict, rows[i].verdict) == 0)
			return rows[i].words;
	return t->r->observed.n > 0 ? "Let through, as the rule is only observed" : "Let through";
}

struct str
tale_reply(const struct tale *t)
{
	struct told told = told_of(t->arena, t->r);
	struct str text = t->r->text;
	struct buf b;

	if (told.code == 0)
		return text;
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "%d ", told.code);
	if (told.enhanced.n > 0)
		buf_printf(&b, "%.*s ", STR_ARG(told.enhanced));
	buf_add(&b, told.text);
	text = arena_dup(t->arena, str_trim(buf_str(&b)));
	buf_free(&b);
	return text;
}

bool
tale_is_message(const struct tale *t)
{
	const struct journal_record *r = t->r;

	/* What is counted in one entry for all has no client, nor has an administrator's change. */
	return r->sender.n > 0 ||
	    (r->client_ip.n > 0 && strcmp(r->step, "connect") != 0 && strcmp(r->step, "helo") != 0);
}

bool
tale_is_command(const struct tale *t)
{
	return str_starts(t->r->rule, STR("command: "));
}

bool
tale_refused(const struct tale *t)
{
	return strcmp(t->r->verdict, "reject") == 0 || strcmp(t->r->verdict, "tempfail") == 0;
}

bool
tale_by_backend(const struct tale *t)
{
	return str_starts(t->r->rule, STR("backend"));
}

/* The last rule of that name that was true, and was only observed if that is what the entry tells of. */
const struct json *
tale_decider(const struct tale *t)
{
	const struct json *found = NULL;
	bool observed = t->r->observed.n > 0;

	for (const struct json *e = t->trace ? t->trace->first : NULL; e; e = e->next)
		if (t->r->rule.n > 0 && str_eq(json_text(e, "rule"), t->r->rule) &&
		    json_yes(e, "hit") && (observed || !json_yes(e, "observed")))
			found = e;
	return found;
}

bool
tale_gave_points(const struct tale *t, const struct json *decider, const struct json *entry)
{
	struct str source = json_text(decider, "source");
	const struct json *e = t->trace->first;

	if (memmem(source.p, source.n, " if score ", 10) == NULL &&
	    memmem(source.p, source.n, " score >", 8) == NULL)
		return false;
	while (e && e != decider && e != entry)
		e = e->next;
	return e == entry && e != decider && str_eq(json_text(e, "action"), STR("score")) &&
	    json_yes(e, "hit");
}

const struct explanation *
tale_code(const struct tale *t)
{
	const struct journal_record *r = t->r;
	const struct code *code;
	char plain[8];

	if (r->code < 400)
		return NULL;
	code = code_find(r->enhanced.n > 0 ? r->enhanced : reply_enhanced_of(r->code, r->text));
	snprintf(plain, sizeof(plain), "%d", r->code);
	if (code == NULL)
		code = code_find(str_of(plain));
	return code ? &code->about : NULL;
}

const struct explanation *
tale_explanation(const struct tale *t)
{
	enum said said = said_find(t->r->rule, t->r->code);

	if (said != SAID_COUNT)
		return said_row(said)->about;
	return tale_by_backend(t) ? &said_by_backend : tale_code(t);
}

/* --- facts -------------------------------------------------------------------------------------- */

const struct fact_def *
tale_fact(const struct tale *t, struct str name)
{
	size_t n = str_find(name, '(');

	name = str_sub(name, 0, n == STR_NPOS ? name.n : n);
	for (size_t i = 0; i < t->vocabulary.n; i++) {
		const struct config_part *part = &t->vocabulary.part[i];

		for (size_t k = 0; k < part->n_facts; k++)
			if (str_eq(name, str_of(part->facts[k].name)))
				return &part->facts[k];
	}
	return NULL;
}

const struct json *
tale_value(const struct tale *t, struct str name)
{
	for (const struct json *f = t->facts ? t->facts->first : NULL; f; f = f->next)
		if (str_eq(f->name, name))
			return f;
	return NULL;
}

void
tale_readable(const struct json *v, struct buf *b)
{
	if (v == NULL)
		return;
	if (v->type == JSON_STRING)
		buf_add(b, v->text.n > 0 ? v->text : STR("\"\""));
	else if (v->type == JSON_NULL)
		buf_add(b, STR("(not known)"));
	else if (v->type == JSON_BOOL)
		buf_add(b, v->yes ? STR("yes") : STR("no"));
	else if (v->type != JSON_ARRAY)
		json_write(v, b);
	else if (v->first == NULL)
		buf_add(b, STR("(none)"));
	for (const struct json *i = v->type == JSON_ARRAY ? v->first : NULL; i; i = i->next) {
		tale_readable(i, b);
		buf_add(b, i->next ? STR(", ") : STR(""));
	}
}

/* --- time --------------------------------------------------------------------------------------- */

/* The stage that has the fact, or that is called so itself. */
static struct str
stage_of(const struct tale *t, struct str fact)
{
	size_t n = str_find(fact, '(');

	fact = str_sub(fact, 0, n == STR_NPOS ? fact.n : n);
	for (size_t i = 0; i < t->vocabulary.n; i++) {
		const struct config_part *part = &t->vocabulary.part[i];

		if (fact.n > 0 && str_eq(fact, str_of(part->name)))
			return str_of(part->name);
		for (size_t k = 0; k < part->n_facts; k++)
			if (str_eq(fact, str_of(part->facts[k].name)))
				return part->name[0] ? str_of(part->name) : STR("session");
	}
	return STR("");
}

static struct tale_stage *
row_of(struct tale_stage *row, size_t *n, struct str name)
{
	for (size_t i = 0; i < *n; i++)
		if (str_eq(row[i].name, name))
			return &row[i];
	if (*n == TALE_STAGES)
		return &row[*n - 1];
	row[*n] = (struct tale_stage){ .name = name };
	return &row[(*n)++];
}

/* Whether an earlier rule of the same step was told the fact: it was computed once. */
static bool
told_before(const struct json *first, const struct json *entry, const struct json *fact)
{
	for (const struct json *e = first; e; e = e->next) {
		const struct json *facts = json_get(e, "facts");

		for (const struct json *f = facts ? facts->first : NULL; f; f = f->next) {
			if (f == fact)
				return false;
			if (str_eq(json_text(f, "fact"), json_text(fact, "fact")) &&
			    json_number(f, "us") == json_number(fact, "us") &&
			    str_eq(json_text(e, "step"), json_text(entry, "step")))
				return true;
		}
	}
	return false;
}

size_t
tale_stages(const struct tale *t, struct tale_stage out[TALE_STAGES])
{
	const struct json *first = t->trace ? t->trace->first : NULL;
	size_t n = 0;

	for (const struct json *e = first; e; e = e->next) {
		const struct json *facts = json_get(e, "facts");

		for (const struct json *f = facts ? facts->first : NULL; f; f = f->next)
			if (json_number(f, "us") > 0 && !told_before(first, e, f))
				row_of(out, &n, stage_of(t, json_text(f, "fact")))->us +=
				    json_number(f, "us");
	}
	for (const struct json *a = t->answers ? t->answers->first : NULL; a; a = a->next) {
		struct tale_stage *row = row_of(out, &n, stage_of(t, json_text(a, "for")));
		int64_t us = json_number(a, "us");

		row->questions++;
		row->waited_us = us > row->waited_us ? us : row->waited_us;
	}
	return n;
}

/* --- what would have let it pass ---------------------------------------------------------------- */

/* And not by a limit, a failure, the mail server, or an administrator's exception. */
static bool
by_rule(const struct tale *t)
{
	const struct str rule = t->r->rule;

	return rule.n > 0 && said_find(rule, t->r->code) == SAID_COUNT && !tale_by_backend(t) &&
	    !str_starts(rule, STR("exception ")) && !str_eq(rule, STR("delay")) &&
	    !str_eq(rule, STR("delivered before"));
}

void
tale_changes(
    struct tale *t, const struct config *config, const struct journal_record *kept, struct str text)
{
	if (config == NULL || !by_rule(t) || !(tale_refused(t) || t->r->observed.n > 0))
		return;
	t->other_config = !str_eq(t->r->config, str_of(config->revision));
	t->past = past_read(t->arena, config, kept, text);
	if (t->past)
		changes_find(t->past, &t->changes);
}

/* "1h" of "rate(client, messages, 1h)": seconds, 0: none. */
static int64_t
window_of(struct str name)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };
	struct str part = str_sub(name, 0, name.n > 0 ? name.n - 1 : 0), rest = part,
		   last = STR("");
	const char *unit;
	uint64_t n;

	if (name.n == 0 || name.p[name.n - 1] != ')')
		return 0;
	while (str_pop(&rest, ',', &part))
		last = str_trim(part);
	unit = last.n > 1 ? memchr(units, last.p[last.n - 1], 4) : NULL;
	if (unit == NULL || !str_to_u64(str_sub(last, 0, last.n - 1), 1000000, &n))
		return 0;
	return (int64_t)n * seconds[unit - units];
}

static int64_t
seconds_of(const struct tale *t, struct str name)
{
	const struct json *value = tale_value(t, name);
	uint64_t n;

	return value && value->type == JSON_NUMBER && str_to_u64(value->text, INT32_MAX, &n)
	    ? (int64_t)n
	    : 0;
}

/* What there is room for again, as the counter with the limit said. */
static int64_t
free_of(const struct tale *t)
{
	int64_t longest = 0;

	for (const struct json *a = t->answers ? t->answers->first : NULL; a; a = a->next)
		if (json_get(a, "granted") && !json_yes(a, "granted") &&
		    json_number(a, "free") > longest)
			longest = json_number(a, "free");
	return longest;
}

int64_t
tale_again(const struct tale *t, const struct change *c, bool *latest)
{
	int64_t wait = 0;

	*latest = false;
	if (c->kind != CHANGE_FACT)
		return 0;
	if (str_eq(c->name, STR("greylist"))) {
		wait = seconds_of(t, STR("greylist.wait"));
		for (const struct json *a = t->answers ? t->answers->first : NULL; a && wait == 0;
		     a = a->next)
			if (json_get(a, "seen"))
				wait = json_number(a, "wait");
	} else if (str_starts(c->name, STR("quota")) || str_starts(c->name, STR("upstream"))) {
		wait = free_of(t);
	} else if (str_ends(c->words, STR(" or less"))) {
		wait = window_of(c->name);
		*latest = true;
	}
	return wait > 0 ? t->r->time_ms / 1000 + wait : 0;
}
