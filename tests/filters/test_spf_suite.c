/*
 * The test suite of openspf.org for RFC 7208, and its forerunner for RFC 4408, which expects what
 * the later one does or lets several results pass. They are not part of these sources: they are
 * looked for in the folder that POSTERN_SPF_SUITE names, else in ../shared/spf beside the
 * sources. Each case runs with all answers at hand and again with each arriving alone, and has to
 * come out the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"
#include "tests/filters/spf_zone.h"

#define FIELDS 80

/* "A name type status data ...", taken apart and out of hex. */
struct line {
	struct str field[FIELDS];
	size_t n;
};

static int
digit(char c)
{
	return ascii_isdigit(c) ? c - '0' : ascii_lower(c) - 'a' + 10;
}

/* "=" is no text: p NULL. */
static struct str
unhex(struct arena *arena, struct str hex)
{
	char *out = arena_alloc(arena, hex.n / 2 + 1);

	if (str_eq(hex, STR("=")))
		return (struct str){ 0 };
	if (str_eq(hex, STR("-")))
		return STR("");
	for (size_t i = 0; i + 1 < hex.n; i += 2)
		out[i / 2] = (char)(digit(hex.p[i]) << 4 | digit(hex.p[i + 1]));
	return (struct str){ out, hex.n / 2 };
}

static enum dns_type
type_of(struct str name)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_MX, DNS_PTR, DNS_TXT };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(name, str_of(dns_type_name(types[i]))))
			return types[i];
	panic("no type %s", ESC(name));
}

static void
read_answer(struct zone *zone, const struct line *l)
{
	const char *name = unhex(zone->arena, l->field[1]).p;
	enum dns_type type = type_of(l->field[2]);
	enum dns_status status = DNS_NODATA;

	for (size_t i = 4; i < l->n; i++) {
		struct str data = unhex(zone->arena, l->field[i]);

		if (type == DNS_TXT)
			zone_add_text(zone, name, data);
		else
			zone_add(zone, name, type, data.p);
	}
	if (l->n > 4)
		return;
	if (str_eq(l->field[3], STR("tempfail")))
		status = DNS_TEMPFAIL;
	zone_status(zone, name, type, status);
}

static bool
expected(struct str results, enum spf_result result)
{
	struct str word;

	while (str_pop(&results, '|', &word))
		if (str_eq(word, str_of(spf_result_name(result))))
			return true;
	return false;
}

/* One run of a case; prints what is wrong. */
static bool
run(struct zone *zone, const struct line *l, bool one_by_one)
{
	struct str host = unhex(zone->arena, l->field[2]), from = unhex(zone->arena, l->field[4]);
	struct str wanted = unhex(zone->arena, l->field[6]), explanation;
	size_t at = str_rfind(from, '@');
	struct spf_query query = { .helo = unhex(zone->arena, l->field[3]),
		.receiver = STR("receiver.example"),
		.now = 1700000000 };
	struct spf_outcome outcome;

	require(ip_parse(host, &query.client));
	query.domain = from.n == 0 ? query.helo : str_sub(from, at + 1, from.n);
	if (at != STR_NPOS)
		query.local = str_sub(from, 0, at);
	zone->arrival = one_by_one ? ZONE_ONE_BY_ONE : ZONE_AT_HAND;
	zone_forget(zone);
	zone_check(zone, &query, &outcome, &explanation);
	if (explanation.n == 0)
		explanation = STR("DEFAULT");
	if (expected(l->field[5], outcome.result) &&
	    (wanted.p == NULL || str_eq(wanted, explanation)))
		return true;
	printf("# %s is %s (%s%s), should be %.*s; \"%s\", should be \"%s\"\n",
	    one_by_one ? "one by one" : "at hand", spf_result_name(outcome.result),
	    ESC(outcome.problem), ESC(outcome.mechanism), STR_ARG(l->field[5]), ESC(explanation),
	    ESC(wanted));
	return false;
}

static bool
split(char *text, struct line *l)
{
	struct str rest = str_of(text);

	if (str_ends(rest, STR("\n")))
		rest.n--;
	l->n = 0;
	while (l->n < FIELDS && str_pop(&rest, ' ', &l->field[l->n]))
		l->n++;
	return rest.p == NULL && l->n > 0;
}

/* Runs all cases that the pipe brings; their number is known from its first line on. */
static bool
run_all(FILE *pipe, const char *suite, unsigned *number)
{
	struct zone *zone = zone_new();
	char *text = NULL;
	size_t room = 0;
	bool all_ok = true;
	struct line l;

	while (getline(&text, &room, pipe) > 0) {
		require(split(text, &l));
		if (text[0] == 'S') {
			zone_free(&zone);
			zone = zone_new();
		} else if (text[0] == 'A') {
			read_answer(zone, &l);
		} else if (text[0] == 'T') {
			bool ok = run(zone, &l, false);

			ok = run(zone, &l, true) && ok;
			printf("%sok %u - %s: %s\n", ok ? "" : "not ", ++*number, suite,
			    ESC(unhex(zone->arena, l.field[1])));
			all_ok = all_ok && ok;
		}
		fflush(stdout);
	}
	free(text);
	zone_free(&zone);
	return all_ok;
}

/* The converter's output; it exits with 77 when it lacks python3-yaml. */
static FILE *
convert(const char *folder, const char *suite, pid_t *child)
{
	const char *top = getenv("srcdir");
	char script[4096], file[8192];
	int ends[2];

	snprintf(script, sizeof(script), "%s/tests/filters/spf_suite.py", top ? top : ".");
	snprintf(file, sizeof(file), "%s/%s-tests.yml", folder, suite);
	require(pipe(ends) == 0);
	fflush(stdout);
	*child = fork();
	require(*child >= 0);
	if (*child == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execlp("python3", "python3", script, file, (char *)NULL);
		_exit(77);
	}
	close(ends[1]);
	return fdopen(ends[0], "r");
}

static unsigned
read_count(FILE *pipe)
{
	char text[64];
	uint64_t n = 0;

	if (fgets(text, sizeof(text), pipe) == NULL)
		return 0;
	require(text[0] == 'N');
	require(str_to_u64(str_trim(str_of(text + 1)), 100000, &n));
	return (unsigned)n;
}

int
main(void)
{
	static const char *const suites[] = { "rfc7208", "rfc4408" };
	const char *folder = getenv("POSTERN_SPF_SUITE"), *top = getenv("srcdir");
	unsigned count[2], number = 0;
	char beside[4096];
	FILE *pipes[2];
	pid_t child[2];
	bool ok = true;
	int status;

	snprintf(beside, sizeof(beside), "%s/../shared/spf", top ? top : ".");
	if (folder == NULL)
		folder = beside;
	if (access(folder, R_OK) != 0) {
		printf("1..0 # SKIP the SPF test suite is not in %s\n", folder);
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		pipes[i] = convert(folder, suites[i], &child[i]);
		count[i] = read_count(pipes[i]);
	}
	if (count[0] == 0 || count[1] == 0) {
		printf("1..0 # SKIP the SPF test suite cannot be read: is python3-yaml there?\n");
		return 0;
	}
	printf("1..%u\n", count[0] + count[1]);
	for (int i = 0; i < 2; i++) {
		ok = run_all(pipes[i], suites[i], &number) && ok;
		fclose(pipes[i]);
		require(waitpid(child[i], &status, 0) == child[i]);
		ok = ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	return ok && number == count[0] + count[1] ? 0 : 1;
}
