/*
 * What a journal of many entries takes and gives: how fast they are appended, summed up and made searchable, how long searches
 * and statistics over all of them take (cold: from the disk, with nothing of the files in memory; then once more), how fast the
 * chain is walked, how long a step of indexing and of retention holds the mail.
 *
 *   make bench/journal && bench/journal FOLDER [ENTRIES]
 *
 * ENTRIES is 10000000 when not given: some 10 GB, and an hour. The folder is left as it is; another run measures it again.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/journal.h"

#define LOT 1000
#define DAYS 30
#define DAY_MS (86400 * 1000LL)

struct random {
	uint64_t state;
};

static unsigned
draw(struct random *r, unsigned below)
{
	r->state = r->state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(r->state >> 33) % below;
}

static void
word(struct random *r, char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = "etaoinshrdlucmfwypvbgkjqxz"[draw(r, 26)];
	out[n] = '\0';
}

struct texts {
	char sender[64], recipients[64], ip[20], name[64], text[120], facts[200], answers[300];
};

/* Some thousand domains and senders that come again, and many that do not. */
static struct journal_record
make(struct random *r, struct texts *t, int64_t time_ms)
{
	static const char *const verdicts[] = { "reject", "tempfail", "accept", "reject" };
	unsigned known = draw(r, 4);
	struct random own = { known ? draw(r, 5000) : r->state };
	char user[12], domain[12];

	word(&own, user, 4 + draw(&own, 6));
	word(&own, domain, 3 + draw(&own, 7));
	snprintf(t->sender, sizeof(t->sender), "%s@%s.example.net", user, domain);
	snprintf(t->name, sizeof(t->name), "mx%u.%s.example.net", draw(&own, 3), domain);
	snprintf(t->ip, sizeof(t->ip), "%u.%u.%u.%u", 1 + draw(&own, 220), draw(&own, 256),
	    draw(&own, 256), draw(&own, 256));
	word(r, user, 5);
	snprintf(t->recipients, sizeof(t->recipients), "[\"%s@example.org\"]", user);
	snprintf(
	    t->text, sizeof(t->text), "SPF: %s.example.net does not let %s send", domain, t->ip);
	snprintf(t->facts, sizeof(t->facts), "{\"client.name\":\"%s\",\"spf\":\"fail\"}", t->name);
	snprintf(t->answers, sizeof(t->answers),
	    "[{\"dns\":\"%s.example.net TXT\",\"status\":\"ok\",\"ttl\":300,\"records\":[\"v=spf1 -all\"]}]",
	    domain);
	return (struct journal_record){
		.time_ms = time_ms,
		.front = "proxy",
		.step = "mail",
		.verdict = verdicts[draw(r, 4)],
		.code = 550,
		.client_ip = str_of(t->ip),
		.client_name = str_of(t->name),
		.helo = str_of(t->name),
		.sender = str_of(t->sender),
		.recipients = str_of(t->recipients),
		.enhanced = STR("5.7.23"),
		.text = str_of(t->text),
		.rule = draw(r, 2) ? STR("postern.conf:12") : STR("postern.conf:15"),
		.facts = str_of(t->facts),
		.trace = STR("[{\"format\":2},{\"at\":\"mail\",\"tried\":\"2|2 3*\"}]"),
		.answers = str_of(t->answers),
		.config = STR("0123456789ab"),
	};
}

static void
told(const char *what, int64_t began_us, double n)
{
	double took = (double)(clock_mono_us() - began_us) / 1e6;

	if (n > 0)
		printf("%-34s %10.0f a second, %.0f s\n", what, n / took, took);
	else
		printf("%-34s %10.1f ms\n", what, took * 1e3);
	fflush(stdout);
}

static bool
fill(struct journal *j, int64_t from, int64_t n, int64_t end_ms)
{
	static struct journal_record r[LOT], *p[LOT];
	static struct texts t[LOT];
	struct random random = { 4711 };
	int64_t began_us = clock_mono_us(), step = DAYS * DAY_MS / n;

	for (int64_t i = from; i < n; i += LOT) {
		for (int64_t k = 0; k < LOT; k++) {
			r[k] = make(&random, &t[k], end_ms - (n - i - k) * step);
			p[k] = &r[k];
		}
		if (!journal_append(j, p, LOT, NULL))
			return false;
	}
	if (from < n)
		told("appended, 1000 at a time", began_us, (double)(n - from));
	return true;
}

/* How many calls took up to so long. */
static const int64_t up_to_us[] = { 1000, 2000, 5000, 10000, 20000, 50000, INT64_MAX };
#define RANGES (sizeof(up_to_us) / sizeof(up_to_us[0]))

struct times {
	size_t n, range[RANGES];
	int64_t longest_us;
};

static void
note(struct times *t, int64_t us)
{
	size_t i = 0;

	while (us > up_to_us[i])
		i++;
	t->range[i]++;
	t->n++;
	t->longest_us = us > t->longest_us ? us : t->longest_us;
}

static void
print_times(const char *what, const struct times *t)
{
	printf("%-34s longest %.1f ms;", what, (double)t->longest_us / 1e3);
	for (size_t i = 0; i + 1 < RANGES; i++)
		printf(" %zu up to %d,", t->range[i], (int)(up_to_us[i] / 1000));
	printf(" %zu longer\n", t->range[RANGES - 1]);
}

static int64_t
processor_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
prepare(struct journal *j, int64_t n)
{
	int64_t began_us = clock_mono_us();
	struct times wall = { 0 }, processor = { 0 };
	bool more = true;
	size_t steps = 0;

	while (journal_sum_up(j, NULL))
		steps++;
	if (steps > 1)
		told("summed up", began_us, (double)n);
	began_us = clock_mono_us();
	while (more) {
		int64_t at = clock_mono_us(), used = processor_us();

		more = journal_index(j, true);
		note(&wall, clock_mono_us() - at);
		note(&processor, processor_us() - used);
	}
	if (wall.n < 100)
		return;
	told("made searchable", began_us, (double)n);
	print_times("  calls", &wall);
	print_times("  their processor time", &processor);
}

/* --- from the disk, and from memory ------------------------------------------------------------- */

/* The kernel forgets what it has of the files, once they are on the disk. */
static void
forget_pages(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		char path[2000];
		int fd;

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		fdatasync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
	if (dir)
		closedir(dir);
}

/* A reader that knows nothing yet. */
static struct journal *
fresh(const char *folder)
{
	char path[1000];

	snprintf(path, sizeof(path), "%s/journal.db", folder);
	forget_pages(folder);
	return journal_open_read(path, NULL);
}

static bool
count(void *owner, const struct journal_record *r)
{
	++*(size_t *)owner;
	return true;
}

/* What came from the disk so far. */
static double
fetched_kib(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)used.ru_inblock / 2;
}

/* Processor time and what is read say more than the clock does while others keep the machine busy. */
static void
search(const char *folder, const char *what, struct journal_filter filter)
{
	struct journal *j = fresh(folder);
	double fetched = fetched_kib();
	int64_t began_us = clock_mono_us(), used_us = processor_us();
	size_t n = 0;

	if (j == NULL)
		return;
	journal_read(j, &filter, count, &n, NULL);
	printf("%-30s %8.1f ms cold, %6.0f KiB;", what, (double)(clock_mono_us() - began_us) / 1e3,
	    fetched_kib() - fetched);
	printf(" processor %6.1f", (double)(processor_us() - used_us) / 1e3);
	n = 0;
	began_us = clock_mono_us();
	used_us = processor_us();
	journal_read(j, &filter, count, &n, NULL);
	printf("; again %6.1f ms, processor %6.1f; %zu found\n",
	    (double)(clock_mono_us() - began_us) / 1e3, (double)(processor_us() - used_us) / 1e3,
	    n);
	fflush(stdout);
	journal_close(&j);
}

static bool
keep_last(void *owner, const struct journal_record *r)
{
	struct journal_record **kept = owner;

	*kept = journal_record_copy(r);
	return true;
}

static void
searches(struct journal *j, const char *folder)
{
	struct journal_record *r = NULL;
	struct journal_filter last = { .last = 1 };
	struct str name;

	journal_read(j, &last, keep_last, &r, NULL);
	if (r == NULL)
		return;
	name = str_sub(r->sender, 0, str_find(r->sender, '@'));
	search(folder, "--from a whole address", (struct journal_filter){ .sender = r->sender });
	search(folder, "--from its local part", (struct journal_filter){ .sender = name });
	search(folder, "--to a recipient",
	    (struct journal_filter){ .recipient = str_sub(r->recipients, 2, r->recipients.n - 2) });
	search(folder, "--ip an address", (struct journal_filter){ .client = r->client_ip });
	search(folder, "--text a part of it",
	    (struct journal_filter){ .text = str_sub(r->text, 5, 20) });
	search(folder, "--text that is nowhere",
	    (struct journal_filter){ .text = STR("no such thing") });
	search(folder, "--last 100", (struct journal_filter){ .last = 100 });
	search(folder, "--text in all, --last 100",
	    (struct journal_filter){ .text = STR("does not let"), .last = 100 });
	search(folder, "--verdict accept --last 100",
	    (struct journal_filter){ .verdict = STR("accept"), .last = 100 });
	search(folder, "--since an hour, --from",
	    (struct journal_filter){ .since_ms = r->time_ms - 3600000, .sender = name });
	free(r);
}

static void
no_hour(void *owner, int64_t hour_ms, const int64_t counts[JOURNAL_VERDICTS])
{
	++*(size_t *)owner;
}

static void
no_sum(void *owner, const struct journal_sum *sum)
{
	++*(size_t *)owner;
}

static void
no_wait(void *owner, int64_t seconds, int64_t n)
{
	++*(size_t *)owner;
}

/* All that `postern stats` asks. */
static void
ask_all(struct journal *j, struct journal_span span)
{
	static const char *const columns[] = { "sender", "client_ip", "rule", "text" };
	size_t n = 0;

	journal_hours(j, &span, no_hour, &n, NULL);
	for (size_t i = 0; i < 4; i++) {
		struct journal_ranking ranking = { span, columns[i], 10 };

		journal_top(j, &ranking, no_sum, &n, NULL);
	}
	journal_waits(j, &span, no_wait, &n, NULL);
}

static void
statistics(const char *folder, const char *what, struct journal_span span)
{
	struct journal *j = fresh(folder);
	int64_t began_us = clock_mono_us(), used_us = processor_us();

	if (j == NULL)
		return;
	ask_all(j, span);
	told(what, began_us, 0);
	printf(
	    "%-34s %10.1f ms\n", "  its processor time", (double)(processor_us() - used_us) / 1e3);
	began_us = clock_mono_us();
	ask_all(j, span);
	told("  once more", began_us, 0);
	journal_close(&j);
}

static void
fault(void *owner, const struct journal_fault *f)
{
	++*(size_t *)owner;
}

static void
verify(struct journal *j, int64_t since_ms)
{
	int64_t began_us = clock_mono_us();
	size_t faults = 0;
	const struct journal_check check = { since_ms, fault, &faults };
	struct journal_verdict v = { 0 };

	journal_verify(j, &check, &v, NULL);
	told("--verify", began_us, (double)v.entries);
	if (faults > 0)
		printf("%zu faults\n", faults);
}

/* What it holds up each time. */
static void
clean(struct journal *j, int64_t now_ms)
{
	const struct journal_retention stays = { .keep_ms = DAYS * DAY_MS - DAY_MS };
	int64_t longest_us = 0, began_us = clock_mono_us();
	int steps = 0;

	for (bool more = true; more && steps < 1000; steps++) {
		int64_t at = clock_mono_us();

		more = journal_clean(j, now_ms, &stays, NULL);
		at = clock_mono_us() - at;
		longest_us = at > longest_us ? at : longest_us;
	}
	printf("%-34s %10.1f ms a step, longest %.1f ms\n", "retention",
	    (double)(clock_mono_us() - began_us) / 1e3 / steps, (double)longest_us / 1e3);
}

int
main(int argc, char **argv)
{
	uint64_t n = 10000000;
	int64_t now_ms = clock_wall_ms();
	struct journal *j, *reader;
	char path[1000];
	struct err e;

	if (argc < 2 || (argc > 2 && !str_to_u64(str_of(argv[2]), 1000000000, &n)) || n < LOT) {
		fprintf(stderr, "usage: %s FOLDER [ENTRIES]\n", argv[0]);
		return 2;
	}
	log_open("journal", LOG_TO_STDERR, LOG_LEVEL_WARN);
	snprintf(path, sizeof(path), "%s/journal.db", argv[1]);
	j = journal_open(path, &e);
	reader = j ? journal_open_read(path, &e) : NULL;
	if (reader == NULL || !fill(j, journal_newest(reader), (int64_t)n, now_ms)) {
		fprintf(stderr, "%s\n", e.text);
		journal_close(&j);
		return 1;
	}
	prepare(j, (int64_t)n);
	searches(reader, argv[1]);
	statistics(argv[1], "statistics of all", (struct journal_span){ 0 });
	statistics(
	    argv[1], "statistics of a day", (struct journal_span){ now_ms - DAY_MS, now_ms });
	verify(reader, now_ms - DAYS * DAY_MS / 10);
	clean(j, now_ms);
	journal_close(&reader);
	journal_close(&j);
	return 0;
}
