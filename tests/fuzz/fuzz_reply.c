/*
 * Replies of a server, and a reply of ours made of anything, which must be one that we would read.
 */
#include "mail/reply.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_theirs(struct str text)
{
	struct reply r;
	struct str line;
	size_t total = 0;

	reply_init(&r);
	while (str_pop(&text, '\n', &line)) {
		if (!reply_take(&r, line, NULL))
			break;
		total += line.n + 2;
		if (r.raw.n != total || r.raw.over || r.code < 200 || r.code > 599)
			abort();
		if (reply_line(&r, r.lines - 1).n > line.n)
			abort();
		reply_enhanced(&r);
		if (r.complete) {
			reply_clear(&r);
			total = 0;
		}
	}
	reply_free(&r);
}

static void
write_ours(struct str text)
{
	struct buf out;
	struct reply r;
	struct str rest, line;

	buf_init(&out, 1 << 20);
	reply_init(&r);
	reply_write(&out, 550, "5.7.1", text);
	rest = buf_str(&out);
	while (!out.over && str_pop(&rest, '\n', &line) && line.n > 0) {
		if (line.n + 1 > REPLY_LINE_MAX || line.p[line.n - 1] != '\r')
			abort();
		/* a text of hundreds of lines makes a reply that is too long */
		if (!reply_take(&r, str_sub(line, 0, line.n - 1), NULL) &&
		    r.lines < REPLY_LINES_MAX && r.raw.n < 65536 - REPLY_LINE_MAX)
			abort();
	}
	buf_free(&out);
	reply_free(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };

	read_theirs(text);
	write_ours(text);
	return 0;
}
