#include "post/webhook.h"

#include <stdio.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"

#define ANSWER_MAX 16384 /* octets of header fields, and of a body */

struct posting {
	struct event_base *base;
	const struct wire_limit *limit;
	int status; /* 0: none came */
	bool failed, stopped;
	long verified;
	SSL *ssl;
};

/* ---- the request ---- */

static void
on_answer(struct evhttp_request *request, void *arg)
{
	struct posting *p = arg;

	p->status = request ? evhttp_request_get_response_code(request) : 0;
	p->failed = p->status == 0;
	event_base_loopbreak(p->base);
}

static void
on_error(enum evhttp_request_error error, void *arg)
{
	struct posting *p = arg;

	(void)error;
	p->failed = true;
	if (p->ssl)
		p->verified = SSL_get_verify_result(p->ssl);
	event_base_loopbreak(p->base);
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct posting *p = arg;

	p->stopped = true;
	event_base_loopbreak(p->base);
}

/* The connection owns what it is made of. */
static struct evhttp_connection *
connection_new(struct posting *p, const struct webhook *hook, int64_t left_us)
{
	const struct timeval left = { left_us / 1000000, left_us % 1000000 };
	struct evhttp_connection *connection;
	struct bufferevent *stream;

	if (hook->url.secure) {
		p->ssl = tls_client_session(hook->tls, hook->url.host, true);
		stream = bufferevent_openssl_socket_new(
		    p->base, -1, p->ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	} else {
		stream = bufferevent_socket_new(p->base, -1, BEV_OPT_CLOSE_ON_FREE);
	}
	require(stream);
	connection = evhttp_connection_base_bufferevent_new(
	    p->base, NULL, stream, hook->url.host, hook->url.port);
	require(connection);
	evhttp_connection_set_timeout_tv(connection, &left);
	evhttp_connection_set_retries(connection, 0);
	evhttp_connection_set_max_headers_size(connection, ANSWER_MAX);
	evhttp_connection_set_max_body_size(connection, ANSWER_MAX);
	return connection;
}

static bool
send_request(
    struct posting *p, struct evhttp_connection *connection, const struct url *url, struct str json)
{
	struct evhttp_request *request = evhttp_request_new(on_answer, p);
	struct evkeyvalq *fields;
	char host[300];
	bool v6 = strchr(url->host, ':') != NULL;

	require(request);
	evhttp_request_set_error_cb(request, on_error);
	fields = evhttp_request_get_output_headers(request);
	snprintf(
	    host, sizeof(host), "%s%s%s:%u", v6 ? "[" : "", url->host, v6 ? "]" : "", url->port);
	evhttp_add_header(fields, "Host", host);
	evhttp_add_header(fields, "Content-Type", "application/json");
	evhttp_add_header(fields, "User-Agent", "postern");
	evhttp_add_header(fields, "Connection", "close");
	evbuffer_add(evhttp_request_get_output_buffer(request), json.p, json.n);
	return evhttp_make_request(connection, request, EVHTTP_REQ_POST, url->path) == 0;
}

static void
wait_for_answer(struct posting *p, int64_t left_us)
{
	const struct timeval left = { left_us / 1000000, left_us % 1000000 };
	struct event *stop = NULL;

	if (p->limit->stop >= 0) {
		stop = event_new(p->base, p->limit->stop, EV_READ, on_stop, p);
		require(stop);
		event_add(stop, NULL);
	}
	event_base_loopexit(p->base, &left);
	event_base_dispatch(p->base);
	if (stop)
		event_free(stop);
}

static bool
judge(const struct posting *p, bool *forever, struct err *e)
{
	if (p->stopped)
		return err_set(e, ERR_SYSTEM, "told to end");
	if (p->ssl && p->verified != X509_V_OK)
		return err_set(
		    e, ERR_LIBRARY, "TLS: %s", X509_verify_cert_error_string(p->verified));
	if (p->status == 0)
		return err_set(e, ERR_SYSTEM,
		    p->failed ? "it was not reached, or did not answer as HTTP does"
			      : "no answer in time");
	if (p->status >= 200 && p->status < 300)
		return true;
	*forever = p->status >= 400 && p->status < 500 && p->status != 408 && p->status != 429;
	return err_set(e, ERR_SYSTEM, "it answered %d", p->status);
}

bool
webhook_post(const struct webhook *hook, struct str json, const struct wire_limit *limit,
    bool *forever, struct err *e)
{
	struct posting p = { .base = event_base_new(), .limit = limit, .verified = X509_V_OK };
	int64_t left_us = limit->until_us - clock_mono_us();
	struct evhttp_connection *connection;

	require(p.base);
	*forever = false;
	if (left_us < 1000)
		left_us = 1000;
	connection = connection_new(&p, hook, left_us);
	if (send_request(&p, connection, &hook->url, json))
		wait_for_answer(&p, left_us);
	else
		p.failed = true;
	evhttp_connection_free(connection);
	event_base_free(p.base);
	ERR_clear_error();
	return judge(&p, forever, e);
}
