#include <inttypes.h>
#include <stdio.h>

#include "base/die.h"
#include "rules/replay_session.h"

#define TEXT_LIMIT (16 * 1024 * 1024)

const struct replay_era *
replay_era_of(const struct replay *r, struct str revision)
{
	for (size_t i = r->n_eras; i-- > 0;)
		if (str_eq(str_of(r->era[i].revision), revision))
			return &r->era[i];
	return NULL;
}

bool
replay_knows(const struct replay *r, struct str revision)
{
	return replay_era_of(r, revision) != NULL;
}

static bool
is_hash(struct str text, uint64_t hash)
{
	char digits[20];

	snprintf(digits, sizeof(digits), "%016" PRIx64, hash);
	return str_eq(text, str_of(digits));
}

/* In the order of the files; those that are no lists' among them. */
static bool *
other_files(const struct config *c, const struct json *files)
{
	size_t n = 0;
	bool *other;

	for (const struct config_file *file = c->files; file; file = file->next)
		n++;
	other = xcalloc(n + 1, sizeof(*other));
	n = 0;
	for (const struct config_file *file = c->files; file; file = file->next, n++) {
		const struct json *hash = files ? files->first : NULL;

		while (hash && !str_eq(hash->name, file->written))
			hash = hash->next;
		other[n] = file->list && hash && !is_hash(hash->text, file->hash);
	}
	return other;
}

bool
replay_files(const struct replay *r, struct str revision,
    void (*told)(void *owner, struct str file), void *owner)
{
	const struct replay_era *era = replay_era_of(r, revision);
	bool any = false;
	size_t i = 0;

	for (const struct config_file *file = r->config->files; era && file; file = file->next) {
		if (!era->files[i++])
			continue;
		told(owner, file->written);
		any = true;
	}
	return any && era->words;
}

void
replay_configuration(struct replay *r, struct str revision, struct str text)
{
	struct arena *arena = arena_new(TEXT_LIMIT);
	const struct config *c = r->config;
	const struct json *conf = json_parse(arena, text, NULL);
	const struct json *stages = json_get(conf, "stages");
	struct replay_era *era;

	if (r->n_eras == r->cap_eras) {
		r->cap_eras = r->cap_eras ? r->cap_eras * 2 : 16;
		r->era = xrealloc(r->era, r->cap_eras * sizeof(*r->era));
	}
	era = &r->era[r->n_eras++];
	*era = (struct replay_era){ .same = str_eq(revision, str_of(c->revision)),
		.words = str_eq(json_text(conf, "words"), str_of(c->words)),
		.files = other_files(c, json_get(conf, "files")),
		.plans = is_hash(json_text(conf, "plans"), config_plans_hash(c)),
		.stages = xcalloc(c->n_parts, sizeof(*era->stages)) };
	str_copy(revision, era->revision, sizeof(era->revision));
	for (size_t i = 0; i < c->n_parts; i++)
		era->stages[i] = is_hash(json_text(stages, c->part[i].name), r->hash[i]);
	arena_free(&arena);
}
