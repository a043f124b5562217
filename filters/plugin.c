#include "filters/stage.h"

#include <dlfcn.h>
#include <stdio.h>

#define SYMBOL "postern_stage"

/* A name without a slash is looked for where stages are installed, never in the system's paths. */
static const char *
full_path(const char *path, char *out, size_t size)
{
	if (strchr(path, '/'))
		return path;
	snprintf(out, size, "%s/%s", PKGLIBDIR, path);
	return out;
}

/* Looks at the number first: of a stage of another one nothing else can be relied on. */
static bool
stage_usable(const struct stage *stage, const char *path, struct err *e)
{
	if (stage->abi != STAGE_ABI)
		return err_set(e, ERR_LIBRARY,
		    "stage %s was built for stage interface %u, this posternd has %u: build it "
		    "again with the headers of this version",
		    path, stage->abi, (unsigned)STAGE_ABI);
	if (!stage->name || stage->name[0] == '\0')
		return err_set(e, ERR_LIBRARY, "stage %s has no name", path);
	if (!stage->facts || stage->n_facts == 0)
		return err_set(e, ERR_LIBRARY, "stage %s has no facts", path);
	for (size_t i = 0; i < stage->n_facts; i++) {
		const struct fact_def *def = &stage->facts[i];

		if (!def->name || !def->compute || def->from > def->to || def->to >= STEP_COUNT)
			return err_set(e, ERR_LIBRARY,
			    "stage %s: its fact number %zu lacks a name, a function or steps", path,
			    i + 1);
	}
	if (stage->n_settings > 0 && (!stage->settings || stage->conf_size == 0))
		return err_set(
		    e, ERR_LIBRARY, "stage %s has settings but nowhere to put them", path);
	return true;
}

const struct stage *
stage_load(const char *path, struct err *e)
{
	char installed[1024];
	const struct stage *stage;
	void *handle;

	path = full_path(path, installed, sizeof(installed));
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		err_set(e, ERR_LIBRARY, "stage %s cannot be loaded: %s", path, dlerror());
		return NULL;
	}
	stage = dlsym(handle, SYMBOL);
	if (!stage)
		err_set(
		    e, ERR_LIBRARY, "stage %s has no symbol `%s`: is it a stage?", path, SYMBOL);
	else if (stage_usable(stage, path, e))
		return stage;
	dlclose(handle);
	return NULL;
}
