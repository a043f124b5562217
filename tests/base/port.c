#include "tests/base/port.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"

/* Below those that the system gives to connections, of which other tests make many meanwhile. */
#define LOWEST 10000
#define HIGHEST 31999

/* A name that only one process can have, for as long as the socket is open. */
static bool
take_name(int claim, uint16_t port)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(
	    a.sun_path + 1, sizeof(a.sun_path) - 1, "postern-test-port-%u", (unsigned)port);

	return bind(claim, (struct sockaddr *)&a,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0;
}

/* No program that knows nothing of claims has it. */
static bool
is_free(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	bool ok;

	require(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ok = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return ok;
}

uint16_t
port_claim(void)
{
	for (;;) {
		int claim = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		uint16_t port;

		require(claim >= 0 && getrandom(&port, sizeof(port), 0) == sizeof(port));
		port = LOWEST + port % (HIGHEST - LOWEST + 1);
		if (take_name(claim, port) && is_free(port))
			return port;
		close(claim);
	}
}
