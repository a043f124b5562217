#include "proxy/shared_resolver.h"

#include <stdlib.h>

#include "base/die.h"

static struct resolver_settings
settings_of(const struct config *config)
{
	struct resolver_settings settings = {
		.forward = config->resolver.forward,
		.port = config->resolver.port,
		.deadline_ms = (unsigned)config->core.dns_timeout,
	};

	if (config->resolver.host)
		str_copy(str_of(config->resolver.host), settings.host, sizeof(settings.host));
	if (config->core.trust_anchor)
		str_copy(str_of(config->core.trust_anchor), settings.trust_anchor,
		    sizeof(settings.trust_anchor));
	return settings;
}

struct shared_resolver *
shared_resolver_new(struct event_base *base, const struct config *config, struct err *e)
{
	struct shared_resolver *shared = xcalloc(1, sizeof(*shared));

	shared->settings = settings_of(config);
	shared->resolver = resolver_new(base, &shared->settings, e);
	if (!shared->resolver) {
		free(shared);
		return NULL;
	}
	shared->users = 1;
	return shared;
}

struct shared_resolver *
shared_resolver_use(struct shared_resolver *shared)
{
	shared->users++;
	return shared;
}

void
shared_resolver_release(struct shared_resolver **shared)
{
	if (--(*shared)->users == 0) {
		resolver_free(&(*shared)->resolver);
		free(*shared);
	}
	*shared = NULL;
}

bool
shared_resolver_suits(const struct shared_resolver *shared, const struct config *config)
{
	const struct resolver_settings *a = &shared->settings, b = settings_of(config);

	return a->forward == b.forward && a->port == b.port && a->deadline_ms == b.deadline_ms &&
	    strcmp(a->host, b.host) == 0 && strcmp(a->trust_anchor, b.trust_anchor) == 0;
}
