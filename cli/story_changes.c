/* story_changes: what would have let it pass, to an administrator and to a program. */
#include "base/escape.h"
#include "cli/print.h"
#include "cli/story.h"
#include "cli/when.h"

static bool
is_admins(const struct change *c)
{
	return c->kind == CHANGE_ENTRY || c->kind == CHANGE_OBSERVE;
}

/* --- in words ----------------------------------------------------------------------------------- */

static void
add_again(const struct tale *t, struct buf *b, const struct change *c)
{
	bool latest;
	int64_t again = tale_again(t, c, &latest);
	char when[WHEN_SIZE];

	if (again > 0)
		buf_printf(b,
		    latest ? "; that is so at the latest at %s, if nothing more comes until then"
			   : "; that is so from %s on",
		    when_local(again * 1000, when));
}

static void
add_change(const struct tale *t, struct buf *b, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_FACT:
	case CHANGE_SCORE:
		buf_printf(b, "if %.*s were %.*s (it was %.*s)", STR_ARG(c->name),
		    STR_ARG(c->words), STR_ARG(c->was));
		add_again(t, b, c);
		return;
	case CHANGE_MARK:
		buf_printf(b, "if the mark %.*s were %.*s", STR_ARG(c->name), STR_ARG(c->words));
		return;
	case CHANGE_ENTRY:
		buf_printf(b, "an entry %.*s in %s%.*s (the value of %.*s)", STR_ARG(c->entry),
		    str_starts(list_name(c->list), STR("{")) ? "" : "list ",
		    STR_ARG(list_name(c->list)), STR_ARG(c->name));
		return;
	case CHANGE_OBSERVE:
		buf_printf(b, "the word `observe` in front of %.*s", STR_ARG(c->name));
		return;
	}
}

/* An exception does to the rule what `observe` would, for this sender alone. */
static bool
can_allow(const struct tale *t, const struct change_set *set)
{
	return set->change[0].kind == CHANGE_OBSERVE && t->r->id[0] != '\0' && tale_refused(t);
}

static void
tell_set(const struct tale *t, const struct change_set *set)
{
	struct buf b;

	buf_init(&b, 8192);
	if (can_allow(t, set)) {
		buf_printf(&b, "an exception from this rule, for this sender: `postern allow %s`",
		    t->r->id);
		print_prose(
		    t->cli, &(struct prose){ "  - ", 4, COLOR_DIM, COLOR_NONE }, buf_str(&b));
		buf_clear(&b);
	}
	for (size_t i = 0; i < set->n; i++) {
		buf_add(&b, i > 0 ? STR(", and ") : STR(""));
		add_change(t, &b, &set->change[i]);
	}
	if (set->open)
		buf_printf(&b, "; then %.*s asks for %.*s, which nobody had asked for",
		    STR_ARG(set->rule), STR_ARG(set->fact));
	print_prose(t->cli, &(struct prose){ "  - ", 4, COLOR_DIM, COLOR_NONE }, buf_str(&b));
	buf_free(&b);
}

/* Those of one kind under their heading. */
static void
tell_sets(const struct tale *t, bool admins, const char *heading)
{
	bool any = false;

	for (size_t i = 0; i < t->changes.n; i++) {
		if (is_admins(&t->changes.set[i].change[0]) != admins)
			continue;
		if (!any)
			story_heading(t, heading);
		any = true;
		tell_set(t, &t->changes.set[i]);
	}
}

static const struct {
	enum unsought what;
	const char *name, *words;
} unsought[] = {
	{ UNSOUGHT_SUMS, "sums", "what rules compute, or compare with each other" },
	{ UNSOUGHT_MATCHES, "matches", "what several regular expressions ask of one value" },
	{ UNSOUGHT_LISTS, "lists", "others that stand in a list" },
	{ UNSOUGHT_UNKNOWN, "unknown", "what leads to a fact that nobody had asked for" },
};
#define N_UNSOUGHT (sizeof(unsought) / sizeof(unsought[0]))

/* It is for the sender to change, and not for an administrator alone. */
static bool
has_change(const struct tale *t)
{
	for (size_t i = 0; i < t->changes.n; i++)
		if (!is_admins(&t->changes.set[i].change[0]))
			return true;
	return false;
}

/* How far it was looked. */
static void
tell_none(const struct tale *t)
{
	const struct changes *c = &t->changes;
	const char *between = "; not tried: ";
	struct buf b;

	if (c->now.outcome != PAST_REFUSED || has_change(t))
		return;
	buf_init(&b, 1024);
	if (c->searched == SIZE_MAX)
		buf_add(&b, STR("no other values of what the rules ask for"));
	else if (c->searched == 0)
		buf_add(&b, STR("nothing was found, and the rules ask for more than can be tried"));
	else
		buf_printf(&b, "no change of %zu %s of what the rules ask for", c->searched,
		    c->searched == 1 ? "value" : "values or fewer");
	for (size_t i = 0; i < N_UNSOUGHT; i++)
		if ((c->unsought & unsought[i].what) != 0) {
			buf_printf(&b, "%s%s", between, unsought[i].words);
			between = ", ";
		}
	story_heading(t, "what would have let it pass");
	print_prose(t->cli, &(struct prose){ "  - ", 4, COLOR_DIM, COLOR_NONE }, buf_str(&b));
	buf_free(&b);
}

/* Why there is nothing to be told, or that it is not quite the same. */
static void
tell_doubt(const struct tale *t)
{
	const struct changes *c = &t->changes;
	struct buf b;

	buf_init(&b, 1024);
	if (c->now.outcome == PAST_PASSES)
		buf_add(&b, STR("By the configuration of today it would pass."));
	else if (c->now.outcome == PAST_UNKNOWN)
		buf_printf(&b,
		    "By the configuration of today it cannot be said: %.*s asks for %.*s, "
		    "which nobody had asked for.",
		    STR_ARG(t->past->rule[c->now.rule]->shown.id),
		    STR_ARG(past_name(t->past, c->now.slot)));
	else if (!str_eq(c->rule, t->r->rule))
		buf_printf(&b, "By the configuration of today %.*s refuses it.", STR_ARG(c->rule));
	else
		buf_add(&b, STR("This is by the configuration of today, which is another one."));
	print_prose(t->cli, &(struct prose){ "    ", 4, COLOR_NONE, COLOR_DIM }, buf_str(&b));
	buf_free(&b);
}

/* What did not answer, where that is why it was refused. */
static void
tell_failures(const struct tale *t)
{
	const struct json *a = t->answers ? t->answers->first : NULL;
	struct buf b;
	bool any = false;

	if (!str_starts(t->r->rule, STR("failure: ")))
		return;
	buf_init(&b, 8192);
	for (; a; a = a->next) {
		struct str why = json_text(a, "why");

		if (!str_eq(json_text(a, "status"), STR("tempfail")))
			continue;
		if (!any)
			story_heading(t, "what would have let it pass, if the rest is as it was");
		any = true;
		buf_clear(&b);
		buf_printf(&b, "if the DNS had answered %.*s%s%.*s%s", STR_ARG(json_text(a, "dns")),
		    why.n > 0 ? " (" : "", STR_ARG(why), why.n > 0 ? ")" : "");
		print_prose(
		    t->cli, &(struct prose){ "  - ", 4, COLOR_DIM, COLOR_NONE }, buf_str(&b));
	}
	buf_free(&b);
}

void
story_changes(const struct tale *t)
{
	tell_failures(t);
	if (t->past == NULL || (t->changes.now.outcome != PAST_REFUSED && !t->other_config))
		return;
	if (t->changes.n == 0 && t->changes.now.outcome != PAST_REFUSED)
		story_heading(t, "what would have let it pass");
	tell_none(t);
	tell_sets(t, false, "what would have let it pass, each alone");
	tell_sets(t, true, "what an administrator can change");
	if (t->other_config)
		tell_doubt(t);
}

/* --- for a program ------------------------------------------------------------------------------ */

static void
change_json(const struct tale *t, const struct change *c, struct buf *b)
{
	static const char *const kinds[] = { "fact", "score", "mark", "entry", "observe" };
	bool latest;
	int64_t again = tale_again(t, c, &latest);
	char when[WHEN_SIZE];

	buf_printf(b, "{\"change\":\"%s\"", kinds[c->kind]);
	print_member(b, "name", c->name);
	if (c->kind == CHANGE_ENTRY) {
		print_member(b, "list", list_name(c->list));
		print_member(b, "entry", c->entry);
	} else if (c->kind != CHANGE_OBSERVE) {
		print_member(b, "would_be", c->words);
	}
	if (c->was.n > 0)
		print_member(b, "was", c->was);
	if (again > 0)
		print_member(
		    b, latest ? "at_the_latest" : "again", str_of(when_utc(again * 1000, when)));
	buf_addc(b, '}');
}

/* Of how many facts at most there is none, unless one was found with as few; null: of any number. */
void
story_searched_json(const struct tale *t, struct buf *b)
{
	const char *between = "";

	if (t->past == NULL || t->changes.now.outcome != PAST_REFUSED)
		return;
	if (t->changes.searched == SIZE_MAX)
		buf_add(b, STR(",\"changes_searched\":null"));
	else
		buf_printf(b, ",\"changes_searched\":%zu", t->changes.searched);
	buf_add(b, STR(",\"changes_not_tried\":["));
	for (size_t i = 0; i < N_UNSOUGHT; i++)
		if ((t->changes.unsought & unsought[i].what) != 0) {
			buf_printf(b, "%s\"%s\"", between, unsought[i].name);
			between = ",";
		}
	buf_addc(b, ']');
}

void
story_changes_json(const struct tale *t, struct buf *b)
{
	buf_addc(b, '[');
	for (size_t i = 0; t->past && i < t->changes.n; i++) {
		const struct change_set *set = &t->changes.set[i];

		buf_add(b, i > 0 ? STR(",{\"all\":[") : STR("{\"all\":["));
		if (can_allow(t, set))
			buf_printf(
			    b, "{\"change\":\"allow\",\"name\":\"%s\"}]},{\"all\":[", t->r->id);
		for (size_t k = 0; k < set->n; k++) {
			buf_add(b, k > 0 ? STR(",") : STR(""));
			change_json(t, &set->change[k], b);
		}
		buf_addc(b, ']');
		if (set->open) {
			print_member(b, "then", set->rule);
			print_member(b, "asks", set->fact);
		}
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}
