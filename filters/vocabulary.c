#include "filters/vocabulary.h"

#include "filters/stage.h"

static struct config_part
part_of_stage(const struct stage *stage)
{
	return (struct config_part){
		.name = stage->name,
		.facts = stage->facts,
		.n_facts = stage->n_facts,
		.settings = stage->settings,
		.n_settings = stage->n_settings,
		.conf_size = stage->conf_size,
		.uses = stage->uses,
		.configure = stage->configure,
		.asked = stage->asked,
		.early = stage->early,
		.stage = stage,
	};
}

static bool
load_part(const char *path, struct config_part *out, struct err *e)
{
	const struct stage *stage = stage_load(path, e);

	if (!stage)
		return false;
	*out = part_of_stage(stage);
	return true;
}

struct config_vocabulary
stage_vocabulary(struct arena *arena)
{
	struct config_part *part = ARENA_ARRAY(arena, struct config_part, n_stages + 1);

	part[0] = (struct config_part){
		.name = "",
		.facts = session_facts,
		.n_facts = n_session_facts,
	};
	for (size_t i = 0; i < n_stages; i++)
		part[i + 1] = part_of_stage(stages[i]);
	return (struct config_vocabulary){
		.part = part, .n = n_stages + 1, .load = load_part, .certificates = true
	};
}
