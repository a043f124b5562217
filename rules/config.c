#include "rules/config.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/die.h"
#include "rules/rule.h"

static const struct config_part core_block = { .name = "", .settings = config_settings };

/* The rows of the top of the file as a block of their own. */
static struct config_part
core_part(void)
{
	struct config_part part = core_block;

	part.n_settings = n_config_settings;
	return part;
}

static bool
is_block(const struct statement *s, const char *name)
{
	return token_is(s->token, name) && s->block;
}

static bool
has_part(const struct config_part *part, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(part[i].name, name) == 0)
			return true;
	return false;
}

/* Stages of the file itself come before all else: its settings and rules may be theirs. */
static void
load_stage(struct load *load, const struct statement *s, struct config_part *out, size_t *n)
{
	const struct token *t = &s->token[1];
	struct err e = { 0 };
	struct str path;
	const char *file;

	if (t->kind != TOKEN_TEXT || t[1].kind != TOKEN_END || s->block) {
		COMPLAIN(load, t, "`stage` wants the path of a stage in quotes, not %s", SHOW(t));
		return;
	}
	path = token_value(t, load->arena);
	/* a bare name is the loader's to find */
	file = str_find(path, '/') == STR_NPOS ? arena_dup(load->arena, path).p
					       : source_path(load, path);
	if (load->vocabulary->load == NULL)
		COMPLAIN(load, t, "stages cannot be loaded here");
	else if (!load->vocabulary->load(file, out, &e))
		COMPLAIN(load, t, "%s", e.text);
	else if (has_part(out - *n, *n, out->name))
		COMPLAIN(load, t, "there is a stage `%s` already", out->name);
	else
		++*n;
}

static void
load_parts(struct load *load, const struct statement *first)
{
	const struct config_vocabulary *v = load->vocabulary;
	size_t n = v->n;
	struct config_part *part;

	for (const struct statement *s = first; s != NULL; s = s->next)
		n += token_is(s->token, "stage");
	part = ARENA_ARRAY(load->arena, struct config_part, n);
	for (n = 0; n < v->n; n++)
		part[n] = v->part[n];
	for (const struct statement *s = first; s != NULL; s = s->next)
		if (token_is(s->token, "stage") && !s->bad)
			load_stage(load, s, &part[n], &n);
	load->config->part = part;
	load->config->n_parts = n;
	load->config->part_used = ARENA_ARRAY(load->arena, bool, n);
}

static void
default_parts(struct load *load)
{
	struct config *config = load->config;

	config->part_conf = ARENA_ARRAY(load->arena, void *, config->n_parts);
	for (size_t i = 0; i < config->n_parts; i++) {
		const struct config_part *part = &config->part[i];

		if (part->conf_size == 0)
			continue;
		config->part_conf[i] = arena_alloc(load->arena, part->conf_size);
		if (!settings_default(
			part->settings, part->n_settings, config->part_conf[i], load->arena))
			COMPLAIN(load, NULL,
			    "a default of the stage `%s` is not what its row asks for", part->name);
	}
}

static int
compare_entries(const void *a, const void *b)
{
	const struct fact_entry *x = a, *y = b;

	return strcmp(x->def->name, y->def->name);
}

static void
collect_facts(struct load *load)
{
	struct config *config = load->config;
	struct fact_entry *entry;
	size_t n = 0;

	for (size_t i = 0; i < config->n_parts; i++)
		n += config->part[i].n_facts;
	entry = ARENA_ARRAY(load->arena, struct fact_entry, n);
	n = 0;
	for (size_t i = 0; i < config->n_parts; i++)
		for (size_t j = 0; j < config->part[i].n_facts; j++)
			entry[n++] = (struct fact_entry){ .def = &config->part[i].facts[j],
				.conf = config->part_conf[i],
				.stage = i };
	if (n > 0)
		qsort(entry, n, sizeof *entry, compare_entries);
	for (size_t i = 1; i < n; i++)
		if (strcmp(entry[i - 1].def->name, entry[i].def->name) == 0)
			COMPLAIN(load, NULL, "the stages `%s` and `%s` both have a fact `%s`",
			    config->part[entry[i - 1].stage].name,
			    config->part[entry[i].stage].name, entry[i].def->name);
	config->facts = (struct fact_table){ entry, n };
}

/* `greylist { ... }`; false: no stage has that name. */
static bool
read_part(struct load *load, const struct statement *s)
{
	struct config *config = load->config;

	for (size_t i = 0; i < config->n_parts; i++) {
		const struct config_part *part = &config->part[i];

		if (part->name[0] == '\0' || !token_is(s->token, part->name))
			continue;
		if (!s->block || s->n > 1)
			COMPLAIN(load, &s->token[s->n > 1],
			    "the settings of `%s` stand in braces: `%s { ... }`", part->name,
			    part->name);
		else if (part->n_settings == 0)
			COMPLAIN(load, s->token, "`%s` has no settings", part->name);
		else if (given_once(load, part, s->token, part->name))
			for (const struct statement *line = s->body; line; line = line->next)
				if (!line->bad)
					settings_read(load, part, config->part_conf[i], line);
		return true;
	}
	return false;
}

/* The row `standard` of the part that an option names; NULL. *i: the part. */
static const struct setting *
find_standard(const struct config *config, const struct token *name, size_t *i)
{
	for (*i = 0; *i < config->n_parts; ++*i) {
		const struct config_part *part = &config->part[*i];

		for (size_t k = 0; k < part->n_settings && token_is(name, part->name); k++)
			if (strcmp(part->settings[k].name, "standard") == 0)
				return &part->settings[k];
	}
	return NULL;
}

/* `option dmarc rfc7489` is short for `dmarc { standard rfc7489 }`. False: it is no option. */
static bool
read_option(struct load *load, const struct statement *s)
{
	const struct token *t = s->token;
	struct token line[4];
	struct statement standard = { .token = line, .n = 2 };
	size_t i;

	if (!token_is(t, "option"))
		return false;
	if (s->block || s->n != 3 || find_standard(load->config, &t[1], &i) == NULL) {
		COMPLAIN(load, &t[s->n > 1], "an option is written `option dmarc rfc7489`");
		return true;
	}
	memcpy(line, &t[0], sizeof line);
	line[0].text = STR("standard");
	line[1] = t[2];
	line[2] = t[3];
	settings_read(load, &load->config->part[i], load->config->part_conf[i], &standard);
	return true;
}

static void
read_plan(struct load *load, const struct statement *s, struct plan *plan)
{
	struct plans *plans = &load->config->plans;
	const struct token *name = &s->token[1];

	bool upstream = token_is(s->token, "upstream");

	if (name->kind != (upstream ? TOKEN_TEXT : TOKEN_WORD) || name[1].kind != TOKEN_END ||
	    !s->block) {
		COMPLAIN(load, s->n > 2 ? &s->token[2] : name, "%s",
		    upstream
			? "an upstream is written `upstream \"NAME\" { 1000 messages per day }`"
			: "a plan is written `plan NAME { 1000 messages per day }`");
		return;
	}
	for (size_t i = 0; i < plans->n; i++)
		if (plan[i].upstream == upstream && str_eq(plan[i].name, name->text)) {
			COMPLAIN(load, name, "the %s `%.*s` is there already",
			    upstream ? "upstream" : "plan", STR_ARG(name->text));
			return;
		}
	plan_read(load, s, &plan[plans->n++]);
}

static void
read_lists(struct load *load, const struct statement *first)
{
	struct named_list *trusted = ARENA_NEW(load->arena, struct named_list);

	trusted->name = STR("trusted");
	trusted->list = list_new(load->arena, trusted->name);
	load->lists = trusted;
	for (const struct statement *s = first; s != NULL; s = s->next) {
		if (s->bad)
			continue;
		if (token_is(s->token, "list"))
			list_read(load, s);
		else if (token_is(s->token, "trust") && !s->block)
			trust_read(load, s);
	}
	lists_finish(load);
	load->config->trusted = trusted->list;
}

static void
unknown_block(struct load *load, const struct statement *s)
{
	const struct token *t = s->token;
	struct suggestion near;

	suggest_begin(&near, t->text);
	suggest(&near, STR("at"));
	suggest(&near, STR("digest"));
	suggest(&near, STR("list"));
	suggest(&near, STR("notify"));
	suggest(&near, STR("plan"));
	suggest(&near, STR("tls"));
	suggest(&near, STR("upstream"));
	for (size_t i = 0; i < load->config->n_parts; i++)
		suggest(&near, str_of(load->config->part[i].name));
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++)
		if (token_is(t, step_name(step))) {
			COMPLAIN(load, t, "the rules of a step are written `at %s { ... }`",
			    step_name(step));
			return;
		}
	for (size_t i = 0; i < n_config_settings; i++)
		if (token_is(t, config_settings[i].name)) {
			COMPLAIN(load, t, "%s is a setting: it has no braces", SHOW(t));
			return;
		}
	COMPLAIN(load, t, "unknown block %s%s", SHOW(t), suggest_end(&near));
}

static void
read_setting(struct load *load, const struct statement *s)
{
	struct config_part core = core_part();
	const struct token *t = s->token;

	if (token_is(t, "if") || token_is(t, "else") || token_is(t, "for"))
		COMPLAIN(load, t, "%s stands within `at STEP { ... }`", SHOW(t));
	else if (token_is(t, "tls"))
		tls_read(load, s);
	else if (token_is(t, "digest"))
		digest_read(load, s);
	else if (token_is(t, "notify"))
		notify_read(load, s);
	else if (s->block)
		unknown_block(load, s);
	else if (token_is(t, "at"))
		at_read(load, s, NULL);
	else if ((token_is(t, "backend") && token_is(t + 1, "timeout")) || store_is_row(t))
		settings_read(load, &core, &load->config->core, s);
	else if (!statement_read(load, s))
		settings_read(load, &core, &load->config->core, s);
}

/* Everything but stages, lists and `trust`, which were read before. */
static struct rule *
read_statements(struct load *load, const struct statement *first)
{
	struct rule *rules = NULL, **end = &rules;
	struct plan *plan;
	size_t n = 0;

	for (const struct statement *s = first; s != NULL; s = s->next)
		n += token_is(s->token, "plan") || token_is(s->token, "upstream");
	plan = ARENA_ARRAY(load->arena, struct plan, n);
	load->config->plans.plan = plan;
	for (const struct statement *s = first; s != NULL; s = s->next) {
		bool trust = token_is(s->token, "trust") && !s->block;

		if (s->bad || trust || token_is(s->token, "list") || token_is(s->token, "stage"))
			continue;
		if (is_block(s, "at"))
			end = at_read(load, s, end);
		else if (token_is(s->token, "plan") || token_is(s->token, "upstream"))
			read_plan(load, s, plan);
		else if (token_is(s->token, "define"))
			define_read(load, s);
		else if (!read_part(load, s) && !read_option(load, s))
			read_setting(load, s);
	}
	return rules;
}

static void
configure_parts(struct load *load)
{
	struct config *config = load->config;

	for (size_t i = 0; i < config->n_parts; i++) {
		const struct config_part *part = &config->part[i];
		const struct given *g = given_find(load, part);
		struct err e = { 0 };

		if (part->configure == NULL ||
		    part->configure(config->part_conf[i], load->arena, &e))
			continue;
		COMPLAIN(load, g ? &g->at : NULL, "`%s`: %s", part->name, e.text);
	}
}

/* The shipped rules, when the file has none of its own. */
static struct rule *
read_default_rules(struct load *load)
{
	struct source *source = ARENA_NEW(load->arena, struct source);
	struct rule *rules = NULL, **end = &rules;
	struct statement *s;

	*source = (struct source){ "default.rules", STR("default.rules"), str_of(default_rules) };
	source_digest(load, source->text);
	load->source = source;
	s = tree_read(source, load->complaints, load->arena);
	for (; s != NULL; s = s->next)
		if (is_block(s, "at"))
			end = at_read(load, s, end);
	return rules;
}

static bool
has_rules(const struct statement *s)
{
	while (s != NULL && !token_is(s->token, "at"))
		s = s->next;
	return s != NULL;
}

/* A part that is used, and those it asks, are told of events. */
static void
use_part(struct config *config, size_t i)
{
	const char *const *uses = config->part[i].uses;

	if (config->part_used[i])
		return;
	config->part_used[i] = true;
	for (; uses != NULL && *uses != NULL; uses++)
		for (size_t j = 0; j < config->n_parts; j++)
			if (strcmp(config->part[j].name, *uses) == 0)
				use_part(config, j);
}

static void
tell_parts(struct config *config)
{
	const struct ruleset *rules = config->ruleset;

	for (size_t i = 0; i < rules->n_calls; i++) {
		size_t part = rules->call[i]->entry->stage;

		if (config->part[part].asked != NULL)
			config->part[part].asked(config->part_conf[part], rules->call[i]);
	}
}

static void
read_source(struct load *load, const struct source *source)
{
	struct config *config = load->config;
	struct statement *first = tree_read(source, load->complaints, load->arena);
	struct rule *rules;

	load->source = source;
	first = include_all(load, first);
	load_parts(load, first);
	default_parts(load);
	collect_facts(load);
	read_lists(load, first);
	rules = read_statements(load, first);
	core_finish(load);
	configure_parts(load);
	/* a file full of mistakes gets no second helping of complaints about rules it did not write */
	if (!has_rules(first) && load->complaints->errors == 0)
		rules = read_default_rules(load);
	config->ruleset = rules_check(load, rules);
	if (load->complaints->errors == 0)
		define_finish(load);
	tell_parts(config);
	for (size_t i = 0; i < config->n_parts; i++)
		if (ruleset_asks(config->ruleset, STEP_CONNECT, i))
			use_part(config, i);
	/* Who is to be told of plans wants them counted, even if no rule asks. */
	if (config->notify.given && config->plans.n > 0 &&
	    fact_find(&config->facts, STR("quota.warning")))
		use_part(config, fact_find(&config->facts, STR("quota.warning"))->stage);
}

static void *
digest_begin(void)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	if (digest == NULL || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
		die("cannot compute a SHA-256 digest");
	return digest;
}

static void
digest_end(void *digest, char *out)
{
	unsigned char octets[EVP_MAX_MD_SIZE];

	if (EVP_DigestFinal_ex(digest, octets, NULL) != 1)
		die("cannot compute a SHA-256 digest");
	for (size_t i = 0; i < 6; i++) {
		out[2 * i] = "0123456789abcdef"[octets[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[octets[i] & 15];
	}
	EVP_MD_CTX_free(digest);
}

static struct load
load_begin(
    const char *path, const struct config_vocabulary *vocabulary, struct complaints *complaints)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct config *config = ARENA_NEW(arena, struct config);
	struct load load = { .config = config,
		.arena = arena,
		.vocabulary = vocabulary,
		.complaints = complaints,
		.digest = digest_begin(),
		.words = digest_begin() };

	config->arena = arena;
	config->path = (char *)(uintptr_t)arena_dup(arena, str_of(path)).p;
	atomic_init(&config->users, 1);
	if (!settings_default(config_settings, n_config_settings, &config->core, arena))
		panic("a default of the core's settings is not what its row asks for");
	if (!digest_default(&load))
		panic("a default of the settings of `digest` is not what its row asks for");
	if (!notify_default(&load))
		panic("a default of the settings of `notify` is not what its row asks for");
	if (!tls_default(&load))
		panic("a default of the settings of `tls` is not what its row asks for");
	return load;
}

/* The configuration, or NULL when there was an error. */
static struct config *
load_end(struct load *load)
{
	struct config *config = load->config;

	if (load->complaints->errors == 0)
		source_digest_record(load);
	digest_end(load->digest, config->revision);
	digest_end(load->words, config->words);
	complaints_sort(load->complaints);
	if (load->complaints->errors > 0)
		config_release(&config);
	return config;
}

static void
read_text(struct load *load, struct str text)
{
	struct source *source = ARENA_NEW(load->arena, struct source);
	struct str path = str_of(load->config->path);
	size_t slash = str_rfind(path, '/');

	source->file = load->config->path;
	source->name = slash == STR_NPOS ? path : str_sub(path, slash + 1, path.n);
	source->text = text;
	read_source(load, source);
}

struct config *
config_load(
    const char *path, const struct config_vocabulary *vocabulary, struct complaints *complaints)
{
	struct load load = load_begin(path, vocabulary, complaints);
	struct source nothing = { .file = path };
	struct err e = { 0 };
	struct str text;

	if (source_read(&load, path, CONFIG_FILE_MAX, &text, &e))
		read_text(&load, text);
	else
		complain(complaints, &nothing, NULL, "%s", e.text);
	return load_end(&load);
}

struct config *
config_load_text(const char *path, struct str text, const struct config_vocabulary *vocabulary,
    struct complaints *complaints)
{
	struct load load = load_begin(path, vocabulary, complaints);

	text = arena_dup(load.arena, text);
	source_digest(&load, text);
	read_text(&load, text);
	return load_end(&load);
}

struct config *
config_use(struct config *config)
{
	atomic_fetch_add_explicit(&config->users, 1, memory_order_relaxed);
	return config;
}

void
config_release(struct config **config)
{
	struct config *c = *config;
	struct arena *arena;

	*config = NULL;
	if (c == NULL || atomic_fetch_sub_explicit(&c->users, 1, memory_order_acq_rel) != 1)
		return;
	/* the configuration lies in its own arena */
	arena = c->arena;
	arena_free(&arena);
}
