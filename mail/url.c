#include "mail/url.h"

static bool
take_host(struct str *rest, struct url *out)
{
	struct str host = *rest;
	size_t end;

	if (host.n > 0 && host.p[0] == '[') {
		end = str_find(host, ']');
		if (end == STR_NPOS)
			return false;
		*rest = str_sub(host, end + 1, host.n);
		host = str_sub(host, 1, end);
	} else {
		for (end = 0; end < host.n && !strchr(":/?", host.p[end]); end++)
			continue;
		*rest = str_sub(host, end, host.n);
		host = str_sub(host, 0, end);
	}
	for (size_t i = 0; i < host.n; i++)
		if (!ascii_isalnum(host.p[i]) && strchr(".-_:", host.p[i]) == NULL)
			return false;
	return host.n > 0 && str_copy(host, out->host, sizeof(out->host));
}

static bool
take_port(struct str *rest, struct url *out)
{
	uint64_t port = out->secure ? 443 : 80;
	size_t n = 1;

	if (rest->n > 0 && rest->p[0] == ':') {
		while (n < rest->n && ascii_isdigit(rest->p[n]))
			n++;
		if (!str_to_u64(str_sub(*rest, 1, n), 65535, &port) || port == 0)
			return false;
		*rest = str_sub(*rest, n, rest->n);
	}
	out->port = (uint16_t)port;
	return true;
}

bool
url_read(struct str text, struct url *out, struct err *e)
{
	*out = (struct url){ 0 };
	if (str_startscase(text, STR("https://")))
		out->secure = true;
	else if (!str_startscase(text, STR("http://")))
		return err_set(e, ERR_SYNTAX, "it begins with http:// or https://");
	text = str_sub(text, out->secure ? 8 : 7, text.n);
	if (!take_host(&text, out) || !take_port(&text, out) ||
	    (text.n > 0 && text.p[0] != '/' && text.p[0] != '?'))
		return err_set(e, ERR_SYNTAX, "it is written https://host:port/path");
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || (unsigned char)text.p[i] >= 0x7f || text.p[i] == '#')
			return err_set(e, ERR_SYNTAX,
			    "what is no printable ASCII, and #, are written %%XX in it");
	if (text.n > 0 && text.p[0] == '?')
		return err_set(e, ERR_SYNTAX, "a / stands before its ?");
	return str_copy(text.n > 0 ? text : STR("/"), out->path, sizeof(out->path)) ||
	    err_set(e, ERR_LIMIT, "it is too long");
}
