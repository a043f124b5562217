"""posternd as a proxy in front of Postfix: verdicts, octets, and what goes wrong around it."""

import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import matrix  # noqa: E402
from client import Client, identifier  # noqa: E402
from lab import START_LIMIT, Lab, free_port, message, until  # noqa: E402
from tap import Tap, equal, lacks, matches, need  # noqa: E402

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port 9
trust 127.0.0.1
threads 2
drain 20s
"""

RULES = """
at rcpt {
    tempfail 450 4.7.3 "Too many unknown recipients"  if recipients.unknown >= 3
}
at message {
    mark seen                                         if sender.domain = "other.test"
}
"""

FOOTER = "smtpd_reject_footer = \\nAsk $server_name about it\n"


class World:
    def __init__(self, lab, build):
        self.program = os.path.join(build, "posternd")
        self.lab = lab
        self.postfix = lab.postfix(domains=("example.org",), extra=FOOTER)
        self.port = free_port()
        self.settings = SETTINGS % {"port": self.port, "backend": self.postfix.port}
        self.config = self.settings + matrix.rules() + RULES
        self.posternd = lab.posternd(self.program, self.config)

    def client(self, **more):
        return Client(self.port, **more)

    def deliver(self, recipient, data, sender="a@other.test"):
        """Sends a message; what Postfix has stored, below the fields it added itself."""
        with self.client() as c:
            said = c.send(sender, recipient, data)
        equal(said.code, 250, "the reply")
        return self.postfix.await_messages(recipient)[-1]


# ---- replies ----

def replies(tap, w):
    with tap.case("a reply of several lines is Postfix's, word for word"):
        with Client(w.postfix.port) as direct, w.client() as c:
            for each in (direct, c):
                each.say("MAIL FROM:<a@other.test>")
            wanted, said = (each.say("RCPT TO:<nobody@example.org>") for each in (direct, c))
            equal(said.lines, wanted.lines, "the reply")
            equal((said.code, len(said.lines)), (550, 3), "the code and number of lines")

    with tap.case("recipients that Postfix does not know are counted"):
        with w.client() as c:
            c.say("MAIL FROM:<a@other.test>")
            for i in range(3):
                equal(c.say(f"RCPT TO:<nobody{i}@example.org>").code, 550, "the reply")
            said = c.say("RCPT TO:<bob@example.org>")
            matches(r"^4\.7\.3 Too many unknown recipients \[", said.text, "the reply")

    with tap.case("`postern why` tells the rule and the facts of a refusal"):
        text, code = w.posternd.postern("why", identifier(said))
        equal(code, 0, "the exit code")
        matches(r"recipients\.unknown >= 3", text)
        matches(r"bob@example\.org", text)


# ---- octets ----

def body_of(stored):
    """From the first field of the message as it was sent: each begins with this one."""
    return stored[stored.index(b"From: <a@other.test>"):]


def bodies():
    head = (b"From: <a@other.test>\r\nTo: <bob@example.org>\r\nSubject: octets\r\n"
            b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@other.test>\r\n")
    yield "an empty body", head + b"\r\n"
    yield "no body", head
    yield "eight bits", head + b"\r\n" + bytes(b for b in range(128, 256)) + b"\r\nGr\xfc\xdfe\r\n"
    yield "lines of dots", head + b"\r\n.\r\n..\r\n...\r\n.a\r\n. \r\n\r\n.\r\n"
    yield "blank lines at the end", head + b"\r\nx\r\n\r\n\r\n\r\n"
    yield "blanks at line ends", head + b"\r\nx  \t\r\n \r\n\t\r\n"
    yield "controls", head + b"\r\n\x00\x01\x07\x08\x0b\x0c\x1b[31m\x7f\r\n"
    yield "long lines", head + b"\r\n" + b"l" * 998 + b"\r\n" + b"m" * 5000 + b"\r\n"
    yield "folded and odd fields", (
        head + b"X-Folded: a\r\n\tb\r\n   c\r\nX-Empty:\r\nX-Eight: Gr\xfc\xdfe\r\n"
        b"Authentication-Results: other.example; spf=pass\r\n\r\nx\r\n")
    yield "no header", head + b"no field at all\r\nnor this\r\n"


def octets(tap, w):
    for i, (name, data) in enumerate(bodies()):
        with tap.case(f"octet for octet: {name}"):
            stored = body_of(w.deliver(f"octets{i}@example.org", data))
            with Client(w.postfix.port) as c:
                equal(c.send("a@other.test", f"direct{i}@example.org", data).code, 250)
            direct = w.postfix.await_messages(f"direct{i}@example.org")[0]
            equal(stored, body_of(direct), "what Postfix got, compared with sent directly,")
            if name not in ("no body", "no header"):
                equal(stored, data.replace(b"\r\n", b"\n"), "what Postfix got")

    with tap.case("octet for octet: ten megabytes"):
        line = b"0123456789abcdef" * 4 + b"\r\n"
        data = message("a@other.test", "big@example.org", "big") + line * (10_000_000 // len(line))
        stored = body_of(w.deliver("big@example.org", data))
        assert stored == data.replace(b"\r\n", b"\n"), "the octets differ"

    with tap.case("octet for octet: a message that arrives octet by octet"):
        data = message("a@other.test", "slow@example.org", "slow", "a\n..b\n.c\n")
        with w.client() as c:
            for line in ("MAIL FROM:<a@other.test>", "RCPT TO:<slow@example.org>", "DATA"):
                c.say(line)
            for octet in re.sub(rb"(?m)^\.", b"..", data) + b".\r\n":
                c.write(bytes([octet]))
            equal(c.reply().code, 250, "the reply")
        stored = w.postfix.await_messages("slow@example.org")[0]
        equal(body_of(stored), data.replace(b"\r\n", b"\n"), "what Postfix got")


# Ends of a message for some server, and of a line for another.
SMUGGLED = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r\n.\n", b"\r.\r\n", b"\n\n.\r\n",
            b"\r\r\n.\r\r\n", b"\r\n\x00.\r\n")


def smuggling(tap, w):
    for i, end in enumerate(SMUGGLED):
        with tap.case(f"no second message behind {end!r}"):
            with w.client() as c:
                for line in ("MAIL FROM:<a@other.test>", f"RCPT TO:<first{i}@example.org>", "DATA"):
                    c.say(line)
                c.write(message("a@other.test", "bob@example.org", "outer")[:-2] + end +
                        b"MAIL FROM:<b@smuggled.test>\r\n" +
                        f"RCPT TO:<second{i}@example.org>\r\n".encode() +
                        b"DATA\r\nSubject: inner\r\n\r\nx\r\n.\r\n")
                said = c.reply()
                if b"\r\n\x00.\r\n" != end:
                    matches(r"^5\.6\.11 ", said.text, "the reply")
                equal(c.say("NOOP").code, 250, "the reply to NOOP")
            equal(w.postfix.messages(f"second{i}@example.org"), [], "the smuggled mail")
    with tap.case("the smuggled mail did not come later either"):
        w.deliver("afterwards@example.org", message("a@other.test", "bob@example.org", "x"))
        for i in range(len(SMUGGLED)):
            equal(w.postfix.messages(f"second{i}@example.org"), [], "the smuggled mail")


# ---- fields ----

def fields(tap, w):
    forged = ("Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=bank.test\n"
              "X-Kept: 1\n"
              "AUTHENTICATION-RESULTS: (comment) MX.Example.ORG/1;\n dkim=pass\n"
              "Authentication-Results: other.example; dmarc=pass\n"
              "authentication-results:\n\tmx.example.org 1; none\n")
    stored = ""
    with tap.case("a message with forged results is delivered"):
        stored = w.deliver("fields@example.org",
                           message("a@other.test", "fields@example.org", "fields", more=forged))
        stored = stored.decode()
    header = stored.split("\n\n")[0]

    with tap.case("forged results are taken away, and nothing else"):
        equal(re.findall(r"(?mi)^authentication-results:\s*(.*)$", header)[1:],
              ["other.example; dmarc=pass"], "the fields that are left")
        matches(r"^X-Kept: 1$", header)

    with tap.case("our results are there once, above the message"):
        equal(len(re.findall(r"(?mi)^authentication-results:\s*mx\.example\.org", header)), 1)
        assert header.index("mx.example.org") < header.index("From: <a@other.test>")

    with tap.case("our Received is there once"):
        ours = [field for field in re.split(r"\n(?!\s)", header)
                if re.match(r"(?s)Received:.*by mx\.example\.org", field)]
        equal(len(ours), 1, "the number")
        matches(r"^Received: from client\.test \((\S+ )?\[127\.0\.0\.1\]\)\s+"
                r"by mx\.example\.org with ESMTP id \S+\s+for <fields@example\.org>;\s+\w+, \d",
                ours[0], "the field")

    with tap.case("Postfix is told of the client by XCLIENT"):
        with w.client(source="127.0.0.77", helo="seventy.test") as c:
            equal(c.send("a@other.test", "x@example.org",
                         message("a@other.test", "x@example.org", "x")).code, 250)
        stored = w.postfix.await_messages("x@example.org")[0].decode()
        matches(r"Received: from seventy\.test \(\S+ \[127\.0\.0\.77\]\)\s+by mta\.example\.org",
                stored)
        matches(r"client=\S+\[127\.0\.0\.77\]", w.postfix.text(), "Postfix's log")

    with tap.case("a client that is not trusted cannot say XCLIENT"):
        with w.client(source="127.0.0.77") as c:
            lacks("XCLIENT", c.ehlo.text)
            assert c.say("XCLIENT ADDR=192.0.2.1").code >= 500


# ---- what goes wrong ----

def backend_away(tap, w):
    data = message("a@other.test", "away@example.org", "away")
    with tap.case("the MTA goes away within a transaction: 4yz, and the client keeps it"):
        with w.client() as c:
            for line in ("MAIL FROM:<a@other.test>", "RCPT TO:<away@example.org>"):
                equal(c.say(line).code, 250, line)
            w.postfix.stop()
            equal(c.data(data).code // 100, 4, "the reply")
            equal(c.say("NOOP").code, 250, "the reply to NOOP")
    with tap.case("the MTA is away: 4yz"):
        with w.client() as c:
            equal(c.send("a@other.test", "away@example.org", data).code // 100, 4, "the reply")
    with tap.case("the MTA is back"):
        w.postfix.start()
        w.deliver("away@example.org", data)
        equal(len(w.postfix.messages("away@example.org")), 1, "the number delivered")


def reloading(tap, w):
    with tap.case("a broken configuration at SIGHUP leaves the old rules in force"):
        w.posternd.reload(w.settings + 'at rcpt {\n    reject 550 "no enhanced code" if helo\n}\n')
        matches(r"event=reload at=\S+postern\.conf:\d+:\d+ error=", w.posternd.text(), "the log")
        matches(r"event=reload result=failed", w.posternd.text(), "the log")
        cell = next(c for c in matrix.cells() if (c.step, c.verdict) == ("rcpt", "reject"))
        matrix.check(cell, matrix.play(cell, w.port))
    with tap.case("new rules at SIGHUP are for new sessions, the old ones go on"):
        with w.client() as old:
            w.posternd.reload(w.config + 'at mail {\n reject 550 5.7.9 "new" if sender = '
                              '"new@other.test"\n}\n')
            with w.client() as new:
                matches(r"^5\.7\.9 new \[", new.say("MAIL FROM:<new@other.test>").text, "the reply")
            equal(old.say("MAIL FROM:<new@other.test>").code, 250, "the reply to the old session")
        w.posternd.reload(w.config)


def worker_dies(tap, w):
    with tap.case("a worker that is killed is started again"):
        worker = w.posternd.worker()
        os.kill(worker, signal.SIGKILL)
        until(lambda: w.posternd.worker() not in (None, worker), what="a new worker")
        matches(r"event=child-died name=worker signal=9", w.posternd.text(), "the log")
    with tap.case("mail goes on after it"):
        w.deliver("again@example.org", message("a@other.test", "again@example.org", "again"))


def draining(tap, w):
    data = message("a@other.test", "drain@example.org", "drain")
    with tap.case("SIGTERM lets a message in hand come to its end"):
        with w.client() as c, w.client() as idle:
            for line in ("MAIL FROM:<a@other.test>", "RCPT TO:<drain@example.org>", "DATA"):
                c.say(line)
            w.posternd.process.child.terminate()
            w.posternd.await_said("drain")
            equal(idle.reply().code, 421, "what an idle client is told")
            c.write(data + b".\r\n")
            equal(c.reply().code, 250, "the reply")
        w.postfix.await_messages("drain@example.org")
    with tap.case("and then ends, with exit code 0"):
        equal(w.posternd.process.child.wait(START_LIMIT), 0, "the exit code")
        equal(w.posternd.faults(), "", "the faults in the log")


def damaged(tap, w):
    """Of the posternd that has ended."""
    path = os.path.join(w.posternd.folder, "journal.db")

    def start():
        done = subprocess.run([w.program, "-f", "-c", w.posternd.config], timeout=START_LIMIT, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode("utf-8", "replace"), done.returncode

    with open(path, "rb") as f:
        sound = f.read()
    for name, octets_ in (("no database at all", b"This is no database.\n" * 500),
                          ("cut short", sound[:len(sound) // 2 // 4096 * 4096 + 100]),
                          ("with pages of nonsense",
                           sound[:4096] + b"\xa5" * (len(sound) - 4096))):
        with tap.case(f"a journal that is {name} is an error at the start"):
            for more in ("-wal", "-shm"):
                if os.path.exists(path + more):
                    os.unlink(path + more)
            with open(path, "wb") as f:
                f.write(octets_)
            text, code = start()
            assert code != 0, f"the exit code is 0:\n{text}"
            matches(r"event=start problem=.*journal\.db", text, "what it says")


def main():
    build = need("posternd", "postern", "postfix")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.posternd.text()[-3000:]
        for part in (replies, octets, smuggling, fields):
            part(tap, w)
        matrix.run(tap, "proxy", w.port, w.posternd, w.postfix,
                   lambda cell: 421 if (cell.step, cell.verdict) == ("connect", "tempfail")
                   else None)
        for part in (backend_away, reloading, worker_dies, draining, damaged):
            part(tap, w)
    tap.finish()


if __name__ == "__main__":
    main()
