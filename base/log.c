#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

/*
 * WHY: the only mutable state of a file in the program. Whoever must say that something went
 * wrong cannot be asked to have brought a handle along; it is written once, before any thread.
 */
static struct {
	enum log_sink sink;
	enum log_level most;
	char ident[64]; /* openlog() keeps the pointer */
} state = { LOG_TO_STDERR, LOG_LEVEL_INFO, "postern" };

#define LINE_MAX_OCTETS 2048

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
	/* Nobody is left to be told when even this fails. */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}
