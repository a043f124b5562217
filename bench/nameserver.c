/*
 * nameserver: answers DNS questions about TXT records over UDP on 127.0.0.1, from a file with a
 * name, a blank and a text on each line. Whatever is at or below one zone takes its time: each
 * answer there comes after a fixed delay and is an SPF record that lets 127.0.0.0/8 through.
 * Everything else does not exist. For the benchmarks only: one question a packet, answers that fit.
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/str.h"

#define RECORDS_MAX 64
#define PACKET_MAX 1232 /* what a resolver takes without being asked */
#define HEADER 12
#define TYPE_TXT 16
#define TTL 3600
#define SLOW_RECORD "v=spf1 ip4:127.0.0.0/8 -all"

struct record {
	char *name, *text;
};

struct server {
	struct event_base *base;
	int fd;
	struct record record[RECORDS_MAX];
	size_t n;
	struct str zone; /* the slow one */
	struct timeval delay;
};

/* An answer, perhaps waiting for its time. */
struct packet {
	struct server *server;
	struct sockaddr_in to;
	size_t n;
	unsigned char octet[PACKET_MAX];
};

static void
put(struct packet *p, const void *octets, size_t n)
{
	if (n > sizeof(p->octet) - p->n)
		die("an answer does not fit into %d octets", PACKET_MAX);
	memcpy(p->octet + p->n, octets, n);
	p->n += n;
}

static void
put16(struct packet *p, unsigned n)
{
	put(p, (unsigned char[]){ (unsigned char)(n >> 8), (unsigned char)n }, 2);
}

static void
put32(struct packet *p, unsigned n)
{
	put16(p, n >> 16);
	put16(p, n & 0xffff);
}

static void
put_txt(struct packet *p, struct str text)
{
	size_t strings = text.n / 255 + 1;

	put16(p, 0xc000 | HEADER); /* the name of the question */
	put16(p, TYPE_TXT);
	put16(p, 1);
	put32(p, TTL);
	put16(p, (unsigned)(text.n + strings));
	for (; strings > 0; strings--) {
		struct str part = str_sub(text, 0, 255);

		put(p, &(unsigned char){ (unsigned char)part.n }, 1);
		put(p, part.p, part.n);
		text = str_sub(text, part.n, text.n);
	}
}

/* Without one, resolvers do not keep a "does not exist". */
static void
put_soa(struct packet *p)
{
	put(p, "", 1);
	put16(p, 6);
	put16(p, 1);
	put32(p, TTL);
	put16(p, 2 + 5 * 4);
	put(p, "\0\0", 2);
	for (int i = 0; i < 5; i++)
		put32(p, TTL);
}

/* Reads the question's name as text; returns where it ends, 0 when it is none. */
static size_t
read_name(const struct packet *p, char *out, size_t size)
{
	size_t at = HEADER, n = 0;

	while (at < p->n && p->octet[at] > 0) {
		size_t label = p->octet[at++];

		if (label > 63 || at + label >= p->n || n + label + 2 > size)
			return 0;
		for (size_t i = 0; i < label; i++)
			out[n++] = ascii_lower((char)p->octet[at + i]);
		out[n++] = '.';
		at += label;
	}
	out[n > 0 ? n - 1 : 0] = '\0';
	return at + 5 <= p->n ? at + 1 : 0;
}

static bool
is_slow(const struct server *s, struct str name)
{
	return str_ends(name, s->zone) &&
	    (name.n == s->zone.n || name.p[name.n - s->zone.n - 1] == '.');
}

static const char *
find(const struct server *s, struct str name)
{
	if (is_slow(s, name))
		return SLOW_RECORD;
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(name, str_of(s->record[i].name)))
			return s->record[i].text;
	return NULL;
}

static void
send_packet(evutil_socket_t fd, short what, void *arg)
{
	struct packet *p = arg;

	/* A packet that is lost is asked for again. */
	(void)sendto(p->server->fd, p->octet, p->n, 0, (struct sockaddr *)&p->to, sizeof(p->to));
	free(p);
}

static void
answer(struct packet *p)
{
	struct server *s = p->server;
	char name[256];
	size_t end = p->n > HEADER ? read_name(p, name, sizeof(name)) : 0;
	const char *text;

	if (end == 0) {
		free(p);
		return;
	}
	text = find(s, str_of(name));
	if (text && (p->octet[end] != 0 || p->octet[end + 1] != TYPE_TXT))
		text = "";
	p->n = end + 4;
	p->octet[2] = 0x85; /* an answer, with authority, recursion as desired */
	p->octet[3] = text ? 0x80 : 0x83;
	memcpy(p->octet + 4, (unsigned char[8]){ 0, 1, 0, text && *text, 0, !text || !*text }, 8);
	if (text && *text)
		put_txt(p, str_of(text));
	else
		put_soa(p);
	if (!is_slow(s, str_of(name)))
		send_packet(s->fd, 0, p);
	else if (event_base_once(s->base, -1, EV_TIMEOUT, send_packet, p, &s->delay) != 0)
		die("cannot set a timer");
}

static void
on_question(evutil_socket_t fd, short what, void *arg)
{
	/* Some at a time, so that timers get their turn. */
	for (int i = 0; i < 64; i++) {
		struct packet *p = xcalloc(1, sizeof(*p));
		socklen_t size = sizeof(p->to);
		ssize_t n =
		    recvfrom(fd, p->octet, sizeof(p->octet), 0, (struct sockaddr *)&p->to, &size);

		if (n < 0) {
			free(p);
			return;
		}
		p->server = arg;
		p->n = (size_t)n;
		answer(p);
	}
}

static void
read_records(struct server *s, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[1024];

	if (file == NULL)
		die("cannot read %s", path);
	while (s->n < RECORDS_MAX && fgets(line, sizeof(line), file)) {
		char *text = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (text == NULL)
			die("%s: a line is a name, a blank and a text", path);
		*text++ = '\0';
		s->record[s->n++] = (struct record){ xstrdup(line), xstrdup(text) };
	}
	fclose(file);
}

static int
open_socket(unsigned port)
{
	struct sockaddr_in own = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int room = 4 << 20;

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0)
		die("cannot bind port %u", port);
	/* As much as the system grants. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return fd;
}

int
main(int argc, char **argv)
{
	struct server s = { .base = event_base_new() };
	struct event *readable;
	long ms;

	if (argc != 5) {
		fprintf(stderr, "usage: nameserver PORT FILE SLOW-ZONE DELAY-MS\n");
		return 2;
	}
	read_records(&s, argv[2]);
	s.zone = str_of(argv[3]);
	ms = strtol(argv[4], NULL, 10);
	s.delay = (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	s.fd = open_socket((unsigned)strtoul(argv[1], NULL, 10));
	readable = event_new(s.base, s.fd, EV_READ | EV_PERSIST, on_question, &s);
	if (readable == NULL || event_add(readable, NULL) != 0)
		die("cannot add an event");
	printf("ready\n");
	fflush(stdout);
	event_base_dispatch(s.base);
	return 1;
}
