#include "filters/spf_eval.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

#include <arpa/nameser.h>
#include <netdb.h>
#include <spf2/spf.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"

/* The record as libspf2 gets it. */
struct literal {
	char text[400];
	size_t n;
};

__attribute__((noreturn)) static void
library_error(const char *file, int line, const char *text)
{
	panic_at(file ? file : "libspf2", line, "libspf2: %s", text);
}

/*
 * The library's handlers are variables of the process, and print by themselves unless told not to.
 * WHY: a constructor: this way they are set before there is any thread, by nobody's remembering.
 */
__attribute__((constructor)) static void
library_handlers(void)
{
	SPF_error_handler = library_error;
	SPF_warning_handler = NULL;
	SPF_info_handler = NULL;
	SPF_debug_handler = NULL;
}

__attribute__((format(printf, 2, 3))) static void
literal_add(struct literal *l, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(l->text + l->n, sizeof(l->text) - l->n, format, ap);
	va_end(ap);
	require(n >= 0 && (size_t)n < sizeof(l->text) - l->n);
	l->n += (size_t)n;
}

static bool
needs_dns(enum spf_kind kind)
{
	return kind != SPF_ALL && kind != SPF_IP4 && kind != SPF_IP6;
}

/* ip4 and ip6 are decided here: a record may hold hundreds, more than libspf2 can. */
static bool
network_matches(const struct spf_run *run, const struct spf_term *t)
{
	struct ip client, network;

	if (t->network.version != run->query->client.version)
		return false;
	client = ip_network(&run->query->client, t->bits4, t->bits6);
	network = ip_network(&t->network, t->bits4, t->bits6);
	return ip_eq(&client, &network);
}

static void
term_write(
    struct spf_run *run, const struct spf_frame *frame, const struct spf_term *t, struct literal *l)
{
	bool six = run->query->client.version == 6;
	unsigned bits = six ? t->bits6 : t->bits4, whole = six ? 128 : 32;
	size_t number = run->n_targets++;
	const char *name = "exists:";

	require(number < SPF_TARGETS);
	run->target[number] = (struct spf_target){ .term = t, .frame = frame };
	if (t->kind == SPF_REDIRECT) {
		literal_add(l, " redirect=%zu.t", number);
		return;
	}
	if (t->kind == SPF_A)
		name = "a:";
	else if (t->kind == SPF_MX)
		name = "mx:";
	else if (t->kind == SPF_INCLUDE)
		name = "include:";
	literal_add(l, " %c%s%zu.t", t->qualifier, name, number);
	/* libspf2 takes no length of 0; addresses_add() sees to that. */
	if ((t->kind == SPF_A || t->kind == SPF_MX) && bits > 0 && bits < whole)
		literal_add(l, "%s%u", six ? "//" : "/", bits);
}

/*
 * What always matches (all, beside which no redirect counts (6.1), and a network that has the
 * client) ends the record; it is written as an exists, so that we are asked and know that
 * evaluation got there. No more terms are written than may still be evaluated, and one, which then
 * goes over the limit.
 */
static void
record_write(struct spf_run *run, const struct spf_frame *frame, struct literal *l)
{
	const struct spf_record *r = &frame->record;
	size_t left = SPF_LOOKUP_TERMS + 1 - run->terms;

	literal_add(l, "v=spf1");
	for (size_t i = 0; i < r->n_terms; i++) {
		const struct spf_term *t = &r->term[i];

		if ((t->kind == SPF_IP4 || t->kind == SPF_IP6) && !network_matches(run, t))
			continue;
		if (needs_dns(t->kind) && left-- == 0)
			return;
		term_write(run, frame, t, l);
		if (!needs_dns(t->kind))
			return;
	}
	if (r->redirect.spec.p != NULL && left > 0)
		term_write(run, frame, &r->redirect, l);
}

static SPF_dns_rr_t *
reply_new(SPF_dns_server_t *dns, const char *name, ns_type type, int herrno)
{
	SPF_dns_rr_t *rr = SPF_dns_rr_new_init(dns, name, type, 0, herrno);

	if (rr == NULL)
		die("no memory for libspf2");
	return rr;
}

static void
reply_add(SPF_dns_rr_t *rr, const void *data, size_t size)
{
	if (SPF_dns_rr_buf_realloc(rr, rr->num_rr, size) != SPF_E_SUCCESS)
		die("no memory for libspf2");
	memcpy((char *)rr->rr[rr->num_rr], data, size);
	rr->num_rr++;
	rr->herrno = NETDB_SUCCESS;
}

/* Addresses for a or mx. With a length of 0, any address matches: then it is the client's own. */
static void
addresses_add(struct spf_run *run, const struct spf_term *t, const struct dns_answer *answer,
    SPF_dns_rr_t *rr)
{
	bool six = run->query->client.version == 6;
	size_t size = six ? 16 : 4;

	for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++) {
		struct str data = answer->rr[i].data;

		if (data.n == size)
			reply_add(rr,
			    (six ? t->bits6 : t->bits4) ? data.p
							: (const char *)run->query->client.b,
			    size);
	}
}

/* The question of a term; NULL: the run does not go on, or nothing is there. */
static const struct dns_answer *
term_ask(struct spf_run *run, const struct spf_target *target, enum dns_type type)
{
	const struct dns_answer *answer;
	struct str name;

	if (!spf_run_name(run, target, &name))
		return NULL;
	answer = spf_run_ask(run, name, type);
	if (answer == NULL || answer->status == DNS_OK)
		return answer;
	if (!spf_run_nowhere(answer))
		spf_run_void(run);
	return NULL;
}

/*
 * The names of the hosts go to libspf2 as "0.3.t", "1.3.t": host 0 and 1 of term 3. Their addresses
 * are asked for at once; libspf2 then comes for them one by one, in order.
 */
static void
mx_answer(struct spf_run *run, struct spf_target *target, SPF_dns_rr_t *rr)
{
	const struct dns_answer *answer = term_ask(run, target, DNS_MX);
	size_t number = (size_t)(target - run->target);

	if (answer == NULL)
		return;
	if (answer->n > SPF_HOSTS) {
		spf_run_end(run, SPF_PERMERROR, "\"%s\" leads to more than %d hosts",
		    ESC(target->term->text), SPF_HOSTS);
		return;
	}
	target->host = ARENA_ARRAY(run->arena, const struct dns_answer *, answer->n);
	for (size_t i = 0; i < answer->n; i++) {
		struct str host = arena_lower(run->arena, answer->rr[i].data);
		char name[48];
		int n = snprintf(name, sizeof(name), "%zu.%zu.t", i, number);

		if (str_ends(host, STR(".")))
			host.n--;
		target->host[i] = spf_run_note(run, host, spf_run_address_type(run));
		reply_add(rr, name, (size_t)n + 1);
	}
	target->n_hosts = answer->n;
}

static void
ptr_answer(struct spf_run *run, const struct spf_target *target, SPF_dns_rr_t *rr)
{
	static const uint8_t found[4] = { 127, 0, 0, 2 };
	struct str domain;

	if (!spf_run_name(run, target, &domain) || !spf_run_names(run))
		return;
	if (run->names_void && !spf_run_void(run))
		return;
	for (size_t i = 0; i < run->n_names; i++)
		if (domain.n > 0 && spf_name_within(run->name[i], domain)) {
			reply_add(rr, found, sizeof(found));
			return;
		}
}

/* libspf2 asks for a term's name: it has come to evaluate that term. */
static void
term_answer(struct spf_run *run, struct spf_target *target, SPF_dns_rr_t *rr)
{
	static const uint8_t found[4] = { 127, 0, 0, 2 };
	const struct spf_term *t = target->term;
	const struct dns_answer *answer;

	if (!target->frame->included)
		run->term = t;
	if (needs_dns(t->kind) && !spf_run_term(run))
		return;
	switch (t->kind) {
	case SPF_A:
		answer = term_ask(run, target, spf_run_address_type(run));
		if (answer != NULL)
			addresses_add(run, t, answer, rr);
		break;
	case SPF_MX:
		mx_answer(run, target, rr);
		break;
	case SPF_PTR:
		ptr_answer(run, target, rr);
		break;
	case SPF_EXISTS:
		if (term_ask(run, target, DNS_A) != NULL)
			reply_add(rr, found, sizeof(found));
		break;
	default:
		reply_add(rr, found, sizeof(found));
	}
}

static void
host_answer(struct spf_run *run, struct spf_target *target, size_t host, SPF_dns_rr_t *rr)
{
	const struct dns_answer *answer;

	require(host < target->n_hosts);
	answer = target->host[host];
	if (answer == NULL)
		run->state = SPF_WAITING;
	else if (answer->status == DNS_TEMPFAIL)
		spf_run_end(run, SPF_TEMPERROR, "\"%s\": address of a host: %s",
		    ESC(target->term->text), answer->why ? answer->why : "no answer");
	else
		addresses_add(run, target->term, answer, rr);
}

/* "3.t", or with host "1.3.t". */
static struct spf_target *
name_read(struct spf_run *run, const char *name, size_t *host)
{
	struct str rest = str_of(name), part;
	uint64_t number[2];
	size_t n = 0;

	while (str_pop(&rest, '.', &part) && n < 2 && str_to_u64(part, SPF_TARGETS, &number[n]))
		n++;
	require(n > 0 && str_eq(part, STR("t")) && number[n - 1] < run->n_targets);
	*host = n == 2 ? (size_t)number[0] : SIZE_MAX;
	return &run->target[number[n - 1]];
}

static SPF_dns_rr_t *
hook_lookup(SPF_dns_server_t *dns, const char *name, ns_type type, int should_cache)
{
	struct spf_run *run = dns->hook;
	SPF_dns_rr_t *rr = reply_new(dns, name, type, HOST_NOT_FOUND);
	struct spf_target *target;
	size_t host;

	if (run->state == SPF_RUNNING) {
		target = name_read(run, name, &host);
		if (host == SIZE_MAX)
			term_answer(run, target, rr);
		else
			host_answer(run, target, host, rr);
	}
	/* Whatever ends a run unwinds libspf2 this way; only the run's own state counts then. */
	if (run->state != SPF_RUNNING) {
		rr->num_rr = 0;
		rr->herrno = TRY_AGAIN;
	}
	return rr;
}

static SPF_record_t *
compile(struct spf_run *run, const struct spf_frame *frame, SPF_server_t *server,
    SPF_response_t *response)
{
	struct literal l = { .n = 0 };
	SPF_record_t *record = NULL;
	SPF_errcode_t e;

	record_write(run, frame, &l);
	e = SPF_record_compile(server, response, &record, l.text);
	if (e == SPF_E_SUCCESS)
		return record;
	log_error(NULL, "event=spf problem=\"libspf2 refuses %s: %s\"", l.text, SPF_strerror(e));
	spf_run_end(run, SPF_TEMPERROR, "cannot be evaluated");
	if (record != NULL)
		SPF_record_free(record);
	return NULL;
}

/* libspf2 has come to an include or a redirect. */
static SPF_errcode_t
hook_record(
    SPF_server_t *server, SPF_request_t *request, SPF_response_t *response, SPF_record_t **record)
{
	struct spf_run *run = server->resolver->hook;
	const struct spf_frame *frame;
	struct spf_frame *nothing;
	struct spf_target *target;
	struct str domain;
	size_t host;

	*record = NULL;
	if (run->state != SPF_RUNNING)
		return SPF_E_DNS_ERROR;
	target = name_read(run, request->cur_dom, &host);
	if (!target->frame->included)
		run->term = target->term;
	if (!spf_run_term(run) || !spf_run_name(run, target, &domain))
		return SPF_E_DNS_ERROR;
	if (domain.n > 0) {
		frame = spf_run_open(
		    run, domain, target->term->kind == SPF_INCLUDE || target->frame->included);
	} else {
		/* A term that matches nothing: a record without terms, which is neutral. */
		nothing = ARENA_NEW(run->arena, struct spf_frame);
		nothing->included = true;
		frame = nothing;
	}
	if (frame != NULL)
		*record = compile(run, frame, server, response);
	return *record != NULL ? SPF_E_SUCCESS : SPF_E_DNS_ERROR;
}

/* A result that is not in the run's own state is one of the four that terms give. */
static void
result_take(struct spf_run *run, SPF_response_t *response)
{
	if (run->state != SPF_RUNNING)
		return;
	run->state = SPF_ENDED;
	if (SPF_response_reason(response) != SPF_REASON_MECH)
		run->term = NULL;
	switch (SPF_response_result(response)) {
	case SPF_RESULT_NEUTRAL:
		run->result = SPF_NEUTRAL;
		return;
	case SPF_RESULT_PASS:
		run->result = SPF_PASS;
		return;
	case SPF_RESULT_FAIL:
		run->result = SPF_FAIL;
		return;
	case SPF_RESULT_SOFTFAIL:
		run->result = SPF_SOFTFAIL;
		return;
	default:
		log_error(NULL, "event=spf problem=\"libspf2 gives up: %s\"",
		    SPF_strerror(SPF_response_errcode(response)));
		run->state = SPF_RUNNING;
		spf_run_end(run, SPF_TEMPERROR, "cannot be evaluated");
	}
}

void
spf_eval(struct spf_run *run, const struct spf_frame *frame)
{
	char receiver[] = "us";
	SPF_dns_server_t dns = {
		.lookup = hook_lookup, .get_spf = hook_record, .name = "postern", .hook = run
	};
	/*
	 * WHY not SPF_server_new_dns(): it asks for the host's name and compiles an explanation and a policy,
	 * each time, for texts that nobody reads. Without them the library does as well.
	 */
	SPF_server_t server = {
		.resolver = &dns,
		.rec_dom = receiver,
		.max_dns_mech = INT_MAX,
		.max_dns_ptr = SPF_MAX_DNS_PTR,
		.max_dns_mx = SPF_MAX_DNS_MX,
	};
	SPF_request_t *request = SPF_request_new(&server);
	SPF_response_t *response = request ? SPF_response_new(request) : NULL;
	const struct ip *client = &run->query->client;
	struct in6_addr six;
	struct in_addr four;
	SPF_record_t *record;

	if (response == NULL)
		die("no memory for libspf2");
	if (client->version == 6) {
		memcpy(&six, client->b, sizeof(six));
		SPF_request_set_ipv6(request, six);
	} else {
		memcpy(&four, client->b, sizeof(four));
		SPF_request_set_ipv4(request, four);
	}
	/* Only its own texts, which nobody reads, are made of these. */
	if (SPF_request_set_env_from(request, "x@x") != 0)
		die("no memory for libspf2");
	request->cur_dom = "t";
	record = compile(run, frame, &server, response);
	if (record != NULL) {
		response->spf_record_exp = record;
		SPF_record_interpret(record, request, response, 0);
		result_take(run, response);
		SPF_record_free(record);
	}
	SPF_response_free(response);
	SPF_request_free(request);
}
