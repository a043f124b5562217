#include "cli/entry_id.h"

bool
entry_id_alone(struct str text, char id[ENTRY_ID_SIZE + 1])
{
	if (text.n != ENTRY_ID_SIZE)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (!ascii_isalnum(text.p[i]))
			return false;
		id[i] = ascii_lower(text.p[i]);
	}
	id[text.n] = '\0';
	return true;
}

bool
entry_id_within(struct str text, char id[ENTRY_ID_SIZE + 1])
{
	for (size_t end = text.n; end >= ENTRY_ID_SIZE + 2; end--)
		if (text.p[end - 1] == ']' && text.p[end - ENTRY_ID_SIZE - 2] == '[' &&
		    entry_id_alone(str_sub(text, end - ENTRY_ID_SIZE - 1, end - 1), id))
			return true;
	return false;
}

struct str
entry_id(struct str text, char id[ENTRY_ID_SIZE + 1])
{
	return entry_id_within(text, id) || entry_id_alone(text, id) ? str_of(id) : text;
}
