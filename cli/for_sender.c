#include "cli/for_sender.h"

#include <inttypes.h>

#include "base/escape.h"
#include "cli/print.h"
#include "cli/told.h"
#include "cli/when.h"
#include "mail/said.h"

#define REMEDIES 4
#define SEEN 8

/* What is told, before it is printed in either form. */
struct letter {
	const struct tale *t;
	struct str remedy[REMEDIES];
	size_t n;
	struct str seen[SEEN]; /* of the sender's DNS: "example.net TXT: v=spf1 -all" */
	size_t n_seen;
	int64_t again; /* wall seconds; 0: not known */
	bool latest;
};

/* Whether it was this server or the one behind that said no is nothing to the sender. */
static const struct explanation *
meaning_of(const struct tale *t)
{
	const struct explanation *about = tale_explanation(t);

	if (t->r->observed.n > 0)
		return NULL;
	return about == &said_by_backend ? tale_code(t) : about;
}

/* --- the remedies ------------------------------------------------------------------------------- */

/* The domain that SPF is about where no rule has asked which: the sender's, or for bounces the HELO name. */
static struct str
domain_of(const struct journal_record *r)
{
	size_t at = str_rfind(r->sender, '@');

	return at == STR_NPOS ? r->helo : str_sub(r->sender, at + 1, r->sender.n);
}

/* The one in From, as the DNS was asked for its record. */
static struct str
from_domain(const struct tale *t)
{
	for (const struct json *a = t->answers ? t->answers->first : NULL; a; a = a->next) {
		struct str name = json_text(a, "dns"), domain;

		if (!str_starts(name, STR("_dmarc.")))
			continue;
		name = str_sub(name, 7, name.n);
		str_pop(&name, ' ', &domain);
		return domain;
	}
	return STR("");
}

/* What stands for ${NAME}; "": it is not known. */
static struct str
filled(const struct tale *t, struct str name)
{
	const struct journal_record *r = t->r;
	const struct json *value;
	struct str text = STR("");
	struct buf b;

	if (str_eq(name, STR("client.ip")))
		return r->client_ip;
	if (str_eq(name, STR("helo")))
		return r->helo;
	if (str_eq(name, STR("sender")))
		return r->sender;
	value = tale_value(t, name);
	if (value && value->type != JSON_NULL &&
	    (value->type != JSON_STRING || value->text.n > 0)) {
		buf_init(&b, 1024);
		tale_readable(value, &b);
		text = arena_dup(t->arena, buf_str(&b));
		buf_free(&b);
		return text;
	}
	if (str_eq(name, STR("spf.domain")) || str_eq(name, STR("sender.domain")))
		return domain_of(r);
	return str_eq(name, STR("dmarc.from")) ? from_domain(t) : text;
}

/* The sentences with their facts; a sentence that wants what is not known is left out. */
static struct str
expand(const struct tale *t, const char *text)
{
	struct str rest = str_of(text), sentence;
	struct buf all, one;

	buf_init(&all, 4096);
	buf_init(&one, 4096);
	while (rest.n > 0) {
		const char *end = memmem(rest.p, rest.n, ". ", 2);
		bool known = true;

		sentence = end ? str_sub(rest, 0, (size_t)(end - rest.p) + 1) : rest;
		rest = str_trim(str_sub(rest, sentence.n, rest.n));
		buf_clear(&one);
		while (sentence.n > 0 && known) {
			const char *at = memmem(sentence.p, sentence.n, "${", 2);
			struct str name, value;
			size_t close;

			buf_add(
			    &one, at ? str_sub(sentence, 0, (size_t)(at - sentence.p)) : sentence);
			if (at == NULL)
				break;
			sentence = str_sub(sentence, (size_t)(at - sentence.p) + 2, sentence.n);
			close = str_find(sentence, '}');
			name = str_sub(sentence, 0, close == STR_NPOS ? sentence.n : close);
			value = filled(t, name);
			known = value.n > 0;
			buf_add(&one, value);
			sentence = str_sub(sentence, name.n + 1, sentence.n);
		}
		if (!known)
			continue;
		buf_add(&all, all.n > 0 ? STR(" ") : STR(""));
		buf_add(&all, buf_str(&one));
	}
	sentence = arena_dup(t->arena, buf_str(&all));
	buf_free(&all);
	buf_free(&one);
	return sentence;
}

/* What can be done of the value that the fact had. */
static const char *
remedy_of(const struct fact_def *def, struct str value)
{
	for (const struct remedy *r = def->remedies; r && r->value; r++)
		if (str_eq(value, str_of(r->value)))
			return r->text;
	return def->remedy;
}

/* fact: as a rule of the trace was told it. */
static void
add_remedy(struct letter *l, const struct json *fact)
{
	const struct fact_def *def = tale_fact(l->t, json_text(fact, "fact"));
	struct str text;

	if (def == NULL || def->remedy == NULL || l->n == REMEDIES)
		return;
	text = expand(l->t, remedy_of(def, json_text(fact, "value")));
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->remedy[i], text))
			return;
	if (text.n > 0)
		l->remedy[l->n++] = text;
}

/* Whether the rule would not have refused with another value of this fact; true if nobody has tried. */
static bool
matters(const struct tale *t, struct str name)
{
	if (t->past == NULL || t->changes.n == 0)
		return true;
	for (size_t i = 0; i < t->changes.n; i++)
		for (size_t k = 0; k < t->changes.set[i].n; k++)
			if (str_eq(t->changes.set[i].change[k].name, name))
				return true;
	return false;
}

static void
find_again(struct letter *l)
{
	const struct tale *t = l->t;

	for (size_t i = 0; t->past && i < t->changes.n && l->again == 0; i++)
		if (t->changes.set[i].n == 1 && !t->changes.set[i].open)
			l->again = tale_again(t, &t->changes.set[i].change[0], &l->latest);
}

/* Of the facts that the rule rests on, or those that gave it points; where they have none, what the catalogue says of the code. */
static void
find_remedies(struct letter *l)
{
	const struct json *decided = tale_decider(l->t);
	const struct explanation *about = meaning_of(l->t);

	for (const struct json *e = decided ? l->t->trace->first : NULL; e; e = e->next) {
		const struct json *facts = json_get(e, "facts");

		if (e != decided && !tale_gave_points(l->t, decided, e))
			continue;
		for (const struct json *f = facts ? facts->first : NULL; f; f = f->next)
			if (e != decided || matters(l->t, json_text(f, "fact")))
				add_remedy(l, f);
	}
	if (strcmp(l->t->r->verdict, "left") == 0)
		l->remedy[l->n++] = STR(
		    "Let your mail server wait for answers: five minutes is what RFC 5321 wants "
		    "(4.5.3.2).");
	if (l->n == 0 && about)
		l->remedy[l->n++] = expand(l->t, about->sender);
	find_again(l);
}

/* --- what was seen ------------------------------------------------------------------------------ */

/* The sender's own: what it publishes for others to check it by. */
static bool
is_senders(const struct json *answer, struct str record)
{
	struct str name = json_text(answer, "dns");

	return str_startscase(record, STR("v=spf1")) || str_startscase(record, STR("v=dmarc1")) ||
	    memmem(name.p, name.n, "._domainkey.", 12) != NULL ||
	    memmem(name.p, name.n, ".arpa PTR", 9) != NULL;
}

static bool
is_about(const struct letter *l, const struct json *answer)
{
	const struct json *decided = tale_decider(l->t);
	const struct json *facts = decided ? json_get(decided, "facts") : NULL;
	struct str asker = json_text(answer, "for"), stem;

	if (asker.n == 0)
		return true;
	stem = str_sub(asker, 0, str_find(asker, '.') == STR_NPOS ? asker.n : str_find(asker, '.'));
	for (const struct json *f = facts ? facts->first : NULL; f; f = f->next)
		if (str_starts(json_text(f, "fact"), stem) ||
		    (str_eq(stem, STR("spf")) && str_starts(json_text(f, "fact"), STR("dmarc"))) ||
		    (str_eq(stem, STR("dkim")) && str_starts(json_text(f, "fact"), STR("dmarc"))))
			return true;
	return false;
}

static void
add_seen(struct letter *l, const struct json *answer, struct str record)
{
	if (l->n_seen < SEEN)
		l->seen[l->n_seen++] = arena_printf(
		    l->t->arena, "%.*s: %.*s", STR_ARG(json_text(answer, "dns")), STR_ARG(record));
}

static void
find_seen(struct letter *l)
{
	const struct json *a = l->t->answers ? l->t->answers->first : NULL;

	for (; a; a = a->next) {
		const struct json *records = json_get(a, "records");

		if (json_get(a, "dns") == NULL || !is_about(l, a))
			continue;
		for (const struct json *rr = records ? records->first : NULL; rr; rr = rr->next)
			if (is_senders(a, rr->text))
				add_seen(l, a, rr->text);
		if ((records == NULL || records->first == NULL) && is_senders(a, STR("")))
			add_seen(l, a, STR("there is none"));
	}
}

static struct letter
letter_of(const struct tale *t)
{
	struct letter l = { .t = t };

	/* Of a rule that is only observed nobody was told. */
	if (t->r->observed.n > 0)
		return l;
	find_remedies(&l);
	find_seen(&l);
	return l;
}

/* --- in words ----------------------------------------------------------------------------------- */

static void
sentence(const struct tale *t, size_t indent, const char *label, struct str text)
{
	print_prose(t->cli, &(struct prose){ label, indent, COLOR_NONE, COLOR_NONE }, text);
}

static void
blank(const struct tale *t)
{
	fputc('\n', t->cli->out);
}

/* "2026-01-31 11:00:59 UTC": whoever reads it may live anywhere. */
static const char *
utc(int64_t ms, char out[WHEN_SIZE])
{
	when_utc(ms, out);
	out[10] = ' ';
	memcpy(out + 19, " UTC", 5);
	return out;
}

static void
tell_what(const struct tale *t)
{
	const struct journal_record *r = t->r;
	const char *thing = tale_is_message(t) ? "message" : "connection";
	char when[WHEN_SIZE];
	struct buf b;

	buf_init(&b, 1024);
	if (strcmp(r->verdict, "reject") == 0)
		buf_printf(
		    &b, "On %s our mail server refused this %s:", utc(r->time_ms, when), thing);
	else if (tale_refused(t))
		buf_printf(&b,
		    "On %s our mail server asked for this %s again later, as mail servers do by "
		    "themselves. That is no final refusal:",
		    utc(r->time_ms, when),
		    tale_is_message(t) ? "message to be sent" : "connection to be made");
	else if (strcmp(r->verdict, "defer") == 0)
		buf_printf(&b,
		    "On %s our mail server asked for this message to be sent again for this recipient "
		    "alone. That is no refusal:",
		    utc(r->time_ms, when));
	else if (strcmp(r->verdict, "left") == 0)
		buf_printf(&b,
		    "On %s your mail server ended this connection before ours had answered:",
		    utc(r->time_ms, when));
	else
		buf_printf(&b, "On %s our mail server took this %s:", utc(r->time_ms, when), thing);
	sentence(t, 0, NULL, buf_str(&b));
	buf_free(&b);
}

static void
tell_envelope(const struct tale *t)
{
	const struct journal_record *r = t->r;
	struct buf b;

	blank(t);
	if (tale_is_message(t))
		sentence(t, 12, "    from",
		    r->sender.n > 0 ? r->sender : STR("<> (a report of non-delivery)"));
	buf_init(&b, 8192);
	print_recipients(r, &b);
	if (b.n > 0)
		sentence(t, 12, "    to", buf_str(&b));
	buf_clear(&b);
	if (r->client_ip.n > 0) {
		buf_add(&b, r->client_ip);
		if (r->client_name.n > 0)
			buf_printf(&b, " (%.*s)", STR_ARG(r->client_name));
		sentence(t, 12, "    server", buf_str(&b));
	}
	if (r->code > 0 && r->observed.n == 0) {
		buf_clear(&b);
		buf_add(&b, tale_reply(t));
		/* What the mail server said went to the client as it was, and what is counted for all has none. */
		if (r->id[0] && tale_refused(t) && !tale_by_backend(t) && r->client_ip.n > 0)
			buf_printf(&b, " [%s]", r->id);
		sentence(t, 12, "    reply", buf_str(&b));
	}
	buf_free(&b);
}

static void
tell_again(const struct letter *l)
{
	char when[WHEN_SIZE];
	struct buf b;

	if (l->again == 0)
		return;
	buf_init(&b, 256);
	if (l->latest)
		buf_printf(&b,
		    "If nothing more is sent until then, it will be taken at %s at the latest.",
		    utc(l->again * 1000, when));
	else
		buf_printf(&b, "It will be taken from %s on.", utc(l->again * 1000, when));
	sentence(l->t, 2, "- ", buf_str(&b));
	buf_free(&b);
}

void
for_sender(const struct tale *t)
{
	struct letter l = letter_of(t);
	const struct explanation *about = meaning_of(t);
	struct buf b;

	tell_what(t);
	tell_envelope(t);
	if (about) {
		blank(t);
		sentence(t, 0, NULL, expand(t, about->meaning));
	}
	if (l.n > 0) {
		blank(t);
		sentence(t, 0, NULL, STR("What you can do:"));
		blank(t);
	}
	for (size_t i = 0; i < l.n; i++)
		sentence(t, 2, "- ", l.remedy[i]);
	if (l.n > 0)
		tell_again(&l);
	if (l.n_seen > 0) {
		blank(t);
		sentence(t, 0, NULL, STR("What our mail server saw in the DNS at that moment:"));
		blank(t);
	}
	for (size_t i = 0; i < l.n_seen; i++)
		sentence(t, 4, "    ", l.seen[i]);
	if (t->r->id[0]) {
		blank(t);
		buf_init(&b, 256);
		buf_printf(&b, "If you write to us about it, please name %s.", t->r->id);
		sentence(t, 0, NULL, buf_str(&b));
		buf_free(&b);
	}
}

/* --- for a program ------------------------------------------------------------------------------ */

static void
texts(struct buf *b, const char *name, const struct str *text, size_t n)
{
	buf_printf(b, ",\"%s\":[", name);
	for (size_t i = 0; i < n; i++) {
		buf_add(b, i > 0 ? STR(",") : STR(""));
		escape_json(b, text[i]);
	}
	buf_addc(b, ']');
}

void
for_sender_json(const struct tale *t)
{
	const struct journal_record *r = t->r;
	const struct json *list = json_parse(t->arena, r->recipients, NULL);
	const struct explanation *about = meaning_of(t);
	const struct told told = told_of(t->arena, r);
	struct letter l = letter_of(t);
	char when[WHEN_SIZE];
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_add(&b, STR("{\"id\":"));
	escape_json(&b, str_of(r->id));
	buf_printf(&b, ",\"time\":\"%s\"", when_utc(r->time_ms, when));
	print_member(&b, "verdict", str_of(r->verdict));
	if (r->observed.n == 0) {
		buf_printf(&b, ",\"code\":%d", told.code);
		print_member(&b, "enhanced", told.enhanced);
		print_member(&b, "text", told.text);
	}
	print_member(&b, "client_ip", r->client_ip);
	print_member(&b, "client_name", r->client_name);
	print_member(&b, "sender", r->sender);
	buf_add(&b, STR(",\"recipients\":"));
	if (list && list->type == JSON_ARRAY)
		json_write(list, &b);
	else
		buf_add(&b, STR("[]"));
	print_member(&b, "meaning", about ? expand(t, about->meaning) : STR(""));
	texts(&b, "remedies", l.remedy, l.n);
	texts(&b, "seen", l.seen, l.n_seen);
	if (l.again > 0)
		print_member(&b, l.latest ? "at_the_latest" : "again",
		    str_of(when_utc(l.again * 1000, when)));
	buf_add(&b, STR("}\n"));
	fwrite(b.p, 1, b.n, t->cli->out);
	buf_free(&b);
}
