/*
 * store: whether the store answers, and moving its state from SQLite to Redis or back. Both may be in use
 * meanwhile; what was copied before changes nothing when it is copied again (db/store_row.h).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "db/store_redis.h"
#include "db/store_sqlite.h"

/* Rows that are merged together. */
#define LOT 500
#define LOT_MEMORY (16 * 1024 * 1024)
#define EXCEPTIONS_MEMORY (64 * 1024 * 1024)

/* The last are exceptions, which are no rows of that kind. */
#define TABLES (STORE_KINDS + 1)

static const char *const tables[TABLES] = {
	[STORE_SEEN] = "seen",
	[STORE_COUNTER] = "counters",
	[STORE_SKETCH] = "sketches",
	[STORE_LIMIT] = "limits",
	[STORE_DELIVERED] = "delivered",
	[STORE_KINDS] = "exceptions",
};

struct errand {
	struct cli *cli;
	struct config *config;
	struct cli_store from, to;
	int64_t now; /* wall seconds */
	int64_t read[TABLES], changed[TABLES];
	struct arena *memory; /* of the lot */
	struct store_row lot[LOT];
	size_t n;
	struct err e;
};

/* --- copying ------------------------------------------------------------------------------------ */

static bool
merge_lot(struct errand *x)
{
	bool ok = x->n == 0 ||
	    x->to.backend->merge(x->to.store, x->lot, x->n, &x->changed[x->lot[0].kind], &x->e);

	x->n = 0;
	arena_reset(x->memory);
	return ok;
}

static bool
take_row(void *owner, const struct store_row *row)
{
	struct errand *x = owner;
	struct store_row *copy;

	if (row->expires < x->now)
		return true;
	copy = &x->lot[x->n++];
	*copy = *row;
	copy->key = arena_dup(x->memory, row->key);
	copy->octets = arena_dup(x->memory, row->octets);
	x->read[row->kind]++;
	return x->n < LOT || merge_lot(x);
}

static bool
copy_rows(struct errand *x)
{
	bool ok = true;

	x->memory = arena_new(LOT_MEMORY);
	for (int kind = 0; ok && kind < STORE_KINDS; kind++)
		ok = x->from.backend->each(
			 x->from.store, (enum store_kind)kind, take_row, x, &x->e) &&
		    x->e.code == ERR_NONE && merge_lot(x);
	arena_free(&x->memory);
	return ok;
}

static bool
ask_exceptions(struct errand *x, const struct cli_store *at, struct store_exceptions *ask)
{
	struct store_ask one = { .exceptions = ask };

	return at->backend->ask(at->store, &one, 1, x->now * 1000, &x->e);
}

static const struct store_exception *
find(const struct store_exception *rows, struct str key)
{
	while (rows && !str_eq(rows->key, key))
		rows = rows->next;
	return rows;
}

/* 0: for ever. */
static bool
outlasts(int64_t a, int64_t b)
{
	return b != 0 && (a == 0 || a > b);
}

/* Numbers are each store's own: what is excepted says which are the same. */
static bool
copy_exception(
    struct errand *x, const struct store_exception *row, const struct store_exception *there)
{
	struct store_exceptions put = { .what = EXCEPTIONS_PUT, .one = *row };

	if (row->expires != 0 && row->expires <= x->now)
		return true;
	x->read[STORE_KINDS]++;
	there = find(there, row->key);
	if (there && !outlasts(row->expires, there->expires))
		return true;
	put.one.number = there ? there->number : 0;
	if (!ask_exceptions(x, &x->to, &put))
		return false;
	if (!put.done)
		return err_set(
		    &x->e, ERR_LIMIT, "there is room for %d exceptions", STORE_EXCEPTIONS_MAX);
	x->changed[STORE_KINDS]++;
	return true;
}

static bool
copy_exceptions(struct errand *x)
{
	struct store_exceptions from = { .what = EXCEPTIONS_READ }, to = from;
	const struct store_exception *row;
	bool ok;

	from.memory = arena_new(EXCEPTIONS_MEMORY);
	to.memory = arena_new(EXCEPTIONS_MEMORY);
	ok = ask_exceptions(x, &x->from, &from) && ask_exceptions(x, &x->to, &to);
	for (row = ok ? from.rows : NULL; ok && row; row = row->next)
		ok = copy_exception(x, row, to.rows);
	arena_free(&from.memory);
	arena_free(&to.memory);
	return ok;
}

static void
print_copied(struct errand *x)
{
	FILE *out = x->cli->out;

	if (x->cli->json)
		fputc('{', out);
	for (int i = 0; i < TABLES; i++)
		if (x->cli->json)
			fprintf(out, "%s\"%s\":{\"read\":%" PRId64 ",\"changed\":%" PRId64 "}",
			    i ? "," : "", tables[i], x->read[i], x->changed[i]);
		else
			fprintf(out, "%-11s %9" PRId64 " read %9" PRId64 " changed\n", tables[i],
			    x->read[i], x->changed[i]);
	if (x->cli->json)
		fputs("}\n", out);
}

static bool
open_both(struct errand *x, bool to_redis)
{
	struct cli_store *sqlite = to_redis ? &x->from : &x->to;
	struct cli_store *redis = to_redis ? &x->to : &x->from;

	sqlite->backend = &store_sqlite;
	redis->backend = &store_redis;
	sqlite->store = cli_sqlite_open(
	    x->cli, x->cli->database ? x->cli->database : x->config->core.database, to_redis);
	if (sqlite->store == NULL)
		return false;
	redis->store = cli_redis_open(x->config, !to_redis, &x->e);
	if (redis->store == NULL)
		cli_fail(x->cli, "%s", x->e.text);
	return redis->store != NULL;
}

static int
copy(struct errand *x, char **argv, int n)
{
	bool to_redis = n == 2 && str_eq(str_of(argv[1]), STR("redis"));

	if (n != 2 || !str_eq(str_of(argv[0]), STR("to")) ||
	    (!to_redis && !str_eq(str_of(argv[1]), STR("sqlite"))))
		return cli_fail(x->cli, "store copy is followed by `to redis` or by `to sqlite`");
	if (x->config->redis == NULL)
		return cli_fail(x->cli,
		    "%s names no Redis: write a file with a line `store redis ...`, and name it with "
		    "--config",
		    x->cli->config);
	if (!open_both(x, to_redis))
		return CLI_ERROR;
	if (!copy_rows(x) || !copy_exceptions(x))
		return cli_fail(
		    x->cli, "%s: what was copied so far is there, copy again", x->e.text);
	print_copied(x);
	return CLI_FOUND;
}

/* --- checking ----------------------------------------------------------------------------------- */

static int
check_sqlite(struct errand *x)
{
	const char *folder = x->cli->database ? x->cli->database : x->config->core.database;
	struct buf b;

	x->from.backend = &store_sqlite;
	x->from.store = cli_sqlite_open(x->cli, folder, true);
	if (x->from.store == NULL)
		return CLI_ERROR;
	buf_init(&b, 1 << 14);
	escape_json(&b, str_of(folder));
	if (x->cli->json)
		fprintf(x->cli->out, "{\"store\":\"sqlite\",\"folder\":%.*s}\n", (int)b.n, b.p);
	else
		fprintf(x->cli->out, "SQLite in %s answers\n", ESC(str_of(folder)));
	buf_free(&b);
	return CLI_FOUND;
}

static int
check_redis(struct errand *x)
{
	struct redis_state state;
	struct buf b;

	x->from.backend = &store_redis;
	x->from.store = cli_redis_open(x->config, true, &x->e);
	if (x->from.store == NULL || !store_redis_state(x->from.store, &state, &x->e))
		return cli_fail(x->cli, "%s", x->e.text);
	buf_init(&b, 1 << 14);
	buf_add(&b, STR("{\"store\":\"redis\",\"at\":"));
	escape_json(&b, str_of(state.at));
	buf_add(&b, STR(",\"version\":"));
	escape_json(&b, str_of(state.version));
	if (x->cli->json)
		fprintf(x->cli->out,
		    "%.*s,\"took_us\":%" PRId64 ",\"keys\":%" PRId64 ",\"memory\":%" PRId64 "}\n",
		    (int)b.n, b.p, state.took_us, state.keys, state.octets);
	else
		fprintf(x->cli->out,
		    "Redis %s at %s answers in %.1f ms: %" PRId64 " keys, %.1f MiB\n",
		    state.version[0] ? ESC(str_of(state.version)) : "(version unknown)", state.at,
		    (double)state.took_us / 1000, state.keys, (double)state.octets / 1048576);
	buf_free(&b);
	return CLI_FOUND;
}

static int
check(struct errand *x, int n)
{
	if (n > 0)
		return cli_fail(x->cli, "store check takes nothing more");
	return x->config->redis && !x->cli->database ? check_redis(x) : check_sqlite(x);
}

/* --- the subcommand ----------------------------------------------------------------------------- */

static int
run(struct cli *cli, int argc, char **argv)
{
	struct errand *x;
	int n, code = CLI_ERROR;
	bool copies;

	if (!cli_options(cli, &command_store, NULL, argv, &n))
		return cli->code;
	copies = n > 0 && str_eq(str_of(argv[0]), STR("copy"));
	if (n == 0 || (!copies && !str_eq(str_of(argv[0]), STR("check"))))
		return cli_fail(cli, "store takes check or copy%s%s; see `postern store --help`",
		    n > 0 ? ", not " : "", n > 0 ? ESC(str_of(argv[0])) : "");
	x = xcalloc(1, sizeof(*x));
	x->cli = cli;
	x->now = clock_wall_ms() / 1000;
	x->config = cli_config(cli, cli->config);
	if (x->config)
		code = copies ? copy(x, argv + 1, n - 1) : check(x, n - 1);
	cli_store_close(&x->from);
	cli_store_close(&x->to);
	if (x->config)
		config_release(&x->config);
	free(x);
	return code;
}

const struct command command_store = {
	.name = "store",
	.arguments = "check | copy to redis | copy to sqlite",
	.summary = "whether the store answers; moves its state between SQLite and Redis",
	.help =
	    "check asks the store that is configured. copy adds what one store knows to the other: the\n"
	    "Redis that the configuration names, and store.db in the folder of `database`. Both may be\n"
	    "in use, and it may be repeated: of two rows of the same key the more lasting one stays,\n"
	    "and nothing is counted twice. What transactions hold at the moment is not copied.\n",
	.run = run,
};
