/*
 * log: one line an event, key=value, the session's id first. error = someone must act; warn =
 * something is odd; info = one a connection and one a decision; debug = the rest. Values from the
 * network go through escape.h before they get here. Lines reach stderr in the foreground, syslog
 * otherwise; each is one write, so that threads and processes do not mix theirs.
 *
 * A thread with a loop may gather its lines of info and debug and write them together, by its own
 * log_flush() in each turn. Errors and warnings never wait, nor does anything when the process dies by
 * base/die.h; a signal that kills it takes along the lines of one turn.
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

/*
 * This thread's lines wait for log_flush() from now on, if they go to stderr. wake(owner) is called with the
 * first that waits.
 */
void log_gather(void (*wake)(void *owner), void *owner);
void log_flush(void);
/* Before the thread ends. */
void log_gather_end(void);
/* The lines of all threads: before a death. */
void log_flush_all(void);

#define log_error(session, ...) log_write(LOG_LEVEL_ERROR, (session), __VA_ARGS__)
#define log_warn(session, ...) log_write(LOG_LEVEL_WARN, (session), __VA_ARGS__)
#define log_info(session, ...) log_write(LOG_LEVEL_INFO, (session), __VA_ARGS__)
#define log_debug(session, ...) log_write(LOG_LEVEL_DEBUG, (session), __VA_ARGS__)

#endif
