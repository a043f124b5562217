"""One connection to Postfix that serves client after client: what Postfix takes each of them for, in the Received
that it writes and in its log, and what it must not remember of the one before."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client  # noqa: E402
from lab import Lab, free_port, message, until  # noqa: E402
from tap import Tap, equal, lacks, matches, need  # noqa: E402

CONFIG = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %d
backend 127.0.0.1 port %d xclient reuse 30s
resolver forward 127.0.0.1 port 9
trust 127.0.0.9
threads 1
at connect { }
"""

# What each client says of itself, and what Postfix is to make of that: %s is the mailbox.
PLAIN = r"from seventy\.test \(unknown \[127\.0\.0\.70\]\)\s+by mta\.example\.org \(Postfix\) with ESMTP id"
OLD = r"from eighty\.test \(unknown \[127\.0\.0\.80\]\)\s+by mta\.example\.org \(Postfix\) with ESMTP id"
NAMED = r"from anna\.test \(one\.example\.net \[192\.0\.2\.1\]\)\s+by mta\.example\.org \(Postfix\) with ESMTPA id"
SIX = r"from six\.test \(unknown \[IPv6:2001:db8::6\]\)\s+by mta\.example\.org \(Postfix\) with ESMTP id"
WHO = {
    "plain": (PLAIN, r"client=unknown\[127\.0\.0\.70\]$"),
    "old": (OLD, r"client=unknown\[127\.0\.0\.80\]$"),
    "named": (NAMED, r"client=one\.example\.net\[192\.0\.2\.1\], sasl_method=\S+, sasl_username=anna$"),
    "six": (SIX, r"client=unknown\[2001:db8::6\]$"),
}


# Postfix judges each XCLIENT by the address it was told of last, so that it has to let everybody use it.
EXTRA = """smtpd_hard_error_limit = 2
smtpd_soft_error_limit = 1
smtpd_error_sleep_time = 0
inet_protocols = all
smtpd_authorized_xclient_hosts = %s
"""


class World:
    def __init__(self, lab, build, name="wide", hosts="static:all"):
        self.postfix = lab.postfix(domains=("example.org",), name=name, extra=EXTRA % hosts)
        self.port = free_port()
        self.posternd = lab.posternd(os.path.join(build, "posternd"), CONFIG % (self.port, self.postfix.port),
                                     name="postern-" + name)

    def connections(self, kind):
        return self.posternd.text().count(f"connection={kind}")

    def client(self, who):
        if who == "plain":
            return Client(self.port, source="127.0.0.70", helo="seventy.test")
        if who == "old":
            c = Client(self.port, source="127.0.0.80", greet=False)
            c.reply()
            equal(c.say("HELO eighty.test").code, 250, "the reply to HELO")
            return c
        words = {"named": "ADDR=192.0.2.1 NAME=one.example.net LOGIN=anna",
                 "six": "ADDR=IPV6:2001:db8::6 NAME=[UNAVAILABLE] LOGIN=[UNAVAILABLE]"}
        helo = {"named": "anna.test", "six": "six.test"}
        return Client(self.port, source="127.0.0.9", xclient=words[who], helo=helo[who])

    def send(self, who, to, sender="a@other.test"):
        with self.client(who) as c:
            said = c.send(sender, to, message(sender, to, who))
            equal(said.code, 250, "the reply")
            equal(c.say("QUIT").code, 221, "the reply to QUIT")
        return re.search(r"queued as (\w+)", said.text).group(1)

    def logged(self, queue_id):
        """What Postfix says of the client of a message."""
        def look():
            return re.search(rf"smtpd\[(\d+)\]: {queue_id}: (client=.*)", self.postfix.text())
        return until(look, what=f"{queue_id} in Postfix's log").groups()


def identities(tap, w):
    order = ["plain", "named", "old", "six", "named", "plain", "six", "old", "plain", "named", "six", "plain"]
    pids = set()
    for i, who in enumerate(order):
        with tap.case(f"message {i + 1} on the connection is that of the client {who}, and of no other"):
            queue_id = w.send(who, f"{i}@example.org")
            pid, client = w.logged(queue_id)
            pids.add(pid)
            matches(WHO[who][1], client, "Postfix's log")
            stored = w.postfix.await_messages(f"{i}@example.org")[0].decode()
            received = re.findall(r"^Received: (from .*(?:\n\s.*)*)", stored, re.M)
            matches("^" + WHO[who][0], received[0], "what Postfix has received")
            for other in WHO:
                if other != who:
                    lacks(WHO[other][0], stored, "the message")
    with tap.case("all of that was one connection"):
        equal((w.connections("new"), w.connections("reused")), (1, len(order) - 1), "the connections")
        equal(len(pids), 1, "the number of Postfix's processes")


def leftovers(tap, w):
    with tap.case("a transaction that one client left open is not there for the next"):
        for attempt in range(10):
            new = w.connections("new")
            with w.client("named") as c:
                for line in ("MAIL FROM:<left@other.test>", "RCPT TO:<left@example.org>"):
                    equal(c.say(line).code, 250, line)
            queue_id = w.send("plain", f"next{attempt}@example.org")
            matches(WHO["plain"][1], w.logged(queue_id)[1], "Postfix's log")
            w.postfix.await_messages(f"next{attempt}@example.org")
            equal(w.postfix.messages("left@example.org"), [], "the mail that was not sent")
            # Who comes before RSET is through gets a connection of his own.
            if w.connections("new") == new:
                break
        else:
            raise AssertionError("the connection was never used again")
    with tap.case("nor are the errors of one client counted against the next"):
        for _ in range(3):
            with w.client("plain") as c:
                c.say("MAIL FROM:<a@other.test>")
                equal(c.say("RCPT TO:<nobody@example.org>").code, 550, "the reply")
            w.send("six", "errors@example.org")
        equal(len(w.postfix.await_messages("errors@example.org", 3)), 3, "the number of messages")
        lacks("too many errors", w.postfix.text(), "Postfix's log")


def ended(tap, w):
    with tap.case("a connection that Postfix ended while nobody had it is replaced without a word"):
        w.send("plain", "before@example.org")
        w.postfix.stop()
        w.postfix.start()
        matches(WHO["named"][1], w.logged(w.send("named", "after@example.org"))[1], "Postfix's log")
        lacks("event=backend-lost", w.posternd.text(), "our log")
    with tap.case("`postern backends` tells of it"):
        def look():
            text, code = w.posternd.postern("backends")
            return code == 0 and re.search(r"well for .*\n +connections 1 \(1 idle\), waiting 0, delivered \d+, weight 1\n"
                                           r" +offers ESMTP SIZE 60000000.* XCLIENT", text)
        until(look, what="the report")


def not_again(tap, w):
    for i, who in enumerate(("named", "six", "named")):
        with tap.case(f"where Postfix lets only us use XCLIENT, a stranger's connection is not used again: {who}, {i + 1}"):
            queue_id = w.send(who, f"narrow{i}@example.org")
            matches(WHO[who][1], w.logged(queue_id)[1], "Postfix's log")
            equal((w.connections("new"), w.connections("reused")), (i + 1, 0), "the connections")
            lacks("XCLIENT was answered", w.posternd.text(), "our log")


def main():
    build = need("posternd", "postern", "postfix")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.posternd.text()[-2000:] + w.postfix.text()[-2000:]
        for part in (identities, leftovers, ended):
            part(tap, w)
        w = World(lab, build, "narrow", "127.0.0.1")
        not_again(tap, w)
    tap.finish()


if __name__ == "__main__":
    main()
