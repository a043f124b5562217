#include "cli/evidence.h"

#include <stdlib.h>

#include "db/journal_config.h"
#include "db/json.h"
#include "rules/record.h"
#include "rules/record_pseudonyms.h"

/* --- which rule ---------------------------------------------------------------------------------- */

static const struct json *
rules_of(struct arena *arena, struct str configuration)
{
	return json_get(json_parse(arena, configuration, NULL), "rules");
}

/* As the journal would have it. */
static struct str
write_configuration(struct arena *arena, const struct config *config)
{
	struct str text;
	struct buf b;

	buf_init(&b, RECORD_CONFIGURATION_MAX);
	record_configuration(config, &b);
	text = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return text;
}

/* Of several refusals on one line, source tells which; "": not known. */
static struct str
digest_in(const struct json *rules, struct str place, struct str source)
{
	struct str digest = STR("");

	for (const struct json *rule = rules ? rules->first : NULL; rule; rule = rule->next) {
		struct str one = json_text(rule, "digest");

		if (one.n == 0 || !str_eq(json_text(rule, "rule"), place))
			continue;
		if (source.n > 0 && str_eq(json_text(rule, "source"), source))
			return one;
		/* Two of them, and no source: neither. */
		digest = digest.n == 0 || str_eq(digest, one) ? one : STR("?");
	}
	return str_eq(digest, STR("?")) ? STR("") : digest;
}

struct str
evidence_digest(struct arena *arena, const struct config *config, struct str place)
{
	return digest_in(rules_of(arena, write_configuration(arena, config)), place, STR(""));
}

static void
look_up(struct evidence_reader *reader, struct str revision)
{
	struct str text;

	if (reader->arena && str_eq(revision, str_of(reader->revision)))
		return;
	arena_free(&reader->arena);
	reader->arena = arena_new(64 << 20);
	str_copy(revision, reader->revision, sizeof(reader->revision));
	if (!journal_configuration(reader->journal, reader->arena, revision, &text, NULL))
		text = STR("");
	reader->rules = rules_of(reader->arena, text);
	if (reader->rules == NULL && reader->config &&
	    str_eq(revision, str_of(reader->config->revision)))
		reader->rules =
		    rules_of(reader->arena, write_configuration(reader->arena, reader->config));
}

void
evidence_reader_free(struct evidence_reader *reader)
{
	arena_free(&reader->arena);
}

/* --- what was found ------------------------------------------------------------------------------ */

/* A list of texts; of an array, or none. */
static const struct str *
texts(struct arena *arena, const struct json *array, size_t *n)
{
	struct str *all;

	*n = 0;
	for (const struct json *i = array ? array->first : NULL; i; i = i->next)
		++*n;
	all = ARENA_ARRAY(arena, struct str, *n + 1);
	*n = 0;
	for (const struct json *i = array ? array->first : NULL; i; i = i->next)
		if (i->type == JSON_STRING)
			all[(*n)++] = i->text;
	return all;
}

/* RFC 7208 2.4: of the null sender it is the name in HELO. */
static struct str
spf_domain(struct arena *arena, const struct json *facts, const struct journal_record *r)
{
	struct str domain = json_text(facts, "spf.domain");
	size_t at = str_rfind(r->sender, '@');

	if (!str_eq(json_text(facts, "spf"), STR("pass")))
		return STR("");
	if (domain.n == 0)
		domain = at == STR_NPOS ? r->helo : str_sub(r->sender, at + 1, r->sender.n);
	return arena_lower(arena, domain);
}

static bool
is_step(const char *step, const char *word)
{
	return strcmp(step, word) == 0;
}

void
evidence_read(struct evidence_reader *reader, struct arena *arena, const struct journal_record *r,
    struct evidence *out)
{
	const struct json *facts = json_parse(arena, r->facts, NULL);

	*out = (struct evidence){ .sender = r->sender,
		.mail = !is_step(r->step, "connect") && !is_step(r->step, "helo"),
		.refused = is_step(r->verdict, "reject") || is_step(r->verdict, "tempfail") };
	if (!ip_parse(r->client_ip, &out->client))
		out->client = (struct ip){ 0 };
	out->hashed = arena_dup(arena, record_pseudonym_key(r));
	out->pseudonym = reader->pseudonym;
	out->arena = arena;
	out->spf = spf_domain(arena, facts, r);
	out->dkim = texts(arena, json_get(facts, "dkim.domains"), &out->n_dkim);
	out->author = texts(arena, json_get(facts, "from.domain"), &out->n_authors);
	out->recipient = texts(arena, json_parse(arena, r->recipients, NULL), &out->n_recipients);
	if (!out->refused)
		return;
	look_up(reader, r->config);
	out->digest = arena_dup(arena, digest_in(reader->rules, r->rule, STR("")));
}

/* --- who is meant -------------------------------------------------------------------------------- */

static bool
proves(const struct evidence *v, const struct exception *x)
{
	if (x->proof == EXCEPTION_CLIENT)
		return true; /* looked at with the rest */
	if (x->proof == EXCEPTION_SPF)
		return str_eqcase(v->spf, x->domain);
	for (size_t i = 0; i < v->n_dkim; i++)
		if (str_eqcase(v->dkim[i], x->domain))
			return true;
	return false;
}

/* What stands for a recipient in clear, when the exception names somebody so. */
static struct str
hashed(const struct evidence *v, struct str recipient, const struct exception *x)
{
	bool named = false;

	for (size_t i = 0; i < x->n_recipients && !named; i++)
		named = pseudonym_is(x->recipient[i]);
	return named && v->pseudonym && v->hashed.n == 0
	    ? pseudonym_of(v->pseudonym, v->arena, recipient)
	    : STR("");
}

bool
evidence_fits(const struct evidence *v, const struct exception *x)
{
	struct exception_view view = { .kind = x->kind,
		.rule = v->digest,
		.client = v->client.version ? &v->client : NULL,
		.sender_known = v->mail,
		.sender = v->sender };
	struct exception any_time = *x;

	any_time.expires = 0;
	if ((x->kind == EXCEPTION_ALLOW) != v->refused || !proves(v, x))
		return false;
	if (x->kind == EXCEPTION_ALLOW && v->digest.n == 0)
		return false;
	if (v->n_recipients == 0)
		return exception_fits(&any_time, &view) != EXCEPTION_NO;
	view.recipient_known = true;
	for (size_t i = 0; i < v->n_recipients; i++) {
		view.recipient = v->recipient[i];
		view.hashed = hashed(v, view.recipient, x);
		if (exception_fits(&any_time, &view) == EXCEPTION_NO)
			return false;
	}
	return true;
}
