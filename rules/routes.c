/*
 * routes: which backends take mail for a recipient.
 */
#include "mail/list.h"
#include "rules/config.h"

static size_t
closeness(const struct backend *backend, const struct mailbox *to)
{
	size_t best = 0;

	for (size_t i = 0; i < backend->n_domains; i++) {
		size_t address = list_closeness(backend->domains[i], to->address);
		/* A domain without a dot is a word in a list. */
		size_t domain = list_closeness(backend->domains[i], to->domain);
		size_t one = address > domain ? address : domain;

		best = one > best ? one : best;
	}
	return best;
}

uint32_t
config_route(const struct config *config, const struct mailbox *to)
{
	uint32_t set = 0;
	size_t best = 0;

	for (size_t i = 0; i < config->n_backends; i++) {
		const struct backend *backend = &config->backends[i];
		size_t close = to ? closeness(backend, to) : 0;

		if (close == 0 && backend->n_domains > 0)
			continue;
		if (close > best) {
			best = close;
			set = 0;
		}
		if (close == best)
			set |= UINT32_C(1) << i;
	}
	return set;
}
