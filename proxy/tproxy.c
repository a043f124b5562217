#include "proxy/tproxy.h"

#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux's, of linux/in.h and linux/in6.h, which do not go together with netinet/in.h. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static const char *
words(int error)
{
	const char *text = strerrordesc_np(error);

	if (error == EPERM)
		return "posternd may not use foreign addresses: it needs CAP_NET_RAW";
	return text ? text : "unknown error";
}

static socklen_t
fill_address(const struct ip *from, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (from->version == 4) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, from->b, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, from->b, 16);
	return sizeof(*in6);
}

static bool
become(int fd, const struct ip *from)
{
	struct sockaddr_storage address;
	socklen_t size = fill_address(from, &address);
	const int on = 1;

	/* So that as many connections fit as there are ports for each client, not for all. */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return (from->version == 4
		       ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on))
		       : setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on))) == 0 &&
	    bind(fd, (struct sockaddr *)&address, size) == 0;
}

int
tproxy_socket(const struct ip *from, int family, const char **why)
{
	int fd;

	if (from->version == 0) {
		*why = "the client's address is not known";
		return -1;
	}
	if (family != (from->version == 4 ? AF_INET : AF_INET6)) {
		*why = "the client's address and the mail server's are not of one family";
		return -1;
	}
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && become(fd, from))
		return fd;
	*why = words(errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

bool
tproxy_wanted(const struct config *config)
{
	for (size_t i = 0; i < config->n_backends; i++)
		if (config->backends[i].handoff == HANDOFF_TPROXY)
			return true;
	return false;
}

bool
tproxy_keep_right(struct err *e)
{
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 ||
	    err_set(e, ERR_SYSTEM, "cannot keep CAP_NET_RAW for `tproxy`: %s", words(errno));
}

bool
tproxy_take_right(struct err *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = 1u << CAP_NET_RAW, .permitted = 1u << CAP_NET_RAW },
	};

	return syscall(SYS_capset, &header, data) == 0 ||
	    err_set(e, ERR_SYSTEM, "cannot keep CAP_NET_RAW for `tproxy`: %s", words(errno));
}
