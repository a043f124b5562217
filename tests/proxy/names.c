#include "tests/proxy/names.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/dns.h"

static void
put_u16(struct buf *b, size_t value)
{
	buf_addc(b, (char)(value >> 8));
	buf_addc(b, (char)value);
}

static void
put_txt(struct buf *b, struct str text)
{
	put_u16(b, 0xc00c);
	put_u16(b, DNS_TXT);
	put_u16(b, 1);
	put_u16(b, 0);
	put_u16(b, 300);
	put_u16(b, text.n + 1);
	buf_addc(b, (char)text.n);
	buf_add(b, text);
}

static void
serve(evutil_socket_t fd, short what, void *arg)
{
	struct names *names = arg;
	struct sockaddr_in peer;
	socklen_t peer_size = sizeof(peer);
	char question[512];
	ssize_t n =
	    recvfrom(fd, question, sizeof(question), 0, (struct sockaddr *)&peer, &peer_size);
	struct str packet = { question, n > 0 ? (size_t)n : 0 }, label;
	size_t end;
	struct buf b;
	bool broken;

	if (packet.n < 17)
		return;
	names->asked++;
	label = str_sub(packet, 13, 13 + (size_t)packet.p[12]);
	if (str_starts(label, STR("silent")))
		return;
	broken = str_starts(label, STR("broken"));
	end = 12 + strlen(packet.p + 12) + 5;
	buf_init(&b, 1024);
	buf_add(&b, str_sub(packet, 0, 2));
	put_u16(&b, broken ? 0x8582 : 0x8580);
	put_u16(&b, 1);
	put_u16(&b, !broken);
	put_u16(&b, 0);
	put_u16(&b, 0);
	buf_add(&b, str_sub(packet, 12, end));
	if (!broken)
		put_txt(
		    &b, str_starts(label, STR("fail")) ? STR("v=spf1 -all") : STR("v=spf1 +all"));
	sendto(fd, b.p, b.n, 0, (struct sockaddr *)&peer, peer_size);
	buf_free(&b);
}

uint16_t
names_start(struct names *names, struct event_base *base)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t size = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	names->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(names->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(names->fd, (struct sockaddr *)&sin, &size), 0);
	names->readable = event_new(base, names->fd, EV_READ | EV_PERSIST, serve, names);
	event_add(names->readable, NULL);
	return ntohs(sin.sin_port);
}

void
names_stop(struct names *names)
{
	event_free(names->readable);
	close(names->fd);
}
