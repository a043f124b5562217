"""milter: what is asked of posternd as a milter, whichever MTA asks. The MTA is one of lab.py's."""

import os
import re
import signal

import matrix
from client import Client
from lab import START_LIMIT, free_port, make_key, message, sign, txt
from tap import equal, lacks, matches

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen milter "inet:%(milter)d@127.0.0.1"
%(more)s
resolver forward 127.0.0.1 port %(dns)d
threads 2
drain 20s
"""

# spf and dkim are looked at, so that they are among the results.
RULES = """
at mail {
    mark sender_may                                   if spf is pass
}
at rcpt {
    tempfail 450 4.7.3 "Too many unknown recipients"  if recipients.unknown >= 2
    reject 550 5.7.4 "Hello ${account}"               if account = "alice"
}
at message {
    mark signed                                       if dkim is pass
}
"""


class World:
    """DNS and posternd; the caller makes the MTA, which asks at self.milter."""

    def __init__(self, lab, build, more=""):
        self.lab = lab
        self.key = lab.path("key")
        self.dns = lab.dns([
            txt("good.test", "v=spf1 ip4:127.0.0.1 -all"),
            txt("s1._domainkey.good.test", make_key(self.key)),
        ])
        self.milter = free_port()
        self.config = SETTINGS % {"milter": self.milter, "dns": self.dns.port, "more": more}
        self.config += matrix.rules() + RULES
        self.posternd = lab.posternd(os.path.join(build, "posternd"), self.config)
        self.mta = None

    def client(self, **more):
        return Client(self.mta.port, **more)

    def deliver(self, recipient, data, sender="a@good.test"):
        with self.client() as c:
            said = c.send(sender, recipient, data)
        equal(said.code, 250, f"the reply ({said.text})")
        return self.mta.await_messages(recipient)[-1].decode("latin-1"), said

    def log(self):
        return self.posternd.text()[-3000:] + self.mta.text()[-3000:]


def results(header):
    """The values of all Authentication-Results, unfolded, in their order."""
    found = re.findall(r"(?mi)^authentication-results:((?:.*)(?:\n[ \t].*)*)", header)
    return [" ".join(value.split()) for value in found]


def header_fields(tap, w):
    forged = ("Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=bank.test\n"
              "X-Kept: 1\n"
              "AUTHENTICATION-RESULTS: (comment) MX.Example.ORG/1; dkim=pass\n"
              "Authentication-Results: other.example; dmarc=pass\n"
              "X-Kept: 2\n"
              "authentication-results: mx.example.org 1; none\n"
              "Authentication-Results: mx.example.org.other.example; none\n")
    header = ""
    with tap.case("a signed message is delivered"):
        data = sign(message("a@good.test", "fields@example.org", "fields", more=forged),
                    "good.test", "s1", w.key)
        stored, said = w.deliver("fields@example.org", data)
        header = stored.split("\n\n")[0]
    with tap.case("its results are there, with SPF's and DKIM's pass"):
        ours = results(header)[0]
        matches(r"^mx\.example\.org;", ours)
        matches(r"spf=pass[^;]* smtp\.mailfrom=\"?(a@)?good\.test", ours)
        matches(r"dkim=pass[^;]* header\.d=good\.test", ours)
    with tap.case("they stand above all that the client sent"):
        assert header.index("mx.example.org;") < header.index("DKIM-Signature"), header
    with tap.case("forged results are taken away, and nothing else"):
        equal(results(header)[1:],
              ["other.example; dmarc=pass", "mx.example.org.other.example; none"],
              "the other results")
        equal(re.findall(r"(?m)^X-Kept: (.)$", header), ["1", "2"], "the fields between them")
    with tap.case("the MTA's queue id is in the journal"):
        entry = w.posternd.await_entries("fields@example.org")[0]
        assert entry["queue_id"] and entry["queue_id"] in said.text, f"{entry}, {said}"


def bodies():
    yield "short", "Hello\n"
    yield "empty", ""
    yield "dots and blanks", ".\n..\n.a  \n\n \t\n.\n"
    yield "eight bits", "Grüße, ça va?\n"
    yield "of one megabyte", "0123456789abcde\n" * 65536


def signatures(tap, w):
    for i, (name, body) in enumerate(bodies()):
        with tap.case(f"a signature over a body that is {name} is verified"):
            data = sign(message("a@good.test", "bob@example.org", name, body),
                        "good.test", "s1", w.key)
            stored, _ = w.deliver(f"signed{i}@example.org", data)
            matches("dkim=pass", results(stored.split("\n\n")[0])[0])
    with tap.case("one that was broken is not"):
        data = sign(message("a@good.test", "bob@example.org", "x"), "good.test", "s1", w.key)
        stored, _ = w.deliver("broken@example.org", data.replace(b"Hello", b"HELLO"))
        matches("dkim=fail", results(stored.split("\n\n")[0])[0])


def sessions(tap, w):
    data = message("a@good.test", "bob@example.org", "several")
    with tap.case("several messages in one session"):
        with w.client() as c:
            for _ in range(3):
                equal(c.send("a@good.test", "three@example.org", data).code, 250, "the reply")
        for stored in w.mta.await_messages("three@example.org", 3):
            equal(len(results(stored.decode())), 1, "the number of results")
    with tap.case("a refused recipient does not harm the others, RSET forgets all"):
        with w.client() as c:
            equal(c.say("MAIL FROM:<a@reject.rcpt.test>").code, 250)
            equal(c.say("RCPT TO:<one@example.org>").code, 550)
            equal(c.say("RSET").code, 250)
            equal(c.send("a@good.test", "reset@example.org", data).code, 250)
    name = "recipients that the MTA does not know are counted"
    if not w.mta.TELLS_UNKNOWN:
        tap.skip(name, "this MTA does not tell a milter of them")
        return
    with tap.case(name):
        with w.client() as c:
            c.say("MAIL FROM:<a@good.test>")
            for i in range(2):
                equal(c.say(f"RCPT TO:<nobody{i}@example.org>").code, 550, "the reply")
            matches(r"^4\.7\.3 Too many unknown", c.say("RCPT TO:<bob@example.org>").text)


def worker_dies(tap, w):
    data = message("a@good.test", "again@example.org", "again")
    with tap.case("the worker dies within a message: 4yz"):
        with w.client() as c:
            for line in ("MAIL FROM:<a@good.test>", "RCPT TO:<again@example.org>"):
                equal(c.say(line).code, 250, line)
            os.kill(w.posternd.worker(), signal.SIGKILL)
            equal(c.data(data).code // 100, 4, "the reply")
            w.posternd.await_said("ready", 2)
            # The milter process makes a new link for the next message of the same session.
            equal(c.send("a@good.test", "again@example.org", data).code, 250, "the next reply")
    with tap.case("the next message of that session is delivered, and only that"):
        w.mta.await_messages("again@example.org")
        stored, _ = w.deliver("again2@example.org", data)
        matches(r"^mx\.example\.org;", results(stored)[0])
        equal(len(w.mta.messages("again@example.org")), 1, "the number delivered")


def milter_dies(tap, w):
    data = message("a@good.test", "new@example.org", "new")
    with tap.case("the milter process dies within a session: 4yz"):
        with w.client() as c:
            equal(c.say("MAIL FROM:<a@good.test>").code, 250)
            milter = w.posternd.milter_process()
            os.kill(milter, signal.SIGKILL)
            said = c.say("RCPT TO:<new@example.org>")
            if said.code == 250:  # an MTA may only see it at the next milter command
                said = c.data(data)
            equal(said.code // 100, 4, f"the reply ({said.text})")
    with tap.case("it is started again"):
        w.posternd.await_said("listening front=milter", 2)
        matches(r"event=child-died name=milter signal=9", w.posternd.text())
        w.deliver("new@example.org", data)
        equal(len(w.mta.messages("new@example.org")), 1, "the number delivered")


def ending(tap, w):
    with tap.case("SIGTERM ends it, with exit code 0"):
        w.posternd.process.child.terminate()
        equal(w.posternd.process.child.wait(START_LIMIT), 0, "the exit code")
        equal(w.posternd.faults(), "", "the faults in the log")
        lacks(r"problem=", w.posternd.text().rpartition("event=listening front=milter")[2])
    with tap.case("without it the MTA says 4yz"):
        with w.client(greet=False) as c:
            said = c.reply()
            if said.code == 220:
                c.say("EHLO client.test")
                said = c.send("a@good.test", "bob@example.org",
                              message("a@good.test", "bob@example.org", "x"))
            equal(said.code // 100, 4, f"the reply ({said.text})")


def run(tap, w):
    tap.on_failure = w.log
    for part in (header_fields, signatures, sessions):
        part(tap, w)
    matrix.run(tap, "milter", w.mta.port, w.posternd, w.mta)
    worker_dies(tap, w)
    milter_dies(tap, w)
