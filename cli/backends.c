#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/when.h"
#include "db/store_sqlite.h"

#define BACKENDS_SHOWN 256
#define PROCESSES 8 /* an old one, its successor, and then some */

/* A mail server, from the rows of all loops of all processes that report it. */
struct server {
	struct status_row row;  /* the newest one's; counts: of all processes */
	int64_t pid[PROCESSES]; /* whose counts are in there: all rows of a process have the same */
	size_t n_pids;
	size_t loops, failing;
};

struct picture {
	struct cli *cli;
	struct server server[BACKENDS_SHOWN];
	size_t n;
	int64_t now_ms, newest_ms; /* newest_ms 0: there are no rows */
	bool sees;                 /* processes, among them that of the newest row */
};

/* True once for each process. */
static bool
counts(struct server *server, int64_t pid)
{
	for (size_t i = 0; i < server->n_pids; i++)
		if (server->pid[i] == pid)
			return false;
	if (server->n_pids == PROCESSES)
		return false;
	server->pid[server->n_pids++] = pid;
	return true;
}

static void
add_row(struct picture *p, const struct status_entry *entry)
{
	struct server *server = p->server;

	while (server < p->server + p->n && strcmp(server->row.label, entry->row.label) != 0)
		server++;
	if (server == p->server + BACKENDS_SHOWN)
		return;
	if (server == p->server + p->n) {
		p->n++;
		*server = (struct server){ .row = entry->row, .pid = { entry->pid }, .n_pids = 1 };
	} else if (counts(server, entry->pid)) {
		server->row.connections += entry->row.connections;
		server->row.idle += entry->row.idle;
		server->row.waiting += entry->row.waiting;
		server->row.delivered += entry->row.delivered;
	}
	server->loops++;
	if (strcmp(entry->row.state, "failing") != 0)
		return;
	/* One that says why is worth more than one that is well. */
	if (server->failing++ == 0 && strcmp(server->row.state, "failing") != 0) {
		str_copy(str_of(entry->row.why), server->row.why, sizeof(server->row.why));
		server->row.since_ms = entry->row.since_ms;
	}
}

static bool
dead(int64_t pid)
{
	return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/*
 * Rows come newest first; those of a process that died before are left out once there is a newer one. That it
 * is dead is believed only where that one can be seen to live: it may all be in another namespace.
 */
static void
take_row(void *owner, const struct status_entry *entry)
{
	struct picture *p = owner;

	if (p->newest_ms == 0) {
		p->newest_ms = entry->time_ms;
		p->sees = !dead(entry->pid);
	}
	if (p->newest_ms - entry->time_ms <= STATUS_STALE_MS && !(p->sees && dead(entry->pid)))
		add_row(p, entry);
}

static bool
running(const struct picture *p)
{
	return p->newest_ms > 0 && p->now_ms - p->newest_ms <= STATUS_STALE_MS;
}

static const char *
state(const struct server *server)
{
	if (server->failing == server->loops)
		return "failing";
	return server->failing > 0 ? "failing in part" : server->row.state;
}

/* "3 s", "5 min", "2 h", "4 d" */
static const char *
age(int64_t ms, char out[WHEN_SIZE])
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 120)
		snprintf(out, WHEN_SIZE, "%" PRId64 " s", s);
	else if (s < 7200)
		snprintf(out, WHEN_SIZE, "%" PRId64 " min", s / 60);
	else if (s < 172800)
		snprintf(out, WHEN_SIZE, "%" PRId64 " h", s / 3600);
	else
		snprintf(out, WHEN_SIZE, "%" PRId64 " d", s / 86400);
	return out;
}

/* --- for a person ------------------------------------------------------------------------------- */

static void
print_state(const struct picture *p, const struct server *server)
{
	const struct status_row *row = &server->row;
	bool well = strcmp(state(server), "well") == 0;
	struct line line = { p->cli };
	char when[WHEN_SIZE], text[128];

	line_cell(&line, str_of(row->label), 0, COLOR_BOLD);
	line_add(&line, state(server),
	    well                  ? COLOR_GREEN
		: server->failing ? COLOR_RED
				  : COLOR_NONE);
	if (row->since_ms) {
		snprintf(text, sizeof(text), " for %s", age(p->now_ms - row->since_ms, when));
		line_add(&line, text, COLOR_NONE);
	}
	if (row->answered_ms) {
		snprintf(text, sizeof(text), ", answered %s ago",
		    age(p->now_ms - row->answered_ms, when));
		line_add(&line, text, COLOR_DIM);
	}
	line_end(&line);
	if (server->failing == 0)
		return;
	line = (struct line){ p->cli };
	line_add(&line, "    ", COLOR_NONE);
	line_cell(&line, str_of(row->why), 0, COLOR_RED);
	line_end(&line);
}

static void
print_texts(const struct picture *p, const char *title, const char *text)
{
	struct line line = { p->cli };

	if (text[0] == '\0')
		return;
	line_add(&line, "    ", COLOR_NONE);
	line_add(&line, title, COLOR_NONE);
	line_cell(&line, str_of(text), 0, COLOR_NONE);
	line_end(&line);
}

static void
print_server(const struct picture *p, const struct server *server)
{
	const struct status_row *row = &server->row;
	struct line line = { p->cli };
	char text[256], most[40] = "";

	print_state(p, server);
	if (row->most)
		snprintf(most, sizeof(most), " of %" PRId64, row->most);
	snprintf(text, sizeof(text),
	    "    connections %" PRId64 "%s (%" PRId64 " idle), waiting %" PRId64
	    ", delivered %" PRId64 ", weight %" PRId64 "%s",
	    row->connections, most, row->idle, row->waiting, row->delivered, row->weight,
	    row->standby ? ", standby" : "");
	line_add(&line, text, COLOR_NONE);
	line_end(&line);
	print_texts(p, "for ", row->route);
	print_texts(p, "offers ", row->offers);
}

static void
print_all(const struct picture *p)
{
	struct line line = { p->cli };
	char when[WHEN_SIZE], text[80];

	for (size_t i = 0; i < p->n; i++)
		print_server(p, &p->server[i]);
	if (p->n == 0)
		return;
	snprintf(text, sizeof(text), "as of %s ago", age(p->now_ms - p->newest_ms, when));
	line_add(&line, text, COLOR_DIM);
	line_end(&line);
}

/* --- for a program ------------------------------------------------------------------------------ */

static void
json_server(struct buf *b, const struct server *server)
{
	const struct status_row *row = &server->row;

	buf_printf(b, "{\"backend\":");
	escape_json(b, str_of(row->label));
	print_member(b, "state", str_of(server->failing ? "failing" : row->state));
	buf_printf(b, ",\"loops\":%zu,\"failing\":%zu", server->loops, server->failing);
	print_moment(b, "since", row->since_ms);
	print_moment(b, "answered", row->answered_ms);
	print_member(b, "why", str_of(row->why));
	buf_printf(b, ",\"weight\":%" PRId64 ",\"standby\":%s", row->weight,
	    row->standby ? "true" : "false");
	if (row->most)
		buf_printf(b, ",\"limit\":%" PRId64, row->most);
	else
		buf_printf(b, ",\"limit\":null");
	buf_printf(b,
	    ",\"connections\":%" PRId64 ",\"idle\":%" PRId64 ",\"waiting\":%" PRId64
	    ",\"delivered\":%" PRId64,
	    row->connections, row->idle, row->waiting, row->delivered);
	print_member(b, "for", str_of(row->route));
	print_member(b, "offers", str_of(row->offers));
	buf_addc(b, '}');
}

static void
json_all(const struct picture *p)
{
	struct buf b;

	buf_init(&b, 4 << 20);
	buf_printf(&b, "{\"running\":%s", running(p) ? "true" : "false");
	print_moment(&b, "as_of", p->newest_ms);
	buf_printf(&b, ",\"backends\":[");
	for (size_t i = 0; i < p->n; i++) {
		if (i > 0)
			buf_addc(&b, ',');
		json_server(&b, &p->server[i]);
	}
	buf_add(&b, STR("]}\n"));
	fwrite(b.p, 1, b.n, p->cli->out);
	buf_free(&b);
}

/* --- the subcommand ----------------------------------------------------------------------------- */

static bool
look(struct picture *p, const char *path, struct err *e)
{
	struct store *store = store_sqlite_open_read(path, e);
	bool ok = store && store_sqlite_status(store, take_row, p, e);

	store_sqlite.close(&store);
	p->now_ms = clock_wall_ms();
	return ok;
}

static int
show(struct picture *p)
{
	char when[WHEN_SIZE];

	if (p->cli->json)
		json_all(p);
	else
		print_all(p);
	if (running(p))
		return CLI_FOUND;
	if (p->n == 0)
		cli_fail(p->cli, "posternd is not running here, or has no mail server behind it");
	else
		cli_fail(p->cli, "posternd is not running, or stuck: it last reported %s ago",
		    age(p->now_ms - p->newest_ms, when));
	return CLI_NOTHING;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct picture *p;
	struct err e;
	char *path;
	int n, code;

	if (!cli_options(cli, &command_backends, NULL, argv, &n))
		return cli->code;
	if (n > 0)
		return cli_fail(cli, "backends takes no \"%s\"; see `postern backends --help`",
		    ESC(str_of(argv[0])));
	path = cli_database(cli, "store.db");
	if (path == NULL)
		return CLI_ERROR;
	p = xcalloc(1, sizeof(*p));
	p->cli = cli;
	code = look(p, path, &e) ? show(p) : cli_fail(cli, "%s", e.text);
	free(path);
	free(p);
	return code;
}

const struct command command_backends = {
	.name = "backends",
	.arguments = "",
	.summary = "the mail servers behind, as the running posternd sees them",
	.help =
	    "Tells of each mail server behind the proxy: whether it is well or failing, since when and\n"
	    "why; its connections now, and their limit; how many clients wait for one; how many messages\n"
	    "it took since posternd started; what it offers. posternd reports within a second of a change,\n"
	    "else every 10 seconds; after 30 seconds without a report it is taken to be down.\n",
	.run = run,
};
