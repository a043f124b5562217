#include "base/resolver.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unbound.h>
#include <unbound-event.h>
#include <unistd.h>

#include "base/die.h"

#define DEADLINE_DEFAULT_MS 5000
#define OUTGOING_MOST 8192
#define CLASS_IN 1
#define ID_ANSWERED (-1) /* lookup->id: the answer is there, done() is yet to be called */
#define SEC_BOGUS 1
#define SEC_SECURE 2

struct resolver {
	struct event_base *base;
	struct ub_ctx *ctx;
	struct timeval deadline;
	struct lookup *waiting; /* a list through next and prev */
	struct resolver_counts counts;
};

struct option {
	const char *name, *value;
};

/*
 * libunbound's own defaults are for a program with one question: 16 at a time, 1 MB of cache. A
 * question that waits takes some 16 KiB while it does.
 */
static const struct option options_common[] = {
	{ "num-queries-per-thread:", "8192" },
	{ "outgoing-num-tcp:", "64" },
	{ "msg-cache-size:", "8m" },
	{ "rrset-cache-size:", "16m" },
	{ "key-cache-size:", "4m" },
	{ "neg-cache-size:", "2m" },
};

/*
 * A timeout would be booked on the forwarder, whoever was to blame for it, and soon everything
 * would fail at once; so nothing is remembered about it. The forwarder may well be on this host.
 */
static const struct option options_forward[] = {
	{ "infra-host-ttl:", "0" },
	{ "do-not-query-localhost:", "no" },
	{ "module-config:", "iterator" },
};

/*
 * The zones that libunbound answers itself (its services/localzone.c and util/as112.c), less 64 to
 * 127 of 100.in-addr.arpa and 16 to 31 of 172.in-addr.arpa, which forward_everything() adds.
 *
 * WHY: not its option unblock-lan-zones, which leaves test., onion. and others as they are, nor
 * local-zone: "test." nodefault, which ub_ctx_set_option() cannot be given.
 */
static const char *const local_zones[] = {
	"localhost.",
	"127.in-addr.arpa.",
	"home.arpa.",
	"onion.",
	"test.",
	"invalid.",
	"10.in-addr.arpa.",
	"168.192.in-addr.arpa.",
	"0.in-addr.arpa.",
	"254.169.in-addr.arpa.",
	"2.0.192.in-addr.arpa.",
	"100.51.198.in-addr.arpa.",
	"113.0.203.in-addr.arpa.",
	"255.255.255.255.in-addr.arpa.",
	"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
	"d.f.ip6.arpa.",
	"8.e.f.ip6.arpa.",
	"9.e.f.ip6.arpa.",
	"a.e.f.ip6.arpa.",
	"b.e.f.ip6.arpa.",
	"8.b.d.0.1.0.0.2.ip6.arpa.",
	/* of other versions */
	"resolver.arpa.",
	"service.arpa.",
};

static bool
set_options(struct ub_ctx *ctx, const struct option *options, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r = ub_ctx_set_option(ctx, options[i].name, options[i].value);

		if (r != 0)
			return err_set(e, ERR_LIBRARY, "libunbound refuses the option %s %s: %s",
			    options[i].name, options[i].value, ub_strerror(r));
	}
	return true;
}

/*
 * Each question that is out takes a descriptor. Beyond its range libunbound lets questions wait,
 * but when the process has no descriptor left it fails them; so the range stays well below.
 */
static bool
set_range(struct ub_ctx *ctx, struct err *e)
{
	struct rlimit limit = { 0 };
	rlim_t range = OUTGOING_MOST;
	char text[16];
	struct option option = { "outgoing-range:", text };

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < range)
		range = limit.rlim_cur / 2;
	snprintf(text, sizeof(text), "%u", range < 16 ? 16 : (unsigned)range);
	return set_options(ctx, &option, 1, e);
}

static bool
remove_zone(struct ub_ctx *ctx, const char *zone, struct err *e)
{
	int r = ub_ctx_zone_remove(ctx, zone);

	if (r != 0)
		return err_set(e, ERR_LIBRARY, "libunbound does not start: %s", ub_strerror(r));
	return true;
}

/* Removes every built-in zone; also the moment at which libunbound checks its options. */
static bool
forward_everything(struct ub_ctx *ctx, struct err *e)
{
	char zone[64];

	for (size_t i = 0; i < sizeof(local_zones) / sizeof(local_zones[0]); i++)
		if (!remove_zone(ctx, local_zones[i], e))
			return false;
	for (int i = 64; i < 128; i++) {
		snprintf(zone, sizeof(zone), "%d.100.in-addr.arpa.", i);
		if (!remove_zone(ctx, zone, e))
			return false;
	}
	for (int i = 16; i < 32; i++) {
		snprintf(zone, sizeof(zone), "%d.172.in-addr.arpa.", i);
		if (!remove_zone(ctx, zone, e))
			return false;
	}
	return true;
}

static bool
set_up_forward(struct ub_ctx *ctx, const struct resolver_settings *settings, struct err *e)
{
	char forwarder[sizeof(settings->host) + 8];
	int r;

	snprintf(forwarder, sizeof(forwarder), "%s@%u", settings->host, settings->port);
	r = ub_ctx_set_fwd(ctx, forwarder);
	if (r != 0)
		return err_set(e, ERR_SYNTAX, "cannot forward DNS questions to %s port %u: %s",
		    settings->host, settings->port, ub_strerror(r));
	if (!set_options(
		ctx, options_forward, sizeof(options_forward) / sizeof(options_forward[0]), e))
		return false;
	return forward_everything(ctx, e);
}

static bool
set_up_recursion(struct ub_ctx *ctx, const struct resolver_settings *settings, struct err *e)
{
	int r;

	if (settings->trust_anchor[0] != '\0') {
		/* libunbound would say so only in answer to the first question. */
		if (access(settings->trust_anchor, R_OK) != 0)
			return err_set(e, ERR_SYSTEM, "cannot read the trust anchor %s",
			    settings->trust_anchor);
		r = ub_ctx_add_ta_file(ctx, settings->trust_anchor);
		if (r != 0)
			return err_set(e, ERR_LIBRARY, "libunbound refuses the trust anchor %s: %s",
			    settings->trust_anchor, ub_strerror(r));
	}
	/* Removes nothing; makes libunbound check its options now. */
	return remove_zone(ctx, "options.invalid.", e);
}

struct resolver *
resolver_new(struct event_base *base, const struct resolver_settings *settings, struct err *e)
{
	unsigned ms = settings->deadline_ms ? settings->deadline_ms : DEADLINE_DEFAULT_MS;
	struct resolver *resolver = xcalloc(1, sizeof(*resolver));
	bool ok;

	resolver->base = base;
	resolver->deadline.tv_sec = ms / 1000;
	resolver->deadline.tv_usec = (ms % 1000) * 1000;
	resolver->ctx = ub_ctx_create_event(base);
	if (resolver->ctx == NULL) {
		free(resolver);
		err_set(e, ERR_LIBRARY, "libunbound does not start");
		return NULL;
	}
	/* It writes lines of its own kind to stderr. */
	ub_ctx_debugout(resolver->ctx, NULL);
	ok = set_range(resolver->ctx, e) &&
	    set_options(resolver->ctx, options_common,
		sizeof(options_common) / sizeof(options_common[0]), e);
	if (ok && settings->forward)
		ok = set_up_forward(resolver->ctx, settings, e);
	else if (ok)
		ok = set_up_recursion(resolver->ctx, settings, e);
	if (!ok)
		resolver_free(&resolver);
	return resolver;
}

void
resolver_free(struct resolver **resolver)
{
	struct resolver *r = *resolver;

	if (r == NULL)
		return;
	/* First, since libunbound calls back with a failure whatever it still has. */
	while (r->waiting)
		resolver_cancel(r->waiting);
	ub_ctx_delete(r->ctx);
	free(r);
	*resolver = NULL;
}

static void
link_in(struct resolver *resolver, struct lookup *lookup)
{
	lookup->prev = NULL;
	lookup->next = resolver->waiting;
	if (lookup->next)
		lookup->next->prev = lookup;
	resolver->waiting = lookup;
	lookup->waiting = true;
}

static void
take_out(struct lookup *lookup)
{
	if (lookup->prev)
		lookup->prev->next = lookup->next;
	else
		lookup->resolver->waiting = lookup->next;
	if (lookup->next)
		lookup->next->prev = lookup->prev;
	lookup->next = lookup->prev = NULL;
	lookup->waiting = false;
	if (lookup->deadline)
		event_free(lookup->deadline);
	lookup->deadline = NULL;
}

static void
fail(struct lookup *lookup, const char *why)
{
	lookup->answer = (struct dns_answer){ .status = DNS_TEMPFAIL, .why = why };
	lookup->resolver->counts.failures++;
}

/*
 * The deadline, or the moment after an answer came.
 *
 * WHY: done() is called from here and not from libunbound's callback: it may ask the next
 * question, or free the resolver, while libunbound is still at work above us.
 */
static void
ring(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *lookup = arg;

	if (lookup->id != ID_ANSWERED) {
		ub_cancel(lookup->resolver->ctx, lookup->id);
		fail(lookup, "timeout");
		lookup->resolver->counts.timeouts++;
	}
	take_out(lookup);
	lookup->done(lookup);
}

static void
parse(struct lookup *lookup, struct str packet)
{
	dns_parse(lookup->arena, packet, lookup->type, &lookup->answer);
	if (lookup->answer.status == DNS_TEMPFAIL)
		lookup->resolver->counts.failures++;
}

/*
 * rcode is libunbound's own success or failure; that of the DNS is in the packet.
 * WHY: seven parameters because libunbound has them.
 */
static void
answered(void *arg, int rcode, void *packet, int size, int sec, char *why_bogus, int ratelimited)
{
	struct lookup *lookup = arg;

	if (sec == SEC_BOGUS)
		fail(lookup, "bogus");
	else if (rcode != 0 || packet == NULL || size < 0)
		fail(lookup, "servfail");
	else
		parse(lookup, (struct str){ packet, (size_t)size });
	if (lookup->answer.status != DNS_TEMPFAIL)
		lookup->answer.secure = sec == SEC_SECURE;
	lookup->id = ID_ANSWERED;
	if (!lookup->inside)
		event_active(lookup->deadline, EV_TIMEOUT, 0);
}

/*
 * libunbound reads names with the escapes of a zone file, so whatever is not a letter, digit,
 * hyphen, underscore or the dot between labels goes as \DDD. It leaks a question that it refuses
 * for its syntax; hence none that dns_name_ok() does not like gets here.
 */
static void
escape_name(struct str name, char out[4 * (DNS_NAME_MAX + 1) + 1])
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (ascii_isalnum(c) || c == '-' || c == '_' || c == '.')
			*out++ = c;
		else
			out += snprintf(out, 5, "\\%03u", (unsigned char)c);
	}
	*out = '\0';
}

/* Asks libunbound; afterwards lookup->id says whether the answer came at once. */
static void
ask(struct resolver *resolver, struct lookup *lookup)
{
	char name[4 * (DNS_NAME_MAX + 1) + 1];
	int id = 0, r;

	escape_name(lookup->name, name);
	lookup->inside = true;
	r = ub_resolve_event(
	    resolver->ctx, name, (int)lookup->type, CLASS_IN, lookup, answered, &id);
	lookup->inside = false;
	if (lookup->id == ID_ANSWERED)
		return;
	lookup->id = id;
	if (r == 0)
		return;
	lookup->id = ID_ANSWERED;
	if (r == UB_SYNTAX)
		lookup->answer = (struct dns_answer){ .status = DNS_NXDOMAIN };
	else
		fail(lookup, "servfail");
}

bool
resolver_start(struct resolver *resolver, struct lookup *lookup)
{
	require(!lookup->waiting && lookup->done && lookup->arena);
	lookup->resolver = resolver;
	lookup->deadline = NULL;
	lookup->id = 0;
	lookup->answer = (struct dns_answer){ 0 };
	resolver->counts.asked++;
	if (dns_name_ok(lookup->name)) {
		ask(resolver, lookup);
	} else {
		lookup->answer.status = DNS_NXDOMAIN;
		lookup->id = ID_ANSWERED;
	}
	if (lookup->id == ID_ANSWERED) {
		resolver->counts.at_hand++;
		return true;
	}
	lookup->deadline = evtimer_new(resolver->base, ring, lookup);
	if (lookup->deadline == NULL || evtimer_add(lookup->deadline, &resolver->deadline) != 0)
		die("cannot add an event to the loop");
	link_in(resolver, lookup);
	return false;
}

void
resolver_cancel(struct lookup *lookup)
{
	if (!lookup->waiting)
		return;
	if (lookup->id != ID_ANSWERED)
		ub_cancel(lookup->resolver->ctx, lookup->id);
	take_out(lookup);
}

struct resolver_counts
resolver_counts(const struct resolver *resolver)
{
	return resolver->counts;
}
