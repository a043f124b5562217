/*
 * load: what the phases of one load share, and the functions that read one kind of statement
 * each. A statement that is wrong is complained about and left out; the load goes on, and is
 * given up at its end. Nothing of this outlives config_load(), except what is in the arena of
 * the configuration.
 */
#ifndef POSTERN_RULES_LOAD_H
#define POSTERN_RULES_LOAD_H

#include "rules/complaint.h"
#include "rules/config.h"
#include "rules/tree.h"

#define CONFIG_FILE_MAX (1024 * 1024)
#define LIST_FILE_MAX (16 * 1024 * 1024)

struct named_list {
	struct str name;
	struct list *list;
	struct token at;
	bool used; /* something names it */
	bool fed;  /* by a file, which can have more tomorrow */
	struct named_list *next;
};

/* A setting or a statement that may be given once: where it was given. */
struct given {
	const void *what;
	struct token at;
	struct given *next;
};

/* `certificate "FILE" key "FILE"`, read when all settings are known. */
struct certificate {
	struct token chain, key;
	struct certificate *next;
};

struct load {
	struct config *config;
	struct arena *arena; /* the configuration's */
	const struct config_vocabulary *vocabulary;
	struct complaints *complaints;
	const struct source *source; /* being read now */
	struct named_list *lists;
	struct definition *definitions;
	bool
	    blocks_broken; /* a head of a block has a mistake: what is in it stands under nothing */
	struct given *given;
	bool backend_given;          /* if only one with a mistake */
	const struct token *routed;  /* the last backend that has `for` */
	const struct token *proxied; /* the first that is `from proxies` */
	const struct token *listens; /* the first `listen proxy` */
	const struct token *secured; /* the first `listen proxy ... tls` */
	struct certificate *certificates, **certificates_end;
	const struct token *password; /* the file with that of `notify` */
	size_t notify_errors;         /* in its block */
	void *digest;                 /* EVP_MD_CTX: of all texts read */
	void *words;                  /* the same without the files of lists */
};

#define COMPLAIN(load, at, ...) complain((load)->complaints, (load)->source, (at), __VA_ARGS__)

#define REMARK(load, where, kind, ...) \
	complain_softly((load)->complaints, \
	    &(struct remark){ .source = (load)->source, .at = (where), .lint = (kind) }, \
	    __VA_ARGS__)

/* The tokens of one statement, read from left to right. */
struct cursor {
	struct load *load;
	const struct token *t;
};

/* Takes the token if it is that word (of that kind). */
bool cursor_word(struct cursor *c, const char *word);
bool cursor_kind(struct cursor *c, enum token_kind kind);
/* False and a complaint when the statement goes on. */
bool cursor_end(struct cursor *c);
/* `port NUMBER`; a host name or an address, with or without quotes. False and a complaint: it is none. */
bool cursor_port(struct cursor *c, uint16_t *out);
bool cursor_host(struct cursor *c, const char **out);

/* False and a complaint when it is the second. what: anything that is the same each time. */
bool given_once(struct load *load, const void *what, const struct token *at, const char *name);

/* Where something was given; NULL: it was not. */
const struct given *given_find(const struct load *load, const void *what);

/* core.c: what rows cannot say, and defaults that depend on the machine or on other settings. */
void core_finish(struct load *load);

/* source.c. A file's text in the arena; goes into the revision. */
bool source_read(struct load *load, const char *path, size_t max, struct str *out, struct err *e);
/* The items of a list, in a file that is watched; path as it is written. *full: where it is. */
bool source_list(
    struct load *load, struct str path, const char **full, struct str *out, struct err *e);
/* The same, but not a part of the revision; memory of `arena`. */
bool source_take(const char *path, size_t max, struct arena *arena, struct str *out, struct err *e);
void source_digest(struct load *load, struct str text);
/*
 * What the journal keeps of the whole configuration goes into its revision, for it is kept under that: another version of Postern
 * may have other numbers for the same text.
 */
void source_digest_record(struct load *load);
/* path as seen from the folder of the configuration. */
const char *source_path(struct load *load, struct str path);

/* include.c. The statements, with those of included files in the places of `include`. */
struct statement *include_all(struct load *load, struct statement *first);

/* settings.c: rows. What is not given has the row's default after settings_default(). */
bool settings_default(const struct setting *row, size_t n, void *conf, struct arena *arena);
void settings_read(
    struct load *load, const struct config_part *block, void *conf, const struct statement *s);

/* lists.c */
void list_read(struct load *load, const struct statement *s);
void trust_read(struct load *load, const struct statement *s);
/* One item; false and a complaint when there is none. */
bool list_item(struct cursor *c, struct list *list);
/* What a TOKEN_REGEX says; NULL and a complaint. */
struct regex *regex_take(struct load *load, const struct token *t);
/* NULL: there is none of that name. */
struct named_list *list_find(const struct load *load, struct str name);
/* "partners" or "{ a, b }"; NULL and a complaint. */
struct list *list_take(struct cursor *c);
void lists_finish(struct load *load);

/* define.c: `define NAME = condition`. */
void define_read(struct load *load, const struct statement *s);
/* What the configuration keeps of them; once nothing is wrong with it. */
void define_finish(struct load *load);

/* plans.c */
void plan_read(struct load *load, const struct statement *s, struct plan *plan);

/* certificates.c: `certificate ...`, the block or line `tls`, and what they come to. */
void certificate_read(struct cursor *c);
void tls_read(struct load *load, const struct statement *s);
bool tls_default(struct load *load);
void tls_finish(struct load *load);

/* notices.c: the block `notify`, and what it comes to. */
bool notify_default(struct load *load);
void notify_read(struct load *load, const struct statement *s);
void notify_finish(struct load *load);
/* A file of lines, NAME ADDRESS, sorted; row: the setting that complaints are about. */
const struct notify_owner *owners_read(
    struct load *load, const char *path, size_t *n, const struct setting *row);

/* digests.c: the block `digest`. */
bool digest_default(struct load *load);
void digest_read(struct load *load, const struct statement *s);
void digest_finish(struct load *load);

/* journals.c */
void journal_finish(struct load *load);

/* backends.c: a line `backend`, and what all of them come to. */
void backend_read(struct cursor *c);
void backends_finish(struct load *load);
/* Behind `starttls`: off, opportunistic, required, verify with or without a name. */
bool backend_starttls(struct cursor *c, struct backend *backend);

/* stores.c: the line `store`; is it rather one of the rows that begin so? what all of it comes to. */
void store_read(struct cursor *c);
bool store_is_row(const struct token *t);
void store_finish(struct load *load);

/* statements.c: listen, backend, resolver, store, stage; false: the word is none of these. */
bool statement_read(struct load *load, const struct statement *s);
extern const char *const statement_names[];

/* The same as config_load() for a text that is at hand; path only names it. */
struct config *config_load_text(const char *path, struct str text,
    const struct config_vocabulary *vocabulary, struct complaints *complaints);

/* default_rules.c, made of default.rules by the build */
extern const char default_rules[];
/* default_notice.c, made of plan-warning.txt */
extern const char default_notice[];

#endif
