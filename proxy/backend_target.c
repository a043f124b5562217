#include <netdb.h>
#include <stdio.h>

#include "base/escape.h"
#include "proxy/backend.h"

bool
backend_target_find(struct backend_target *target, const struct backend *conf, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char port[8];
	int error;

	*target = (struct backend_target){
		.handoff = conf->handoff, .starttls = conf->starttls, .lmtp = conf->lmtp
	};
	if (conf->name)
		str_copy(str_of(conf->name), target->name, sizeof(target->name));
	snprintf(port, sizeof(port), "%u", (unsigned)conf->port);
	snprintf(target->label, sizeof(target->label), "%s port %s", ESC(str_of(conf->host)), port);
	error = getaddrinfo(conf->host, port, &hints, &list);
	if (error != 0)
		return err_set(e, ERR_SYSTEM, "cannot find the backend's host \"%s\": %s",
		    ESC(str_of(conf->host)), gai_strerror(error));
	for (struct addrinfo *a = list; a && target->n < BACKEND_ADDRESSES; a = a->ai_next)
		if (a->ai_addrlen <= sizeof(target->address[0]) &&
		    (a->ai_family == AF_INET || a->ai_family == AF_INET6))
			memcpy(&target->address[target->n++], a->ai_addr, a->ai_addrlen);
	freeaddrinfo(list);
	if (target->n == 0)
		return err_set(e, ERR_SYSTEM, "the backend's host \"%s\" has no address",
		    ESC(str_of(conf->host)));
	return true;
}
