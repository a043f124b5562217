#include "tests/db/journal_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/journal.h"

void
open_both(struct world *w)
{
	w->journal = journal_open(folder_file(&w->folder, "journal.db"), NULL);
	w->reader = journal_open_read(folder_file(&w->folder, "journal.db"), NULL);
	assert_non_null(w->journal);
	assert_non_null(w->reader);
}

int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	folder_make(&w->folder);
	w->random = 4711;
	*state = w;
	open_both(w);
	return 0;
}

int
teardown(void **state)
{
	struct world *w = *state;

	journal_close(&w->reader);
	journal_close(&w->journal);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

unsigned
draw(struct world *w, unsigned below)
{
	w->random = w->random * 1664525 + 1013904223;
	return (w->random >> 8) % below;
}
