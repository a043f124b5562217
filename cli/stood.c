#include "cli/stood.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/escape.h"
#include "db/journal_config.h"
#include "db/json.h"
#include "mail/exception.h"

#define TEXT_LIMIT (64 * 1024 * 1024)
#define PLACES_MAX (64 << 20)
#define NAMES_MAX 400
#define OBSERVE STR("observe ")

static const char DEFINITIONS[] = "definitions", LISTS[] = "lists";

/* Those of one text; those that are under the same blocks, too. */
enum sameness { SAME_TEXT, SAME_RULE, SAMENESS };

enum meaning { MEANT_SAME, MEANT_OTHER, MEANT_UNKNOWN };

/* In the rule as it is now. */
struct name {
	const char *kind; /* DEFINITIONS, LISTS: where configurations have it */
	struct str name;
	char digest[20];
	const struct name *next;
};

struct search {
	const struct stood_question *q;
	struct arena *arena; /* of one configuration */
	struct arena *kept;
	const struct name *names;
	struct str step, text;
	/* of itself; and as one without a condition has it, which is known by its text, with and without `observe` */
	char digest[3][EXCEPTION_RULE];
	struct {
		size_t n, before; /* so many there are, and so many of them stand before it */
	} now[SAMENESS];
	struct stood *out;
};

struct str
stood_text(struct str source)
{
	return str_starts(source, OBSERVE) ? str_sub(source, OBSERVE.n, source.n) : source;
}

/* --- the rule as it is now ----------------------------------------------------------------------- */

static void
know_digests(struct search *s)
{
	const char *digest = s->q->rule->shown.digest;
	struct arena *arena = s->arena;

	/* One that refuses nothing has none, and no entries. */
	if (digest)
		str_copy(str_of(digest), s->digest[0], sizeof(s->digest[0]));
	exception_digest(s->text, s->digest[1]);
	exception_digest(arena_printf(arena, "observe %.*s", STR_ARG(s->text)), s->digest[2]);
	arena_reset(arena);
}

static bool
is_its_digest(const struct search *s, struct str digest)
{
	for (size_t i = 0; i < 3; i++)
		if (str_eq(digest, str_of(s->digest[i])))
			return true;
	return false;
}

/* In the order in which the journal has them. */
static void
count(struct search *s)
{
	const struct rule *rule = s->q->rule;
	const struct ruleset *rules = s->q->config->ruleset;

	for (size_t i = 0, behind = 0; i < rules->n[rule->step]; i++) {
		const struct rule *r = rules->rule[rule->step][i];
		const char *digest = r->shown.digest ? r->shown.digest : "";

		behind |= r == rule;
		if (!str_eq(stood_text(r->shown.source), s->text))
			continue;
		for (enum sameness same = SAME_TEXT; same < SAMENESS; same++) {
			if (same == SAME_RULE && !is_its_digest(s, str_of(digest)))
				continue;
			s->now[same].n++;
			s->now[same].before += !behind;
		}
	}
}

/* --- names in it --------------------------------------------------------------------------------- */

static void
show_name(struct buf *b, struct str name)
{
	char shown[100];

	snprintf(shown, sizeof(shown), "`%.*s`", STR_ARG(name));
	if (b->n > 0 && memmem(b->p, b->n, shown, strlen(shown)))
		return;
	if (b->n > 0)
		buf_add(b, STR(", "));
	buf_add(b, str_of(shown));
}

static void
add_name(struct search *s, const char *kind, struct str name, uint64_t hash)
{
	struct name *new;

	for (const struct name *n = s->names; n; n = n->next)
		if (n->kind == kind && str_eq(n->name, name))
			return;
	new = ARENA_NEW(s->kept, struct name);
	*new = (struct name){ .kind = kind, .name = name, .next = s->names };
	snprintf(new->digest, sizeof(new->digest), "%016" PRIx64, hash);
	s->names = new;
	show_name(&s->out->names, name);
}

static void
add_lists(struct search *s, const struct expr *e)
{
	if (e == NULL)
		return;
	/* A list in braces is in the text. */
	if (e->kind == EXPR_TEST && e->list && list_name(e->list).n > 0 &&
	    list_name(e->list).p[0] != '{')
		add_name(s, LISTS, list_name(e->list), list_hash(e->list, STR_HASH));
	if (e->kind == EXPR_AND || e->kind == EXPR_OR || e->kind == EXPR_NOT)
		for (const struct expr *child = e->child; child; child = child->next)
			add_lists(s, child);
}

static void
add_definition(struct search *s, struct str name)
{
	const struct config_definition *d = s->q->config->definitions;

	while (d && !str_eq(d->name, name))
		d = d->next;
	if (d)
		add_name(s, DEFINITIONS, name, d->hash);
}

/* Its own, and those of the blocks around it. */
static void
find_names(struct search *s)
{
	for (const struct rule *r = s->q->rule; r; r = r->before ? r->before : r->outer) {
		for (const struct defined *d = r->defined; d; d = d->next)
			add_definition(s, d->name);
		add_lists(s, r->condition);
	}
}

static const struct json *
member(const struct json *object, struct str name)
{
	const struct json *m = object ? object->first : NULL;

	while (m && !str_eq(m->name, name))
		m = m->next;
	return m;
}

/* Something in the text of the configuration, or in a file of a list, was another. */
static bool
read_otherwise(const struct config *c, const struct json *conf)
{
	const struct json *files = json_get(conf, "files");
	char hash[20];

	if (!str_eq(json_text(conf, "words"), str_of(c->words)))
		return true;
	for (const struct config_file *file = c->files; file; file = file->next) {
		const struct json *was = member(files, file->written);

		snprintf(hash, sizeof(hash), "%016" PRIx64, file->hash);
		if (file->list && !(was && str_eq(was->text, str_of(hash))))
			return true;
	}
	return false;
}

/* What the names stood for then. */
static enum meaning
meaning(struct search *s, const struct json *conf)
{
	bool other = false, unknown = false;

	for (const struct name *n = s->names; n; n = n->next) {
		const struct json *was = member(json_get(conf, n->kind), n->name);

		if (was == NULL) {
			unknown = true;
		} else if (!str_eq(was->text, str_of(n->digest))) {
			show_name(&s->out->changed, n->name);
			other = true;
		}
	}
	if (other)
		return MEANT_OTHER;
	return unknown && read_otherwise(s->q->config, conf) ? MEANT_UNKNOWN : MEANT_SAME;
}

/* --- then ---------------------------------------------------------------------------------------- */

static bool
is_it(const struct search *s, const struct json *rule, enum sameness same)
{
	return str_eq(json_text(rule, "at"), s->step) &&
	    str_eq(stood_text(json_text(rule, "source")), s->text) &&
	    (same == SAME_TEXT || is_its_digest(s, json_text(rule, "digest")));
}

static const struct json *
find(const struct search *s, const struct json *rules, enum sameness same)
{
	const struct json *here = NULL, *kth = NULL;
	size_t n = 0;

	for (const struct json *r = rules ? rules->first : NULL; r; r = r->next) {
		if (!is_it(s, r, same))
			continue;
		if (n++ == s->now[same].before)
			kth = r;
		if (str_eq(json_text(r, "rule"), s->q->rule->shown.id))
			here = r;
	}
	return n == s->now[same].n ? kth : here;
}

/* Whatever such entries say of that place, this rule said it. */
static bool
speaks_alone(const struct search *s, const struct json *rules, const struct json *it)
{
	bool itself = false;

	for (const struct json *r = rules->first; r; r = r->next) {
		if (!str_eq(json_text(r, "rule"), json_text(it, "rule")) ||
		    json_get(r, "digest") == NULL || json_yes(r, "observed") != s->q->observed)
			continue;
		if (r != it)
			return false;
		itself = true;
	}
	return itself;
}

static void
add_place(struct buf *b, struct str revision, const struct json *rule)
{
	buf_add(b, b->n > 1 ? STR(",") : STR(""));
	escape_json(b, revision);
	buf_addc(b, ':');
	escape_json(b, json_text(rule, "rule"));
}

static void
add_meaning(struct search *s, struct str revision, const struct json *conf, const struct json *rule)
{
	enum meaning m = meaning(s, conf);

	add_place(m == MEANT_OTHER ? &s->out->renamed : &s->out->places, revision, rule);
	if (m == MEANT_UNKNOWN)
		add_place(&s->out->unsure, revision, rule);
}

static bool
has_any(const struct search *s, const struct json *rules, enum sameness same)
{
	for (const struct json *r = rules ? rules->first : NULL; r; r = r->next)
		if (is_it(s, r, same))
			return true;
	return false;
}

static void
look(void *owner, struct str revision, struct str text)
{
	struct search *s = owner;
	const struct json *conf = json_parse(s->arena, text, NULL);
	const struct json *rules = json_get(conf, "rules");
	enum sameness same = has_any(s, rules, SAME_RULE) ? SAME_RULE : SAME_TEXT;
	const struct json *it = find(s, rules, same);

	if (it && speaks_alone(s, rules, it)) {
		add_place(&s->out->all, revision, it);
		if (same == SAME_RULE)
			add_meaning(s, revision, conf, it);
		else
			add_place(&s->out->elsewhere, revision, it);
	}
	arena_reset(s->arena);
}

bool
stood_find(
    struct journal *journal, const struct stood_question *q, struct stood *out, struct err *e)
{
	struct search s = {
		.q = q, .arena = arena_new(TEXT_LIMIT), .kept = arena_new(TEXT_LIMIT), .out = out
	};
	struct buf *const map[] = { &out->places, &out->unsure, &out->renamed, &out->elsewhere,
		&out->all };
	bool ok;

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		buf_init(map[i], PLACES_MAX);
		buf_addc(map[i], '{');
	}
	buf_init(&out->names, NAMES_MAX);
	buf_init(&out->changed, NAMES_MAX);
	s.step = str_of(step_name(q->rule->step));
	s.text = stood_text(q->rule->shown.source);
	know_digests(&s);
	count(&s);
	find_names(&s);
	ok = journal_configurations(journal, look, &s, e);
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		buf_addc(map[i], '}');
	arena_free(&s.arena);
	arena_free(&s.kept);
	return ok;
}

void
stood_free(struct stood *stood)
{
	buf_free(&stood->places);
	buf_free(&stood->unsure);
	buf_free(&stood->renamed);
	buf_free(&stood->elsewhere);
	buf_free(&stood->all);
	buf_free(&stood->names);
	buf_free(&stood->changed);
}
