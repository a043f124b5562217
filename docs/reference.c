/*
 * Prints the parts of postern.conf(5) that are made from the rows in the program: the settings, the
 * settings of the stages, and the facts; and the whole of docs/replies.md. docs/reference.sh puts them
 * into the pages, and a test compares, so that no page can say anything else than the program.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "filters/stage.h"
#include "filters/vocabulary.h"
#include "mail/code.h"
#include "mail/said.h"
#include "rules/config.h"

#define LINE_LONGEST 78

/* --- text --------------------------------------------------------------------------------------- */

/* A word in the notation of roff: no control line begins with it, nothing in it is an escape. */
static size_t
print_word(const char *word, size_t n, bool first)
{
	size_t width = n;

	if (first && (*word == '.' || *word == '\'')) {
		fputs("\\&", stdout);
		width += 2;
	}
	for (size_t i = 0; i < n; i++) {
		if (word[i] == '\\')
			fputs("\\e", stdout);
		else
			putchar(word[i]);
	}
	return width;
}

/* A paragraph, each sentence on lines of its own, as roff wants it. */
static void
print_text(const char *text)
{
	size_t used = 0;

	while (*text) {
		size_t n = strcspn(text, " ");
		bool ends = text[n - 1] == '.' && text[n] == ' ';

		if (used > 0 && used + 1 + n > LINE_LONGEST) {
			putchar('\n');
			used = 0;
		}
		if (used > 0)
			putchar(' ');
		used += print_word(text, n, used == 0) + 1;
		if (ends) {
			putchar('\n');
			used = 0;
		}
		text += n + (text[n] == ' ');
	}
	if (used > 0)
		putchar('\n');
}

/* "a, b or c" */
static void
print_words(const char *const *word)
{
	char text[1024];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; word[i] && n < sizeof text; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s",
		    i == 0            ? ""
			: word[i + 1] ? ", "
				      : " or ",
		    word[i]);
	snprintf(text + strlen(text), sizeof text - strlen(text), ".");
	print_text(text);
}

/* --- settings ----------------------------------------------------------------------------------- */

static const char *
setting_value(enum setting_type type)
{
	switch (type) {
	case SETTING_SWITCH:
		return "on | off";
	case SETTING_NUMBER:
		return "number";
	case SETTING_SIZE:
		return "size";
	case SETTING_DURATION:
		return "duration";
	case SETTING_TEXT:
		return "text";
	case SETTING_FILE:
		return "file";
	case SETTING_WORD:
		return "word";
	}
	return "";
}

struct unit {
	int64_t size;
	const char *letters;
};

static const struct unit durations[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" },
	{ 1000, "s" }, { 1, "ms" } };
static const struct unit sizes[] = { { 1 << 30, "G" }, { 1 << 20, "M" }, { 1 << 10, "k" },
	{ 1, "" } };

static void
show_limit(const struct setting *row, int64_t n, char *out, size_t size)
{
	const struct unit *unit = row->type == SETTING_DURATION ? durations : sizes;

	if (row->type == SETTING_NUMBER || n == 0) {
		snprintf(out, size, "%" PRId64, n);
		return;
	}
	while (n % unit->size != 0)
		unit++;
	snprintf(out, size, "%" PRId64 "%s", n / unit->size, unit->letters);
}

static void
print_setting(const struct setting *row)
{
	const char *quote =
	    (row->type == SETTING_TEXT || row->type == SETTING_FILE) && row->fallback[0] != '"'
	    ? "\""
	    : "";
	char least[32], most[32], text[512];
	int n;

	if (row->type == SETTING_WORD) {
		printf(".It Ic %s", row->name);
		for (size_t i = 0; row->words[i]; i++)
			printf("%s Cm %s", i ? " |" : "", row->words[i]);
		putchar('\n');
	} else if (row->type == SETTING_SWITCH) {
		printf(".It Ic %s Cm on | off\n", row->name);
	} else {
		printf(".It Ic %s Ar %s\n", row->name, setting_value(row->type));
	}
	print_text(row->help);
	n = snprintf(text, sizeof text, "Default: %s%s%s", quote, row->fallback, quote);
	if (row->least != 0 || row->most != 0) {
		show_limit(row, row->least, least, sizeof least);
		show_limit(row, row->most, most, sizeof most);
		snprintf(text + n, sizeof text - (size_t)n, "; from %s to %s.", least, most);
	} else {
		snprintf(text + n, sizeof text - (size_t)n, ".");
	}
	print_text(text);
}

static void
print_settings(const struct setting *row, size_t n)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < n; i++)
		print_setting(&row[i]);
	puts(".El");
}

static void
print_stages(const struct config_vocabulary *v)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < v->n; i++) {
		const struct config_part *part = &v->part[i];
		const struct stage *stage = part->stage;

		if (!stage)
			continue;
		printf(".It Ic %s Ic { Ar ... Ic }\n", part->name);
		print_text(stage->help);
		if (part->n_settings > 0)
			print_settings(part->settings, part->n_settings);
		else
			print_text("It has no settings.");
	}
	puts(".El");
}

/* --- facts -------------------------------------------------------------------------------------- */

static const char *
fact_type(enum value_type type)
{
	static const char *const names[] = {
		[VALUE_NONE] = "nothing",
		[VALUE_BOOL] = "yes or no",
		[VALUE_NUMBER] = "number",
		[VALUE_REAL] = "number with a fraction",
		[VALUE_DURATION] = "duration",
		[VALUE_TEXT] = "text",
		[VALUE_SYMBOL] = "word",
		[VALUE_IP] = "address",
		[VALUE_LIST] = "list of texts",
	};

	return names[type];
}

static const char *
fact_cost(enum fact_cost cost)
{
	static const char *const names[] = {
		[COST_FREE] = "nothing",
		[COST_STORE] = "questions to the store",
		[COST_DNS] = "questions to the DNS",
		[COST_BODY] = "reading the message",
	};

	return names[cost];
}

static void
print_call(const struct fact_def *fact)
{
	printf(".It Cm %s", fact->name);
	if (fact->params) {
		bool optional = false;

		fputs(" Ns Pq", stdout);
		for (size_t i = 0; i < FACT_PARAMS && fact->params[i].name; i++) {
			bool opens = fact->params[i].optional && !optional;

			printf(
			    "%s%s Ar %s", i ? " ," : "", opens ? " Op" : "", fact->params[i].name);
			optional = optional || opens;
		}
	}
	putchar('\n');
}

static void
print_fact(const struct fact_def *fact)
{
	char text[256];

	print_call(fact);
	print_text(fact->help);
	if (fact->symbols) {
		fputs("It is ", stdout);
		print_words(fact->symbols);
	}
	for (size_t i = 0; fact->params && i < FACT_PARAMS && fact->params[i].name; i++) {
		if (!fact->params[i].symbols)
			continue;
		printf("The\n.Ar %s\nis ", fact->params[i].name);
		print_words(fact->params[i].symbols);
	}
	puts(".br");
	printf(".Em %s ;\n", fact_type(fact->type));
	if (fact->from == fact->to)
		snprintf(text, sizeof text, "at %s; costs %s.", step_name(fact->from),
		    fact_cost(fact->cost));
	else
		snprintf(text, sizeof text, "from %s to %s; costs %s.", step_name(fact->from),
		    step_name(fact->to), fact_cost(fact->cost));
	print_text(text);
}

static int
compare_facts(const void *a, const void *b)
{
	const struct fact_def *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void
print_facts(const struct config_vocabulary *v, struct arena *arena)
{
	const struct fact_def **fact;
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		n += v->part[i].n_facts;
	fact = ARENA_ARRAY(arena, const struct fact_def *, n);
	n = 0;
	for (size_t i = 0; i < v->n; i++)
		for (size_t j = 0; j < v->part[i].n_facts; j++)
			fact[n++] = &v->part[i].facts[j];
	qsort(fact, n, sizeof *fact, compare_facts);
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < n; i++)
		print_fact(fact[i]);
	puts(".El");
}

/* --- replies: a page of its own ----------------------------------------------------------------- */

static void
print_about(const struct explanation *about)
{
	printf("%s\n\n- **Sender.** %s\n- **Administrator.** %s\n\n", about->meaning, about->sender,
	    about->admin);
}

static void
print_replies(void)
{
	const struct code *code;
	struct buf text;

	fputs(
	    "# Replies\n\n"
	    "What each code means, and each reply that Postern has words of its own for, with what whoever\n"
	    "sent the message can do and what an administrator can. `postern explain CODE` prints the same.\n"
	    "This page is made from the rows in the program (`make update-reference`), and a test compares.\n"
	    "\nReplies of rules are written in the configuration, with whichever code; those of the mail\n"
	    "server behind are relayed word for word.\n\n"
	    "## Postern's own\n\n"
	    "`...` is filled in. Where there is a rule, the journal has it in the rule's place.\n\n",
	    stdout);
	buf_init(&text, 1024);
	for (enum said said = 0; said < SAID_COUNT; said++) {
		const struct saying *row = said_row(said);

		said_print(said, &text);
		printf("- `%d%s%s %s`%s%s%s\n", row->code, row->enhanced[0] ? " " : "",
		    row->enhanced, text.p, row->why ? " (" : "", row->why ? row->why : "",
		    row->why ? ")" : "");
		buf_clear(&text);
		if (said + 1 == SAID_COUNT || said_row(said + 1)->about != row->about) {
			putchar('\n');
			print_about(row->about);
		}
	}
	buf_free(&text);
	fputs("## By the mail server behind\n\n", stdout);
	print_about(&said_by_backend);
	fputs(
	    "## Codes\n\nOf enhanced codes (RFC 3463) the first digit says 2 yes, 4 not now, 5 no.\n\n",
	    stdout);
	for (size_t i = 0; (code = code_at(i)) != NULL; i++) {
		printf("### %s%s: %s\n\n", code_find(str_of(code->code)) == code ? "" : "X.",
		    code->code, code->title);
		print_about(&code->about);
	}
}

/* --- the program -------------------------------------------------------------------------------- */

int
main(int argc, char **argv)
{
	struct arena *arena = arena_new(1 << 20);
	struct config_vocabulary v = stage_vocabulary(arena);
	const char *what = argc == 2 ? argv[1] : "";
	int result = EXIT_SUCCESS;

	if (strcmp(what, "settings") == 0)
		print_settings(config_settings, n_config_settings);
	else if (strcmp(what, "tls") == 0)
		print_settings(tls_settings, n_tls_settings);
	else if (strcmp(what, "notify") == 0)
		print_settings(notify_settings, n_notify_settings);
	else if (strcmp(what, "digest") == 0)
		print_settings(digest_settings, n_digest_settings);
	else if (strcmp(what, "stages") == 0)
		print_stages(&v);
	else if (strcmp(what, "facts") == 0)
		print_facts(&v, arena);
	else if (strcmp(what, "replies") == 0)
		print_replies();
	else {
		fputs(
		    "usage: reference settings | tls | notify | digest | stages | facts | replies\n",
		    stderr);
		result = EXIT_FAILURE;
	}
	arena_free(&arena);
	return result;
}
