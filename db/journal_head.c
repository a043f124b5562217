#include "db/journal_head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/sip.h"

/* "postern-head 1 JOURNAL SERIAL LINK CHECK", blanks, and the end of the line. */
#define MARK "postern-head 1 "
#define MARK_N (sizeof(MARK) - 1)
#define JOURNAL_AT MARK_N
#define SERIAL_AT (JOURNAL_AT + 17)
#define LINK_AT (SERIAL_AT + 17)
#define LINK_N (CHAIN_TEXT - 1)
#define SUM_AT (LINK_AT + LINK_N + 1) /* so far there are 64-bit words: 114 octets */
#define SUM_N 13

/* Not against hands, only against what is half written. */
static uint64_t
sum(const char *line)
{
	static const uint64_t key[2] = { 0x706f737465726e2d, 0x686561642d73756d };
	uint64_t word[(SUM_AT + 7) / 8] = { 0 };

	memcpy(word, line, SUM_AT);
	return sip_hash(key, word, sizeof(word) / sizeof(word[0])) >> 12;
}

void
head_print(const struct head *head, char line[HEAD_SIZE])
{
	char text[CHAIN_TEXT], out[HEAD_SIZE + 1];

	_Static_assert(SUM_AT + SUM_N < HEAD_SIZE, "the line holds it");
	snprintf(out, sizeof(out), MARK "%016" PRIx64 " %016" PRIx64 " %s ", head->journal,
	    (uint64_t)head->serial, chain_print(&head->link, text));
	memcpy(line, out, SUM_AT);
	snprintf(out, sizeof(out), "%013" PRIx64 "\n", sum(line));
	memcpy(line + SUM_AT, out, SUM_N + 1);
}

/* Hexadecimal digits, all of them. */
static bool
hex(struct str text, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return false;
		*out = *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return true;
}

bool
head_parse(struct str line, struct head *out)
{
	uint64_t serial, check;

	if (line.n != HEAD_SIZE || !str_starts(line, STR(MARK)) ||
	    !hex(str_sub(line, SUM_AT, SUM_AT + SUM_N), &check) || check != sum(line.p) ||
	    !hex(str_sub(line, JOURNAL_AT, JOURNAL_AT + 16), &out->journal) ||
	    !hex(str_sub(line, SERIAL_AT, SERIAL_AT + 16), &serial) || serial > INT64_MAX)
		return false;
	out->serial = (int64_t)serial;
	return chain_parse(str_sub(line, LINK_AT, LINK_AT + LINK_N), &out->link);
}

int
head_open(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
}

enum head_found
head_read(int fd, struct head *out)
{
	char line[HEAD_SIZE];
	ssize_t n = pread(fd, line, sizeof(line), 0);

	if (n == 0)
		return HEAD_NONE;
	return n == HEAD_SIZE && head_parse((struct str){ line, HEAD_SIZE }, out) ? HEAD_GOOD
										  : HEAD_BROKEN;
}

enum head_found
head_look(const char *path, struct head *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum head_found found;

	if (fd < 0)
		return errno == ENOENT ? HEAD_NONE : HEAD_BROKEN;
	found = head_read(fd, out);
	close(fd);
	return found;
}

bool
head_write(int fd, const struct head *head)
{
	char line[HEAD_SIZE];

	head_print(head, line);
	return pwrite(fd, line, sizeof(line), 0) == (ssize_t)sizeof(line);
}
