#include "db/person.h"

#include "base/buf.h"
#include "base/escape.h"
#include "mail/idna.h"
#include "mail/mailbox_stem.h"

/* ---- in texts ---- */

/* Octets of the local part of an address; "=" is left out: marks such as prvs=1234=b@example.org end in it. */
static bool
goes_before(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	    (unsigned char)c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-./?^_`{|}~", c) != NULL);
}

/* Does what JSON writes for a control character end before i: \n, \u000b? */
static bool
behind_escape(struct str text, size_t i)
{
	return (i >= 2 && text.p[i - 2] == '\\' && strchr("bfnrt", text.p[i - 1]) != NULL) ||
	    (i >= 6 && text.p[i - 6] == '\\' && text.p[i - 5] == 'u');
}

/* What a domain goes on with; a dot only if something is behind it. */
static bool
goes_on(struct str text, size_t at)
{
	for (; at < text.n; at++) {
		char c = text.p[at];

		if (c != '.')
			return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
			    (unsigned char)c >= 0x80 || c == '-';
	}
	return false;
}

/* Behind the address that begins at i; 0: it does not. */
static size_t
end_of(struct str text, size_t i, struct str address)
{
	for (size_t k = 0; k < address.n && i < text.n; k++) {
		if (address.p[k] == '@' && str_starts(str_sub(text, i, text.n), STR("%40")))
			i += 3;
		else if (ascii_lower(text.p[i]) == ascii_lower(address.p[k]))
			i++;
		else
			return 0;
		if (k + 1 == address.n)
			return i;
	}
	return 0;
}

bool
person_in(struct str text, struct str address)
{
	bool begins = address.n > 0 && address.p[address.n - 1] == '+';

	for (size_t i = 0; i + address.n <= text.n; i++) {
		size_t end = end_of(text, i, address);

		if (end > 0 && (i == 0 || !goes_before(text.p[i - 1]) || behind_escape(text, i)) &&
		    (begins || !goes_on(text, end)))
			return true;
	}
	return false;
}

/* ---- a person ---- */

static void
add_form(struct person *p, struct str form)
{
	if (form.n > 0)
		p->form[p->n_forms++] = form;
}

/* As it stands within a text of JSON; "": no other than it is. */
static struct str
in_json(struct arena *arena, struct str address)
{
	struct str text, inside;
	struct buf json;

	buf_init(&json, 8192);
	escape_json(&json, address);
	text = buf_str(&json);
	inside = text.n > 2 ? str_sub(text, 1, text.n - 1) : STR("");
	inside = json.over || str_eq(inside, address) ? STR("") : arena_dup(arena, inside);
	buf_free(&json);
	return inside;
}

/* What stands for it in the journal, and how what stands for it with a tag begins. */
static void
add_hashed(struct person *p, struct arena *arena, struct str address, const struct pseudonym *by)
{
	struct str hashed = pseudonym_of(by, arena, address);
	struct str local = str_sub(hashed, 0, str_rfind(hashed, '@'));

	add_form(p, hashed);
	/* A tag behind it is left out of its stem. */
	if (str_find(local, '+') == STR_NPOS)
		add_form(p, arena_printf(arena, "%.*s+", STR_ARG(local)));
}

static void
add_address(struct person *p, struct arena *arena, struct str address, const struct pseudonym *by)
{
	size_t at = str_rfind(address, '@');
	const struct mailbox m = { .local = str_sub(address, 0, at),
		.domain = str_sub(address, at + 1, address.n) };
	struct str stem = mailbox_stem(arena, &m);

	add_form(p, address);
	add_form(p, in_json(arena, address));
	if (by)
		add_hashed(p, arena, address, by);
	if (!str_eqcase(stem, address))
		p->stem[p->n_stems++] = stem;
}

void
person_fill(
    struct person *p, struct arena *arena, struct str address, const struct pseudonym *pseudonym)
{
	size_t at = str_rfind(address, '@');
	struct str local = str_sub(address, 0, at), domain = str_sub(address, at + 1, address.n);
	struct str ascii, letters;

	*p = (struct person){ .name = address };
	add_address(p, arena, address, pseudonym);
	if (!idna_to_ascii(arena, domain, &ascii))
		return;
	if (!str_eqcase(ascii, domain))
		add_address(p, arena,
		    arena_printf(arena, "%.*s@%.*s", STR_ARG(local), STR_ARG(ascii)), pseudonym);
	if (idna_to_utf8(arena, ascii, &letters) && !str_eqcase(letters, domain) &&
	    !str_eqcase(letters, ascii))
		add_address(p, arena,
		    arena_printf(arena, "%.*s@%.*s", STR_ARG(local), STR_ARG(letters)), pseudonym);
}

void
person_fill_account(
    struct person *p, struct arena *arena, struct str name, const struct pseudonym *pseudonym)
{
	*p = (struct person){ .name = name, .account = { name } };
	if (pseudonym)
		p->account[1] = pseudonym_of(pseudonym, arena, name);
}

/* What is counted for an account: "auth:failed:account:alice", "seen:account-network:alice 192.0.2.0/24". */
static bool
counted_for(struct str text, struct str account)
{
	static const struct str marks[] = { STR(":account:"), STR(":account-network:") };

	for (size_t i = 0; i < text.n; i++)
		for (size_t k = 0; text.p[i] == ':' && k < 2; k++) {
			struct str rest = str_sub(text, i, text.n);
			size_t end = marks[k].n + account.n;

			if (!str_starts(rest, marks[k]) ||
			    !str_startscase(str_sub(rest, marks[k].n, rest.n), account))
				continue;
			if (end >= rest.n || strchr(" \"\n:", rest.p[end]) != NULL)
				return true;
		}
	return false;
}

bool
person_named(const struct person *p, struct str text)
{
	for (size_t i = 0; i < p->n_forms; i++)
		if (person_in(text, p->form[i]))
			return true;
	for (size_t i = 0; i < 2; i++)
		if (p->account[i].n > 0 && counted_for(text, p->account[i]))
			return true;
	return false;
}

bool
person_is_account(const struct person *p, struct str account)
{
	return account.n > 0 &&
	    (str_eqcase(account, p->account[0]) || str_eqcase(account, p->account[1]));
}

bool
person_mentioned(const struct person *p, struct str text)
{
	for (size_t i = 0; i < 2; i++)
		if (p->account[i].n > 0 && person_in(text, p->account[i]))
			return true;
	return false;
}

bool
person_greylisted(const struct person *p, struct str key)
{
	for (size_t i = 0; i < p->n_stems; i++)
		if (person_in(key, p->stem[i]))
			return true;
	return person_named(p, key);
}

/* ---- for SQL ---- */

static struct str
text_of(sqlite3_value *value)
{
	const char *p = (const char *)sqlite3_value_text(value);

	return (struct str){ p, p ? (size_t)sqlite3_value_bytes(value) : 0 };
}

static void
holds_person(sqlite3_context *context, int n, sqlite3_value **value)
{
	(void)n;
	sqlite3_result_int(context, person_named(sqlite3_user_data(context), text_of(value[0])));
}

static void
greylists_person(sqlite3_context *context, int n, sqlite3_value **value)
{
	(void)n;
	sqlite3_result_int(
	    context, person_greylisted(sqlite3_user_data(context), text_of(value[0])));
}

static void
is_account(sqlite3_context *context, int n, sqlite3_value **value)
{
	(void)n;
	sqlite3_result_int(
	    context, person_is_account(sqlite3_user_data(context), text_of(value[0])));
}

static void
mentions_account(sqlite3_context *context, int n, sqlite3_value **value)
{
	(void)n;
	sqlite3_result_int(
	    context, person_mentioned(sqlite3_user_data(context), text_of(value[0])));
}

bool
person_functions(sqlite3 *handle, const struct person *person)
{
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
	void *p = (void *)(uintptr_t)person;

	static const struct {
		const char *name;
		void (*function)(sqlite3_context *context, int n, sqlite3_value **value);
	} all[] = { { "holds_person", holds_person }, { "greylists_person", greylists_person },
		{ "is_account", is_account }, { "mentions_account", mentions_account } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (sqlite3_create_function_v2(handle, all[i].name, 1, flags, p, all[i].function,
			NULL, NULL, NULL) != SQLITE_OK)
			return false;
	return true;
}
