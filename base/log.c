#include "base/log.h"

#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/die.h"

/*
 * WHY: the only mutable state of a file in the program. Whoever must say that something went
 * wrong cannot be asked to have brought a handle along; it is written once, before any thread, but for
 * the lines that threads gather.
 */
static struct {
	enum log_sink sink;
	enum log_level most;
	char ident[64]; /* openlog() keeps the pointer */
} state = { LOG_TO_STDERR, LOG_LEVEL_INFO, "postern" };

#define LINE_MAX_OCTETS 2048

/* Lines on their way. What a pipe takes in one piece is not mixed with other processes' lines. */
struct log_batch {
	void (*wake)(void *owner);
	void *owner;
	atomic_size_t n;
	char text[PIPE_BUF];
};

#define BATCHES 256 /* more threads than that write each line by itself */

/* WHY: whoever dies writes the lines of all. */
static _Atomic(struct log_batch *) batches[BATCHES];
static _Thread_local struct log_batch *own;

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARN] = { "warn", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

void
log_open(const char *ident, enum log_sink sink, enum log_level most)
{
	snprintf(state.ident, sizeof(state.ident), "%s", ident);
	state.sink = sink;
	state.most = most;
	if (sink == LOG_TO_SYSLOG)
		openlog(state.ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

/* The last line of defence: whatever a caller forgot to escape, a line stays one line. */
static void
flatten(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

/* Returns how many octets of the size are used, as if snprintf() had cut there. */
static size_t
fits(int wanted, size_t size)
{
	if (wanted < 0)
		return 0;
	return (size_t)wanted < size ? (size_t)wanted : size - 1;
}

static void
put(const char *text, size_t n)
{
	/* Nobody is left to be told when even this fails. */
	if (n > 0 && write(STDERR_FILENO, text, n) < 0)
		return;
}

static void
flush(struct log_batch *batch)
{
	put(batch->text, atomic_exchange(&batch->n, 0));
}

/* Behind what was gathered before. */
static void
write_now(struct log_batch *batch, const char *line, size_t n)
{
	if (batch)
		flush(batch);
	put(line, n);
}

static void
gather(struct log_batch *batch, const char *line, size_t n)
{
	size_t before = atomic_load(&batch->n);

	if (n > sizeof(batch->text) - before) {
		flush(batch);
		before = 0;
	}
	memcpy(batch->text + before, line, n);
	atomic_store(&batch->n, before + n);
	if (before == 0)
		batch->wake(batch->owner);
}

void
log_write(enum log_level level, const char *session, const char *format, ...)
{
	char line[LINE_MAX_OCTETS];
	size_t ident = 0, n;
	va_list ap;

	if (level > state.most)
		return;
	if (state.sink == LOG_TO_STDERR)
		ident = fits(snprintf(line, sizeof(line), "%s: ", state.ident), sizeof(line));
	n = ident;
	n += fits(snprintf(line + n, sizeof(line) - n, "%s %s ", levels[level].name,
		      session ? session : "-"),
	    sizeof(line) - n);
	va_start(ap, format);
	n += fits(vsnprintf(line + n, sizeof(line) - n, format, ap), sizeof(line) - n);
	va_end(ap);
	flatten(line);
	if (state.sink == LOG_TO_SYSLOG) {
		syslog(levels[level].priority, "%s", line);
		return;
	}
	line[n++] = '\n'; /* in the place of the NUL */
	if (own == NULL || level <= LOG_LEVEL_WARN || n > sizeof(own->text))
		write_now(own, line, n);
	else
		gather(own, line, n);
}

void
log_gather(void (*wake)(void *owner), void *owner)
{
	struct log_batch *batch;

	if (state.sink != LOG_TO_STDERR)
		return;
	batch = xcalloc(1, sizeof(*batch));
	batch->wake = wake;
	batch->owner = owner;
	for (size_t i = 0; i < BATCHES && own == NULL; i++) {
		struct log_batch *none = NULL;

		if (atomic_compare_exchange_strong(&batches[i], &none, batch))
			own = batch;
	}
	if (own == NULL)
		free(batch);
}

void
log_flush(void)
{
	if (own)
		flush(own);
}

void
log_gather_end(void)
{
	if (own == NULL)
		return;
	flush(own);
	for (size_t i = 0; i < BATCHES; i++)
		if (atomic_load(&batches[i]) == own)
			atomic_store(&batches[i], NULL);
	free(own);
	own = NULL;
}

void
log_flush_all(void)
{
	for (size_t i = 0; i < BATCHES; i++) {
		struct log_batch *batch = atomic_load(&batches[i]);

		if (batch)
			flush(batch);
	}
}
