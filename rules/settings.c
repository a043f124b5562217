/*
 * settings: rows (base/setting.h) and the statements that fill them: `name value`, several in a
 * line when their names begin alike: `network ipv4 24 ipv6 64`.
 */
#include <inttypes.h>
#include <stdio.h>

#include "rules/literal.h"
#include "rules/load.h"

static int64_t *
number_of(void *conf, const struct setting *row)
{
	return (int64_t *)(void *)((char *)conf + row->offset);
}

struct unit {
	int64_t size;
	const char *letters;
};

static const struct unit durations[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" },
	{ 1000, "s" }, { 1, "ms" } };
static const struct unit sizes[] = { { 1 << 30, "G" }, { 1 << 20, "M" }, { 1 << 10, "k" },
	{ 1, "" } };

/* The value as it would be written, for complaints about ranges. */
static const char *
limit_shown(const struct setting *row, int64_t n, char *out, size_t size)
{
	const struct unit *unit = row->type == SETTING_DURATION ? durations : sizes;

	if (row->type == SETTING_NUMBER || n == 0) {
		snprintf(out, size, "%" PRId64, n);
		return out;
	}
	while (n % unit->size != 0)
		unit++;
	snprintf(out, size, "%" PRId64 "%s", n / unit->size, unit->letters);
	return out;
}

static bool
check_range(const struct setting *row, int64_t n, char *why, size_t size)
{
	char least[32], most[32];

	if ((row->least == 0 && row->most == 0) || (n >= row->least && n <= row->most))
		return true;
	snprintf(why, size, "a %s from %s to %s",
	    row->type == SETTING_DURATION   ? "duration"
		: row->type == SETTING_SIZE ? "size"
					    : "number",
	    limit_shown(row, row->least, least, sizeof least),
	    limit_shown(row, row->most, most, sizeof most));
	return false;
}

static bool
set_word(const struct setting *row, void *conf, const struct token *t, char *why, size_t size)
{
	size_t n = 0;

	for (int64_t i = 0; row->words[i] != NULL; i++) {
		if (token_is(t, row->words[i])) {
			*number_of(conf, row) = i;
			return true;
		}
		if (n < size)
			n += (size_t)snprintf(why + n, size - n, "%s%s",
			    i == 0                  ? ""
				: row->words[i + 1] ? ", "
						    : " or ",
			    row->words[i]);
	}
	return false;
}

static bool
set_number(const struct setting *row, void *conf, const struct token *t, char *why, size_t size)
{
	int64_t n = 0;
	bool ok = false;

	switch (row->type) {
	case SETTING_NUMBER:
		snprintf(why, size, "a whole number such as 100");
		ok = literal_number(t->text, &n);
		break;
	case SETTING_SIZE:
		snprintf(why, size, "a size such as 256k or 10M");
		ok = literal_size(t->text, &n);
		break;
	default:
		snprintf(why, size, "a duration such as 30s, 5m or 2d");
		ok = literal_duration(t->text, &n);
		break;
	}
	if (t->kind != TOKEN_WORD || !ok || !check_range(row, n, why, size))
		return false;
	*number_of(conf, row) = n;
	return true;
}

struct place {
	void *conf;
	struct arena *arena;
	char why[200]; /* what the row wants, when it did not get it */
};

static bool
set_value(struct place *place, const struct setting *row, const struct token *t)
{
	switch (row->type) {
	case SETTING_SWITCH:
		snprintf(place->why, sizeof place->why, "on or off");
		*(bool *)(void *)((char *)place->conf + row->offset) = token_is(t, "on");
		return token_is(t, "on") || token_is(t, "off");
	case SETTING_TEXT:
	case SETTING_FILE:
		snprintf(place->why, sizeof place->why, "a text in quotes");
		if (t->kind != TOKEN_TEXT)
			return false;
		*(char **)(void *)((char *)place->conf + row->offset) =
		    (char *)(uintptr_t)arena_dup(place->arena, token_value(t, place->arena)).p;
		return true;
	case SETTING_WORD:
		return set_word(row, place->conf, t, place->why, sizeof place->why);
	default:
		return set_number(row, place->conf, t, place->why, sizeof place->why);
	}
}

bool
settings_default(const struct setting *row, size_t n, void *conf, struct arena *arena)
{
	for (size_t i = 0; i < n; i++) {
		struct place place = { .conf = conf, .arena = arena };
		struct str value = str_of(row[i].fallback);
		struct token t = { .kind = TOKEN_WORD, .text = value };

		if (row[i].type == SETTING_TEXT || row[i].type == SETTING_FILE) {
			t.kind = TOKEN_TEXT;
			if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
				t.text = str_sub(value, 1, value.n - 1);
		}
		if (!set_value(&place, &row[i], &t))
			return false;
	}
	return true;
}

/* How many of the words of a name stand in the statement; SIZE_MAX when not all do. */
static size_t
words_match(struct str name, const struct token *t)
{
	struct str word;
	size_t n = 0;

	while (str_pop(&name, ' ', &word)) {
		if (t[n].kind != TOKEN_WORD || !str_eq(t[n].text, word))
			return SIZE_MAX;
		n++;
	}
	return n;
}

/*
 * The row whose name stands there, the longest of several; prefix is what is left out of it.
 * Returns how many tokens the name takes, 0 when there is none.
 */
static size_t
find_row(const struct config_part *block, struct str prefix, const struct token *t,
    const struct setting **out)
{
	size_t best = 0;

	for (size_t i = 0; i < block->n_settings; i++) {
		struct str name = str_of(block->settings[i].name);
		size_t n;

		if (prefix.n > 0) {
			if (!str_starts(name, prefix) || name.n <= prefix.n + 1 ||
			    name.p[prefix.n] != ' ')
				continue;
			name = str_sub(name, prefix.n + 1, name.n);
		}
		n = words_match(name, t);
		if (n != SIZE_MAX && n > best) {
			best = n;
			*out = &block->settings[i];
		}
	}
	return best;
}

/* After a value: the name of the next may leave out the words it has in common with the last. */
static size_t
find_next_row(const struct config_part *block, const struct setting *last, const struct token *t,
    const struct setting **out)
{
	struct str prefix = str_of(last->name);
	size_t blank;

	while ((blank = str_rfind(prefix, ' ')) != STR_NPOS) {
		size_t n;

		prefix = str_sub(prefix, 0, blank);
		n = find_row(block, prefix, t, out);
		if (n > 0)
			return n;
	}
	return 0;
}

/* A name that is there as the beginning of one is as near as can be. */
static void
suggest_setting(struct suggestion *near, struct str written, struct str name)
{
	bool begins = str_starts(name, written) && name.n > written.n && name.p[written.n] == ' ';

	if (begins && near->best.n == 0)
		near->best = name;
	else
		suggest(near, name);
}

/* Of a block with more of them the manual tells. */
#define NAMED_MAX 8

static struct str
settings_shown(struct arena *arena, const struct config_part *block)
{
	struct str all = STR("");

	for (size_t i = 0; i < block->n_settings; i++)
		all = arena_printf(arena, "%.*s%s`%s`", STR_ARG(all),
		    i == 0                           ? ""
			: i + 1 == block->n_settings ? " and "
						     : ", ",
		    block->settings[i].name);
	return all;
}

/* The name may be of several words: as many are looked at as stand before the first value. */
static void
unknown_setting(struct load *load, const struct config_part *block, const struct token *t)
{
	struct suggestion near;
	size_t n = 1, i;

	while (t[n].kind == TOKEN_WORD && !literal_numeric(t[n].text) && n < 4)
		n++;
	for (; n > 0; n--) {
		const struct token *last = &t[n - 1];
		struct str name = { t->text.p, (size_t)(last->text.p + last->text.n - t->text.p) };

		suggest_begin(&near, name);
		for (i = 0; i < block->n_settings; i++)
			suggest_setting(&near, name, str_of(block->settings[i].name));
		if (block->name[0] == '\0') {
			for (i = 0; statement_names[i] != NULL; i++)
				suggest(&near, str_of(statement_names[i]));
			for (i = 0; i < load->config->n_parts; i++)
				suggest(&near, str_of(load->config->part[i].name));
		}
		if (near.best.n > 0)
			break;
	}
	if (block->name[0] == '\0')
		COMPLAIN(load, t, "unknown setting %s%s", SHOW(t), suggest_end(&near));
	else if (near.best.n > 0 || block->n_settings == 0 || block->n_settings > NAMED_MAX)
		COMPLAIN(
		    load, t, "`%s` has no setting %s%s", block->name, SHOW(t), suggest_end(&near));
	else
		COMPLAIN(load, t, "`%s` has no setting %s; it has %.*s", block->name, SHOW(t),
		    STR_ARG(settings_shown(load->arena, block)));
}

static bool
read_value(struct load *load, void *conf, const struct setting *row, const struct token *t)
{
	struct place place = { .conf = conf, .arena = load->arena };

	if (set_value(&place, row, t)) {
		char **path = (char **)(void *)((char *)conf + row->offset);

		if (row->type == SETTING_FILE && **path)
			*path = (char *)(uintptr_t)source_path(load, str_of(*path));
		return true;
	}
	COMPLAIN(load, t, "`%s` wants %s, not %s", row->name, place.why, SHOW(t));
	return false;
}

void
settings_read(
    struct load *load, const struct config_part *block, void *conf, const struct statement *s)
{
	const struct setting *row = NULL, *last;
	const struct token *t = s->token;

	while (t->kind != TOKEN_END) {
		size_t words;

		last = row;
		words =
		    last ? find_next_row(block, last, t, &row) : find_row(block, STR(""), t, &row);
		if (words == 0 && last != NULL) {
			COMPLAIN(load, t, "%s is too much here: `%s` has its value already",
			    SHOW(t), last->name);
			return;
		}
		if (words == 0) {
			unknown_setting(load, block, t);
			return;
		}
		if (!given_once(load, row, t, row->name))
			return;
		t += words;
		if (!read_value(load, conf, row, t))
			return;
		t++;
	}
}
