#include "rules/intern.h"

#include <stdlib.h>

#include "base/die.h"

void
intern_init(struct intern *table, struct arena *arena)
{
	*table = (struct intern){ .arena = arena };
}

void
intern_free(struct intern *table)
{
	free(table->text);
	free(table->slot);
	*table = (struct intern){ 0 };
}

/* Where the text is, or where it would go. */
static size_t
place(const struct intern *table, struct str text)
{
	size_t i = (size_t)str_hash(STR_HASH, text) & (table->n_slots - 1);

	while (table->slot[i] != 0 && !str_eq(table->text[table->slot[i] - 1], text))
		i = (i + 1) & (table->n_slots - 1);
	return i;
}

size_t
intern_find(const struct intern *table, struct str text)
{
	if (table->n == 0)
		return SIZE_MAX;
	/* an empty slot holds 0, which becomes SIZE_MAX */
	return table->slot[place(table, text)] - 1;
}

static void
grow(struct intern *table)
{
	table->cap = table->cap ? table->cap * 2 : 64;
	table->text = xrealloc(table->text, table->cap * sizeof *table->text);
	free(table->slot);
	table->n_slots = table->cap * 2;
	table->slot = xcalloc(table->n_slots, sizeof *table->slot);
	for (size_t i = 0; i < table->n; i++)
		table->slot[place(table, table->text[i])] = i + 1;
}

size_t
intern_add(struct intern *table, struct str text)
{
	size_t i;

	if (table->n == table->cap)
		grow(table);
	i = place(table, text);
	if (table->slot[i] == 0) {
		table->text[table->n++] = arena_dup(table->arena, text);
		table->slot[i] = table->n;
	}
	return table->slot[i] - 1;
}
