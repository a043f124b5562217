#include "mail/exception.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/die.h"
#include "base/sip.h"
#include "mail/pseudonym.h"

#define ANY STR("*")

static const char *const kind_words[] = { "allow", "block" };
static const char *const proof_words[] = { "dkim:", "spf:", "client:" };

#define N_PROOFS (sizeof(proof_words) / sizeof(proof_words[0]))

/* --- the digest of a rule ------------------------------------------------------------------------ */

/* Blanks count as one, whatever and however many they are. */
static void
squeeze(struct str text, struct buf *out)
{
	text = str_trim(text);
	for (size_t i = 0; i < text.n; i++) {
		bool blank = strchr(" \t\r\n", text.p[i]) != NULL && text.p[i] != '\0';

		if (!blank)
			buf_addc(out, text.p[i]);
		else if (out->n > 0 && out->p[out->n - 1] != ' ')
			buf_addc(out, ' ');
	}
}

const char *
exception_digest(struct str conditions, char out[EXCEPTION_RULE])
{
	/* No secret: it keeps nobody from anything, it only has to be the same everywhere. */
	static const uint64_t key[2] = { 0x706f737465726e31, 0x657863657074696f };
	static const char digits[] = "0123456789abcdef";
	struct buf text;
	uint64_t *word, hash;
	size_t n;

	buf_init(&text, conditions.n + 1);
	squeeze(conditions, &text);
	n = (text.n + 7) / 8;
	word = xcalloc(n + 1, sizeof(*word));
	for (size_t i = 0; i < text.n; i++)
		word[i / 8] |= (uint64_t)(unsigned char)text.p[i] << 8 * (i % 8);
	word[n] = text.n;
	hash = sip_hash(key, word, n + 1);
	for (size_t i = 0; i < EXCEPTION_RULE - 1; i++)
		out[i] = digits[hash >> (60 - 4 * i) & 15];
	out[EXCEPTION_RULE - 1] = '\0';
	free(word);
	buf_free(&text);
	return out;
}

/* --- keys ---------------------------------------------------------------------------------------- */

static bool
read_kind(struct str word, struct exception *out)
{
	out->kind =
	    str_eq(word, str_of(kind_words[EXCEPTION_BLOCK])) ? EXCEPTION_BLOCK : EXCEPTION_ALLOW;
	return str_eq(word, str_of(kind_words[out->kind]));
}

static bool
read_rule(struct str word, struct exception *out)
{
	size_t at = str_find(word, '@');

	if (str_eq(word, ANY))
		return true;
	out->rule = str_sub(word, 0, at);
	out->place = at == STR_NPOS ? STR("") : str_sub(word, at + 1, word.n);
	return out->rule.n == EXCEPTION_RULE - 1;
}

static bool
read_proof(struct arena *arena, struct str word, struct exception *out)
{
	for (size_t i = 0; i < N_PROOFS; i++) {
		struct str rest = str_sub(word, strlen(proof_words[i]), word.n);

		if (!str_starts(word, str_of(proof_words[i])))
			continue;
		out->proof = i;
		if (i == EXCEPTION_CLIENT)
			return cidr_parse(rest, &out->client, NULL);
		out->domain = arena_lower(arena, rest);
		return rest.n > 0;
	}
	return false;
}

static bool
read_recipients(struct arena *arena, struct str rest, struct exception *out)
{
	struct str word, *all;

	if (str_eq(rest, ANY))
		return true;
	all = ARENA_ARRAY(arena, struct str, EXCEPTION_RECIPIENTS);
	while (str_pop(&rest, ' ', &word)) {
		if (word.n == 0 || out->n_recipients == EXCEPTION_RECIPIENTS)
			return false;
		all[out->n_recipients++] = word;
	}
	out->recipient = all;
	return out->n_recipients > 0;
}

/* No exception of ours has one; a store that others share may hold anything. */
static bool
has_control(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if ((unsigned char)key.p[i] < ' ' || key.p[i] == 0x7f)
			return true;
	return false;
}

bool
exception_read(struct arena *arena, struct str key, struct exception *out, struct err *e)
{
	struct str rest = key, word[4] = { { 0 } };
	size_t n = 0;

	*out = (struct exception){ .key = key };
	while (n < 4 && str_pop(&rest, ' ', &word[n]))
		n++;
	if (has_control(key) || !read_kind(word[0], out) || !read_rule(word[1], out) ||
	    !read_proof(arena, word[2], out) || word[3].n == 0 ||
	    !read_recipients(arena, rest, out))
		return err_set(e, ERR_SYNTAX, "it is no exception that this Postern knows");
	if (!str_eq(word[3], ANY))
		out->sender = word[3];
	return true;
}

/* False: it would not be read as one word. */
static bool
add_word(struct buf *b, struct str word)
{
	if (b->n > 0)
		buf_addc(b, ' ');
	buf_add(b, word.n > 0 ? word : ANY);
	return str_find(word, ' ') == STR_NPOS && !str_eq(word, ANY);
}

static struct str
proof_word(struct arena *arena, const struct exception *x)
{
	if (x->proof != EXCEPTION_CLIENT)
		return arena_printf(arena, "%s%.*s", proof_words[x->proof], STR_ARG(x->domain));
	if (x->client.bits == (x->client.ip.version == 4 ? 32 : 128))
		return arena_printf(arena, "client:%s", IP_TEXT(&x->client.ip));
	return arena_printf(arena, "client:%s/%d", IP_TEXT(&x->client.ip), (int)x->client.bits);
}

static struct str
rule_word(struct arena *arena, const struct exception *x)
{
	struct str word;
	char *p;

	if (x->rule.n == 0)
		return STR("");
	word = arena_printf(arena, "%.*s@%.*s", STR_ARG(x->rule), STR_ARG(x->place));
	/* Of a file's name, which is only to be read. */
	p = (char *)(uintptr_t)word.p;
	for (size_t i = 0; i < word.n; i++)
		if (p[i] == ' ')
			p[i] = '_';
	return word;
}

struct str
exception_key(struct arena *arena, const struct exception *x)
{
	struct str key = { 0 };
	struct buf b;
	bool ok;

	buf_init(&b, EXCEPTION_KEY_MAX);
	ok = add_word(&b, str_of(kind_words[x->kind]));
	ok = add_word(&b, rule_word(arena, x)) && ok;
	ok = add_word(&b, proof_word(arena, x)) && ok;
	ok = add_word(&b, x->sender) && ok;
	if (x->n_recipients == 0)
		add_word(&b, STR(""));
	for (size_t i = 0; i < x->n_recipients; i++)
		ok = add_word(&b, x->recipient[i]) && x->recipient[i].n > 0 && ok;
	if (ok && !b.over && x->n_recipients <= EXCEPTION_RECIPIENTS)
		key = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return key;
}

/* --- all of them --------------------------------------------------------------------------------- */

struct exceptions *
exceptions_new(struct arena *arena, size_t most)
{
	struct exceptions *all = ARENA_NEW(arena, struct exceptions);

	all->memory = arena;
	all->item = ARENA_ARRAY(arena, struct exception, most);
	all->room = most;
	return all;
}

struct exception *
exceptions_add(struct exceptions *all, int64_t number, struct str key, int64_t expires)
{
	struct exception *x = &all->item[all->n];

	require(all->n < all->room);
	if (!exception_read(all->memory, key, x, NULL)) {
		all->unreadable++;
		return NULL;
	}
	x->number = number;
	x->expires = expires;
	all->n++;
	for (size_t i = 0; i < x->n_recipients; i++)
		if (pseudonym_is(x->recipient[i])) {
			all->n_hashed++;
			break;
		}
	all->n_allow += x->kind == EXCEPTION_ALLOW;
	all->n_block += x->kind == EXCEPTION_BLOCK;
	return x;
}

size_t
exceptions_idle(const struct exceptions *all, struct str key)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += all->item[i].hashed.n > 0 && !str_eq(all->item[i].hashed, key);
	return n;
}

void
exceptions_free(struct exceptions **all)
{
	struct arena *memory = *all ? (*all)->memory : NULL;

	arena_free(&memory);
	*all = NULL;
}

/* --- who is meant -------------------------------------------------------------------------------- */

/* Is this address the mailbox, or in the domain, that is named? */
static bool
named(struct str name, struct str address)
{
	size_t at = str_rfind(address, '@');

	if (str_find(name, '@') != STR_NPOS)
		return str_eqcase(name, address);
	if (address.n == 0)
		return str_eq(name, STR("<>"));
	/* <postmaster>, which has no domain, goes by its name. */
	return str_eqcase(name, at == STR_NPOS ? address : str_sub(address, at + 1, address.n));
}

static enum exception_fits
fits_recipient(const struct exception *x, const struct exception_view *view)
{
	if (x->n_recipients == 0)
		return EXCEPTION_FITS;
	if (!view->recipient_known)
		return EXCEPTION_LATER;
	for (size_t i = 0; i < x->n_recipients; i++)
		if (named(x->recipient[i], view->recipient) ||
		    (view->hashed.n > 0 && str_eqcase(x->recipient[i], view->hashed)))
			return EXCEPTION_FITS;
	return EXCEPTION_NO;
}

static enum exception_fits
fits_sender(const struct exception *x, const struct exception_view *view)
{
	if (x->sender.n == 0)
		return EXCEPTION_FITS;
	if (!view->sender_known)
		return EXCEPTION_LATER;
	return named(x->sender, view->sender) ? EXCEPTION_FITS : EXCEPTION_NO;
}

enum exception_fits
exception_fits(const struct exception *x, const struct exception_view *view)
{
	enum exception_fits sender, recipient;

	if (x->kind != view->kind || (x->expires > 0 && x->expires <= view->now))
		return EXCEPTION_NO;
	if (x->kind == EXCEPTION_ALLOW && x->rule.n > 0 && !str_eq(x->rule, view->rule))
		return EXCEPTION_NO;
	if (x->proof == EXCEPTION_CLIENT &&
	    (view->client == NULL || !cidr_has(&x->client, view->client)))
		return EXCEPTION_NO;
	sender = fits_sender(x, view);
	recipient = fits_recipient(x, view);
	return sender < recipient ? sender : recipient;
}
