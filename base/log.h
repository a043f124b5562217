/*
 * log: one line an event, key=value, the session's id first. error = someone must act; warn =
 * something is odd; info = one a connection and one a decision; debug = the rest. Values from the
 * network go through escape.h before they get here. Lines reach stderr in the foreground, syslog
 * otherwise; each is one write, so that threads and processes do not mix theirs.
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_sink { LOG_TO_STDERR, LOG_TO_SYSLOG };

/* Once a process, before any thread. ident stands before stderr lines and in syslog's tag. */
void log_open(const char *ident, enum log_sink sink, enum log_level most);
/* session may be NULL: then "-" stands in its place. */
void log_write(enum log_level level, const char *session, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(session, ...) log_write(LOG_LEVEL_ERROR, (session), __VA_ARGS__)
#define log_warn(session, ...) log_write(LOG_LEVEL_WARN, (session), __VA_ARGS__)
#define log_info(session, ...) log_write(LOG_LEVEL_INFO, (session), __VA_ARGS__)
#define log_debug(session, ...) log_write(LOG_LEVEL_DEBUG, (session), __VA_ARGS__)

#endif
