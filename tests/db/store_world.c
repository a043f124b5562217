#include "tests/db/store_world.h"

#include <stdlib.h>

#include "db/store_sqlite.h"

int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	folder_make(&w->folder);
	w->store = store_sqlite.open(folder_file(&w->folder, "store.db"), NULL);
	*state = w;
	return w->store == NULL;
}

int
teardown(void **state)
{
	struct world *w = *state;

	store_sqlite.close(&w->store);
	folder_remove(&w->folder);
	free(w);
	return 0;
}
