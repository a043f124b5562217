"""A real server that speaks LMTP behind the proxy: Dovecot, told of the client by XCLIENT, in the clear and
in TLS."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from certificate import certificate  # noqa: E402
from client import Client  # noqa: E402
from dovecot import Dovecot  # noqa: E402
from lab import Lab, free_port, message, until  # noqa: E402
from tap import Tap, equal, lacks, matches, need, skip_all  # noqa: E402

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
tls ca "%(ca)s"
backend 127.0.0.1 port %(backend)d lmtp xclient starttls %(mode)s
resolver forward 127.0.0.1 port 9
threads 1
at connect { }
"""


class World:
    def __init__(self, lab, build):
        authority = certificate(lab, "authority.test")
        self.dovecot = lab.add(Dovecot(lab, certificate(lab, "mta.example.org", authority),
                                       [f"user{i}@example.org" for i in range(1, 6)]))
        self.values = {"ca": authority + ".pem", "backend": self.dovecot.port}
        self.lab, self.build, self.posternd, self.port = lab, build, None, None

    def start(self, name, mode):
        self.port = free_port()
        self.posternd = self.lab.posternd(
            os.path.join(self.build, "posternd"),
            SETTINGS % {**self.values, "port": self.port, "mode": mode}, name)
        until(lambda: "LIMITS RCPTMAX=1" in self.offered(), what="the probe")

    def offered(self):
        with Client(self.port) as c:
            return c.ehlo.text.split("\n")[1:]

    def log(self):
        return self.posternd.text()[-3000:] + self.dovecot.text()[-3000:]


def arrives(w, recipient, data, n=1):
    stored = w.dovecot.await_messages(recipient, n)
    equal(len(stored), n, "the number of messages")
    above, mark, rest = stored[-1].partition(b"From: <")
    equal(mark + rest, data.replace(b"\r\n", b"\n"), "what Dovecot has")
    return above.decode()


def deliveries(tap, w, mode, recipient):
    data = message("a@other.test", recipient, "x", "a\n.\n..b\n.c\n") + b"eight \xe4\r\n"
    with tap.case(f"{mode}: a message arrives, octet for octet"):
        with Client(w.port, source="127.0.0.77") as c:
            for line in ("MAIL FROM:<a@other.test> BODY=8BITMIME", f"RCPT TO:<{recipient}>"):
                equal(c.say(line).code, 250, "the reply")
            said = c.data(data)
        equal(said.code, 250, "the reply")
        matches(r"Saved", said.text, "the reply, which is Dovecot's,")
        above = arrives(w, recipient, data)
        matches(r"^Received: from client\.test .*by mx\.example\.org with ESMTP id", above, "our field")
        matches(r"^Received: from client\.test \(\[127\.0\.0\.77\]\)\s+(\(using TLSv1\.3 .*)?by \S+ with LMTPS?\s",
                above, "Dovecot's field")
        if mode != "off":
            matches(r"using TLSv1\.3 ", above, "Dovecot's field")


def several(tap, w):
    data = message("a@other.test", "user2@example.org", "several")
    with tap.case("of two recipients, the second is told to come again, and gets it then"):
        with Client(w.port) as c:
            c.say("MAIL FROM:<a@other.test>")
            equal(c.say("RCPT TO:<user2@example.org>").code, 250, "the reply")
            said = c.say("RCPT TO:<user3@example.org>")
            equal((said.code, said.text[:5]), (452, "4.5.3"), "the reply")
            equal(c.data(data).code, 250, "the reply")
            equal(c.send("a@other.test", "user3@example.org", data).code, 250, "the reply")
        arrives(w, "user2@example.org", data)
        arrives(w, "user3@example.org", data)


def refused(tap, w):
    with tap.case("a user whom Dovecot does not know is refused with its words"):
        with Client(w.port) as c:
            c.say("MAIL FROM:<a@other.test>")
            said = c.say("RCPT TO:<nobody@example.org>")
            equal(said.code, 550, "the reply")
            matches("User doesn't exist: nobody@example.org", said.text, "the reply")


def chunks(tap, w):
    data = message("a@other.test", "user4@example.org", "chunks", "x\n.\n")
    with tap.case("chunks arrive as one message"):
        with Client(w.port) as c:
            c.say("MAIL FROM:<a@other.test>")
            equal(c.say("RCPT TO:<user4@example.org>").code, 250, "the reply")
            c.write(b"BDAT 10\r\n" + data[:10] + b"BDAT %d LAST\r\n" % len(data[10:]) + data[10:])
            equal([c.reply().code, c.reply().code], [250, 250], "the replies")
        arrives(w, "user4@example.org", data)


def main():
    build = need("posternd", "dovecot", "openssl")
    if not os.path.exists("/usr/lib/dovecot/lmtp"):
        skip_all("dovecot-lmtpd is missing")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = w.log
        w.start("clear", "off")
        with tap.case("what is offered is what both have"):
            words = "\n".join(w.offered())
            matches(r"^8BITMIME$", words)
            lacks(r"XCLIENT|XRCPTFORWARD|DSN|SMTPUTF8|BURL", words)
        deliveries(tap, w, "off", "user1@example.org")
        for part in (several, refused, chunks):
            part(tap, w)
        w.start("secured", 'verify "mta.example.org"')
        deliveries(tap, w, "verify", "user5@example.org")
    tap.finish()


if __name__ == "__main__":
    main()
