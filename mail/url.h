/*
 * url: the address of an HTTP request, http: and https: only, taken apart and checked, so that what comes of
 * it can stand in a request's lines. Pure.
 */
#ifndef POSTERN_MAIL_URL_H
#define POSTERN_MAIL_URL_H

#include "base/err.h"
#include "base/str.h"

struct url {
	bool secure; /* https */
	char host[256];
	uint16_t port;
	char path[1024]; /* with its query */
};

/* "https://host:port/path?query"; no name and password in it. */
bool url_read(struct str text, struct url *out, struct err *e);

#endif
