/*
 * What greylisting makes of an envelope sender and of a client's name: never more than was given, never nothing of a sender,
 * and of a name nothing but its own end.
 */
#include "base/die.h"
#include "filters/greylist_name.h"
#include "mail/mailbox_stem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_sender(struct arena *arena, const struct mailbox *m)
{
	struct str sender = mailbox_stem(arena, m);

	if (m->null) {
		require(str_eq(sender, STR("<>")));
		return;
	}
	require(sender.n >= 2 && sender.n <= m->address.n + 1);
	require(str_ends(sender, arena_lower(arena, m->domain)));
	require(str_eq(sender, arena_lower(arena, sender)));
}

static void
check_name(struct arena *arena, struct str name, const struct ip *ip)
{
	struct str parent = greylist_parent(arena, name, ip);
	struct str lower = arena_lower(arena, name);

	if (str_ends(lower, STR(".")))
		lower.n--;
	require(parent.n == 0 || str_ends(lower, parent));
	require(parent.n == 0 || str_find(parent, '.') != STR_NPOS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size }, rest, line;
	struct arena *arena = arena_new(1 << 20);
	struct ip ip = { 0 };
	struct mailbox m;

	rest = all;
	if (str_pop(&rest, '\n', &line))
		ip_parse(line, &ip);
	if (rest.p && str_pop(&rest, '\n', &line))
		check_name(arena, line, &ip);
	if (rest.p && mailbox_take(&rest, true, true, &m, NULL))
		check_sender(arena, &m);
	arena_free(&arena);
	return 0;
}
