#include "db/person.h"

/* Octets of the local part of an address; "=" is left out: marks such as prvs=1234=b@example.org end in it. */
static bool
goes_before(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	    (unsigned char)c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-./?^_`{|}~", c) != NULL);
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

bool
person_in(struct str text, struct str address)
{
	bool begins = address.n > 0 && address.p[address.n - 1] == '+';

	if (address.n == 0)
		return false;
	for (size_t i = 0; i + address.n <= text.n; i++)
		if (str_eqcase(str_sub(text, i, i + address.n), address) &&
		    (i == 0 || !goes_before(text.p[i - 1])) &&
		    (begins || !goes_on(text, i + address.n)))
			return true;
	return false;
}

static void
holds_person(sqlite3_context *context, int n, sqlite3_value **value)
{
	struct str text[PERSON_FORMS + 1];
	bool found = false;

	for (int i = 0; i < n && i <= PERSON_FORMS; i++) {
		text[i].p = (const char *)sqlite3_value_text(value[i]);
		text[i].n = text[i].p ? (size_t)sqlite3_value_bytes(value[i]) : 0;
		found = found || (i > 0 && person_in(text[0], text[i]));
	}
	sqlite3_result_int(context, found);
}

bool
person_function(sqlite3 *handle)
{
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

	return sqlite3_create_function_v2(handle, "holds_person", -1, flags, NULL, holds_person,
		   NULL, NULL, NULL) == SQLITE_OK;
}
