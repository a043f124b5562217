#include "proxy/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

#define MESSAGE_MAX 512

static int64_t
number(const char *text)
{
	uint64_t n;

	return text && str_to_u64(str_of(text), INT64_MAX, &n) ? (int64_t)n : 0;
}

/* The watchdog may be meant for another process than us. */
static int64_t
watchdog_ms(void)
{
	const char *whose = getenv("WATCHDOG_PID");

	if (whose && number(whose) != getpid())
		return 0;
	return number(getenv("WATCHDOG_USEC")) / 1000;
}

void
notify_open(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;

	*n = (struct notify){ .fd = -1, .to.sun_family = AF_UNIX };
	if (length < 2 || (path[0] != '/' && path[0] != '@'))
		return;
	if (length >= sizeof(n->to.sun_path)) {
		log_warn(NULL, "event=notify problem=\"$NOTIFY_SOCKET is too long\"");
		return;
	}
	memcpy(n->to.sun_path, path, length);
	if (path[0] == '@')
		n->to.sun_path[0] = '\0'; /* a name outside of the file system */
	n->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	n->watchdog_ms = watchdog_ms();
}

void
notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

void
notify_send(const struct notify *n, const char *format, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;
	int length;

	if (n->fd < 0)
		return;
	va_start(ap, format);
	length = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (length < 0 || (size_t)length >= sizeof(text))
		return;
	if (sendto(n->fd, text, (size_t)length, MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
		n->size) < 0)
		log_debug(NULL, "event=notify problem=\"the service manager does not listen\"");
}
