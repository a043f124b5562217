/* What facts rest on besides what was asked, as a number: the same for the same settings, in any process. */
#include "rules/config.h"

#define USES_DEPTH 8

static uint64_t
hash_number(uint64_t hash, int64_t n)
{
	char octets[8];

	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (char)((uint64_t)n >> (8 * i));
	return str_hash(hash, (struct str){ octets, sizeof(octets) });
}

static uint64_t
hash_text(uint64_t hash, struct str text)
{
	return str_hash(hash_number(hash, (int64_t)text.n), text);
}

static uint64_t
hash_setting(uint64_t hash, const struct setting *row, const char *conf)
{
	const void *at = conf + row->offset;

	hash = hash_text(hash, str_of(row->name));
	switch (row->type) {
	case SETTING_SWITCH:
		return hash_number(hash, *(const bool *)at);
	case SETTING_TEXT:
	case SETTING_FILE:
		return hash_text(hash, str_of(*(char *const *)at));
	case SETTING_NUMBER:
	case SETTING_SIZE:
	case SETTING_DURATION:
	case SETTING_WORD:
		break;
	}
	return hash_number(hash, *(const int64_t *)at);
}

static uint64_t
hash_part(const struct config *c, size_t i, uint64_t hash, unsigned depth)
{
	const struct config_part *part = &c->part[i];

	hash = hash_text(hash, str_of(part->name));
	for (size_t k = 0; c->part_conf[i] && k < part->n_settings; k++)
		hash = hash_setting(hash, &part->settings[k], c->part_conf[i]);
	for (const char *const *uses = part->uses; uses && *uses && depth < USES_DEPTH; uses++)
		for (size_t j = 0; j < c->n_parts; j++)
			if (strcmp(c->part[j].name, *uses) == 0)
				hash = hash_part(c, j, hash, depth + 1);
	return hash;
}

uint64_t
config_part_hash(const struct config *c, size_t i)
{
	return hash_part(c, i, STR_HASH, 0);
}

static uint64_t
hash_list(uint64_t hash, const struct list *list)
{
	return hash_number(list ? list_hash(list, hash) : hash, list != NULL);
}

uint64_t
config_plans_hash(const struct config *c)
{
	uint64_t hash = hash_text(STR_HASH, str_of(c->core.hostname));

	for (size_t i = 0; i < c->plans.n; i++) {
		const struct plan *p = &c->plans.plan[i];

		hash = hash_text(hash, p->name);
		for (size_t k = 0; k < p->n_limits; k++) {
			hash = hash_number(hash, p->limit[k].what);
			hash = hash_number(hash, p->limit[k].window);
			hash = hash_number(hash, p->limit[k].most);
		}
		for (size_t k = 0; k < PLAN_WARNINGS; k++)
			hash = hash_number(hash, p->warn[k]);
		hash = hash_number(hash, p->recipients_per_message);
		hash = hash_number(hash, p->reserve);
		hash = hash_number(hash, p->upstream * 2 + p->everyone);
		hash = hash_list(hash_list(hash, p->accounts), p->clients);
	}
	return hash;
}
