#include "tests/rules/loader.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/die.h"
#include "tests/rules/fake.h"

static char said[32768];

static const char *
print(struct complaints *c)
{
	size_t n = 0;

	complaints_sort(c);
	said[0] = '\0';
	for (size_t i = 0; i < c->n; i++) {
		const struct complaint *one = &c->item[i];

		require(n < sizeof said);
		n += (size_t)snprintf(said + n, sizeof said - n, "%s%s%u:%u: %s", i ? "\n" : "",
		    one->warning ? "warning " : "", one->line, one->column, one->text);
	}
	complaints_free(c);
	return said;
}

struct loader *
loader_new(const char *path, const char *text)
{
	struct loader *l = xcalloc(1, sizeof *l);
	struct arena *arena = arena_new(SIZE_MAX);

	l->source = (struct source){ path, STR("t.conf"), arena_dup(arena, str_of(text)) };
	l->load = (struct load){
		.config = ARENA_NEW(arena, struct config),
		.arena = arena,
		.vocabulary = &fake_vocabulary,
		.complaints = &l->complaints,
		.source = &l->source,
		.digest = EVP_MD_CTX_new(),
		.words = EVP_MD_CTX_new(),
	};
	require(l->load.digest && EVP_DigestInit_ex(l->load.digest, EVP_sha256(), NULL) == 1);
	require(l->load.words && EVP_DigestInit_ex(l->load.words, EVP_sha256(), NULL) == 1);
	l->load.config->path = (char *)(uintptr_t)arena_dup(arena, str_of(path)).p;
	require(settings_default(config_settings, n_config_settings, &l->load.config->core, arena));
	l->first = tree_read(&l->source, &l->complaints, arena);
	return l;
}

void
loader_free(struct loader **loader)
{
	struct loader *l = *loader;

	*loader = NULL;
	EVP_MD_CTX_free(l->load.digest);
	EVP_MD_CTX_free(l->load.words);
	complaints_free(&l->complaints);
	arena_free(&l->load.arena);
	free(l);
}

const char *
loader_said(struct loader *l)
{
	return print(&l->complaints);
}

const char *
said_of(const char *text)
{
	struct complaints c = { 0 };
	struct config *config = config_load_text("/etc/t.conf", str_of(text), &fake_vocabulary, &c);

	require((config == NULL) == (c.errors > 0));
	config_release(&config);
	return print(&c);
}
