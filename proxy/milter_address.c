#include "proxy/milter_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/escape.h"

static bool
parse_unix(struct str path, struct endpoint *out, struct err *e)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->address;

	un->sun_family = AF_UNIX;
	out->size = sizeof(*un);
	if (path.n > 0 && str_copy(path, un->sun_path, sizeof(un->sun_path)))
		return true;
	return err_set(e, ERR_LIMIT,
	    "the path of a milter's socket must have 1 to %zu octets, not %zu",
	    sizeof(un->sun_path) - 1, path.n);
}

/* HOST may stand in brackets, as libmilter wants numbers to. */
static bool
split(struct str rest, char *port, char *host, size_t size)
{
	size_t at = str_find(rest, '@');
	struct str name = at == STR_NPOS ? STR("") : str_sub(rest, at + 1, rest.n);

	if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
		name = str_sub(name, 1, name.n - 1);
	return str_copy(str_sub(rest, 0, at == STR_NPOS ? rest.n : at), port, size) &&
	    str_copy(name, host, size) && port[0] != '\0' && (at == STR_NPOS || host[0] != '\0');
}

static bool
parse_inet(struct str rest, int family, struct endpoint *out, struct err *e)
{
	const struct addrinfo hints = {
		.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE
	};
	struct addrinfo *found = NULL;
	char port[256], host[256];
	int failed;

	if (!split(rest, port, host, sizeof(port)))
		return err_set(e, ERR_SYNTAX, "a milter's address is inet:PORT@HOST, unix:PATH");
	failed = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
	if (failed)
		return err_set(e, ERR_SYSTEM, "cannot listen as milter at port %s of %s: %s", port,
		    host[0] ? host : "*", gai_strerror(failed));
	memcpy(&out->address, found->ai_addr, found->ai_addrlen);
	out->size = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

bool
milter_address_parse(const char *text, struct endpoint *out, struct err *e)
{
	struct str all = str_of(text);
	size_t colon = str_find(all, ':');
	struct str kind = colon == STR_NPOS ? STR("") : str_sub(all, 0, colon);
	struct str rest = colon == STR_NPOS ? all : str_sub(all, colon + 1, all.n);

	memset(out, 0, sizeof(*out));
	if (kind.n == 0 || str_eqcase(kind, STR("unix")) || str_eqcase(kind, STR("local")))
		return parse_unix(rest, out, e);
	if (str_eqcase(kind, STR("inet")))
		return parse_inet(rest, AF_INET, out, e);
	if (str_eqcase(kind, STR("inet6")))
		return parse_inet(rest, AF_INET6, out, e);
	return err_set(e, ERR_SYNTAX,
	    "\"%s\" is none of inet, inet6, unix and local, as which a "
	    "milter can listen",
	    ESC(kind));
}
