/*
 * include: `include "path"` stands for the statements of that file, or of all files that a pattern names, in
 * the order of their names. Each file is read once, which keeps one from including itself.
 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/escape.h"
#include "rules/load.h"

#define INCLUDES_DEEP 8
#define INCLUDES_MAX 500 /* files */

struct included {
	const char *path; /* without links */
	struct token at;  /* where it is included; line 0: it is the configuration itself */
	struct included *next;
};

struct including {
	struct load *load;
	struct included *files;
	size_t n;
};

/* Put behind *end; returns the new end. */
static struct statement **splice(
    struct including *in, struct statement *first, struct statement **end, unsigned depth);

static bool
remember(struct including *in, const char *path, const struct token *at)
{
	char *real = realpath(path, NULL);
	struct str key = str_of(real ? real : path);
	struct included *file;

	for (file = in->files; file != NULL; file = file->next)
		if (str_eq(str_of(file->path), key))
			break;
	if (file == NULL) {
		file = ARENA_NEW(in->load->arena, struct included);
		file->path = arena_dup(in->load->arena, key).p;
		if (at != NULL)
			file->at = *at;
		file->next = in->files;
		in->files = file;
		in->n++;
		free(real);
		return true;
	}
	free(real);
	if (file->at.line == 0)
		COMPLAIN(in->load, at, "%s is the configuration itself", ESC(str_of(path)));
	else
		COMPLAIN(in->load, at, "%s is included already, on %s", ESC(str_of(path)),
		    PLACE(&file->at, at));
	return false;
}

/* As seen from the folder of the configuration. */
static struct str
name_of(struct load *load, const char *path)
{
	struct str config = str_of(load->config->path), s = str_of(path);
	size_t slash = str_rfind(config, '/');

	if (slash != STR_NPOS && str_starts(s, str_sub(config, 0, slash + 1)))
		return str_sub(s, slash + 1, s.n);
	return s;
}

static struct statement **
add_file(struct including *in, const struct token *at, const char *path, struct statement **end,
    unsigned depth)
{
	struct load *load = in->load;
	struct source *source = ARENA_NEW(load->arena, struct source);
	struct err e;

	if (!remember(in, path, at))
		return end;
	if (in->n > INCLUDES_MAX) {
		COMPLAIN(load, at, "more than %d files are included", INCLUDES_MAX);
		return end;
	}
	source->file = path;
	source->name = name_of(load, path);
	if (!source_read(load, path, CONFIG_FILE_MAX, &source->text, &e)) {
		COMPLAIN(load, at, "%s", e.text);
		return end;
	}
	return splice(in, tree_read(source, load->complaints, load->arena), end, depth + 1);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Files that a pattern names; none is all right: a folder may be empty. */
static struct statement **
add_pattern(struct including *in, const struct token *at, const char *pattern,
    struct statement **end, unsigned depth)
{
	struct load *load = in->load;
	glob_t found = { 0 };
	int failed = glob(pattern, GLOB_NOSORT, NULL, &found);

	if (failed != 0 && failed != GLOB_NOMATCH) {
		COMPLAIN(load, at, "cannot look for %s: %s", ESC(str_of(pattern)),
		    failed == GLOB_NOSPACE ? "no memory" : strerror(errno));
	} else if (failed == 0) {
		/* not as the locale has it: the order is the same everywhere */
		qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_name);
		for (size_t i = 0; i < found.gl_pathc && in->n <= INCLUDES_MAX; i++)
			end = add_file(
			    in, at, source_path(load, str_of(found.gl_pathv[i])), end, depth);
	}
	globfree(&found);
	return end;
}

static struct statement **
add(struct including *in, const struct statement *s, struct statement **end, unsigned depth)
{
	struct load *load = in->load;
	const struct token *t = &s->token[1];
	const char *path;

	if (t->kind != TOKEN_TEXT || t->text.n == 0 || t[1].kind != TOKEN_END || s->block) {
		COMPLAIN(load, t,
		    "`include` wants the path of a file in quotes, or of several as "
		    "\"conf.d/*.conf\", not %s",
		    SHOW(t));
		return end;
	}
	if (depth == INCLUDES_DEEP) {
		COMPLAIN(load, t, "files include files %d levels deep at most", INCLUDES_DEEP);
		return end;
	}
	path = source_path(load, token_value(t, load->arena));
	return strpbrk(path, "*?[") ? add_pattern(in, t, path, end, depth)
				    : add_file(in, t, path, end, depth);
}

static struct statement **
splice(struct including *in, struct statement *s, struct statement **end, unsigned depth)
{
	while (s != NULL) {
		struct statement *next = s->next;

		s->next = NULL;
		if (!token_is(s->token, "include")) {
			*end = s;
			end = &s->next;
		} else if (!s->bad) {
			end = add(in, s, end, depth);
		}
		s = next;
	}
	return end;
}

struct statement *
include_all(struct load *load, struct statement *first)
{
	struct including in = { .load = load };
	struct statement *all = NULL;

	remember(&in, load->config->path, NULL);
	splice(&in, first, &all, 0);
	return all;
}
