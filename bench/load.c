/*
 * load: an SMTP client that is many clients. It sends the same message again and again over N
 * sessions at a time and measures each: the first of a connection from connect() on, every other
 * from its MAIL, up to the reply that ends it. It can stop at MAIL, send slowly, pause between
 * messages, or only open its sessions and hold them. Commands wait for their replies, as Postfix's
 * smtp-source does it. With -E all of it is in TLS, each connection with a whole handshake, as nothing is
 * kept of the one before. One line of JSON at the end; always ends by itself (-T).
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/die.h"

#define MESSAGE_MAX (64 << 20)
#define OPENING_MOST 100 /* connections that are being opened at a time: a backlog is short */
#define SLICES 10        /* pieces of a slow message in a second, at most */
#define CODES 600

/* Each waits for the reply to what it names. */
enum step { GREETING, XCLIENT, GREETING_AGAIN, EHLO, MAIL, RCPT, DATA, DOT, RSET, QUIT };

/* The replies that go on; anything else ends the message, or before MAIL the connection. */
static const int expected[] = {
	[GREETING] = 220,
	[XCLIENT] = 220,
	[GREETING_AGAIN] = 220,
	[EHLO] = 250,
	[MAIL] = 250,
	[RCPT] = 250,
	[DATA] = 354,
	[DOT] = 250,
	[RSET] = 250,
	[QUIT] = 221,
};

struct plan {
	struct sockaddr_in to;
	size_t sessions, messages, per_connection;
	const char *sender; /* a % in it becomes the message's number */
	const char *recipient;
	const char *xclient; /* attributes; NULL: none */
	struct buf message;  /* as it goes over the wire, final dot included */
	long rate;           /* octets a second of a message; 0: at once */
	long pause_ms;       /* before each message, on average */
	long seconds;        /* for all of it */
	bool at_mail;        /* a message ends with the reply to MAIL */
	bool hold;           /* no messages: hold the sessions until end of input */
	bool tls;            /* from the first octet */
};

struct load {
	struct plan plan;
	struct event_base *base;
	SSL_CTX *tls;
	struct session *session;
	size_t opening, next; /* sessions on their way; the next to be opened */
	size_t open, held;
	size_t begun, done, failed; /* messages */
	size_t mails;               /* for the sender's number */
	size_t by_code[CODES];      /* of the replies that ended a message */
	uint32_t *took_us;          /* of those done */
	bool late;
};

struct session {
	struct load *load;
	struct bufferevent *bev; /* NULL: closed */
	struct event *timer;
	void (*then)(struct session *s); /* what the timer does */
	enum step step;
	bool opening, busy; /* on its way to EHLO; a message is under way */
	size_t sent;        /* messages of this connection */
	size_t offset;      /* of the message, when it is sent slowly */
	int64_t began_us;
};

static void next_message(struct session *s);
static void close_session(struct session *s);

static void
say(struct session *s, enum step step, const char *line)
{
	evbuffer_add_printf(bufferevent_get_output(s->bev), "%s\r\n", line);
	s->step = step;
}

static void
after(struct session *s, long ms, void (*then)(struct session *s))
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	s->then = then;
	evtimer_add(s->timer, &tv);
}

/* Between half the time asked for and one and a half: sessions shall not march in step. */
static long
pause_ms(const struct plan *plan)
{
	return plan->pause_ms / 2 + (plan->pause_ms > 0 ? random() % (plan->pause_ms + 1) : 0);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	s->then(s);
}

/* ---- one message ---- */

static void
say_mail(struct session *s)
{
	const char *sender = s->load->plan.sender;
	size_t before = strcspn(sender, "%");
	char number[32] = "";
	char line[512];

	if (sender[before] == '%')
		snprintf(number, sizeof(number), "%zu", s->load->mails++);
	snprintf(line, sizeof(line), "MAIL FROM:<%.*s%s%s>", (int)before, sender, number,
	    sender + before + (sender[before] == '%'));
	if (s->sent > 0)
		s->began_us = clock_mono_us();
	say(s, MAIL, line);
}

static void
send_slice(struct session *s)
{
	struct buf *message = &s->load->plan.message;
	long rate = s->load->plan.rate, slices = rate < SLICES ? rate : SLICES;
	size_t n = message->n - s->offset;

	if (rate > 0 && n > (size_t)(rate / slices))
		n = (size_t)(rate / slices);
	bufferevent_write(s->bev, message->p + s->offset, n);
	s->offset += n;
	if (s->offset < message->n)
		after(s, 1000 / slices, send_slice);
}

static void
end_message(struct session *s, int code)
{
	struct load *load = s->load;

	s->busy = false;
	s->sent++;
	load->by_code[code]++;
	load->took_us[load->done++] = (uint32_t)(clock_mono_us() - s->began_us);
	/* A refused MAIL opened no transaction, and after the dot it is over. */
	if (s->step == DOT || (s->step == MAIL && code != expected[MAIL]))
		next_message(s);
	else
		say(s, RSET, "RSET");
}

/* ---- one connection ---- */

static void
on_reply(struct session *s, int code)
{
	const struct plan *plan = &s->load->plan;
	char line[512];

	if (s->step < MAIL && code != expected[s->step]) {
		if (s->busy)
			s->load->failed++;
		s->busy = false;
		close_session(s);
		return;
	}
	if (s->busy && s->step >= MAIL &&
	    (code != expected[s->step] || s->step == DOT || (s->step == MAIL && plan->at_mail))) {
		end_message(s, code);
		return;
	}
	switch (s->step) {
	case GREETING:
		if (plan->xclient) {
			snprintf(line, sizeof(line), "XCLIENT %s", plan->xclient);
			say(s, XCLIENT, line);
			break;
		}
		/* fall through */
	case XCLIENT:
	case GREETING_AGAIN:
		say(s, EHLO, "EHLO client.bench.test");
		break;
	case EHLO:
	case RSET:
		next_message(s);
		break;
	case MAIL:
		snprintf(line, sizeof(line), "RCPT TO:<%s>", plan->recipient);
		say(s, RCPT, line);
		break;
	case RCPT:
		say(s, DATA, "DATA");
		break;
	case DATA:
		s->step = DOT;
		s->offset = 0;
		send_slice(s);
		break;
	case DOT:
	case QUIT:
		close_session(s);
		break;
	}
}

static void
on_readable(struct bufferevent *bev, void *arg)
{
	struct session *s = arg;

	while (s->bev == bev) {
		size_t n;
		char *line =
		    evbuffer_readln(bufferevent_get_input(bev), &n, EVBUFFER_EOL_CRLF_STRICT);
		long code = line ? strtol(line, NULL, 10) : 0;
		bool last = line && (n < 4 || line[3] != '-');

		free(line);
		if (line == NULL)
			return;
		if (last)
			on_reply(s, code > 0 && code < CODES ? (int)code : 0);
	}
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct session *s = arg;

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (s->busy)
		s->load->failed++;
	s->busy = false;
	close_session(s);
}

static void
open_session(struct session *s)
{
	struct load *load = s->load;
	int yes = 1, fd;

	if (load->tls)
		s->bev = bufferevent_openssl_socket_new(load->base, -1, SSL_new(load->tls),
		    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	else
		s->bev = bufferevent_socket_new(load->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (s->bev == NULL)
		die("no memory for a connection");
	s->step = GREETING;
	s->sent = 0;
	s->began_us = clock_mono_us();
	s->opening = true;
	load->opening++;
	load->open++;
	bufferevent_setcb(s->bev, on_readable, NULL, on_event, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(
		s->bev, (struct sockaddr *)&load->plan.to, sizeof(load->plan.to)) != 0)
		die("cannot connect");
	fd = bufferevent_getfd(s->bev);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

/* One of the messages to be sent becomes this session's; false: there is none left. */
static bool
take_message(struct session *s)
{
	struct load *load = s->load;

	if (load->plan.hold || load->begun == load->plan.messages)
		return false;
	load->begun++;
	s->busy = true;
	return true;
}

/* Opens those that were not yet open, a few at a time. */
static void
open_more(struct load *load)
{
	while (load->opening < OPENING_MOST && load->next < load->plan.sessions) {
		struct session *s = &load->session[load->next];

		if (!load->plan.hold && !take_message(s))
			return;
		load->next++;
		open_session(s);
	}
}

static void
opened(struct session *s)
{
	if (!s->opening)
		return;
	s->opening = false;
	s->load->opening--;
}

static void
close_session(struct session *s)
{
	struct load *load = s->load;

	bufferevent_free(s->bev);
	s->bev = NULL;
	evtimer_del(s->timer);
	opened(s);
	load->open--;
	if (take_message(s))
		after(s, pause_ms(&load->plan), open_session);
	open_more(load);
	if (load->done + load->failed >= load->plan.messages && load->open == 0)
		event_base_loopbreak(load->base);
}

static void
hold(struct load *load)
{
	if (++load->held < load->plan.sessions)
		return;
	printf("holding %zu\n", load->held);
	fflush(stdout);
}

/* After EHLO, and after each message. */
static void
next_message(struct session *s)
{
	struct load *load = s->load;
	bool first = s->opening;

	opened(s);
	if (load->plan.hold) {
		hold(load);
	} else if (first) {
		say_mail(s);
	} else if (s->sent < load->plan.per_connection && take_message(s)) {
		after(s, pause_ms(&load->plan), say_mail);
	} else {
		say(s, QUIT, "QUIT");
	}
	open_more(load);
}

/* ---- the command line ---- */

/* Line ends become CRLF, dots at the beginning of lines are doubled, the final dot is added. */
static void
read_message(struct buf *out, const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (file == NULL)
		die("cannot read %s", path);
	while ((n = getline(&line, &room, file)) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		buf_printf(out, "%s%s\r\n", line[0] == '.' ? "." : "", line);
	}
	buf_add(out, STR(".\r\n"));
	if (out->over)
		die("%s is too large", path);
	free(line);
	fclose(file);
}

static void
usage(void)
{
	fprintf(stderr,
	    "usage: load [-s sessions] [-m messages] [-b messages a connection] [-f sender]\n"
	    "            [-t recipient] [-F file] [-x XCLIENT attributes] [-r octets a second]\n"
	    "            [-p mean pause in ms] [-T seconds at most] [-M (stop at MAIL)]\n"
	    "            [-i (hold idle sessions until end of input)] [-E (in TLS)] address port\n");
	exit(2);
}

static void
set_number(struct plan *plan, int option, const char *text)
{
	long n = strtol(text, NULL, 10);

	if (n < 1 || n > 10000000)
		die("-%c takes a number from 1 on", option);
	switch (option) {
	case 's':
		plan->sessions = (size_t)n;
		break;
	case 'm':
		plan->messages = (size_t)n;
		break;
	case 'b':
		plan->per_connection = (size_t)n;
		break;
	case 'r':
		plan->rate = n;
		break;
	case 'p':
		plan->pause_ms = n;
		break;
	default:
		plan->seconds = n;
	}
}

static void
read_options(struct plan *plan, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:m:b:f:t:F:x:r:p:T:MiE")) != -1) {
		if (option == 'f')
			plan->sender = optarg;
		else if (option == 't')
			plan->recipient = optarg;
		else if (option == 'F')
			read_message(&plan->message, optarg);
		else if (option == 'x')
			plan->xclient = optarg;
		else if (option == 'M')
			plan->at_mail = true;
		else if (option == 'i')
			plan->hold = true;
		else if (option == 'E')
			plan->tls = true;
		else if (option == '?')
			usage();
		else
			set_number(plan, option, optarg);
	}
	plan->to.sin_family = AF_INET;
	if (argc - optind != 2 || inet_pton(AF_INET, argv[optind], &plan->to.sin_addr) != 1)
		usage();
	plan->to.sin_port = htons((uint16_t)strtoul(argv[optind + 1], NULL, 10));
}

/* ---- the run ---- */

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	struct load *load = arg;
	char octets[64];

	if (read(fd, octets, sizeof(octets)) <= 0)
		event_base_loopbreak(load->base);
}

static void
on_time_up(evutil_socket_t fd, short what, void *arg)
{
	struct load *load = arg;

	load->late = true;
	event_base_loopbreak(load->base);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* In ms; share in thousandths. */
static double
percentile(const struct load *load, size_t share)
{
	if (load->done == 0)
		return 0;
	return load->took_us[(load->done - 1) * share / 1000] / 1000.0;
}

static double
cpu_seconds(void)
{
	struct rusage used = { 0 };

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void
report(struct load *load, int64_t took_us)
{
	bool first = true;

	qsort(load->took_us, load->done, sizeof(*load->took_us), compare);
	printf("{\"done\":%zu,\"failed\":%zu,\"held\":%zu,\"late\":%s,\"seconds\":%.3f,"
	       "\"cpu\":%.3f,\"p50\":%.3f,\"p99\":%.3f,\"most\":%.3f,\"replies\":{",
	    load->done, load->failed, load->held, load->late ? "true" : "false",
	    (double)took_us / 1e6, cpu_seconds(), percentile(load, 500), percentile(load, 990),
	    percentile(load, 1000));
	for (int i = 0; i < CODES; i++) {
		if (load->by_code[i] == 0)
			continue;
		printf("%s\"%d\":%zu", first ? "" : ",", i, load->by_code[i]);
		first = false;
	}
	printf("}}\n");
}

static void
prepare(struct load *load)
{
	const struct timeval limit = { .tv_sec = load->plan.seconds };
	struct rlimit files;

	load->base = event_base_new();
	if (load->plan.tls)
		load->tls = SSL_CTX_new(TLS_client_method());
	if (load->plan.tls && load->tls == NULL)
		die("OpenSSL gives no context");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	load->took_us = xcalloc(load->plan.messages, sizeof(*load->took_us));
	load->session = xcalloc(load->plan.sessions, sizeof(*load->session));
	for (size_t i = 0; i < load->plan.sessions; i++) {
		load->session[i].load = load;
		load->session[i].timer = evtimer_new(load->base, on_timer, &load->session[i]);
	}
	if (event_base_once(load->base, -1, EV_TIMEOUT, on_time_up, load, &limit) != 0)
		die("cannot set a timer");
}

int
main(int argc, char **argv)
{
	struct load load = { .plan = { .sessions = 1,
				 .messages = 1,
				 .per_connection = 1,
				 .sender = "sender@bench.test",
				 .recipient = "recipient@bench.test",
				 .seconds = 60 } };
	struct event *input;
	int64_t began_us;

	buf_init(&load.plan.message, MESSAGE_MAX);
	read_options(&load.plan, argc, argv);
	if (load.plan.message.n == 0)
		buf_add(&load.plan.message, STR("Subject: load\r\n\r\nload\r\n.\r\n"));
	prepare(&load);
	input = event_new(load.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &load);
	if (load.plan.hold && event_add(input, NULL) != 0)
		die("the input is no pipe");
	began_us = clock_mono_us();
	open_more(&load);
	event_base_dispatch(load.base);
	report(&load, clock_mono_us() - began_us);
	return load.late || load.failed > 0;
}
