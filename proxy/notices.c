#include "proxy/notices.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/log.h"

static void
close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

bool
notices_open(struct notices *n, struct err *e)
{
	*n = (struct notices){ { -1, -1 }, { -1, -1 } };
	for (int i = 0; i < NOTICE_PROCESSES; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) !=
		    0) {
			err_set(
			    e, ERR_SYSTEM, "cannot make a socket for notices: %s", strerror(errno));
			notices_close(n);
			return false;
		}
		n->in[i] = ends[0];
		n->out[i] = ends[1];
	}
	return true;
}

void
notices_close(struct notices *n)
{
	for (int i = 0; i < NOTICE_PROCESSES; i++) {
		close_end(&n->in[i]);
		close_end(&n->out[i]);
	}
}

void
notices_keep_in(struct notices *n)
{
	for (int i = 0; i < NOTICE_PROCESSES; i++)
		close_end(&n->out[i]);
}

void
notices_keep(struct notices *n, enum notice_process process)
{
	for (int i = 0; i < NOTICE_PROCESSES; i++) {
		if (i == (int)process)
			continue;
		close_end(&n->in[i]);
		close_end(&n->out[i]);
	}
}

bool
notices_wanted(const struct config *config, enum notice_process process)
{
	const struct config_notify *notify = &config->notify;

	if (!notify->given)
		return false;
	if (process == NOTICE_BY_COMMAND)
		return notify->command[0] != '\0';
	return notify->server.host != NULL || notify->webhook_text[0] != '\0';
}

bool
notices_send_to(const struct notices *n, enum notice_process process, const struct notice *notice)
{
	struct buf octets;
	ssize_t sent = -1;

	buf_init(&octets, NOTICE_OCTETS);
	if (notice_pack(notice, &octets))
		sent = send(n->in[process], octets.p, octets.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_free(&octets);
	return sent > 0;
}

void
notices_send(const struct notices *n, const struct config *config, const struct notice *notice)
{
	for (int i = 0; i < NOTICE_PROCESSES; i++)
		if (notices_wanted(config, i) && !notices_send_to(n, i, notice))
			log_error(NULL,
			    "event=notice result=untold who=\"%s\" plan=\"%s\" level=%d "
			    "problem=\"too many notices wait\"",
			    ESC(notice->who), ESC(notice->plan), notice->level);
}
