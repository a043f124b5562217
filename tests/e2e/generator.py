"""generator: SMTP sessions made from a seed, for tests that play the same ones in two ways. A session is a
list of steps; a step says what is sent in one piece and how it is answered:

    Step("say", [line, ...])       lines in one piece, each answered by one reply
    Step("data", [line, ...], m)   the same, the last line being DATA: m follows if that gets 354
    Step("chunks", [], m)          m is a list of (command, octets), each answered by one reply
    Step("tls", [line])            a handshake follows if the line gets 220
    Step("last", [octets])         sent as they are, then the client ends its side; all replies until the end

Lines are octets without CRLF. Which kinds of things a session holds is counted in `kinds`, so that a test can say
what it has covered.
"""

import collections
import random

Step = collections.namedtuple("Step", "how lines message", defaults=(None,))

KNOWN = ("anna", "bob", "carl.x", "d+tag", "e_f", "O'Hara", "g-1", "h=i", "%25", "{j}")
HEAD = b"From: <a@other.test>\r\nTo: <b@example.org>\r\nSubject: "

MAIL_GOOD = (b"", b"", b" SIZE=1000", b" BODY=8BITMIME", b" BODY=7BIT", b" body=8bitmime size=99",
             b" RET=HDRS ENVID=QQ+2B314", b" RET=FULL", b" SMTPUTF8", b" BODY=8BITMIME SMTPUTF8",
             b" SIZE=0", b"  SIZE=5")
MAIL_BAD = (b" SIZE=", b" SIZE=abc", b" SIZE=-1", b" SIZE=99999999999999999999999", b" SIZE=300000",
            b" SIZE", b" BODY=9BIT", b" BODY=", b" BODY", b" BODY=BINARYMIME", b" RET=ALL", b" RET",
            b" ENVID=a+b", b" ENVID=" + b"x" * 101, b" ENVID=", b" SMTPUTF8=yes", b" FOO=bar", b" FOO",
            b" =x", b" -A=1", b" AUTH=<>", b" AUTH=a@b.test", b" BY=120;R", b" MT-PRIORITY=3",
            b" REQUIRETLS", b" NOTIFY=NEVER", b" ORCPT=rfc822;a@b.test", b" SIZE=1 SIZE=2",
            b" BODY=7BIT BODY=8BITMIME", b" RET=HDRS RET=FULL", b" XFOO=\x01", b" HOLDFOR=10",
            b" SIZE=1\t", b" SIZE=0x10", b" SIZE=+5")
RCPT_GOOD = (b"", b"", b"", b" NOTIFY=NEVER", b" NOTIFY=FAILURE", b" NOTIFY=DELAY,FAILURE",
             b" ORCPT=rfc822;first+2Bone@example.org", b" NOTIFY=FAILURE ORCPT=rfc822;a@b.test")
RCPT_BAD = (b" NOTIFY=NEVER,SUCCESS", b" NOTIFY=", b" NOTIFY=MAYBE", b" NOTIFY", b" ORCPT=a@b.test",
            b" ORCPT=;a", b" ORCPT=rfc822;", b" ORCPT=rfc822;a+b", b" ORCPT=", b" FOO=bar", b" FOO",
            b" SIZE=10", b" NOTIFY=FAILURE NOTIFY=DELAY", b" RRVS=2014-04-03T23:01:00Z", b" =",
            b" ORCPT=" + b"x" * 501)
PATHS_GOOD = (b"<a@other.test>", b"<a@other.test>", b"<>", b"<\"a b\"@other.test>",
              b"<\"q\\\"<>\"@other.test>", b"<@hop.test:a@other.test>",
              b"<@one.test,@two.test:a@other.test>", b"<A@OTHER.TEST>", b"<a@[192.0.2.1]>",
              b"<a@[IPv6:2001:db8::1]>", b"<a@x.y.z.other.test>", b"<\"\"@other.test>",
              b"<a@other-1.test>", b"<#$&*=?^_`{|}~@other.test>")
PATHS_BAD = (b"", b"<", b">", b"a@other.test", b"<a@other.test", b"a@other.test>", b"<<a@other.test>>",
             b"<a@>", b"<@other.test>", b"<a b@other.test>", b"<a@other.test>x", b"<a@other test>",
             b"<a@other..test>", b"<.a@other.test>", b"<a.@other.test>", b"<a..b@other.test>",
             b"<a@-other.test>", b"<a@other.test.>", b"<a@@other.test>", b"<a>", b"< a@other.test >",
             b" ", b"<a@[300.1.1.1]>", b"<a@[192.0.2.1>", b"<\"a@other.test>", b"<a\"b@other.test>",
             b"<a@" + b"x" * 64 + b".test>", b"<" + b"l" * 65 + b"@other.test>",
             b"<" + b"l" * 300 + b"@other.test>", b"<a@" + b".".join([b"x" * 60] * 5) + b".test>",
             b"<a@other.test> <b@other.test>", b"<a@other.test>,<b@other.test>", b"<a@other_x.test>",
             b"Anna <a@other.test>", b"<a@other.test> (comment)", b"<a\\b@other.test>",
             b"<@hop.test>", b"<@hop.test:>", b"<a@192.0.2.1>", b"<a(c)@other.test>", b"<a@other.test;>")
UTF8_PATHS = ("<j\u00fcrgen@other.test>".encode(), "<a@b\u00fccher.test>".encode(), b"<\xff@other.test>",
              b"<a\xc3@other.test>", "<\"\u4f8b\"@other.test>".encode())
SMALL = (b"NOOP", b"noop", b"NoOp", b"NOOP with words", b"RSET", b"rset", b"RSET x", b"VRFY", b"VRFY bob",
         b"VRFY <bob@example.org>", b"VRFY bob@example.org", b"VRFY nobody@example.org",
         b"VRFY a@elsewhere.test", b"VRFY bob SMTPUTF8", b"EXPN", b"EXPN list", b"HELP", b"HELP MAIL", b"ETRN",
         b"ETRN example.org", b"ETRN @example.org", b"ETRN #queue", b"ETRN a b", b"AUTH", b"AUTH PLAIN",
         b"AUTH PLAIN AGEAYgBj", b"XCLIENT ADDR=192.0.2.1", b"XFORWARD NAME=x", b"TURN", b"SEND FROM:<a@b>",
         b"SOML FROM:<a@b>", b"SAML FROM:<a@b>", b"VERB", b"FOO", b"FOO BAR", b"MAILX", b"M", b"", b" ",
         b" NOOP", b"NOOP ", b"NOOP\t", b"\tNOOP", b"RSET ", b"DATA x", b"QUIT x", b"STARTTLS x",
         b"MAIL", b"RCPT", b"MAIL FROM", b"RCPT TO", b"MAIL TO:<a@other.test>", b"RCPT FROM:<a@b.test>",
         b"MAIL FROM <a@other.test>", b"RCPT TO <bob@example.org>", b"MAIL:FROM:<a@b.test>", b"EHLO",
         b"HELO", b"Subject: x", b"From: x", b".", b"..", b"BDAT", b"DATA:", b"354", b"250 ok", b"*", b"HELO;",
         b"ATRN", b"ONEX", b"X-FOO", b"QUITX", b"ehlo", b"\\NOOP", b"\"NOOP\"")
ODD_LINES = (b"NOOP \x01", b"NOOP \x7f", b"NOOP \xff", b"\xff\xfe", b"NO\x00OP", b"NOOP \x00", b"NOOP \x1b[31m",
             "NOOP \u00e9".encode(), b"MAIL FROM:<a\x01@other.test>", b"MAIL FROM:<a\x00@other.test>",
             b"RCPT TO:<a\x7f@example.org>", b"VRFY \xe9", b"HELO \xe9.test", b"EHLO a\x01b", b"NOOP a\rb",
             b"\x80", b"MAIL\tFROM:<a@other.test>", b"RCPT\tTO:<bob@example.org>")
NAMES = (b"client.test", b"client", b"[192.0.2.1]", b"[127.0.0.2]", b"[IPv6:::1]", b"a-b.client.test",
         b"CLIENT.TEST", b"x.y.z.client.test", b"12.client.test", b"xn--bcher-kva.test")
BAD_NAMES = (b"a b", b"-x.test", b"client.test.", b"a..b", b"[1.2.3]", b"[300.1.1.1]", b"(x)", b"<x>", b"a_b.test",
             b"$x", b"client.test; foo", b"127.0.0.2", b"x" * 256, b"[]", b"a@b.test", b"*")


def messages():
    """(kind, octets with CRLF), whose end is at a line's end."""
    yield "plain", HEAD + b"plain\r\n\r\nHello\r\n"
    yield "8-bit", HEAD + b"eight\r\n\r\n" + bytes(range(128, 256)) + b"\r\n"
    yield "dots", HEAD + b"dots\r\n\r\n.\r\n..\r\n.a\r\n. \r\n\r\n.\r\n"
    yield "empty body", HEAD + b"empty\r\n\r\n"
    yield "no body", HEAD + b"none\r\n"
    yield "no header", b"no field at all\r\nnor this\r\n"
    yield "body only", b"\r\nbody\r\n"
    yield "empty", b""
    yield "one empty line", b"\r\n"
    yield "controls", HEAD + b"controls\r\n\r\n\x01\x07\x08\x0b\x0c\x1b[31m\x7f\r\n"
    yield "NUL", HEAD + b"nul\r\n\r\na\x00b\r\n\x00\r\n"
    yield "long lines", HEAD + b"long\r\n\r\n" + b"l" * 998 + b"\r\n" + b"m" * 5000 + b"\r\n"
    yield "folded", HEAD + b"folded\r\nX-Folded: a\r\n\tb\r\n   c\r\nX-Empty:\r\n\r\nx\r\n"
    yield "odd fields", HEAD + b"odd\r\nX Bad: 1\r\n: none\r\nX-Eight: \xfc\r\n\r\nx\r\n"
    yield "mbox line", b"From a@other.test Thu Jan  1 00:00:00 2026\r\n" + HEAD + b"mbox\r\n\r\nFrom here\r\n"
    yield "blank ends", HEAD + b"blanks\r\n\r\nx  \t\r\n \r\n\t\r\n\r\n\r\n"
    yield "no Date, To", b"Subject: bare\r\n\r\nx\r\n"
    yield "Return-Path, Bcc", HEAD + b"rp\r\nReturn-Path: <x@y.test>\r\nBcc: <z@y.test>\r\n\r\nx\r\n"
    yield "two of each", HEAD + b"1\r\n" + HEAD + b"2\r\n\r\nx\r\n"
    yield "MIME", (HEAD + b"mime\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                   b"Content-Type: text/plain\r\n\r\nx\r\n--b--\r\n")
    yield "hops", b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n" * 60 + HEAD + b"hops\r\n\r\nx\r\n"
    yield "too big", HEAD + b"big\r\n\r\n" + b"0123456789abcdef" * 4 * 4000 + b"\r\n"
    yield "40 kB", HEAD + b"forty\r\n\r\n" + (b"0123456789abcdef" * 4 + b"\r\n") * 600
    yield "commands", HEAD + b"commands\r\n\r\nRSET\r\nMAIL FROM:<x@y.test>\r\nQUIT\r\n"
    yield "UTF-8 header", HEAD + "\u00fcber\r\nX-\u00fc: 1\r\n\r\nGr\u00fc\u00dfe\r\n".encode()
    yield "bare LF", HEAD + b"lf\r\n\r\na\nb\r\n"
    yield "bare CR", HEAD + b"cr\r\n\r\na\rb\r\n"


MESSAGES = tuple(messages())

# Ends of data for some and text for others, and what is behind them.
FALSE_ENDS = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r\n.\n", b"\r.\r\n", b"\n\n.\r\n", b"\r\r\n.\r\r\n",
              b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n..\r\n")


def stuffed(octets):
    return (b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


class Session:
    """Makes one session: `steps`."""

    def __init__(self, seed, kinds):
        self.random = random.Random(seed)
        self.kinds = kinds
        self.steps = []
        self.serial = 0
        self.secured = False
        self.seed = seed

    def count(self, kind):
        self.kinds[kind] += 1

    def pick(self, kind, choice):
        """The choices of one kind come in turn, so that a run has them all."""
        i = self.kinds[kind]
        self.kinds[kind] += 1
        return choice[i % len(choice)]

    def say(self, *lines):
        """In one piece or one after the other."""
        if self.random.random() < 0.35:
            self.count("pipelined group")
            self.steps.append(Step("say", list(lines)))
        else:
            self.steps.extend(Step("say", [line]) for line in lines)

    def name(self):
        return self.pick("name", NAMES)

    def mark(self):
        """Of a recipient that no other transaction has, so that its mailbox holds this one's messages only."""
        self.serial += 1
        return b".%d.%d" % (self.seed, self.serial)

    def recipient(self):
        kind = self.random.choices(
            ("known", "unknown", "elsewhere", "postmaster", "quoted", "route", "utf8", "case"),
            (60, 12, 6, 4, 6, 5, 4, 3))[0]
        self.count("recipient " + kind)
        mark = self.mark()
        known = self.random.choice(KNOWN).encode() + mark
        return {
            "known": b"<" + known + b"@example.org>",
            "unknown": b"<nobody%d@example.org>" % self.random.randrange(100),
            "elsewhere": b"<x@elsewhere.test>",
            "postmaster": self.random.choice((b"<postmaster>", b"<Postmaster>", b"<POSTMASTER@example.org>")),
            "quoted": self.random.choice((b"<\"a b%s\"@example.org>", b"<\"x\\\"y%s\"@example.org>",
                                           b"<\"bob%s\"@example.org>")) % mark,
            "route": b"<@hop.test,@two.test:" + known + b"@example.org>",
            "utf8": b"<" + "\u4f8b".encode() + mark + b"@example.org>",
            "case": b"<" + known + b"@EXAMPLE.Org>",
        }[kind]

    def message(self):
        kind, octets = self.pick("message", MESSAGES)
        self.count("message " + kind)
        return kind, octets

    def chunks(self, octets):
        """The octets as some chunks, the last one possibly empty."""
        sizes, left = [], len(octets)
        while left > 0 and len(sizes) < 6:
            sizes.append(self.random.choice((1, 2, 7, 100, left, left)))
            sizes[-1] = min(sizes[-1], left)
            left -= sizes[-1]
        if left:
            sizes.append(left)
        if not sizes or self.random.random() < 0.3:
            sizes.append(0)
        found, at = [], 0
        for i, n in enumerate(sizes):
            last = b" LAST" if i == len(sizes) - 1 else b""
            verb = self.random.choice((b"BDAT", b"bdat"))
            found.append((b"%s %d%s" % (verb, n, last), octets[at:at + n]))
            at += n
        return found

    # ---- episodes ----

    def good(self):
        """A whole transaction, or some."""
        for _ in range(self.random.randrange(1, 3)):
            utf8 = self.random.random() < 0.15
            parameters = b" SMTPUTF8" if utf8 else self.pick("MAIL parameters", MAIL_GOOD)
            sender = self.pick("sender in UTF-8", UTF8_PATHS[:2]) if utf8 else self.pick("sender", PATHS_GOOD)
            head = [b"MAIL FROM:" + sender + parameters]
            for _ in range(self.random.choice((1, 1, 1, 2, 3))):
                head.append(b"RCPT TO:" + self.recipient() + self.pick("RCPT parameters", RCPT_GOOD))
            self.transfer(head)

    def transfer(self, head):
        how = self.random.choices(("data", "chunks", "rset", "again"), (60, 25, 8, 7))[0]
        self.count("transfer by " + how)
        if how == "data":
            if self.random.random() < 0.4:
                self.count("pipelined envelope")
                self.steps.append(Step("data", head + [b"DATA"], self.message()[1]))
            else:
                self.say(*head)
                self.steps.append(Step("data", [b"DATA"], self.message()[1]))
        elif how == "chunks":
            self.say(*head)
            kind, octets = self.message()
            # Of such a line Postfix makes a field if it comes by DATA, but not if it comes by BDAT.
            self.steps.append(Step("chunks", [], self.chunks(b"X-" + octets if kind == "mbox line" else octets)))
        elif how == "rset":
            self.say(*head, b"RSET")
        else:
            self.say(*head, b"EHLO " + self.name())

    def bad_path(self):
        self.say(b"RSET")
        if self.random.random() < 0.5:
            self.say(b"MAIL FROM:" + self.pick("bad sender", PATHS_BAD))
        else:
            self.say(b"MAIL FROM:<a@other.test>",
                     b"RCPT TO:" + self.pick("bad recipient", PATHS_BAD).replace(b"other.test", b"example.org"))
        self.say(b"RSET")

    def bad_parameter(self):
        self.say(b"RSET")
        if self.random.random() < 0.6:
            self.say(b"MAIL FROM:<a@other.test>" + self.pick("bad MAIL parameters", MAIL_BAD))
        else:
            self.say(b"MAIL FROM:<a@other.test>",
                     b"RCPT TO:<bob@example.org>" + self.pick("bad RCPT parameters", RCPT_BAD))
        self.say(b"RSET")

    def utf8(self):
        """Without having asked for it, or not well-formed."""
        path = self.pick("UTF-8 path", UTF8_PATHS)
        self.say(b"RSET", b"MAIL FROM:" + path + self.random.choice((b"", b" SMTPUTF8")), b"RSET")
        self.say(b"MAIL FROM:<a@other.test>", b"RCPT TO:" + path.replace(b"other.test", b"example.org"), b"RSET")

    def small(self):
        for _ in range(self.random.randrange(1, 5)):
            self.say(self.pick("small verbs", SMALL))

    def odd(self):
        for _ in range(self.random.randrange(1, 3)):
            self.say(self.pick("odd lines", ODD_LINES))

    def long(self):
        verb = self.pick("long line", (b"NOOP ", b"VRFY ", b"FOO ", b"MAIL FROM:<a@other.test> FOO=",
                                       b"RCPT TO:<bob@example.org> FOO=", b"EHLO ", b""))
        length = self.pick("length of line", (500, 511, 513, 600, 1100, 2000, 2100, 3000, 9000))
        self.say(verb + b"x" * (length - len(verb)), b"NOOP")

    def order(self):
        kind = self.pick("wrong order", (
            (b"RCPT TO:<bob@example.org>",), (b"DATA",), (b"MAIL FROM:<a@other.test>", b"DATA"),
            (b"MAIL FROM:<a@other.test>", b"MAIL FROM:<b@other.test>"),
            (b"MAIL FROM:<a@other.test>", b"RCPT TO:<nobody@example.org>", b"DATA"),
            (b"MAIL FROM:<a@other.test>", b"RCPT TO:<bob@example.org>", b"MAIL FROM:<c@other.test>"),
            (b"MAIL FROM:<a@other.test>", b"STARTTLS"), (b"MAIL FROM:<a@other.test>", b"EHLO again.test"),
            (b"MAIL FROM:<a@other.test>", b"HELO again.test", b"RCPT TO:<bob@example.org>"),
            (b"MAIL FROM:<a@other.test>", b"NOOP", b"VRFY bob@example.org", b"RCPT TO:<bob@example.org>"),
            (b"MAIL FROM:<a@other.test>", b"RSET", b"RCPT TO:<bob@example.org>"),
            (b"MAIL FROM:<a@other.test>", b"RCPT TO:<bob@example.org>", b"RSET", b"DATA"),
            (b"RSET", b"RSET"), (b"MAIL FROM:<a@other.test>", b"RCPT TO:<nobody@example.org>",
                                 b"RCPT TO:<bob@example.org>"),
            (b"MAIL FROM:<a@other.test>", b"ETRN example.org", b"HELP", b"EXPN x", b"AUTH PLAIN", b"FOO"),
        ))
        self.say(b"RSET")
        self.say(*kind)
        self.say(b"RSET")

    def chunk_order(self):
        good = [b"MAIL FROM:<a@other.test>", b"RCPT TO:<bob%s@example.org>" % self.mark()]
        piece = (b"BDAT 10", b"Subject: a")
        kind = self.pick("chunks out of order", range(10))
        if kind == 0:
            self.say(b"RSET")
            self.steps.append(Step("chunks", [], [piece]))
        elif kind == 1:
            self.say(b"RSET", good[0])
            self.steps.append(Step("chunks", [], [(b"BDAT 10 LAST", b"Subject: a")]))
        elif kind == 2:
            self.say(b"RSET", *good)
            self.steps.append(Step("chunks", [], [piece]))
            self.say(b"RSET")
        elif kind == 3:
            self.say(b"RSET", *good)
            self.steps.append(Step("chunks", [], [piece, (b"DATA", b"")]))
            self.say(b"RSET")
        elif kind == 4:
            self.say(b"RSET", *good)
            self.steps.append(Step("chunks", [], [piece, (b"MAIL FROM:<b@other.test>", b"")]))
            self.say(b"RSET")
        elif kind == 5:
            self.say(b"RSET", *good)
            self.steps.append(Step("chunks", [], [piece, (b"RCPT TO:<anna@example.org>", b"")]))
            self.say(b"RSET")
        elif kind == 6:
            self.say(b"RSET", *good)
            self.steps.append(Step("chunks", [], [(b"BDAT 0 LAST", b"")]))
        elif kind == 7:
            self.say(b"RSET", *good)
            self.steps.append(Step("chunks", [], [piece, (b"NOOP", b""), (b"BDAT 4 LAST", b"\r\n\r\n")]))
        elif kind == 8:
            self.say(b"RSET", good[0], b"RCPT TO:<nobody@example.org>")
            self.steps.append(Step("chunks", [], [(b"BDAT 10 LAST", b"Subject: a")]))
        else:
            self.say(b"RSET", *good)
            self.steps.append(Step("chunks", [], [piece, (b"EHLO again.test", b"")]))
        self.say(b"RSET")

    def many(self):
        """More recipients than are taken."""
        self.count("too many recipients")
        self.say(b"RSET", b"MAIL FROM:<a@other.test>")
        self.steps.append(Step("say", [b"RCPT TO:<anna%d@example.org>" % i for i in range(102)]))
        self.steps.append(Step("say", [b"RSET"]))

    # ---- ends ----

    def end(self):
        # The end of one side's output is no end of one side's TLS.
        kind = "quit" if self.secured else self.random.choices(("quit", "close", "errors", "false end", "bad bdat", "foreign", "injected",
                                    "behind data", "cut"), (54, 8, 4, 12, 11, 8, 3, 6, 4))[0]
        self.count("end: " + kind)
        envelope = b"RSET\r\nMAIL FROM:<a@other.test>\r\nRCPT TO:<bob@example.org>\r\n"
        if kind == "quit":
            self.say(self.random.choice((b"QUIT", b"quit", b"QUIT ")))
        elif kind == "close":
            self.steps.append(Step("last", [b"NOOP\r\nNOOP\r\n"]))
        elif kind == "errors":
            self.steps.append(Step("last", [b"FOO\r\n" * 30]))
        elif kind == "false end":
            fake = self.pick("false end", FALSE_ENDS)
            inner = (b"MAIL FROM:<b@smuggled.test>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\nSubject: inner\r\n\r\n"
                     b"x\r\n.\r\n")
            self.steps.append(Step("data", [b"RSET", b"MAIL FROM:<a@other.test>", b"RCPT TO:<bob@example.org>", b"DATA"],
                                   None))
            self.steps.append(Step("last", [HEAD + b"outer\r\n\r\nouter" + fake + inner + b"QUIT\r\n"]))
        elif kind == "bad bdat":
            bad = self.pick("bad BDAT", (b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 5 FIRST", b"BDAT 5 LAST x",
                                         b"BDAT 99999999999999999999", b"BDAT  5", b"BDAT 5x LAST"))
            self.steps.append(Step("last", [envelope + bad + b"\r\nhello"]))
        elif kind == "foreign":
            line = self.pick("another protocol", (b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"CONNECT a:25 HTTP/1.1",
                                                  b"HEAD / HTTP/1.0", b"PRI * HTTP/2.0", b"PUT / HTTP/1.1",
                                                  b"OPTIONS * RTSP/1.0", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2",
                                                  b"\x16\x03\x01\x00\x05hello"))
            self.steps.append(Step("last", [line + b"\r\nHost: x\r\n\r\n"]))
        elif kind == "injected":
            self.steps.append(Step("last", [b"RSET\r\nSTARTTLS\r\nNOOP\r\n"]))
        elif kind == "behind data":
            self.steps.append(Step("last", [self.random.choice((
                b"RSET\r\nDATA\r\nSubject: x\r\n\r\nMAIL FROM:<a@other.test>\r\n.\r\nQUIT\r\n",
                envelope + b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\nNOOP\r\nQUIT\r\nNOOP\r\n",
                b"RSET\r\nMAIL FROM:<a@other.test>\r\nDATA\r\nSubject: x\r\n\r\nRSET\r\n.\r\nQUIT\r\n"))]))
        else:
            self.steps.append(Step("last", [envelope + b"DATA\r\nSubject: x\r\n\r\nhalf of a mess"]))

    def make(self):
        begin = self.random.choices(("ehlo", "helo", "none", "tls", "bad", "twice"), (62, 12, 6, 10, 6, 4))[0]
        self.count("begin: " + begin)
        if begin == "bad":
            self.say(self.random.choice((b"EHLO ", b"HELO ")) + self.pick("bad name", BAD_NAMES))
        self.secured = begin == "tls"
        if self.secured:
            if self.random.random() < 0.7:
                self.say(b"EHLO " + self.name())
            self.steps.append(Step("tls", [self.random.choice((b"STARTTLS", b"starttls"))]))
        if begin in ("ehlo", "tls", "bad", "twice"):
            self.say(b"EHLO " + self.name())
        if begin in ("helo", "twice"):
            self.say(b"HELO " + self.name())
        if begin == "tls" and self.random.random() < 0.5:
            self.say(b"STARTTLS")
        episodes = (self.good, self.bad_path, self.bad_parameter, self.utf8, self.small, self.odd, self.long, self.order,
                    self.chunk_order, self.many)
        for episode in self.random.choices(episodes, (34, 18, 18, 4, 16, 6, 6, 8, 6, 0.5),
                                           k=self.random.randrange(2, 8)):
            episode()
        self.end()
        return self.steps


def sessions(seed, n):
    """n of them, and how often each kind of thing is in them."""
    kinds = collections.Counter()
    return [Session(seed + i, kinds).make() for i in range(n)], kinds


# How often a kind of thing has to be in a run that is to hold everything: each choice once.
WANTED = {
    "MAIL parameters": len(MAIL_GOOD), "bad MAIL parameters": len(MAIL_BAD), "RCPT parameters": len(RCPT_GOOD),
    "bad RCPT parameters": len(RCPT_BAD), "sender": len(PATHS_GOOD), "bad sender": len(PATHS_BAD),
    "bad recipient": len(PATHS_BAD), "UTF-8 path": len(UTF8_PATHS), "small verbs": len(SMALL), "odd lines": len(ODD_LINES),
    "name": len(NAMES), "message": len(MESSAGES), "false end": len(FALSE_ENDS), "wrong order": 15,
    "chunks out of order": 10, "bad BDAT": 8, "another protocol": 9, "long line": 18, "pipelined group": 50,
    "too many recipients": 1, "begin: tls": 5, "end: injected": 1, "end: behind data": 3, "end: cut": 1,
}
