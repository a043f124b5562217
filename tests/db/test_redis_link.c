/*
 * A loop's connection to the shared store, by way of db: what is asked is answered in time whatever Redis does. Against a real
 * redis-server, which is stopped and killed, and against one that is played and says what no Redis would.
 */
#include "db/redis_link.h"

#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "db/db.h"
#include "db/redis_script.h"
#include "tests/db/redis.h"

#define MS INT64_C(1000)
/*
 * Where it is not about time, Redis gets all it needs; where it is, 50 ms are promised, and a machine that has much else to
 * do gets more before it is wrong, but less than whoever has all the time gets.
 */
#define PATIENT 15000
#define HASTY 50
#define SOON (10000 * MS)

struct world {
	struct redis redis;
	struct folder folder;
	struct redis_settings settings;
	struct event_base *base;
	struct db *db;
	struct db_link *link;
};

static void
open_db(struct world *w)
{
	struct db_settings settings = { .folder = w->folder.path, .redis = &w->settings };
	struct err e;

	w->base = event_base_new();
	w->db = db_start(&settings, &e);
	if (w->db == NULL)
		fail_msg("%s", e.text);
	w->link = db_link_new(w->db, w->base);
}

static void
close_db(struct world *w)
{
	db_link_free(&w->link);
	db_stop(&w->db);
	event_base_free(w->base);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	folder_make(&w->folder);
	redis_make(&w->redis);
	w->settings = redis_settings_of(&w->redis);
	w->settings.timeout_ms = PATIENT;
	open_db(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	close_db(w);
	redis_remove(&w->redis);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

/* --- asking -------------------------------------------------------------------------------------- */

static void
keep(struct db_request *r)
{
	*(struct db_request **)r->owner = r;
}

static struct db_request *
wait_for(struct world *w, struct db_request *request)
{
	struct db_request *back = NULL;

	request->done = keep;
	request->owner = &back;
	db_send(w->link, request);
	while (back == NULL)
		event_base_loop(w->base, EVLOOP_ONCE);
	return back;
}

/* The day's sum, -1: it failed. *took: us. */
static int64_t
count(struct world *w, const char *key, int64_t *took)
{
	struct question q = { .kind = QUESTION_COUNT, .name = str_of(key), .add = 1 };
	int64_t began = clock_mono_us();
	struct db_request *r = wait_for(w, db_request_store(&q));
	int64_t sum = r->failed ? -1 : r->answer.count.day;

	assert_int_equal(r->failed, r->answer.failed);
	assert_int_equal(r->answer.state, ANSWER_HERE);
	if (took)
		*took = clock_mono_us() - began;
	db_request_free(&r);
	return sum;
}

/* -1: it failed. */
static int
seen(struct world *w, const char *key, int64_t *took)
{
	struct question q = { .kind = QUESTION_SEEN,
		.name = str_of(key),
		.seen = { .delay = 300, .retry = 3600, .remember = 86400 } };
	int64_t began = clock_mono_us();
	struct db_request *r = wait_for(w, db_request_store(&q));
	int got = r->failed ? -1 : (int)r->answer.seen.state;

	if (took)
		*took = clock_mono_us() - began;
	db_request_free(&r);
	return got;
}

static void
until_good(struct world *w)
{
	int64_t end = clock_mono_us() + 20 * 1000 * MS;

	while (seen(w, "probe", NULL) < 0) {
		struct timeval tick = { 0, 5000 };

		assert_true(clock_mono_us() < end);
		event_base_loopexit(w->base, &tick);
		event_base_dispatch(w->base);
	}
}

static int64_t
number_in_redis(struct world *w, const char *command, const char *key)
{
	const char *argument[] = { command, key };
	char out[64];

	redis_say(&w->redis, out, sizeof(out), 2, argument);
	return atoll(out);
}

/* --- against a real one ----------------------------------------------------------------------------- */

static void
answers(void **state)
{
	struct world *w = *state;
	unsigned char key[DELIVERED_KEY] = { 7 };
	struct db_request *r;

	/* The first, sent before there is a connection, too. */
	assert_int_equal(count(w, "a", NULL), 1);
	assert_int_equal(count(w, "a", NULL), 2);
	assert_int_equal(seen(w, "s", NULL), SEEN_FIRST);
	assert_int_equal(seen(w, "s", NULL), SEEN_EARLY);
	r = db_request_delivered(DELIVERED_LOOK, key);
	r = wait_for(w, r);
	assert_false(r->failed);
	assert_false(r->delivered->found);
	db_request_free(&r);
	r = wait_for(w, db_request_exceptions(EXCEPTIONS_READ));
	assert_false(r->failed);
	assert_null(r->exceptions->rows);
	db_request_free(&r);
	assert_int_equal(number_in_redis(w, "EXISTS", "postern:count:a"), 1);
	assert_int_equal(number_in_redis(w, "EXISTS", "postern:seen:s"), 1);
}

struct sequence {
	int next, wrong;
};

static void
in_order(struct db_request *r)
{
	struct sequence *s = r->owner;

	s->wrong += r->failed || r->answer.count.day != ++s->next;
	db_request_free(&r);
}

/* Many at once are answered in their order, and each is counted. */
static void
pipelines(void **state)
{
	struct world *w = *state;
	struct question q = { .kind = QUESTION_COUNT, .name = STR("many"), .add = 1 };
	struct sequence s = { 0 };

	until_good(w);
	for (int i = 0; i < 500; i++) {
		struct db_request *r = db_request_store(&q);

		r->done = in_order;
		r->owner = &s;
		db_send(w->link, r);
	}
	while (s.next < 500)
		event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(count(w, "many", NULL), 501);
}

/* What nobody waits for is carried out, though the loop ends at once. */
static void
ends_with_what_was_sent(void **state)
{
	struct world *w = *state;
	struct question q = { .kind = QUESTION_COUNT, .name = STR("last"), .add = 1 };

	until_good(w);
	for (int i = 0; i < 100; i++)
		db_send(w->link, db_request_store(&q));
	close_db(w);
	open_db(w);
	assert_int_equal(count(w, "last", NULL), 101);
}

/* key: of a counter that is not there yet. */
static void
goes_on_without(struct world *w, const char *key)
{
	int64_t took;

	assert_int_equal(seen(w, "s", &took), -1);
	assert_true(took < SOON);
	/* From now on at once; counters go on here, from nothing. */
	assert_int_equal(seen(w, "s", &took), -1);
	assert_true(took < SOON);
	assert_int_equal(count(w, key, NULL), 1);
	assert_int_equal(count(w, key, NULL), 2);
	db_link_local(w->link, false);
	assert_int_equal(count(w, key, NULL), -1);
	db_link_local(w->link, true);
}

/* A link that has its connection already. */
static void
with_timeout(struct world *w, int64_t ms)
{
	close_db(w);
	w->settings.timeout_ms = ms;
	open_db(w);
	until_good(w);
}

static void
stopped(void **state)
{
	struct world *w = *state;

	assert_int_equal(seen(w, "s", NULL), SEEN_FIRST);
	for (int i = 0; i < 5; i++)
		assert_int_equal(count(w, "c", NULL), i + 1);
	with_timeout(w, HASTY);
	kill(w->redis.pid, SIGSTOP);
	goes_on_without(w, "c");
	kill(w->redis.pid, SIGCONT);
	until_good(w);
	/* And again at once: what was given up before has no part in it. */
	kill(w->redis.pid, SIGSTOP);
	goes_on_without(w, "c1");
	kill(w->redis.pid, SIGCONT);
	until_good(w);
	with_timeout(w, PATIENT);
	assert_int_equal(count(w, "c", NULL), 6);
	assert_int_equal(seen(w, "s", NULL), SEEN_EARLY);
}

/* Longer than a connection that says nothing is kept. */
static void
stopped_for_long(void **state)
{
	struct world *w = *state;
	struct timeval pause = { 2, 500000 };

	assert_int_equal(seen(w, "s", NULL), SEEN_FIRST);
	with_timeout(w, HASTY);
	kill(w->redis.pid, SIGSTOP);
	goes_on_without(w, "c2");
	event_base_loopexit(w->base, &pause);
	event_base_dispatch(w->base);
	goes_on_without(w, "c3");
	kill(w->redis.pid, SIGCONT);
	until_good(w);
	with_timeout(w, PATIENT);
	assert_int_equal(seen(w, "s", NULL), SEEN_EARLY);
}

static void
killed(void **state)
{
	struct world *w = *state;

	assert_int_equal(seen(w, "s", NULL), SEEN_FIRST);
	redis_kill(&w->redis);
	goes_on_without(w, "c4");
	redis_start(&w->redis);
	until_good(w);
	/* It had nothing on disk. */
	assert_int_equal(seen(w, "s", NULL), SEEN_FIRST);
	assert_int_equal(count(w, "c", NULL), 1);
}

/* Not there at the start is no reason not to start. */
static void
absent_at_first(void **state)
{
	struct world *w = *state;

	close_db(w);
	redis_kill(&w->redis);
	open_db(w);
	goes_on_without(w, "c5");
	redis_start(&w->redis);
	until_good(w);
	assert_int_equal(seen(w, "s", NULL), SEEN_FIRST);
}

/* What was held here while Redis was away is given back when its transaction ends there. */
static void
gives_back_here(void **state)
{
	struct world *w = *state;
	struct question q = { .kind = QUESTION_TAKE,
		.name = STR("plan"),
		.add = 8,
		.take = { .what = TAKE_HOLD, .holder = 1, .lasts = 600, .limit = { .day = 10 } } };
	struct db_request *r;

	redis_kill(&w->redis);
	goes_on_without(w, "c6");
	r = wait_for(w, db_request_store(&q));
	assert_true(!r->failed && r->answer.take.granted);
	db_request_free(&r);
	redis_start(&w->redis);
	until_good(w);
	q.take.what = TAKE_SETTLE;
	r = wait_for(w, db_request_store(&q));
	assert_true(!r->failed);
	assert_int_equal(r->answer.count.day, 8);
	db_request_free(&r);
	redis_kill(&w->redis);
	goes_on_without(w, "c7");
	q.take.what = TAKE_HOLD;
	q.take.holder = 2;
	r = wait_for(w, db_request_store(&q));
	assert_int_equal(r->answer.take.held, 0);
	assert_true(!r->failed && r->answer.take.granted);
	db_request_free(&r);
	redis_start(&w->redis);
}

/* One key that holds something else is its own misfortune. */
static void
one_odd_key(void **state)
{
	struct world *w = *state;
	const char *push[] = { "RPUSH", "postern:seen:odd", "x" };

	until_good(w);
	redis_say(&w->redis, NULL, 0, 3, push);
	assert_int_equal(seen(w, "odd", NULL), -1);
	assert_int_equal(seen(w, "even", NULL), SEEN_FIRST);
	assert_int_equal(seen(w, "odd", NULL), -1);
	assert_int_equal(count(w, "odd", NULL), 1);
}

/* A server that takes no writes is as good as none. */
static void
full(void **state)
{
	struct world *w = *state;
	const char *bound[] = { "CONFIG", "SET", "maxmemory", "1" };
	const char *free_it[] = { "CONFIG", "SET", "maxmemory", "0" };

	until_good(w);
	redis_say(&w->redis, NULL, 0, 4, bound);
	goes_on_without(w, "c8");
	redis_say(&w->redis, NULL, 0, 4, free_it);
	until_good(w);
}

static void
with_password_and_prefix(void **state)
{
	struct world *w = *state;
	const char *require[] = { "CONFIG", "SET", "requirepass", "secret word" };

	close_db(w);
	redis_say(&w->redis, NULL, 0, 4, require);
	open_db(w);
	goes_on_without(w, "c9");
	close_db(w);
	w->settings.password = "secret word";
	w->settings.prefix = "mine*";
	w->settings.number = 3;
	open_db(w);
	assert_int_equal(seen(w, "s", NULL), SEEN_FIRST);
	close_db(w);
	w->settings.user = "default";
	open_db(w);
	assert_int_equal(seen(w, "s", NULL), SEEN_EARLY);
	close_db(w);
	w->settings.prefix = "other:";
	w->settings.place[0] = (struct redis_place){ .port = (uint16_t)w->redis.port };
	assert_true(ip_parse(STR("127.0.0.1"), &w->settings.place[0].ip));
	open_db(w);
	assert_int_equal(seen(w, "s", NULL), SEEN_FIRST);
}

/* --- against one that is played --------------------------------------------------------------------- */

enum when { AT_GREETING, AT_QUESTION };

static const struct {
	const char *name;
	enum when when;
	const char *says; /* NULL: it closes */
	size_t n;         /* 0: the length of says */
} tricks[] = {
	{ "closes at once", AT_GREETING, NULL, 0 },
	{ "closes at a question", AT_QUESTION, NULL, 0 },
	{ "garbage at once", AT_GREETING, "HTTP/1.1 400 Bad Request\r\n\r\n", 0 },
	{ "garbage at a question", AT_QUESTION, "@@@@\r\n", 0 },
	{ "octets of every value", AT_QUESTION, "\x00\xff\x80\r\n\r\n\x00\x00", 8 },
	{ "a status", AT_QUESTION, "+OK\r\n", 0 },
	{ "nothing", AT_QUESTION, "$-1\r\n", 0 },
	{ "no array", AT_QUESTION, "*-1\r\n", 0 },
	{ "a number", AT_QUESTION, ":1\r\n", 0 },
	{ "a number out of all range", AT_QUESTION, ":99999999999999999999999999\r\n", 0 },
	{ "an empty array", AT_QUESTION, "*0\r\n", 0 },
	{ "an array too short", AT_QUESTION, "*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", 0 },
	{ "an array too long", AT_QUESTION, "*6\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n", 0 },
	{ "texts in the place of numbers", AT_QUESTION,
	    "*5\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n", 0 },
	{ "an unknown state", AT_QUESTION, "*5\r\n:9\r\n:2\r\n:3\r\n:4\r\n:5\r\n", 0 },
	{ "a state below all", AT_QUESTION, "*5\r\n:-1\r\n:2\r\n:3\r\n:4\r\n:5\r\n", 0 },
	{ "a huge array", AT_QUESTION, "*2147483647\r\n", 0 },
	{ "a large array", AT_QUESTION, "*100000\r\n:1\r\n", 0 },
	{ "a negative array", AT_QUESTION, "*-7\r\n", 0 },
	{ "arrays in arrays", AT_QUESTION, "*5\r\n*5\r\n*5\r\n*5\r\n*5\r\n*5\r\n*5\r\n*5\r\n*5\r\n",
	    0 },
	{ "a huge text that begins", AT_QUESTION, "$536870912\r\nxxxxxxxx", 0 },
	{ "a text of negative length", AT_QUESTION, "$-5\r\nxx\r\n", 0 },
	{ "an answer that stops", AT_QUESTION, "*5\r\n:1\r\n:2\r\n", 0 },
	{ "twice the answer", AT_QUESTION,
	    "*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n", 0 },
	{ "an error", AT_QUESTION, "-ERR \x1b[31mno\r\n", 0 },
	{ "an error without words", AT_QUESTION, "-\r\n", 0 },
	{ "NOSCRIPT again and again", AT_QUESTION, "-NOSCRIPT No matching script\r\n", 0 },
	{ "a replica", AT_QUESTION, "-READONLY You can't write against a read only replica.\r\n",
	    0 },
	{ "loading", AT_GREETING, "-LOADING Redis is loading the dataset in memory\r\n", 0 },
	{ "a wrong digest", AT_GREETING, "$40\r\n0123456789012345678901234567890123456789\r\n", 0 },
	{ "silence", AT_GREETING, "", 0 },
	{ "silence at a question", AT_QUESTION, "", 0 },
};

#define N_TRICKS (sizeof(tricks) / sizeof(tricks[0]))

struct played {
	struct event_base *base;
	struct event *accept, *read[64];
	size_t n_read;
	int fd[64];
	bool greeted[64];
	size_t trick;
	struct redis_command command; /* for the digests */
};

static void
greet(struct played *p, int fd)
{
	char out[600];
	size_t n = 0;

	for (int i = 0; i < REDIS_SCRIPTS; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "$40\r\n%s\r\n", p->command.sha[i]);
	n += (size_t)snprintf(out + n, sizeof(out) - n, "+OK\r\n");
	assert_int_equal(write(fd, out, n), (ssize_t)n);
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct played *p = arg;
	size_t i = 0;
	char in[16384];
	ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
	const char *says = tricks[p->trick].says;
	size_t length = tricks[p->trick].n ? tricks[p->trick].n : says ? strlen(says) : 0;

	(void)what;
	while (p->fd[i] != fd)
		i++;
	if (n <= 0) {
		event_del(p->read[i]);
		return;
	}
	/* The greeting comes in one piece or in some; its last command ends so. */
	if (!p->greeted[i] && tricks[p->trick].when == AT_QUESTION) {
		p->greeted[i] = n >= 4 && memcmp(in + n - 4, "60\r\n", 4) == 0;
		if (p->greeted[i])
			greet(p, fd);
		return;
	}
	if (says == NULL) {
		shutdown(fd, SHUT_RDWR);
		event_del(p->read[i]);
	} else if (length > 0) {
		(void)!send(fd, says, length, MSG_NOSIGNAL);
	}
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct played *p = arg;
	int conn = accept(fd, NULL, NULL);

	(void)what;
	if (p->n_read == 64) {
		close(conn);
		return;
	}
	p->fd[p->n_read] = conn;
	p->read[p->n_read] = event_new(p->base, conn, EV_READ | EV_PERSIST, on_read, p);
	event_add(p->read[p->n_read++], NULL);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(str_copy(str_of(path), a.sun_path, sizeof(a.sun_path)));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* Whatever it says: the question is answered in time, as one that failed, and we live on. */
static void
play(struct world *w, size_t trick)
{
	struct played p = { .trick = trick };
	char path[400], key[32];
	int64_t took;
	int fd;

	snprintf(path, sizeof(path), "%s/played%zu", w->folder.path, trick);
	fd = listen_at(path);
	w->settings = redis_settings_of(&w->redis);
	w->settings.place[0].path = path;
	redis_command_init(&p.command);
	open_db(w);
	p.base = w->base;
	p.accept = event_new(w->base, fd, EV_READ | EV_PERSIST, on_accept, &p);
	event_add(p.accept, NULL);
	/* Twice the answer: what is too much comes to nothing, and the connection ends. */
	for (int i = 0; i < 3; i++) {
		int state = seen(w, "s", &took);

		if (took >= SOON)
			fail_msg("%s: took %" PRId64 " us", tricks[trick].name, took);
		if (state != -1 && strcmp(tricks[trick].name, "twice the answer") != 0)
			fail_msg("%s: taken for an answer", tricks[trick].name);
	}
	snprintf(key, sizeof(key), "local%zu", trick);
	assert_int_equal(count(w, key, NULL), 1);
	for (size_t i = 0; i < p.n_read; i++) {
		event_free(p.read[i]);
		close(p.fd[i]);
	}
	event_free(p.accept);
	close(fd);
	close_db(w);
}

static void
survives_whatever_is_said(void **state)
{
	struct world *w = *state;

	close_db(w);
	for (size_t i = 0; i < N_TRICKS; i++)
		play(w, i);
	w->settings = redis_settings_of(&w->redis);
	open_db(w);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(answers),
		CASE(pipelines),
		CASE(ends_with_what_was_sent),
		CASE(stopped),
		CASE(stopped_for_long),
		CASE(killed),
		CASE(absent_at_first),
		CASE(gives_back_here),
		CASE(one_odd_key),
		CASE(full),
		CASE(with_password_and_prefix),
		CASE(survives_whatever_is_said),
	};

	if (!redis_installed()) {
		printf("1..0 # SKIP there is no redis-server\n");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
