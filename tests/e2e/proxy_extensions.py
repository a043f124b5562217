"""SMTP extensions through the proxy to Postfix: what it offers and we carry works to its end."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client  # noqa: E402
from lab import Lab, free_port, message, until  # noqa: E402
from tap import Tap, equal, lacks, matches, need  # noqa: E402

CONFIG = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port 9
at connect { }
"""


class World:
    def __init__(self, lab, build):
        self.postfix = lab.postfix(domains=("example.org", "other.test"))
        self.port = free_port()
        config = CONFIG % {"port": self.port, "backend": self.postfix.port}
        self.posternd = lab.posternd(os.path.join(build, "posternd"), config)
        until(lambda: "8BITMIME" in self.offered(), what="the probe")

    def client(self, **more):
        return Client(self.port, **more)

    def offered(self):
        with self.client() as c:
            return c.ehlo.text.split("\n")[1:]


def offer(tap, w):
    with tap.case("what is offered is carried by both"):
        with Client(w.postfix.port) as direct:
            theirs = direct.ehlo.text.split("\n")[1:]
        ours = ("PIPELINING", "ENHANCEDSTATUSCODES", "LIMITS RCPTMAX=1000", "CHUNKING")
        for word in w.offered():
            if word not in ours and not word.startswith("SIZE "):
                assert word in theirs, f"{word} is not one of {theirs}"
        for word in ("8BITMIME", "DSN", "SMTPUTF8"):
            assert word in w.offered(), f"{word} is not offered"
        for word in ("VRFY", "ETRN", "XCLIENT"):
            lacks(word, "\n".join(w.offered()))


def notification(tap, w):
    data = message("a@other.test", "dsn@example.org", "dsn")
    with tap.case("a notification of success comes when it was asked for, and says what DSN says"):
        with w.client() as c:
            equal(c.say("MAIL FROM:<a@other.test> RET=HDRS ENVID=QQ+2B314").code, 250)
            equal(c.say("RCPT TO:<dsn@example.org> NOTIFY=SUCCESS "
                        "ORCPT=rfc822;first+2Bone@example.org").code, 250)
            equal(c.data(data).code, 250, "the reply")
        report = w.postfix.await_messages("a@other.test")[0].decode()
        matches(r"(?m)^Original-Envelope-Id: QQ\+314$", report)
        matches(r"(?m)^Original-Recipient: rfc822;first\+one@example\.org$", report)
        matches(r"(?m)^Action: (delivered|relayed)$", report)
    with tap.case("and does not when it was not"):
        with w.client() as c:
            equal(c.say("MAIL FROM:<b@other.test>").code, 250)
            equal(c.say("RCPT TO:<dsn@example.org> NOTIFY=NEVER").code, 250)
            equal(c.data(data).code, 250, "the reply")
        w.postfix.await_messages("dsn@example.org", 2)
        equal(w.postfix.messages("b@other.test"), [], "the notifications")


def utf8(tap, w):
    with tap.case("addresses in UTF-8 are delivered"):
        sender, recipient = "j\u00fcrgen@other.test", "\u4f8b@example.org"
        data = message("a@other.test", "b@example.org", "utf8").replace(b"<a@", "<\u00e4@".encode())
        with w.client() as c:
            equal(c.say(f"MAIL FROM:<{sender}> BODY=8BITMIME SMTPUTF8").code, 250)
            equal(c.say(f"RCPT TO:<{recipient}>").code, 250)
            equal(c.data(data).code, 250, "the reply")
        stored = w.postfix.await_messages(recipient)[0].decode()
        matches(r"by mx\.example\.org with UTF8SMTP id", stored)
        matches("From: <\u00e4@other.test>", stored)
    with tap.case("and are refused without SMTPUTF8, before Postfix hears of them"):
        with w.client() as c:
            said = c.say("MAIL FROM:<j\u00fcrgen@other.test>")
            equal((said.code, said.text[:5]), (553, "5.6.7"))


def chunks(tap, w):
    data = message("a@other.test", "chunks@example.org", "chunks", "a\n.\n..b\n.c\n")
    with tap.case("a message in chunks is delivered, octet for octet"):
        for i, size in enumerate((1, 10, len(data))):
            with w.client() as c:
                equal(c.say("MAIL FROM:<a@other.test>").code, 250)
                equal(c.say("RCPT TO:<chunks@example.org>").code, 250)
                for at in range(0, len(data), size):
                    piece = data[at:at + size]
                    last = b" LAST" if at + size >= len(data) else b""
                    c.write(b"BDAT %d%s\r\n" % (len(piece), last) + piece)
                    equal(c.reply().code, 250, "the reply to a chunk")
            stored = w.postfix.await_messages("chunks@example.org", i + 1)[-1]
            stored = stored[stored.index(b"From: <a@other.test>"):]
            equal(stored, data.replace(b"\r\n", b"\n"), "what Postfix got")
    with tap.case("a message hidden in a chunk is text"):
        inner = (b"\r\n.\r\nMAIL FROM:<b@smuggled.test>\r\nRCPT TO:<inner@example.org>\r\n"
                 b"DATA\r\nSubject: inner\r\n\r\nx\r\n.\r\n")
        with w.client() as c:
            equal(c.say("MAIL FROM:<a@other.test>").code, 250)
            equal(c.say("RCPT TO:<outer@example.org>").code, 250)
            c.write(b"BDAT %d LAST\r\n" % len(data + inner) + data + inner)
            equal(c.reply().code, 250, "the reply")
            equal(c.say("NOOP").code, 250, "the reply to NOOP")
        stored = w.postfix.await_messages("outer@example.org")[0]
        assert inner.replace(b"\r\n", b"\n") in stored, stored
        equal(w.postfix.messages("inner@example.org"), [], "the smuggled mail")


def main():
    build = need("posternd", "postern", "postfix")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.posternd.text()[-3000:]
        for part in (offer, notification, utf8, chunks):
            part(tap, w)
    tap.finish()


if __name__ == "__main__":
    main()
