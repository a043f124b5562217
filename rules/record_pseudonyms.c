/* A record as it is kept when addresses are hashed: pseudonyms in the places of all that can be an address. */
#include "rules/record_pseudonyms.h"

#include "base/die.h"
#include "base/escape.h"
#include "db/json.h"

/* What a text may come to: where it is full of the shortest addresses there are, it grows by six times. */
#define GROWN_MAX (2 * 1024 * 1024)
/* A word of a reply is not taken for a local part, or an account, when it is shorter. */
#define WORD_LEAST 3
#define WORDS_MOST 8

/* A name that stands without its domain, and what stands for it. */
struct replacement {
	struct str word, by;
};

struct hashing {
	const struct pseudonym *p;
	struct arena *arena;
	const struct journal_record *record; /* as it was */
	bool
	    macro; /* an SPF record asks for the sender's local part: names and explanations can hold it */
	bool local; /* a rule asked for it */
	struct replacement replacement[WORDS_MOST];
	size_t n_replacements;
};

/* ---- plain texts ---- */

static bool
holds(struct str text, struct str part)
{
	return text.n > 0 && memmem(text.p, text.n, part.p, part.n) != NULL;
}

static struct str
taken(struct hashing *h, struct buf *b)
{
	struct str text = b->over ? STR("") : arena_dup(h->arena, buf_str(b));

	buf_free(b);
	return text;
}

static struct str
plain(struct hashing *h, struct str text, bool but_those)
{
	struct buf b;

	if (!pseudonym_may(text))
		return text;
	buf_init(&b, GROWN_MAX);
	pseudonym_text(h->p, h->arena, text, but_those, &b);
	return taken(h, &b);
}

/* Of a sender or recipient: <postmaster> names nobody. */
static struct str
address(struct hashing *h, struct str text)
{
	return str_find(text, '@') == STR_NPOS ? text : pseudonym_of(h->p, h->arena, text);
}

static struct str
local_of(struct str text)
{
	return str_sub(text, 0, str_rfind(text, '@') == STR_NPOS ? 0 : str_rfind(text, '@'));
}

static struct str
domain_of(struct str text)
{
	size_t at = str_rfind(text, '@');

	return at == STR_NPOS ? STR("") : str_sub(text, at + 1, text.n);
}

/* ---- words ---- */

static void
add_word(struct hashing *h, struct str word, struct str by)
{
	if (word.n >= WORD_LEAST && h->n_replacements < WORDS_MOST)
		h->replacement[h->n_replacements++] = (struct replacement){ word, by };
}

static bool
goes_on(struct str text, size_t i)
{
	return i < text.n && (ascii_isalnum(text.p[i]) || (unsigned char)text.p[i] >= 0x80);
}

/* The replacement for what stands at i as a whole word; NULL. */
static const struct replacement *
word_at(const struct hashing *h, struct str text, size_t i)
{
	if (i > 0 && goes_on(text, i - 1))
		return NULL;
	for (size_t k = 0; k < h->n_replacements; k++) {
		struct str word = h->replacement[k].word;

		if (str_startscase(str_sub(text, i, text.n), word) && !goes_on(text, i + word.n))
			return &h->replacement[k];
	}
	return NULL;
}

static struct str
words(struct hashing *h, struct str text)
{
	size_t copied = 0, i = 0;
	struct buf b;

	if (h->n_replacements == 0)
		return text;
	buf_init(&b, GROWN_MAX);
	while (i < text.n) {
		const struct replacement *found = word_at(h, text, i);

		if (found == NULL) {
			i++;
			continue;
		}
		buf_add(&b, str_sub(text, copied, i));
		buf_add(&b, found->by);
		i += found->word.n;
		copied = i;
	}
	buf_add(&b, str_sub(text, copied, text.n));
	return taken(h, &b);
}

/* The sender's local part, and what an SPF macro can make of it (RFC 7208 7.3). */
static void
words_of_sender(struct hashing *h)
{
	struct str sender = h->record->sender, rest = local_of(sender), part;
	struct str whole = rest;
	size_t from = 0;

	add_word(h, whole, pseudonym_local(h->p, h->arena, whole, domain_of(sender)));
	for (size_t i = 0; h->macro && i <= whole.n; i++) {
		if (i < whole.n && strchr(".-+,/_=", whole.p[i]) == NULL)
			continue;
		part = str_sub(whole, from, i);
		if (part.n < whole.n)
			add_word(h, part, pseudonym_of(h->p, h->arena, part));
		from = i + 1;
	}
}

/* ---- keys of the store, names of the DNS ---- */

/* What was too long to be a key ends in "~" and a digest. */
static bool
is_digest(struct str key)
{
	if (key.n < 65 || key.p[key.n - 65] != '~')
		return false;
	for (size_t i = key.n - 64; i < key.n; i++)
		if (!ascii_isdigit(key.p[i]) && (key.p[i] < 'a' || key.p[i] > 'f'))
			return false;
	return true;
}

/* Where the name of an account begins; key.n: there is none. */
static size_t
account_in(struct str key)
{
	static const struct str marks[] = { STR(":account:"), STR(":account-network:") };

	if (str_starts(key, STR("greylist:")))
		return key.n;
	for (size_t i = 0; i < key.n; i++)
		for (size_t k = 0; key.p[i] == ':' && k < sizeof(marks) / sizeof(marks[0]); k++)
			if (str_starts(str_sub(key, i, key.n), marks[k]))
				return i + marks[k].n;
	return key.n;
}

static struct str
key(struct hashing *h, struct str text)
{
	size_t from = account_in(text), blank = str_rfind(text, ' '),
	       to = blank == STR_NPOS || blank < from ? text.n : blank, kind = str_find(text, ':');
	struct str account;

	if (is_digest(text) && kind != STR_NPOS) {
		account = pseudonym_of(h->p, h->arena, text);
		return arena_printf(
		    h->arena, "%.*s%.*s", STR_ARG(str_sub(text, 0, kind + 1)), STR_ARG(account));
	}
	if (from == text.n)
		return plain(h, text, false);
	account = pseudonym_of(h->p, h->arena, str_sub(text, from, to));
	return arena_printf(h->arena, "%.*s%.*s%.*s", STR_ARG(str_sub(text, 0, from)),
	    STR_ARG(account), STR_ARG(str_sub(text, to, text.n)));
}

static bool
ends_in_domain(struct str name, struct str domain, size_t *end)
{
	if (domain.n == 0 || !str_endscase(name, domain) ||
	    (name.n > domain.n && name.p[name.n - domain.n - 1] != '.'))
		return false;
	*end = name.n - domain.n;
	return true;
}

/* Does some record name it? Then no macro made it. */
static bool
is_named(const struct hashing *h, struct str name)
{
	struct str answers = h->record->answers;

	for (size_t i = 1; i + name.n < answers.n; i++)
		if (strchr(":= ", answers.p[i - 1]) != NULL &&
		    str_startscase(str_sub(answers, i, answers.n), name))
			return true;
	return false;
}

/* "jane._spf.example.org TXT": what stands before the domains that the session itself has. */
static struct str
dns(struct hashing *h, struct str text)
{
	const struct journal_record *r = h->record;
	struct str name = str_sub(text, 0, str_rfind(text, ' ')), before;
	size_t end = name.n, behind;

	if (!h->macro || is_named(h, name))
		return plain(h, text, false);
	(void)(ends_in_domain(name, domain_of(r->sender), &end) ||
	    ends_in_domain(name, r->helo, &end) || ends_in_domain(name, r->client_name, &end));
	behind = text.n - end;
	text = plain(h, text, false);
	end = text.n - behind;
	before = words(h, str_sub(text, 0, end));
	return arena_printf(
	    h->arena, "%.*s%.*s", STR_ARG(before), STR_ARG(str_sub(text, end, text.n)));
}

/* ---- JSON ---- */

static bool
is_one_of(struct str name, const struct str *names, size_t n)
{
	while (n > 0)
		if (str_eq(name, names[--n]))
			return true;
	return false;
}

/* What stands in one (mail/exception.h) may have been a pseudonym before. */
static bool
is_exception(struct str source)
{
	return str_starts(source, STR("allow ")) || str_starts(source, STR("block "));
}

/* The value of a member of that name, or an element of one. */
static struct str
value(struct hashing *h, struct str name, struct str text)
{
	static const struct str keys[] = { STR("seen"), STR("count"), STR("take"),
		STR("distinct") };

	if (str_eq(name, STR("sender.local")))
		return pseudonym_local(h->p, h->arena, text, domain_of(h->record->sender));
	if (str_eq(name, STR("account")))
		return pseudonym_of(h->p, h->arena, text);
	if (is_one_of(name, keys, sizeof(keys) / sizeof(keys[0])))
		return key(h, text);
	if (str_eq(name, STR("dns")))
		return dns(h, text);
	text = plain(h, text, str_eq(name, STR("source")) && is_exception(text));
	return str_eq(name, STR("spf.explanation")) ? words(h, text) : text;
}

/* Behind the string that begins at i. */
static size_t
string_end(struct str json, size_t i)
{
	for (i++; i < json.n && json.p[i] != '"'; i++)
		if (json.p[i] == '\\')
			i++;
	return i < json.n ? i + 1 : json.n;
}

/* The string as it is to be, at out. */
static void
string(struct hashing *h, struct str name, struct str quoted, struct buf *out)
{
	struct str text = str_sub(quoted, 1, quoted.n - 1), now;

	if (str_find(text, '\\') != STR_NPOS) {
		const struct json *decoded = json_parse(h->arena, quoted, NULL);

		text = decoded ? decoded->text : text;
	}
	now = value(h, name, text);
	if (now.p == text.p && now.n == text.n)
		buf_add(out, quoted);
	else
		escape_json(out, now);
}

/* Strings that name members stay: rules name facts so, and nobody else does. */
static struct str
json(struct hashing *h, struct str text)
{
	struct str name = STR("");
	size_t copied = 0, i = 0;
	struct buf out;

	if (!pseudonym_may(text) && !h->macro && !h->local && !holds(text, STR("account")) &&
	    !holds(text, STR("~")))
		return text;
	buf_init(&out, GROWN_MAX);
	while (i < text.n) {
		size_t end;

		if (text.p[i] != '"') {
			i++;
			continue;
		}
		end = string_end(text, i);
		if (end < text.n && text.p[end] == ':') {
			name = str_sub(text, i + 1, end - 1);
		} else {
			buf_add(&out, str_sub(text, copied, i));
			string(h, name, str_sub(text, i, end), &out);
			copied = end;
		}
		i = end;
	}
	buf_add(&out, str_sub(text, copied, text.n));
	return taken(h, &out);
}

/* ---- records ---- */

/* %{l} and %{s}, in either case (RFC 7208 7.2). */
static bool
asks_for_local(struct str answers)
{
	return holds(answers, STR("%{l")) || holds(answers, STR("%{L")) ||
	    holds(answers, STR("%{s")) || holds(answers, STR("%{S"));
}

/* The recipient that the record is about, or the first. */
static struct str
first_recipient(struct hashing *h)
{
	const struct json *list = json_parse(h->arena, h->record->recipients, NULL);

	return list && list->type == JSON_ARRAY && list->first ? list->first->text : STR("");
}

/* Names that a reply can hold without a domain: those of the session that it can have been made of. */
static void
words_of_reply(struct hashing *h)
{
	const struct journal_record *r = h->record;
	bool backend = str_starts(r->rule, STR("backend")) && r->code >= 400;
	struct str to = backend ? first_recipient(h) : STR("");

	if (r->account.n > 0)
		add_word(h, r->account, pseudonym_of(h->p, h->arena, r->account));
	if (h->macro || h->local || backend)
		words_of_sender(h);
	if (to.n > 0)
		add_word(
		    h, local_of(to), pseudonym_local(h->p, h->arena, local_of(to), domain_of(to)));
}

void
record_pseudonyms(const struct pseudonym *p, struct arena *arena, struct journal_record *r)
{
	const struct journal_record then = *r;
	struct hashing h = {
		.p = pseudonym_remembering(p, arena), .arena = arena, .record = &then
	};

	h.macro = asks_for_local(r->answers);
	h.local = holds(r->facts, STR("\"sender.local\""));
	words_of_reply(&h);
	r->sender = address(&h, r->sender);
	r->account = pseudonym_of(h.p, arena, r->account);
	r->helo = plain(&h, r->helo, false);
	r->client_name = plain(&h, r->client_name, false);
	r->subject = plain(&h, r->subject, false);
	/* An administrator names what the journal told him. */
	r->text = words(&h, plain(&h, r->text, strcmp(r->front, "postern") == 0));
	r->recipients = json(&h, r->recipients);
	r->facts = json(&h, r->facts);
	r->trace = json(&h, r->trace);
	r->answers = json(&h, r->answers);
}

struct str
record_pseudonym_key(const struct journal_record *r)
{
	static const struct str mark = STR(",\"" RECORD_HASHED "\":\"");
	struct str head = str_sub(r->trace, 0, str_find(r->trace, '}')), digits;

	if (head.n == 0 || memmem(head.p, head.n, mark.p, mark.n) == NULL)
		return STR("");
	head = str_sub(head,
	    (size_t)((const char *)memmem(head.p, head.n, mark.p, mark.n) - head.p) + mark.n,
	    head.n);
	return str_pop(&head, '"', &digits) ? digits : STR("");
}
