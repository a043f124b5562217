/*
 * The proxy front as a whole, between a client and a mail server that the input plays: loop, gate with
 * rules, db thread, spool and the link to the server are the real ones. The first octet chooses what
 * client it is; the rest are pieces, each ended by 0xff, whose first octet says what they are:
 *
 *   m  an answer of the server; kept until something is heard that wants one. Without such an answer it
 *      does what an obliging server would do.
 *   u  something the server says without being asked
 *   x  the server closes its connection
 *   e  the client says no more
 *   any other octet: what the client sends, at once and as it is
 *
 * Held to, besides not crashing: replies are replies; the server never hears two commands at a time,
 * nor an octet behind the end of a message, nor CR or LF that stand alone; no message is counted as
 * accepted that the server has not taken; and every session comes to its end.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/die.h"
#include "base/log.h"
#include "filters/vocabulary.h"
#include "proxy/proxied.h"
#include "proxy/proxy_front.h"
#include "proxy/smtp_server.h"
#include "rules/load.h"
#include "tests/fuzz/server.h"

#define ANSWERS 64
#define OUTPUT_MOST (64 * 1024 * 1024)
#define QUIET_TURNS 6    /* of the loop: callbacks are deferred, and cause others */
#define WORLD_RUNS 20000 /* then the databases begin anew, as they would fill the disk */

enum options { TRUSTED = 1, PROXIED = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct mta {
	struct server *server;
	struct buf answer[ANSWERS]; /* of `m` */
	size_t n_answers, next;
	bool in_data, in_auth;
	uint64_t chunk_left;
	bool chunk_last, in_chunk;
	uint64_t taken; /* messages */
};

/* All that lives from one input to the next. */
static struct {
	struct event_base *base;
	struct db *db;
	struct gate *gate;
	struct limits *limits;
	struct slots *slots;
	struct proxy_front *front;
	struct mta mta;
	struct abilities abilities; /* the server's, as the probe found them */
	unsigned runs;
	char folder[256];
} world;

static const char rules[] =
    "trust 127.0.0.0/8\n"
    "greylist { delay 5m; retry within 2d; remember 36d }\n"
    "at connect { accept session if client in trusted }\n"
    "at helo { reject 550 5.7.1 \"No ${helo}\" if helo is hostname }\n"
    "at mail {\n"
    "    observe reject 550 5.7.1 \"Not yet\" if sender.local = \"watched\"\n"
    "    reject 550 5.7.1 \"Not you, ${sender}\" if sender.local = \"bad\"\n"
    "}\n"
    "at rcpt { tempfail 451 4.7.1 \"Later\" if recipient = \"later@d.test\" }\n"
    "at message { reject 550 5.6.0 \"${from.count} From fields\" if from.count > 1 }\n";

/* ---- the server ---- */

static const char ehlo_answer[] =
    "250-mta.test\r\n250-PIPELINING\r\n250-SIZE 100000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
    "250-AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n250-VRFY\r\n250-ETRN\r\n"
    "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME\r\n"
    "250 ENHANCEDSTATUSCODES\r\n";

/* What an input says, or what is right; the octets belong to the caller until the next one. */
static struct str
answer(struct mta *m, const char *right)
{
	if (m->next < m->n_answers)
		return buf_str(&m->answer[m->next++]);
	return str_of(right);
}

static void
answer_message(struct mta *m)
{
	struct str text = answer(m, "250 2.0.0 taken\r\n");

	if (str_starts(text, STR("2")))
		m->taken++;
	server_say(m->server, text);
}

/* `AUTH ...`, or an answer within its dialogue, which may be anything. */
static void
take_auth(struct mta *m, struct str line)
{
	bool whole = m->in_auth || str_find(str_sub(line, 5, line.n), ' ') != STR_NPOS;
	struct str text = answer(m,
	    !whole                       ? "334 \r\n"
		: str_eq(line, STR("*")) ? "501 5.7.0 Cancelled\r\n"
					 : "235 2.7.0 Ok\r\n");

	m->in_auth = str_starts(text, STR("334"));
	server_say(m->server, text);
}

static void
take_command(struct mta *m, struct str line)
{
	static const struct {
		struct str verb;
		const char *right;
	} known[] = {
		{ STR("EHLO "), ehlo_answer },
		{ STR("HELO "), "250 mta.test\r\n" },
		{ STR("XCLIENT "), "220 mta.test ESMTP\r\n" },
		{ STR("MAIL FROM:<"), "250 2.1.0 Ok\r\n" },
		{ STR("RCPT TO:<"), "250 2.1.5 Ok\r\n" },
		{ STR("DATA"), "354 Go on\r\n" },
		{ STR("RSET"), "250 2.0.0 Ok\r\n" },
		{ STR("NOOP"), "250 2.0.0 Ok\r\n" },
		{ STR("VRFY "), "252 2.0.0 Perhaps\r\n" },
		{ STR("EXPN "), "250-2.0.0 one@inside.test\r\n250 2.0.0 two@inside.test\r\n" },
		{ STR("HELP"), "214-2.0.0 This\r\n214 2.0.0 and that\r\n" },
		{ STR("ETRN "), "250 2.0.0 Begun\r\n" },
		{ STR("QUIT"), "221 2.0.0 Bye\r\n" },
	};
	uint64_t chunk;
	struct str text;

	if (m->in_auth || str_starts(line, STR("AUTH "))) {
		take_auth(m, line);
		return;
	}
	if (str_starts(line, STR("BDAT "))) {
		struct str number = str_sub(line, 5, line.n);

		m->chunk_last = str_ends(number, STR(" LAST"));
		require(m->chunk_last);
		require(str_to_u64(str_sub(number, 0, number.n - 5), UINT32_MAX, &chunk));
		m->in_chunk = true;
		m->chunk_left = chunk;
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!str_starts(line, known[i].verb))
			continue;
		text = answer(m, known[i].right);
		m->in_data = i == 5 && str_starts(text, STR("354"));
		server_say(m->server, text);
		return;
	}
	panic("the server heard no command it knows");
}

/* An end of message, and nothing behind it; all before are whole lines. True: it is complete. */
static bool
take_data(struct buf *input)
{
	struct str in = buf_str(input);
	size_t end = 0;

	for (size_t i = 0; i < in.n; i++) {
		bool cr = in.p[i] == '\r', lf = in.p[i] == '\n';

		require(!lf || (i > 0 && in.p[i - 1] == '\r'));
		require(!cr || i + 1 == in.n || in.p[i + 1] == '\n');
		if (!lf)
			continue;
		/* The line is in.p[end..i]. */
		if (i - end == 2 && in.p[end] == '.') {
			require(i + 1 == in.n);
			return true;
		}
		end = i + 1;
	}
	return false;
}

static void
mta_heard(void *owner, struct buf *input)
{
	struct mta *m = owner;
	struct str in = buf_str(input), line;
	size_t lf;

	if (m->in_chunk) {
		require(in.n <= m->chunk_left);
		m->chunk_left -= in.n;
		buf_clear(input);
	} else if (m->in_data) {
		if (!take_data(input))
			return;
		buf_clear(input);
		m->in_data = false;
		answer_message(m);
		return;
	} else {
		lf = str_find(in, '\n');
		if (lf == STR_NPOS)
			return;
		require(lf > 0 && in.p[lf - 1] == '\r');
		line = str_sub(in, 0, lf - 1);
		require(str_find(line, '\r') == STR_NPOS && str_find(line, '\0') == STR_NPOS);
		take_command(m, line);
		buf_drop(input, lf + 1);
		/* Octets of a chunk follow its command at once; nothing else does. */
		require(input->n == 0 || m->in_chunk);
		if (m->in_chunk && input->n > 0) {
			mta_heard(owner, input);
			return;
		}
	}
	if (m->in_chunk && m->chunk_left == 0) {
		m->in_chunk = false;
		answer_message(m);
	}
}

static void
mta_opened(void *owner)
{
	struct mta *m = owner;

	m->in_data = m->in_auth = m->in_chunk = false;
	server_say(m->server, answer(m, "220 mta.test ESMTP\r\n"));
}

/* ---- the world ---- */

static void
world_remove(void)
{
	static const char *const names[] = { "journal.db", "journal.db-wal", "journal.db-shm",
		"store.db", "store.db-wal", "store.db-shm" };
	char path[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", world.folder, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(world.folder);
}

static struct config *
world_config(void)
{
	struct complaints complaints = { 0 };
	struct arena *arena = arena_new(1 << 16);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config;
	struct buf text;

	buf_init(&text, 8192);
	/* A client's mistakes are many here; messages do not fit into memory. */
	buf_printf(&text,
	    "hostname \"mx.fuzz.test\"\ndatabase \"%s\"\nlisten proxy 127.0.0.1 port 25\n"
	    "backend 127.0.0.1 port %u xclient\nresolver forward 127.0.0.1 port 9\nthreads 1\n"
	    "deliver once off\nerrors 50\nmessage_size 16k\nmessage_memory 4k\nheader_size 2k\n"
	    "recipients 100\nvrfy relay\nexpn relay\netrn relay\nhelp relay\n"
	    "auth in clear on\nauth_failures 50\nauth_failures_per_minute 1000000\n"
	    "auth_failures_per_hour 1000000\n%s",
	    world.folder, (unsigned)server_port(world.mta.server), rules);
	config = config_load_text("fuzz.conf", buf_str(&text), &vocabulary, &complaints);
	for (size_t i = 0; i < complaints.n; i++)
		fprintf(stderr, "%u: %s\n", complaints.item[i].line, complaints.item[i].text);
	require(config);
	complaints_free(&complaints);
	buf_free(&text);
	arena_free(&arena);
	return config;
}

static void
on_probed(void *owner)
{
	bool *probed = owner;

	*probed = true;
}

static bool
is_probed(void *owner)
{
	const bool *probed = owner;

	return *probed;
}

static void
world_begin(void)
{
	const char *tmp = getenv("TMPDIR");
	struct db_settings settings = { .folder = world.folder };
	struct config *config;
	bool probed = false;
	struct err e;

	(void)signal(SIGPIPE, SIG_IGN);
	log_open("fuzz", LOG_TO_STDERR, LOG_LEVEL_ERROR);
	require((size_t)snprintf(world.folder, sizeof(world.folder), "%s/fuzz-smtp-XXXXXX",
		    tmp ? tmp : "/tmp") < sizeof(world.folder));
	require(mkdtemp(world.folder));
	world.base = event_base_new();
	world.mta.server = server_new(world.base, mta_opened, mta_heard, &world.mta);
	config = world_config();
	world.db = db_start(&settings, &e);
	require(world.db);
	world.gate = gate_new(world.base, world.db, config, &e);
	require(world.gate);
	config_release(&config);
	world.limits = limits_new();
	world.slots = slots_new();
	slots_know(world.slots, gate_config(world.gate));
	world.front = proxy_front_new(world.gate, world.limits, world.slots, &e);
	require(world.front);
	pool_tell(world.front->pool, on_probed, &probed);
	turn_until(world.base, is_probed, &probed);
	world.abilities = pool_abilities(world.front->pool);
	require(world.abilities.known);
}

static void
world_end(void)
{
	if (world.base == NULL)
		return;
	proxy_front_free(&world.front);
	limits_free(&world.limits);
	slots_free(&world.slots);
	gate_free(&world.gate);
	db_stop(&world.db);
	server_free(&world.mta.server);
	for (int i = 0; i < QUIET_TURNS; i++)
		event_base_loop(world.base, EVLOOP_NONBLOCK);
	event_base_free(world.base);
	world.base = NULL;
	world_remove();
}

/* ---- one input ---- */

/* What the loop has to do, until it waits for the client or for the server. */
static void
settle(void)
{
	int quiet = 0;
	unsigned long moves = server_moves(world.mta.server);

	while (quiet++ < QUIET_TURNS) {
		const struct client *c = world.front->clients;
		bool waits = c && c->gate_next;

		event_base_loop(world.base, waits ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
		if (waits || moves != server_moves(world.mta.server))
			quiet = 0;
		moves = server_moves(world.mta.server);
	}
}

/* Takes what the client was told, which are whole replies. */
static void
check_replies(int fd, struct reply *reply, struct buf *line)
{
	char octets[16384];
	ssize_t n;

	while ((n = recv(fd, octets, sizeof(octets), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			buf_addc(line, octets[i]);
			if (octets[i] != '\n')
				continue;
			require(line->n >= 2 && line->p[line->n - 2] == '\r');
			if (reply->complete)
				reply_clear(reply);
			require(reply_take(reply, str_sub(buf_str(line), 0, line->n - 2), NULL));
			buf_clear(line);
		}
	}
}

static void
play(struct str input, int fd, struct reply *reply, struct buf *line)
{
	struct mta *m = &world.mta;
	struct buf piece;

	buf_init(&piece, input.n + 1);
	settle();
	while (piece_take(&input, &piece)) {
		struct str text = buf_str(&piece), rest = str_sub(text, 1, text.n);
		char what = text.n > 0 ? text.p[0] : 'C';

		if (what == 'm' && m->n_answers < ANSWERS) {
			buf_init(&m->answer[m->n_answers], rest.n + 1);
			buf_add(&m->answer[m->n_answers++], rest);
			continue;
		}
		if (what == 'u')
			server_say(m->server, rest);
		else if (what == 'x')
			server_close(m->server);
		else if (what == 'e')
			shutdown(fd, SHUT_WR);
		else
			(void)send(fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		settle();
		check_replies(fd, reply, line);
	}
	buf_free(&piece);
}

/* What a session still waits for does not come any more, on no connection that it may yet make. */
static bool
is_over(void *owner)
{
	server_close(world.mta.server);
	return proxy_front_sessions(world.front) == 0;
}

/* Nothing of this input may tell on the next one. */
static void
forget(void)
{
	struct pool_quest quest = { .wanted = pool_route(world.front->pool, NULL) };
	struct pool_taken taken = { 0 };

	require(pool_take(world.front->pool, &quest, &taken) == POOL_TAKEN && taken.link == NULL);
	pool_learn(taken.member, &world.abilities);
	pool_leave(&taken.member);
	for (size_t i = 0; i < world.mta.n_answers; i++)
		buf_free(&world.mta.answer[i]);
	world.mta.n_answers = world.mta.next = 0;
}

static void
begin_session(int fd, unsigned options)
{
	const struct listen how = { .from_proxies = options & PROXIED };
	struct endpoints ends = { .client_port = 4242, .server_port = 25 };

	ip_parse(options & TRUSTED ? STR("127.0.0.1") : STR("192.0.2.1"), &ends.client_ip);
	ip_parse(STR("192.0.2.25"), &ends.server_ip);
	if (!(options & PROXIED)) {
		front_admit(world.front, fd, &ends, &how);
		return;
	}
	require(front_enter(world.front));
	proxied_new(world.front, fd, &ends, &how);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply reply;
	struct buf line;
	uint64_t accepted, taken;
	int fds[2];

	if (size == 0)
		return 0;
	if (world.base && ++world.runs % WORLD_RUNS == 0)
		world_end();
	if (world.base == NULL) {
		world_begin();
		if (world.runs == 0)
			atexit(world_end);
	}
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	accepted = gate_counts(world.gate)->accepted;
	taken = world.mta.taken;
	reply_init(&reply);
	buf_init(&line, OUTPUT_MOST);
	begin_session(fds[0], data[0]);
	play((struct str){ (const char *)data + 1, size - 1 }, fds[1], &reply, &line);
	close(fds[1]);
	settle();
	turn_until(world.base, is_over, NULL);
	settle();
	server_close(world.mta.server);
	require(gate_counts(world.gate)->accepted - accepted <= world.mta.taken - taken);
	forget();
	reply_free(&reply);
	buf_free(&line);
	return 0;
}
