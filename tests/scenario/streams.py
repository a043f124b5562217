"""Streams of SMTP octets, made from a seed, in which it matters where a message ends and a command begins: true ends of
data and false ones, chunks that end anywhere, counts that are too short or too long, DATA among chunks and BDAT within
data, and whatever is sent on past commands that fail. `expected` reads one as the standards do, and says which
messages are in it. Recipients that begin with "nobody" are refused by the mail server."""

import random
import re

ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\n", b"\0\r\n", b"\r\0\n", b"\r\n\0", b"\n\n", b"")
TRUE_END = b"\r\n.\r\n"


def has_bare(octets):
    octets = octets.replace(b"\r\n", b"")
    return b"\r" in octets or b"\n" in octets


# ---- the reference ----

class Reader:
    """What a server that follows the standards, and offers no TLS, takes out of a stream that begins behind EHLO."""

    def __init__(self, stream):
        self.stream, self.at = stream, 0
        self.messages = []  # (recipients, octets)
        self.reset()

    def reset(self):
        self.open, self.rcpts, self.chunks, self.binary = False, [], None, False

    def take(self, octets):
        if self.binary or not has_bare(octets):
            self.messages.append((self.rcpts, octets))
        self.reset()

    def data(self):
        """False: nothing behind it can be read."""
        if self.chunks is not None or not self.rcpts or self.binary:
            return False
        rest = b"\r\n" + self.stream[self.at:]
        end = rest.find(TRUE_END)
        if end < 0:
            return False
        self.at += end + 3
        self.take((rest[:end] + b"\r\n").replace(b"\r\n.", b"\r\n")[2:])
        return True

    def chunk(self, line):
        found = re.fullmatch(rb"BDAT (\d+)( LAST)?", line)
        if not found:
            return False
        n, last = int(found.group(1)), bool(found.group(2))
        octets = self.stream[self.at:self.at + n]
        if len(octets) < n:
            return False
        self.at += n
        if self.rcpts:
            self.chunks = (self.chunks or b"") + octets
            # A CR at its end may be half of a line's end.
            if not self.binary and has_bare(self.chunks[:-1] if self.chunks.endswith(b"\r") else self.chunks):
                self.reset()
            elif last and not self.binary and self.chunks.endswith(b"\r"):
                self.reset()
            elif last:
                ends = self.binary or not self.chunks or self.chunks.endswith(b"\r\n")
                self.take(self.chunks + (b"" if ends else b"\r\n"))
        elif last:
            self.reset()
        return True

    def command(self, line):
        verb = line.split(b" ")[0]
        if verb == b"MAIL" and not self.open and re.fullmatch(rb"MAIL FROM:<[a-z]*@[a-z.]*>( BODY=BINARYMIME)?", line):
            self.open, self.binary = True, line.endswith(b"BINARYMIME")
        elif verb == b"RCPT" and self.open and self.chunks is None:
            if not line.startswith(b"RCPT TO:<nobody"):
                self.rcpts = self.rcpts + [line]
        elif verb in (b"RSET", b"EHLO"):
            self.reset()
        elif verb == b"DATA":
            return self.data()
        elif verb == b"BDAT":
            return self.chunk(line)
        # A line of a header is none of a dialogue.
        return verb != b"QUIT" and b":" not in verb

    def read(self):
        while True:
            end = self.stream.find(b"\n", self.at)
            if end < 0:
                return self.messages
            line, self.at = self.stream[self.at:end], end + 1
            if not line.endswith(b"\r") or b"\r" in line[:-1] or b"\0" in line:
                # A line with another end is an error; a BDAT of that kind ends all.
                if line.startswith(b"BDAT") or (b":" in line.split(b" ")[0]):
                    return self.messages
                continue
            if not self.command(line[:-1]):
                return self.messages


def expected(stream):
    return Reader(stream).read()


# ---- streams ----

class Maker:
    def __init__(self, seed, binary):
        self.random = random.Random(seed)
        self.seed, self.serial, self.binary = seed, 0, binary

    def text(self):
        """A message, without an end."""
        r = self.random
        parts = [b"Subject: %d.%d\r\n\r\ntext" % (self.seed, self.serial)]
        for _ in range(r.randrange(3)):
            fake = r.choice(ENDS) + r.choice((b".", b"..", b".", b"\0.", b".\0", b". ")) + r.choice(ENDS)
            parts.append(fake + r.choice((b"more", self.evil(), b"BDAT 5 LAST\r\nhello", b"\r\nDATA\r\nx", b"QUIT\r\n")))
        return b"".join(parts)

    def evil(self):
        self.serial += 1
        return (b"MAIL FROM:<evil@smuggled.test>\r\nRCPT TO:<victim.%d.%d@example.org>\r\nDATA\r\nSubject: %d.%d\r\n\r\ninner"
                % (self.seed, self.serial, self.seed, self.serial))

    def envelope(self):
        r = self.random
        self.serial += 1
        binary = b" BODY=BINARYMIME" if self.binary and r.random() < 0.4 else b""
        lines = [r.choice((b"MAIL FROM:<a@other.test>" + binary,) * 6 + (b"MAIL FROM:<a b@other.test>", b"MAIL"))]
        kinds = r.choice(("u", "u", "u", "nu", "un", "n", ""))
        for i, kind in enumerate(kinds):
            name = b"nobody" if kind == "n" else b"user"
            lines.append(b"RCPT TO:<%s.%d.%d.%d@example.org>" % (name, self.seed, self.serial, i))
        return b"".join(line + b"\r\n" for line in lines)

    def data(self):
        return b"DATA\r\n" + self.text() + TRUE_END

    def chunks(self):
        """Cut anywhere, in the midst of CR LF . CR LF, too; the last count is too short or too long at times."""
        r = self.random
        octets = self.text() + r.choice((b"\r\n", b"", TRUE_END, b"\r"))
        cuts = sorted(r.randrange(len(octets) + 1) for _ in range(r.randrange(4)))
        dot = octets.find(b".")
        if dot >= 0 and r.random() < 0.6:
            cuts = sorted(cuts + [r.choice((dot - 1, dot, dot + 1, dot + 2)) % (len(octets) + 1)])
        out = []
        for a, b in zip([0] + cuts, cuts + [len(octets)]):
            last = b == len(octets)
            out.append(b"BDAT %d%s\r\n" % (b - a, b" LAST" if last else b"") + octets[a:b])
            if not last and r.random() < 0.1:
                out.append(r.choice((b"NOOP\r\n", b"RSET\r\n", self.data(), b"MAIL FROM:<b@other.test>\r\n",
                                     b"RCPT TO:<late@example.org>\r\n")))
            if last:
                break
        if r.random() < 0.2:
            wrong = max(0, len(octets) + r.choice((-3, -1, 1, 7)))
            out = [b"BDAT %d LAST\r\n" % wrong + octets + b"\r\n"]
        return b"".join(out)

    def small(self):
        return self.random.choice((b"NOOP\r\n", b"RSET\r\n", b"FOO\r\n", b"EHLO again.test\r\n", b"BDAT 5\r\nhello",
                                   b"BDAT 7 LAST\r\nRSET\r\n.", b"VRFY x\r\n", b"\r\n", b".\r\n", b"NOOP\n",
                                   b"BDAT 0 LAST\r\n", b"BDAT 0\r\n"))

    def make(self):
        out = []
        for _ in range(self.random.randrange(1, 4)):
            out.append(self.envelope())
            out.append(self.random.choice((self.data, self.data, self.chunks, self.chunks, self.small))())
            if self.random.random() < 0.3:
                out.append(self.small())
        if self.random.random() < 0.1:
            out.insert(self.random.randrange(len(out)), b"STARTTLS\r\n")
        return b"".join(out)


def streams(seed, n, binary=False):
    return [Maker(seed + i, binary).make() for i in range(n)]


def pieces(stream, how, r):
    """As what is sent at once: joined, single octets, or cut near what matters."""
    if how == "joined":
        return [stream]
    if how == "single octets":
        return [stream[i:i + 1] for i in range(len(stream))]
    places = [m.start() for m in re.finditer(rb"[.\r\n]", stream)]
    cuts = sorted(set(r.choice(places) + r.randrange(2) for _ in range(6)))
    return [stream[a:b] for a, b in zip([0] + cuts, cuts + [len(stream)])]


def consumed(port, peer):
    """Has the program behind 127.0.0.1:port read all that the peer (port) sent it? Also yes if the connection is gone."""
    with open("/proc/net/tcp") as f:
        for line in f:
            fields = line.split()
            if fields[1].endswith(":%04X" % port) and fields[2].endswith(":%04X" % peer):
                return fields[4].endswith(":00000000")
    return True
