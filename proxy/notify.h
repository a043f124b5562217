/*
 * notify: tells the service manager how the daemon is: systemd's protocol of $NOTIFY_SOCKET, a datagram of
 * lines. Without that variable every call does nothing. The master alone speaks; a message that
 * cannot be sent is lost, for nothing depends on it but the service manager's view.
 */
#ifndef POSTERN_PROXY_NOTIFY_H
#define POSTERN_PROXY_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un to;
	socklen_t size;
	int64_t watchdog_ms; /* how often WATCHDOG=1 is due at least; 0: never */
};

/* Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, and leaves them for a successor. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);
/* Lines as in sd_notify(3): "READY=1\nSTATUS=...". */
void notify_send(const struct notify *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
