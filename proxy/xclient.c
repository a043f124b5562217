#include "proxy/xclient.h"

#include "mail/command.h"
#include "mail/mailbox.h"

#define VALUE_MAX 255

static bool
printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.n <= VALUE_MAX;
}

static bool
read_text(struct str value, struct str *out)
{
	*out = value;
	return printable(value);
}

static bool
read_address(struct str value, struct ip *out)
{
	if (!value.n) {
		*out = (struct ip){ 0 };
		return true;
	}
	if (str_startscase(value, STR("IPV6:")))
		value = str_sub(value, 5, value.n);
	return ip_parse(value, out);
}

static bool
read_port(struct str value, uint16_t *out)
{
	uint64_t port = 0;

	if (value.n && !str_to_u64(value, UINT16_MAX, &port))
		return false;
	*out = (uint16_t)port;
	return true;
}

static bool
read_helo(struct str value, struct str *out)
{
	*out = value;
	return !value.n || mail_domain_ok(value);
}

static bool
read_protocol(struct str value, bool *esmtp)
{
	*esmtp = str_eqcase(value, STR("ESMTP"));
	return *esmtp || !value.n || str_eqcase(value, STR("SMTP"));
}

static bool
read_one(struct session *s, struct str name, struct str value)
{
	if (str_eqcase(name, STR("NAME")))
		return read_text(value, &s->client_name);
	if (str_eqcase(name, STR("REVERSE_NAME")))
		return read_text(value, &s->reverse_name);
	if (str_eqcase(name, STR("LOGIN")))
		return read_text(value, &s->account);
	if (str_eqcase(name, STR("ADDR")))
		return read_address(value, &s->client_ip);
	if (str_eqcase(name, STR("PORT")))
		return read_port(value, &s->client_port);
	if (str_eqcase(name, STR("DESTADDR")))
		return read_address(value, &s->server_ip);
	if (str_eqcase(name, STR("DESTPORT")))
		return read_port(value, &s->server_port);
	if (str_eqcase(name, STR("HELO")))
		return read_helo(value, &s->helo);
	return str_eqcase(name, STR("PROTO")) && read_protocol(value, &s->esmtp);
}

bool
xclient_read(struct session *s, struct str attributes, struct err *e)
{
	struct str word;

	if (!attributes.n)
		return err_set(e, ERR_SYNTAX, "XCLIENT wants attributes");
	while (str_pop(&attributes, ' ', &word)) {
		size_t equals = str_find(word, '=');
		struct str value;

		if (!word.n)
			continue;
		if (equals == STR_NPOS)
			return err_set(e, ERR_SYNTAX, "XCLIENT wants NAME=value");
		value = str_sub(word, equals + 1, word.n);
		if (str_eqcase(value, STR("[UNAVAILABLE]")) ||
		    str_eqcase(value, STR("[TEMPUNAVAIL]")))
			value = STR("");
		else if (!xtext_decode(s->conn, value, &value))
			return err_set(e, ERR_SYNTAX, "XCLIENT wants xtext for a value");
		if (!read_one(s, str_sub(word, 0, equals), value))
			return err_set(e, ERR_SYNTAX,
			    "An attribute of XCLIENT is not known here, "
			    "or its value is not well-formed");
	}
	return true;
}
