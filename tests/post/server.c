#include "tests/post/server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"

static bool
hear_line(FILE *f, struct buf *heard, bool *end_of_data)
{
	char line[2048];

	if (fgets(line, sizeof(line), f) == NULL)
		return false;
	*end_of_data = strcmp(line, ".\r\n") == 0;
	buf_add(heard, str_of(line));
	return true;
}

static void
play_lines(struct server *s, FILE *f)
{
	bool data = false, end;

	for (size_t i = 0; i < SERVER_SCRIPT && s->script[i]; i++) {
		if (fputs(s->script[i], f) == EOF || fflush(f))
			return;
		data = strncmp(s->script[i], "354", 3) == 0;
		do
			if (!hear_line(f, &s->heard, &end))
				return;
		while (s->script[i][0] == '\0' || (data && !end));
	}
}

static void
play_http(struct server *s, FILE *f)
{
	unsigned long body = 0;
	bool end;

	for (size_t from = 0; hear_line(f, &s->heard, &end); from = s->heard.n) {
		const char *line = s->heard.p + from;

		if (strncasecmp(line, "Content-Length: ", 16) == 0)
			body = strtoul(line + 16, NULL, 10);
		if (strcmp(line, "\r\n") == 0)
			break;
	}
	for (; body > 0; body--)
		buf_addc(&s->heard, (char)fgetc(f));
	if (s->script[0])
		fputs(s->script[0], f);
	fflush(f);
}

static void *
play(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->fd, NULL, NULL);
	FILE *f = fd >= 0 ? fdopen(fd, "r+") : NULL;

	if (f == NULL)
		return NULL;
	if (s->http)
		play_http(s, f);
	else
		play_lines(s, f);
	fclose(f);
	return NULL;
}

void
server_start(struct server *s, const char *const *script, bool http)
{
	struct sockaddr_in where = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(where);

	*s = (struct server){ .script = script, .http = http };
	buf_init(&s->heard, 1 << 20);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	require(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&where, size) == 0 &&
	    listen(s->fd, 5) == 0 && getsockname(s->fd, (struct sockaddr *)&where, &size) == 0);
	s->port = ntohs(where.sin_port);
	require(pthread_create(&s->thread, NULL, play, s) == 0);
}

void
server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	buf_free(&s->heard);
}
