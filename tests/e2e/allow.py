"""What an administrator undoes from the journal, and whom he blocks, with a real DNS server, real signatures and
both fronts of one posternd: the proxy with Postfix behind, and the milter of another Postfix. The sender's place is told
by XCLIENT."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client, identifier  # noqa: E402
from lab import Lab, free_port, make_key, message, sign, txt, until  # noqa: E402
from tap import Tap, equal, matches, need  # noqa: E402

GOOD, OTHER, LISTED = "198.51.100.7", "203.0.113.9", "192.0.2.99"

CONFIG = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
listen milter "inet:%(milter)d@127.0.0.1"
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port %(dns)d
dns timeout 2s
trust 127.0.0.1
threads 2

list strict { "strict.test" }
list grey { "grey.test" }
greylist { delay 1h; retry within 1d; use name off }

at connect {
    reject 554 5.7.1 "${client.ip} is listed"        if listed("bl.test")
}
at mail {
    reject 550 5.7.23 "SPF: ${spf.explanation}"      if spf is fail
}
at rcpt {
    tempfail 451 4.7.1 "Greylisted"                  if sender.domain in grey and greylist is waiting
}
at message {
    reject 550 5.7.20 "No signature of the author"   if sender.domain in strict and not dkim.domains contains sender.domain
    reject 550 5.7.9 "A virus"                       if header.count > 20
}
"""


class World:
    def __init__(self, lab, build):
        self.lab, self.build = lab, build
        self.key = lab.path("key")
        record = make_key(self.key)
        self.dns = lab.dns([
            txt("spf.test", f"v=spf1 ip4:{GOOD} -all"),
            txt("listed.test", f"v=spf1 ip4:{LISTED} -all"),
            txt("grey.test", f"v=spf1 ip4:{GOOD} -all"),
            txt("strict.test", f"v=spf1 ip4:{GOOD} ?all"),
            txt("s1._domainkey.list.test", record),
            txt("s1._domainkey.esp.test", record),
            f"{'.'.join(reversed(LISTED.split('.')))}.bl.test. 60 A 127.0.0.4",
        ])
        self.postfix = lab.postfix()
        self.port, milter = free_port(), free_port()
        self.posternd = lab.posternd(os.path.join(build, "posternd"), CONFIG % {
            "port": self.port, "milter": milter, "backend": self.postfix.port, "dns": self.dns.port})
        self.host = lab.postfix(milters="inet:127.0.0.1:%d" % milter, name="host")
        self.to = self.port
        self.took = []  # seconds until a change was in force
        self.posternd.await_said("exceptions allow=", 2)

    def send(self, sender, recipient="bob@example.org", client=OTHER, data=None):
        """The reply that decided; recipient may be several."""
        rcpts = [recipient] if isinstance(recipient, str) else recipient
        data = data or message(sender, rcpts[0], "allow")
        with Client(self.to) as c:
            said = c.say(f"XCLIENT ADDR={client} NAME=[UNAVAILABLE]")
            if said.code != 220:
                return said
            c.say("EHLO client.test")
            said = c.say(f"MAIL FROM:<{sender}>")
            for r in rcpts:
                said = c.say(f"RCPT TO:<{r}>") if said.code == 250 else said
            return c.data(data) if said.code == 250 else said

    def postern(self, *words, code=0):
        said, got = self.posternd.postern(*words)
        equal(got, code, f"the exit code of {' '.join(words)}: {said}")
        return said

    def change(self, *words):
        """What the command says that makes or removes one exception, once each of the two loops knows of it."""
        before = self.posternd.said("exceptions allow=")
        said = self.postern(*words)
        began = time.monotonic()
        self.posternd.await_said("exceptions allow=", before + 2)
        self.took.append(time.monotonic() - began)
        return said

    def allow(self, *words):
        return json.loads(self.change("allow", "--json", "--yes", *words))

    def rows(self):
        return [r for r in map(json.loads, self.postern("lists", "--json").splitlines()) if "number" in r]

    def clean(self):
        for row in self.rows():
            self.change("lists", "remove", str(row["number"]))


def by_client(tap, w):
    with tap.case("SPF fails at MAIL: the client's address with the sender's domain, nobody else"):
        said = w.send("a@spf.test")
        equal(said.code, 550)
        told = w.allow(identifier(said))
        equal([told[k] for k in ("proof", "who", "sender", "recipients", "rule")],
              ["client", OTHER, "spf.test", [], "postern.conf:19"])
        equal(w.send("a@spf.test").code, 250, "the retry")
        equal(w.send("a@spf.test", client="203.0.113.10").code, 550, "from elsewhere")
        equal(w.send("a@grey.test").code, 550, "another sender")
    with tap.case("it counts its hits, is journalled, and tells in the entry what it did"):
        until(lambda: w.rows()[0]["hits"] == 1, what="the hit")
        matches(r"made by root: client 203\.0\.113\.9, from spf\.test, past postern\.conf:19, until .*, of entry "
                + identifier(said), w.postern("log", "--verdict", "change"))
        entry = [e for e in w.posternd.entries("--verdict", "accept").values() if e["sender"] == "a@spf.test"][-1]
        matches(r"exception %d +yes +allow " % told["number"], w.postern("why", entry["id"]))
    with tap.case("undone, it is refused again"):
        matches("removed by root", w.change("allow", "--undo", identifier(said)))
        equal(w.send("a@spf.test").code, 550)
        equal(w.rows(), [])
    with tap.case("for one recipient: others are refused at RCPT with what was held back"):
        w.allow(identifier(said), "--for", "bob@example.org")
        equal(w.send("a@spf.test").code, 250)
        other = w.send("a@spf.test", "carol@example.org")
        equal(other.code, 550)
        matches("SPF: ", other.text)
        w.clean()


def listed(tap, w):
    with tap.case("a listed client is let in at connect, and only it"):
        said = w.send("a@any.test", client=LISTED)
        matches("is listed", said.text)
        w.allow(identifier(said))
        equal(w.send("a@any.test", client=LISTED).code, 250)
        w.clean()
        matches("is listed", w.send("a@any.test", client=LISTED).text)
    with tap.case("it can be let in for a sender that SPF proves: the refusal waits for MAIL"):
        w.allow("spf:listed.test", "--rule", "postern.conf:16")
        equal(w.send("a@listed.test", client=LISTED).code, 250)
        matches("is listed", w.send("a@any.test", client=LISTED).text)
        w.clean()


def greylisted(tap, w, n):
    recipient = f"grey{n}@example.org"
    with tap.case("greylisting: whom SPF proves passes at once, for that recipient"):
        said = w.send("a@grey.test", recipient, GOOD)
        equal(said.code, 451)
        told = w.allow(identifier(said), "--until", "15s")
        equal([told[k] for k in ("proof", "who", "recipients")], ["spf", "grey.test", [recipient]])
        equal(w.send("b@grey.test", recipient, GOOD).code, 250, "the retry")
        equal(w.send("a@grey.test", "x" + recipient, GOOD).code, 451, "another recipient")
        equal(w.send("a@grey.test", recipient).code, 550, "a client that SPF does not prove")
    with tap.case("and it ends by itself"):
        until(lambda: w.rows() == [], what="the end of the exception")
        equal(w.send("c@grey.test", "y" + recipient, GOOD).code, 451)


def signed(tap, w):
    def text(domain, more=""):
        return sign(message("a@strict.test", "bob@example.org", "list", more=more), domain, "s1", w.key)
    with tap.case("a message that somebody else signs: by that signature and the sender's domain"):
        said = w.send("a@strict.test", data=text("list.test"))
        equal(said.code, 550)
        told = w.allow(identifier(said), "--by", "dkim")
        equal([told[k] for k in ("proof", "who", "sender", "recipients")],
              ["dkim", "list.test", "strict.test", ["bob@example.org"]])
        equal(w.send("a@strict.test", data=text("list.test"), client="203.0.113.77").code, 250, "the retry")
        equal(w.send("a@strict.test", data=text("esp.test")).code, 550, "another signature")
        equal(w.send("a@strict.test").code, 550, "without one")
        equal(w.send("a@strict.test", "carol@example.org", data=text("list.test")).code, 550, "another recipient")
        equal(w.send("a@strict.test", ["bob@example.org", "carol@example.org"], data=text("list.test")).code,
              550, "both of them")
    with tap.case("the rules behind it go on"):
        matches("A virus", w.send("a@strict.test", data=text("list.test", "X: y\n" * 20)).text)
        w.clean()


def blocked(tap, w):
    with tap.case("block: a client is refused, its network not"):
        w.change("block", OTHER, "--yes", "--note", "a test")
        said = w.send("a@any.test")
        equal(said.code, 554)
        matches("Blocked by the administrator", said.text)
        equal(w.send("a@any.test", client="203.0.113.10").code, 250)
        matches("it was blocked by hand: `postern lists remove", w.postern("allow", identifier(said), "--yes", code=2))
        w.clean()
        equal(w.send("a@any.test").code, 250)
    with tap.case("block: by a signature"):
        data = sign(message("a@other.test", "bob@example.org", "spam"), "esp.test", "s1", w.key)
        equal(w.send("a@other.test", data=data).code, 250)
        w.change("block", "dkim:esp.test", "--yes")
        equal(w.send("a@other.test", data=data, client="203.0.113.78").code, 550)
        equal(w.send("a@other.test").code, 250, "without it")
        w.clean()


def main():
    build = need("posternd", "postern", "postfix", "nsd", "dkimsign", "openssl")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.posternd.text()[-3000:]
        for n, (front, port) in enumerate((("proxy", w.port), ("milter", w.host.port))):
            tap.say(f"# {front}")
            w.to = port
            by_client(tap, w)
            listed(tap, w)
            greylisted(tap, w, n)
            signed(tap, w)
            blocked(tap, w)
        # A machine that does other things too may be late now and then, but not each time.
        with tap.case("a change is in force within a second"):
            assert min(w.took) < 1, w.took
        with tap.case("it ends with exit code 0"):
            equal(w.posternd.stop(), 0, "the exit code")
            equal(w.posternd.faults(), "", "the faults in the log")
    tap.finish()


if __name__ == "__main__":
    main()
