#include "mail/eod.h"

/* Of the reader, between two octets. What is held was not given to put yet. */
enum reading {
	AT_LINE,   /* behind CRLF, or at the beginning */
	AT_DOT,    /* "." at the start of a line; held */
	AT_DOT_CR, /* ".\r" there; held */
	IN_LINE,
	AT_CR, /* "\r" in a line; held */
};

enum writing { LINE_START, LINE_INSIDE };

void
eod_reader_init(struct eod_reader *r, enum eod_bare bare)
{
	*r = (struct eod_reader){ .bare = bare, .state = AT_LINE };
}

void
eod_reader_init_chunks(struct eod_reader *r, enum eod_bare bare)
{
	eod_reader_init(r, bare);
	r->chunks = true;
}

/* One call of eod_read(): in.p[from..at) is what can go out as it stands, in one run. */
struct reading_run {
	struct eod_reader *r;
	struct str in;
	size_t from;
	void (*put)(void *owner, struct str run);
	void *owner;
};

static void
run_put(struct reading_run *run, struct str s)
{
	struct eod_reader *r = run->r;

	if (s.n == 0)
		return;
	r->octets += s.n;
	if (!r->nul && memchr(s.p, '\0', s.n) != NULL)
		r->nul = true;
	run->put(run->owner, s);
}

/* Gives away what is before `to`, and goes on at `next`. */
static void
run_flush(struct reading_run *run, size_t to, size_t next)
{
	run_put(run, str_sub(run->in, run->from, to));
	run->from = next;
}

static void
line_grow(struct eod_reader *r, uint64_t n)
{
	r->line += n;
	if (r->line > r->longest)
		r->longest = r->line;
}

/* The CRs in [at, to), none of which a LF follows. */
static void
bare_crs(struct reading_run *run, size_t at, size_t to)
{
	const char *p = run->in.p, *cr;

	while (at < to && (cr = memchr(p + at, '\r', to - at)) != NULL) {
		run->r->bare_cr = true;
		at = (size_t)(cr - p) + 1;
		if (run->r->bare == EOD_NORMALISE) {
			run_flush(run, at - 1, at);
			run_put(run, STR(" "));
		}
	}
}

static void
bare_lf(struct reading_run *run, size_t at)
{
	run->r->bare_lf = true;
	if (run->r->bare == EOD_NORMALISE) {
		run_flush(run, at, at + 1);
		run_put(run, STR("\r\n"));
		run->r->line = 0;
	} else {
		line_grow(run->r, 1);
	}
}

/*
 * Inside a line: up to the next LF, or all there is. The line's own CR is told from bare ones by
 * standing right before the LF. A bare LF does not begin a line: a dot behind it is
 * never the end, nor was it stuffed.
 */
static size_t
read_line(struct reading_run *run, size_t at)
{
	struct eod_reader *r = run->r;
	const char *p = run->in.p, *lf = memchr(p + at, '\n', run->in.n - at);
	size_t end = lf != NULL ? (size_t)(lf - p) : run->in.n;
	bool cr = end > at && p[end - 1] == '\r';

	bare_crs(run, at, end - cr);
	line_grow(r, end - cr - at);
	if (lf == NULL) {
		if (cr) {
			run_flush(run, end - 1, end);
			r->state = AT_CR;
		}
		return end;
	}
	if (cr) {
		r->line = 0;
		r->state = AT_LINE;
	} else {
		bare_lf(run, end);
	}
	return end + 1;
}

/* A CR was held, and this octet follows it. */
static size_t
read_after_cr(struct reading_run *run, size_t at)
{
	struct eod_reader *r = run->r;

	if (run->in.p[at] == '\n') {
		run_put(run, STR("\r\n"));
		run->from = at + 1;
		r->line = 0;
		r->state = AT_LINE;
		return at + 1;
	}
	r->bare_cr = true;
	run_put(run, r->bare == EOD_NORMALISE ? STR(" ") : STR("\r"));
	run->from = at;
	line_grow(r, 1);
	r->state = IN_LINE;
	return at;
}

/*
 * Behind a dot that begins a line. Unless the message ends here, the dot was stuffed, and is
 * dropped.
 */
static size_t
read_after_dot(struct reading_run *run, size_t at)
{
	struct eod_reader *r = run->r;
	char c = run->in.p[at];

	run->from = at;
	if (r->state == AT_DOT && c == '\r') {
		r->state = AT_DOT_CR;
		run->from = at + 1;
		return at + 1;
	}
	if (r->state == AT_DOT_CR && c == '\n') {
		r->ended = true;
		run->from = at + 1;
		return at + 1;
	}
	r->state = r->state == AT_DOT ? IN_LINE : AT_CR;
	return at;
}

size_t
eod_read(struct eod_reader *r, struct str in, void (*put)(void *owner, struct str run), void *owner)
{
	struct reading_run run = { .r = r, .in = in, .put = put, .owner = owner };
	size_t at = 0;

	while (at < in.n && !r->ended) {
		switch ((enum reading)r->state) {
		case AT_LINE:
			if (in.p[at] == '.' && !r->chunks) {
				run_flush(&run, at, at + 1);
				at++;
				r->state = AT_DOT;
			} else {
				r->state = IN_LINE;
			}
			break;
		case AT_DOT:
		case AT_DOT_CR:
			at = read_after_dot(&run, at);
			break;
		case IN_LINE:
			at = read_line(&run, at);
			break;
		case AT_CR:
			at = read_after_cr(&run, at);
			break;
		}
	}
	run_flush(&run, at, at);
	return at;
}

void
eod_read_last(struct eod_reader *r, void (*put)(void *owner, struct str run), void *owner)
{
	struct reading_run run = { .r = r, .put = put, .owner = owner };

	if (r->state == AT_CR) {
		r->bare_cr = true;
		run_put(&run, r->bare == EOD_NORMALISE ? STR(" ") : STR("\r"));
		line_grow(r, 1);
	}
	r->ended = true;
}

void
eod_writer_init(struct eod_writer *w)
{
	w->state = LINE_START;
}

/*
 * A dot behind any LF is doubled, whether a CR stands before it or not: a server that takes
 * a bare LF for the end of a line then sees no end of the message there either. (The reader
 * lets no bare LF through; this is for octets that come another way.)
 */
void
eod_write(
    struct eod_writer *w, struct str in, void (*put)(void *owner, struct str run), void *owner)
{
	size_t from = 0, at = 0;
	const char *found;

	if (in.n == 0)
		return;
	if (w->state == LINE_START && in.p[0] == '.')
		put(owner, STR("."));
	/* memmem() for both octets looks at each; memchr() at many together. */
	while ((found = memchr(in.p + at, '\n', in.n - at)) != NULL) {
		at = (size_t)(found - in.p) + 1;
		if (at == in.n || in.p[at] != '.')
			continue;
		put(owner, str_sub(in, from, at));
		put(owner, STR("."));
		from = at;
	}
	put(owner, str_sub(in, from, in.n));
	w->state = in.p[in.n - 1] == '\n' ? LINE_START : LINE_INSIDE;
}

void
eod_write_end(struct eod_writer *w, void (*put)(void *owner, struct str run), void *owner)
{
	put(owner, w->state == LINE_START ? STR(".\r\n") : STR("\r\n.\r\n"));
	w->state = LINE_START;
}
