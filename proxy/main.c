/*
 * posternd: reads the command line and the configuration, then hands over to the master.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "filters/vocabulary.h"
#include "proxy/limits.h"
#include "proxy/master.h"
#include "rules/cost.h"

#define DEFAULT_CONFIG SYSCONFDIR "/postern/postern.conf"

struct options {
	const char *config;
	bool foreground, check, verbose;
};

static const char usage[] =
    "usage: posternd [-f] [-v] [-c FILE]    run the mail gate (-f: in the foreground, log to stderr)\n"
    "       posternd -n [-v] [-c FILE]      check the file and exit (-v: tell what it can cost)\n"
    "       posternd -V                     print the version\n"
    "FILE is " DEFAULT_CONFIG " unless given. -v logs details.\n";

static bool
read_options(int argc, char **argv, struct options *o)
{
	int c;

	o->config = DEFAULT_CONFIG;
	while ((c = getopt(argc, argv, "fnvVhc:")) != -1) {
		switch (c) {
		case 'f':
			o->foreground = true;
			break;
		case 'n':
			o->check = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'c':
			o->config = optarg;
			break;
		case 'V':
			puts("posternd " PACKAGE_VERSION);
			exit(EXIT_SUCCESS);
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			return false;
		}
	}
	return optind == argc;
}

static struct config *
load(const char *path)
{
	struct complaints complaints = { 0 };
	struct arena *arena = arena_new(64 * 1024);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config = config_load(path, &vocabulary, &complaints);

	for (size_t i = 0; i < complaints.n; i++) {
		char *text = complaint_print(&complaints.item[i]);

		fprintf(stderr, "%s\n", text);
		free(text);
	}
	if (!config)
		fprintf(stderr, "posternd: %s: %zu error%s, nothing was started\n", path,
		    complaints.errors, complaints.errors == 1 ? "" : "s");
	complaints_free(&complaints);
	arena_free(&arena);
	return config;
}

/* The parent stays until mail can come, so that a script can rely on the exit code. */
static int
wait_until_ready(int fd)
{
	char octet;

	if (read(fd, &octet, 1) == 1)
		return EXIT_SUCCESS;
	fputs("posternd: did not start; the mail log says why\n", stderr);
	return EXIT_FAILURE;
}

/* Leaves the terminal. Returns the descriptor that tells the parent, in the child. */
static int
detach(void)
{
	int pipe_ends[2], null;
	pid_t pid;

	if (pipe(pipe_ends) || (pid = fork()) < 0) {
		fprintf(stderr, "posternd: cannot leave the terminal: %s\n", strerror(errno));
		exit(EXIT_FAILURE);
	}
	if (pid > 0) {
		close(pipe_ends[1]);
		exit(wait_until_ready(pipe_ends[0]));
	}
	close(pipe_ends[0]);
	setsid();
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	return pipe_ends[1];
}

/* The file is read again at every reload, from wherever the process then is. */
static char *
absolute(const char *path)
{
	char *full = realpath(path, NULL);

	return full ? full : strdup(path);
}

static unsigned long long
mib(uint64_t octets)
{
	return (octets + (1 << 20) - 1) >> 20;
}

static void
print_ceiling(const struct config_core *core)
{
	struct limits_ceiling c = limits_ceiling(core);

	printf("memory: at most %llu MiB: %llu MiB, %llu MiB of messages, and %llu KiB for each of "
	       "%llu sessions\n",
	    mib(c.total), mib(c.fixed), mib(c.held), (unsigned long long)(c.session >> 10),
	    (unsigned long long)c.sessions);
}

/* `postern check` tells the rest. */
static void
print_cost(const struct config *config)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct cost_report report;
	const struct cost_step *all = &report.message;

	cost_report(arena, config, &report);
	printf(
	    "questions: at most %u to the DNS and %u to the store for a message with one recipient%s\n",
	    all->dns.once.most + all->dns.each.most, all->store.once.most + all->store.each.most,
	    all->unknown ? ", and those of a stage that does not say how many" : "");
	arena_free(&arena);
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct master_start start = { .ready = -1 };
	char *path;
	int result;

	if (!read_options(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	path = absolute(o.config);
	start.config = load(path);
	free(path);
	if (!start.config)
		return EXIT_FAILURE;
	if (o.check) {
		printf("%s: fine\n", o.config);
		if (o.verbose) {
			print_ceiling(&start.config->core);
			print_cost(start.config);
		}
		config_release(&start.config);
		return EXIT_SUCCESS;
	}
	log_open("posternd", o.foreground ? LOG_TO_STDERR : LOG_TO_SYSLOG,
	    o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	program_find(&start.program, argv);
	inherit_read(&start.inherited);
	/* A successor has been detached with its predecessor. */
	if (start.inherited.ready >= 0)
		start.ready = start.inherited.ready;
	else if (!o.foreground)
		start.ready = detach();
	result = master_run(&start);
	program_free(&start.program);
	config_release(&start.config);
	return result;
}
